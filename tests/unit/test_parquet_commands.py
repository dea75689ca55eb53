"""Commands on a Parquet file: the same result as on the same rows in a `.csv`, however they are written."""

from __future__ import annotations

import json
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from monitor.cli.parser import main
from monitor.clock import ManualClock
from monitor.reference.reference import Reference
from monitor.run.replay import replay
from monitor.sources.event_times import EventTimes
from monitor.sources.files import Files, ReadOptions
from tests.engine import NOW_US, Credit, Event, admission_of, credit_reference, settings
from tests.unit.test_fields_csv import DONE, FIELDS, NAMES, USAGE, config_of

ROWS = 1_000


def columns(*, nested: bool = False) -> dict[str, Any]:
    """The events of `Credit` by column."""
    events = list(Credit(ROWS))
    features = {name: [event["features"][name] for event in events] for name in NAMES}
    beside = {"inputs": pa.StructArray.from_arrays([pa.array(one) for one in features.values()], list(NAMES))}
    return {
        "key": pa.array([f"{at}e5" for at in range(ROWS)]),
        "when": pa.array([event["ts"] for event in events], pa.timestamp("us", "UTC")),
        "p": [event["score"] for event in events],
        **(beside if nested else features),
    }


def built(tmp_path: Path, config: str, *arguments: str) -> dict[str, Any]:
    out = tmp_path / "built.json"
    what = ["reference", "build", "--model", "credit", "--version", "1", "--rows", str(ROWS), "--config", config]
    assert main([*what, "-o", str(out), *arguments]) == DONE
    found: dict[str, Any] = json.loads(out.read_text())
    return {**found, "hash": None}


@pytest.fixture
def by_lines(tmp_path: Path) -> dict[str, Any]:
    """The reference of the same events as native events, in order of time."""
    file = tmp_path / "credit.jsonl"
    events = ({**event, "id": f"{at}e5", "prediction": None} for at, event in enumerate(Credit(ROWS)))
    file.write_text("\n".join(map(json.dumps, events)))
    return built(tmp_path, config_of(tmp_path, {"model": "credit", "version": "1"}), str(file))


def test_a_parquet_file_gives_the_reference_of_its_events(tmp_path: Path, by_lines: dict[str, Any]) -> None:
    table = pa.table(columns()).take([*range(500, ROWS), *range(500)])  # not in order of time
    file = tmp_path / "credit.parquet"
    pq.write_table(table, file, row_group_size=300)
    by_map = ["--map", "key=id", "--map", "when=ts", "--map", "p=score"]
    assert built(tmp_path, config_of(tmp_path, {"model": "credit", "version": "1"}), str(file), *by_map) == by_lines
    assert built(tmp_path, config_of(tmp_path, {"format": "fields", "fields": FIELDS}), str(file)) == by_lines
    assert by_lines["feature_order"] == list(columns())[3:]


def drifted(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8


@pytest.mark.parametrize("in_order", [True, False])
def test_a_replay_of_a_parquet_file_is_that_of_the_lines_of_its_rows(tmp_path: Path, *, in_order: bool) -> None:
    events = list(Credit(3_000, change=1_000, fault=drifted))
    for at, event in enumerate(events):
        event["score"] = 2.0 if at % 50 == 7 else event["score"]  # rejected
        event["features"]["LIMIT"] = None if at % 20 == 3 else event["features"]["LIMIT"]
        event["id"] = events[at - 1]["id"] if at % 90 == 11 else event["id"]
    events = events if in_order else [*events[1_500:], *events[:1_500]]
    beside = [name for name in events[0] if name != "features"]
    rows = [{name: event[name] for name in beside} | event["features"] for event in events]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", row_group_size=700)
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, events)))
    lines, lost = replayed_file(tmp_path / "x.jsonl", None)
    found, lost_of_table = replayed_file(tmp_path / "x.parquet", {name: name for name in beside})
    assert found == lines
    assert lost_of_table == lost
    assert {"transition", "summary"} < {line["kind"] for line in found}
    assert found[-1]["outcomes"]["rejected"] == 60
    assert found[-1]["outcomes"]["duplicate"] > 20


def replayed_file(path: Path, columns: dict[str, str] | None) -> tuple[list[dict[str, Any]], list[object]]:
    """What a replay of a file in the order of time prints, and how often and first where it loses events."""
    options = ReadOptions(csv_map=columns, longest=1 << 20, times_of=EventTimes(settings()), sort=True)
    clock, tree, lines = ManualClock(NOW_US), settings(), list[dict[str, Any]]()
    with closing(Files([path], clock, options, chunk=300)) as files, closing(files.open()) as source:
        done = replay(
            tree, admission_of(tree, reference()), source, clock, lines.append, place=source.place, windows=True
        )
        text = json.dumps(lines).replace(path.name, "x")
        lost = [
            (loss.outcome, loss.reason, loss.count, loss.first.offset, loss.newest.offset)
            for loss in done.pipeline.losses.all()
        ]
    return json.loads(text), [*lost, *(line.replace(path.name, "x") for line in done.lost)]


@cache
def reference() -> Reference:
    return credit_reference()


def test_a_column_of_structs_holds_paths(tmp_path: Path, by_lines: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns(nested=True)), tmp_path / "credit.parquet")
    entry: dict[str, object] = {"format": "fields", "fields": {**FIELDS, "features": "inputs"}}
    assert built(tmp_path, config_of(tmp_path, entry), str(tmp_path / "credit.parquet")) == by_lines


def test_a_layout_is_suggested_for_a_parquet_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["request_id", "scored_at", "credit_score", "inputs"]
    pq.write_table(pa.table(columns(nested=True)).rename_columns(names), tmp_path / "credit.parquet")
    assert main(["fields", "suggest", str(tmp_path / "credit.parquet")]) == DONE
    (entry,) = yaml.safe_load(capsys.readouterr().out)["inputs"]
    found = entry["fields"]
    assert [found[name] for name in ("id", "ts", "score", "features")] == names


def test_times_without_a_zone_are_refused_by_name_unless_the_settings_have_one(
    tmp_path: Path, by_lines: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    table = columns()
    table["when"] = table["when"].cast(pa.timestamp("us"))
    file = tmp_path / "credit.parquet"
    pq.write_table(pa.table(table), file)
    entry: dict[str, object] = {"format": "fields", "fields": FIELDS}
    out = ["-o", str(tmp_path / "no.json"), str(file)]
    what = ["reference", "build", "--model", "credit", "--rows", "9", *out, "--config", config_of(tmp_path, entry)]
    assert main(what) == USAGE
    assert "timezone" in capsys.readouterr().err
    assert built(tmp_path, config_of(tmp_path, {**entry, "timezone": "UTC"}), str(file)) == by_lines


def test_a_piped_parquet_file_is_known_by_its_first_bytes(
    tmp_path: Path, by_lines: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credit.parquet"
    pq.write_table(pa.table(columns()), file)
    with file.open("rb") as opened:
        monkeypatch.setattr("monitor.sources.files.opened", lambda _: open(opened.fileno(), "rb", closefd=False))  # noqa: SIM115
        monkeypatch.setattr("monitor.sources.streams.opened", lambda _: open(opened.fileno(), "rb", closefd=False))  # noqa: SIM115
        config = config_of(tmp_path, {"format": "fields", "fields": FIELDS})
        assert built(tmp_path, config, "-") == by_lines
