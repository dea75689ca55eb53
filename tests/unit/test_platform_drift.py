"""docs/platforms/*.md: on traffic with a drift that the platforms' own packages wrote, the commands show what the page
shows, and every line of a replay is that of the same rows as native events."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.cli.parser import main
from monitor.decode.platform import READERS
from monitor.reference.file.encoding import to_json
from monitor.run.reference_file import load_reference
from tests.platform_pages import FOLDER, Way, ways
from tests.platforms.generators.traffic import DRIFT_FROM, DRIFT_ROWS, drifting, events_of

WAYS: Final = ways()
#: of a line, what is not the same for other records of the same rows
OF_RECORDS: Final = ("seconds", "settings", "reference", "records")
DONE = 0


def as_command(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The output of a line of a page."""
    program, *words = shlex.split(line)
    assert program == "driftd"
    assert main(words) == DONE, line
    return capsys.readouterr().out


def replayed(config: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    """Lines by kind: what comes first of windows and transitions is a matter of how much is read at once."""
    assert main(["replay", "--config", str(config), "--json", "--windows", str(source)]) == DONE
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        for one in (line, *line.get("findings", [])):
            for name in OF_RECORDS:
                one.pop(name, None)
    return {kind: [line for line in lines if line["kind"] == kind] for kind in ("transition", "window", "summary")}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows as native events, and their reference."""
    folder = tmp_path_factory.mktemp("native")
    events = [one | {"type": "prediction", "model": "credit", "version": "12"} for one in events_of(drifting())]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    tree = {
        "inputs": [{"topic": "events"}],
        "models": [{"name": "credit", "versions": ["12"], "task": "binary", "reference": "credit.json"}],
        "state": {"path": "state"},
    }
    (folder / "driftd.yaml").write_text(yaml.safe_dump(tree))
    build = ["reference", "build", "--config", str(folder / "driftd.yaml"), "--model", "credit"]
    calm = ["--rows", str(DRIFT_FROM * DRIFT_ROWS), "-o", str(folder / "credit.json"), str(folder / "events.jsonl")]
    assert main([*build, *calm]) == DONE
    return folder


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_page_shows_what_its_commands_show_and_what_native_events_would(
    way: Way, native: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driftd.yaml").write_text(way.settings)
    (tmp_path / "traffic").symlink_to(FOLDER / "traffic")
    *_, shown = [as_command(line, tmp_path, capsys) for line in way.on_sample]
    assert [line for line in way.shown if line not in shown.splitlines()] == []

    found, of_native = (load_reference(folder / "credit.json") for folder in (tmp_path, native))
    assert told(to_json(found)) == told(to_json(of_native))
    lines = replayed(tmp_path / "driftd.yaml", way.sample, capsys)
    assert lines == replayed(native / "driftd.yaml", native / "events.jsonl", capsys)
    subjects = {one["subject"] for line in lines["transition"] for one in line["findings"]}
    assert subjects == {"income"}
    assert lines["transition"][0]["findings"][0]["since"] == drifting()[DRIFT_FROM].time
    assert len(lines["window"]) > 20


def told(reference: Mapping[str, Any]) -> dict[str, Any]:
    """A reference without what the records alone say: objects of protobuf have no order, scores may have classes."""
    return {name: value for name, value in reference.items() if name not in {"hash", "feature_order", "score_classes"}}


def test_the_pages_are_of_every_format_and_every_recording_is_on_one() -> None:
    formats = {one["format"] for way in WAYS for one in yaml.safe_load(way.settings)["inputs"]}
    assert formats == {*READERS}
    assert {way.sample for way in WAYS} == {*(FOLDER / "traffic").glob("*.records.jsonl.gz")}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_recording_says_what_made_it(way: Way) -> None:
    made_by = json.loads(way.sample.with_name(f"{way.name}.made_by.json").read_text(encoding="utf-8"))
    assert len(made_by) > 1
    assert all(version[0].isdigit() for version in made_by.values())
    text = (FOLDER / way.page).read_text(encoding="utf-8").lower()
    assert any(package in text for package in made_by)
