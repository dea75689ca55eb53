"""A replay that judged nothing, or lost more than half, fails; each loss is reported with position and remedy."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.parser import main
from tests.engine import SECOND, Credit, Event, event

DONE, USAGE, FAILED_ON = 0, 2, 3
EVENTS = 1_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings, a stream and its reference."""
    folder = tmp_path_factory.mktemp("losses")
    configure(folder)
    write(folder / "ref.jsonl", list(Credit(EVENTS)))
    assert main(build_of(folder, "ref.jsonl", "-o", str(folder / "credit.json"))) == DONE
    return folder


def configure(folder: Path, name: str = "driftd.yaml", **model: object) -> None:
    tree = {
        "inputs": [{"topic": "events"}],
        "models": [{"name": "credit", "versions": ["1"], "reference": "credit.json"} | model],
        "unknown_models": "ignore",
    }
    (folder / name).write_text(yaml.safe_dump(tree))


def write(path: Path, events: Sequence[Event]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in events))


def build_of(folder: Path, source: str, *more: str, rows: int = EVENTS) -> list[str]:
    config = ["--config", str(folder / "driftd.yaml"), "--model", "credit", "--rows", str(rows)]
    return ["reference", "build", *config, str(folder / source), *more]


def replayed(folder: Path, events: Sequence[Event], *options: str, config: str = "driftd.yaml") -> int:
    write(folder / "live.jsonl", events)
    return main(["replay", "--config", str(folder / config), *options, str(folder / "live.jsonl")])


def changed(edit: Callable[[Event], object], share: float = 1.0) -> list[Event]:
    """A stream, of which every the given number of events are edited."""
    stream = [dict(one) for one in Credit(EVENTS, seed=7)]
    for at, one in enumerate(stream):
        if (at + 1) * share // 1 > at * share // 1:
            edit(one)
    return stream


def renamed(one: Event) -> None:
    one["model"] = "Credit"


def spelt(one: Event) -> None:
    one["version"] = "1.0"


def same_id(one: Event) -> None:
    one["id"] = "customer"


def without_time(one: Event) -> None:
    one["ts"] = None


LOSSES: dict[str, tuple[Callable[[Event], object], str]] = {
    "model": (renamed, r'model "Credit" is not in the settings \({n} events, first at {first}\); known: credit'),
    "version": (spelt, r'version "1.0" of credit is not watched \({n} events, .*: models\[0\]\.versions lists "1"'),
    "id": (same_id, r"\d[\d,]* events of credit/1 repeat an id \(duplicate\), first at .*live\.jsonl:\d+: `id` has"),
    "time": (without_time, r"events? rejected \(\w+\), first at {first}: "),
}


@pytest.mark.parametrize("share", [1.0, 0.75])
@pytest.mark.parametrize("options", [(), ("--fail-on", "page"), ("--json",)])
@pytest.mark.parametrize("kind", LOSSES)
def test_a_replay_that_lost_more_than_half_fails(
    folder: Path, kind: str, options: tuple[str, ...], share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, messages = LOSSES[kind]
    assert replayed(folder, changed(edit, share), *options) == USAGE
    messages = messages.replace("{n}", f"{round(EVENTS * share):,}").replace(
        "{first}", rf".*live\.jsonl:{math.ceil(1 / share)}"
    )
    err = capsys.readouterr().err
    assert re.search(messages, err), err
    headline = (
        "nothing was judged: " if share == 1 and kind != "id" else "(nothing was judged|more than half was lost): "
    )
    assert re.search(f"^driftd: {headline}", err)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_smaller_loss_is_reported_and_is_a_success(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, messages = LOSSES[kind]
    assert replayed(folder, changed(edit, 0.25)) == DONE
    messages = messages.replace("{n}", str(EVENTS // 4)).replace("{first}", r".*live\.jsonl:4")
    assert re.search(messages, capsys.readouterr().err)


def test_what_is_left_may_be_accepted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(folder, changed(renamed, 0.75), "--json", "--accept-partial") == DONE
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    assert summary["outcomes"]["unknown_model"] == round(EVENTS * 0.75)
    assert 'model "Credit" is not in the settings' in err


def test_too_few_events_for_a_window_are_not_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(folder, changed(renamed, 0)[:100]) == USAGE
    assert "nothing was judged: 100 of 100 events were accepted, and a window holds 250" in capsys.readouterr().err
    assert replayed(folder, []) == USAGE
    assert "nothing was judged: the source holds no events" in capsys.readouterr().err


def test_a_reference_has_predictions_and_the_events_have_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def features_alone(one: Event) -> None:
        one.pop("score", None)
        one.pop("prediction", None)
        one["type"] = "features"

    assert replayed(folder, changed(features_alone, 1)) == DONE
    messages = (
        f"not judged: none of {EVENTS:,} events is a prediction; is a column for score missing (--map COLUMN=score"
    )
    assert messages in capsys.readouterr().err


def test_a_file_of_labels_alone_is_counted_and_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [event(at, type="label", id=f"p-{at}", label=1) for at in range(300)]
    assert replayed(folder, labels, "--json") == DONE
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["outcomes"] == {"accepted": 300}
    assert "300 labels and nothing else: they are counted, and there was nothing to judge" in err


@pytest.mark.parametrize("minutes", [2, 10, 50, 200])
def test_the_lateness_that_is_named_takes_all_of_them(
    folder: Path, minutes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def late(one: Event) -> None:
        one["ts"] -= minutes * 60 * SECOND

    stream = changed(late, 0.3)
    assert replayed(folder, stream) == DONE
    messages = re.search(
        r"late of credit/1, .*models\[0\]\.allowed_lateness: (\w+) would accept them", capsys.readouterr().err
    )
    assert messages
    configure(folder, "wide.yaml", allowed_lateness=messages[1])
    assert replayed(folder, stream, "--json", config="wide.yaml") == DONE
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["outcomes"] == {"accepted": EVENTS}


def test_a_file_that_is_newest_first_is_reported_and_sorted_is_as_in_order(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = changed(renamed, 0)
    assert replayed(folder, stream, "--json") == DONE
    in_order = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert replayed(folder, stream[::-1]) == USAGE
    assert "the file is not in time order; sort it by ts, or add --sort" in capsys.readouterr().err
    assert replayed(folder, stream[::-1], "--sort", "--json") == DONE
    resorted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {**resorted, "seconds": 0} == {**in_order, "seconds": 0}


def test_a_reference_of_a_sorted_file_is_that_of_the_file_in_order(folder: Path) -> None:
    stream = [one | {"ts": one["ts"]} for one in Credit(EVENTS)]
    write(folder / "backwards.jsonl", stream[::-1])
    out = folder / "sorted.json"
    assert main(build_of(folder, "backwards.jsonl", "--sort", "-o", str(out))) == DONE
    assert json.loads(out.read_text())["hash"] == json.loads((folder / "credit.json").read_text())["hash"]


def test_sorting_is_refused_for_what_has_its_order_from_a_topic(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "x.records.jsonl").touch()
    for source in ("kafka://events", str(folder / "x.records.jsonl")):
        assert main(["replay", "--config", str(folder / "driftd.yaml"), "--sort", source]) == USAGE
        assert "--sort: records of a topic have their order from it" in capsys.readouterr().err


def test_the_output_of_a_build_is_not_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(build_of(folder, "ref.jsonl", "-o", str(folder))) == USAGE
    assert f"-o: {folder} is a folder; name the file, as {folder / 'credit.json'}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["replay", "build"])
def test_standard_input_is_a_source(folder: Path, command: str) -> None:
    config = ["--config", str(folder / "driftd.yaml")]
    arguments = {
        "replay": ["replay", *config, "--json", "-"],
        "build": [*build_of(folder, "ref.jsonl")[:-1], "-", "-o", str(folder / "piped.json")],
    }[command]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *arguments],
        input=(folder / "ref.jsonl").read_text(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == DONE, done.stderr
    if command == "build":
        assert (folder / "piped.json").read_text() == (folder / "credit.json").read_text()
    else:
        assert json.loads(done.stdout.splitlines()[-1])["outcomes"] == {"accepted": EVENTS}


def test_a_recording_is_written_readable(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, out = tmp_path / "x.records.jsonl", tmp_path / "x.jsonl"
    values: list[tuple[Any, Any]] = [
        ("eyJhIjogMS41MDAwLCAiYiI6IDEyMzQ1Njc4OTAxMjM0NTY3ODkwfQ==", {"a": 1.5, "b": 12345678901234567890}),
        ("ewogImEiOiAxCn0=", {"a": 1}),
        ("bm8ganNvbg==", "no json"),
        ("//4=", {"base64": "//4="}),
        (None, None),
    ]
    recording.write_text(
        "".join(
            json.dumps(
                {
                    "topic": "t",
                    "partition": 1,
                    "offset": at,
                    "timestamp": 1_795_341_600_250,
                    "key": "aw==",
                    "value": value,
                }
                | {"headers": [["h", "dg=="]]}
            )
            + "\n"
            for at, (value, _) in enumerate(values)
        )
    )
    assert main(["record", str(recording), "--decode", "-o", str(out)]) == DONE
    lines = out.read_text().splitlines()
    assert '"value":{"a": 1.5000, "b": 12345678901234567890}' in lines[0], "numbers are as they are written"
    assert [json.loads(line)["value"] for line in lines] == [shown for _, shown in values]
    first = json.loads(lines[0])
    assert (first["timestamp"], first["key"], first["headers"]) == ("2026-11-22T10:00:00.250Z", "k", [["h", "v"]])
    assert (first["topic"], first["partition"], first["offset"]) == ("t", 1, 0)
    assert main(["record", str(recording), "-o", str(out)]) == USAGE
    assert "is not a topic" in capsys.readouterr().err
