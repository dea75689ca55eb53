"""Two of the acceptance streams, of real credit rows, through the files and the engine (all of them: a benchmark)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.replay import replay
from monitor.sources.files import FileSource, open_source
from tests.engine import CREDIT, NOW_US, admission_of, settings, transitions_in
from tests.streams import scenario_events, write_events

TREE = settings()


def made(name: str, data: Path, scripts: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The stream as native events, and what is true of it."""
    command = [sys.executable, str(scripts / "scenarios.py"), str(data), str(folder), "--only", name, "--seed", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    events = folder / "events.jsonl"
    write_events(scenario_events(folder / f"{name}.csv.gz"), events)
    return events, json.loads((folder / "truth.json").read_text())[name]


def lines_of(events: Path, reference_rows: int) -> list[dict[str, Any]]:
    """What a replay of the stream says, with a reference of its first predictions."""
    clock = ManualClock(NOW_US)

    def opened() -> FileSource:
        return open_source([events], clock)

    reference = build_reference(TREE, CREDIT, opened, clock, EventRange(rows=reference_rows))
    lines: list[dict[str, Any]] = []
    replay(TREE, admission_of(TREE, reference), opened(), clock, lines.append)
    return lines


@pytest.mark.parametrize(
    ("name", "subject", "cause"), [("sudden_mean", "AGE", "distribution"), ("stuck_sensor", "BILL_AMT2", "constant")]
)
def test_the_right_column_pages_once_in_time_and_never_before(
    name: str, subject: str, cause: str, shared_data: Path, quality_scripts: Path, tmp_path: Path
) -> None:
    events, truth = made(name, shared_data, quality_scripts, tmp_path)
    lines = lines_of(events, truth["reference_predictions"])
    change, pages = truth["change_prediction"], [t for t in transitions_in(lines) if t["severity"] == "page"]
    assert pages[0]["predictions"] > change
    assert pages[0]["predictions"] <= change + truth["within_events"]
    assert (pages[0]["findings"][0]["subject"], pages[0]["findings"][0]["cause"]) == (subject, cause)
    assert len({page["incident"] for page in pages}) == 1
    summary = lines[-1]
    assert summary["outcomes"] == {"accepted": summary["records"]}
    assert (summary["models"][0]["predictions"], summary["models"][0]["pages"]) == (40_000, 1)
