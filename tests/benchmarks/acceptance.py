"""The acceptance streams, judged: pages before the change, how soon the right page comes, how many incidents.

The streams are recreated from real credit rows; the reference is each one's first 10,000 predictions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.clock import SystemClock
from monitor.count.admission import Admission
from monitor.events import ModelKey
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.replay import replay
from monitor.settings.tree import Settings
from monitor.sources.files import FileSource, open_source
from tests.benchmarks.material import data_folder, quality_folder, say, table
from tests.streams import CATEGORICAL, scenario_events, write_events

REFERENCE_ROWS = 10_000
CREDIT = ModelKey("credit", "1")
#: (subject, cause) of the page each stream has to bring; None: none at all
WANTED: dict[str, tuple[str, str] | None] = {
    "clean": None,
    "clean_clusters": None,
    "sudden_mean": ("AGE", "distribution"),
    "category_share": ("EDUCATION", "distribution"),
    "new_category": ("EDUCATION", "unseen"),
    "missing_rise": ("PAY_AMT1", "missing"),
    "unit_change": ("LIMIT_BAL", "outside"),
    "stuck_sensor": ("BILL_AMT2", "constant"),
    "seasonality": None,
    "seasonality_plus_drift": ("AGE", "distribution"),
}
HEAD = ("stream", "seed", "pages before", "page after", "within", "subject", "cause", "page incidents", "tickets", "ok")


@dataclass(frozen=True)
class Judged:
    """Transitions of one stream and what is known about it."""

    name: str
    seed: int
    truth: dict[str, Any]
    transitions: list[dict[str, Any]]

    def row(self) -> list[object]:
        """One row under HEAD."""
        change = self.truth["change_prediction"]
        before = [t for t in self._pages() if t["predictions"] <= change]
        after = [t for t in self._pages() if t["predictions"] > change]
        first = after[0] if after else None
        worst = first["findings"][0] if first else {"subject": "-", "cause": "-"}
        incidents = {t["incident"] for t in after}
        tickets = {t["incident"] for t in self.transitions} - {t["incident"] for t in self._pages()}
        delay = first["predictions"] - change if first else None
        within = self.truth["within_events"]
        ok = not before and self._is_right(worst, len(incidents), delay, within)
        shown = ["-" if figure is None else f"{figure:,}" for figure in (delay, within)]
        named = (worst["subject"], worst["cause"])
        return [self.name, self.seed, len(before), *shown, *named, len(incidents), len(tickets), "ok" if ok else "NOT"]

    def _pages(self) -> list[dict[str, Any]]:
        """Transitions at which somebody is paged: the first of each incident with that severity."""
        first: dict[str, dict[str, Any]] = {}
        for transition in self.transitions:
            if transition["severity"] == "page":
                first.setdefault(transition["incident"], transition)
        return list(first.values())

    def _is_right(self, worst: dict[str, Any], incidents: int, delay: int | None, within: int | None) -> bool:
        wanted = WANTED[self.name]
        if wanted is None or delay is None or within is None:
            return wanted is None and incidents == 0
        return incidents == 1 and delay <= within and (worst["subject"], worst["cause"]) == wanted


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="acceptance", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--only", default=",".join(WANTED), help="names of streams")
    parser.add_argument("--events", type=int, default=40_000, help="of a stream; the change comes behind 5/8 of them")
    parser.add_argument("--rows", type=int, default=REFERENCE_ROWS, help="of the references")
    asked = parser.parse_args(arguments)
    rows = []
    for seed in map(int, asked.seeds.split(",")):
        for name in asked.only.split(","):
            with tempfile.TemporaryDirectory(prefix="driftd-acceptance-") as folder:
                rows.append(judged(name, seed, Path(folder), asked.events, asked.rows).row())
    table(HEAD, rows)
    say(f"{sum(row[-1] == 'ok' for row in rows)} of {len(rows)} ok")


def judged(name: str, seed: int, folder: Path, number: int = 40_000, reference_rows: int = REFERENCE_ROWS) -> Judged:
    """Make one stream, build its reference, replay it."""
    script = quality_folder() / "scenarios.py"
    command = [sys.executable, str(script), str(data_folder()), str(folder), "--only", name, "--seed", str(seed)]
    command += ["--events", str(number)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    events = folder / "events.jsonl"
    write_events(scenario_events(folder / f"{name}.csv.gz"), events)
    truth = json.loads((folder / "truth.json").read_text())[name]
    return Judged(name, seed, truth, transitions_of(events, reference_rows))


def transitions_of(events: Path, reference_rows: int = REFERENCE_ROWS) -> list[dict[str, Any]]:
    """What a replay says of the stream, with a reference of its first rows."""
    settings, clock = _settings(), SystemClock()

    def opened() -> FileSource:
        return open_source([events], clock)

    reference = build_reference(settings, CREDIT, opened, clock, EventRange(rows=reference_rows))
    lines: list[dict[str, Any]] = []
    admission = Admission(settings, References({CREDIT.model: {CREDIT.version: reference}}))
    replay(settings, admission, opened(), clock, lines.append)
    return [line for line in lines if line["kind"] == "transition"]


def _settings() -> Settings:
    features = {name: {"kind": "categorical"} for name in CATEGORICAL}
    model = {"name": CREDIT.model, "versions": [CREDIT.version], "reference": "credit.json", "features": features}
    return Settings.model_validate({"inputs": [{"topic": "events"}], "models": [model]})
