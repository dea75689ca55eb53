"""What judging costs: one evaluation of 25 features at all lengths of window, and what a model holds in memory.

`plain` is 20 numbers, 5 columns of names, score and prediction. `everything` has the same columns and one of 2,000
names in hash buckets, pairs of numbers that go together, a daily wave, segments, an embedding, a text, labels beside
the predictions with what they say of performance, a named outcome, and two detectors. Its reference is of 14 days.
Times are CPU of taking one pane whose base window is complete, once all lengths of window are full, the median
of them. Memory is what Python and numpy hold (`tracemalloc`) of the model, its reference and windows, behind a restart.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from monitor.clock import DAY_US, SECOND_US, ManualClock
from monitor.count.exchange import Pane
from monitor.judge.model import ModelJudge
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_file import load_reference, save_reference
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.parts import Cut, state_in, whole_tree
from tests.benchmarks.material import MissingError, say, table
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    MemorySource,
    Recorded,
    admission_of,
    event,
    run_to_end,
    settings,
)

NUMBERS: Final = 20
NAMES: Final = ("red", "green", "blue", "black")
MANY_NAMES: Final = 2_000
VECTOR: Final = 64
WORDS: Final = 500
REFERENCE_ROWS: Final = 10_000
REFERENCE_DAYS: Final = 14
PANE_US: Final = 300 * SECOND_US
HEAD: Final = ("model", "columns", "pairs", "lengths", "tests", "ms", "worst", "ms a pane", "MB", "kB reference")

Rows = list[dict[str, Any]]
EVERYTHING: Final[Mapping[str, Any]] = {
    "features": {"note": {"kind": "text"}, "emb": {"kind": "vector"}},
    "segments": ["c0"],
    "detectors": [{"kind": "adwin", "on": "error"}, {"kind": "page_hinkley", "on": "n00"}],
    "timezone": "Europe/Berlin",
}


def plain_rows(rows: int, first: int, seed: int) -> Rows:
    """20 numbers and 5 columns of four names; 714 events a day, as many as the reference has."""
    rng = np.random.default_rng([seed, first])
    numbers, names = np.round(rng.normal(40, 10, (rows, NUMBERS)), 3), rng.choice(NAMES, (rows, 5))
    scores = np.round(rng.beta(2, 5, rows), 4)
    gap = REFERENCE_DAYS * 86_400 / REFERENCE_ROWS
    return [
        event(
            (first + at) * gap,
            id=f"{seed}-{first + at}",
            features={
                **{f"n{k:02d}": value for k, value in enumerate(numbers[at].tolist())},
                **{f"c{k}": name for k, name in enumerate(names[at].tolist())},
            },
            score=float(scores[at]),
            prediction=int(scores[at] > 0.3),
        )
        for at in range(rows)
    ]


def rows_of_everything(rows: int, first: int, seed: int) -> Rows:
    """The same columns and what the head of this file says."""
    rng = np.random.default_rng([seed, first, 1])
    made = plain_rows(rows, first, seed)
    weights = 1 / np.arange(1, MANY_NAMES + 1)
    many = rng.choice(MANY_NAMES, rows, p=weights / weights.sum()).tolist()
    vectors, words = np.round(rng.normal(size=(rows, VECTOR)), 4).tolist(), rng.integers(0, WORDS, (rows, 12)).tolist()
    right = (rng.random(rows) < 0.8).tolist()
    for at, one in enumerate(made):
        values = one["features"]
        for pair in range(6):
            tied = 0.8 * values[f"n{2 * pair:02d}"] + 0.6 * values[f"n{2 * pair + 1:02d}"]
            values[f"n{2 * pair + 1:02d}"] = round(tied, 3)
        values["n19"] += 10 * np.sin(2 * np.pi * (first + at) * REFERENCE_DAYS / REFERENCE_ROWS)
        values["c4"] = f"name-{many[at]}"
        values["emb"] = vectors[at]
        values["note"] = " ".join(f"word{word}" for word in words[at])
        label = one["prediction"] if right[at] else 1 - one["prediction"]
        one |= {"label": label}
    return [one for event_of in made for one in (event_of, _rated(event_of))]


def _rated(made: dict[str, Any]) -> dict[str, Any]:
    """A minute after its prediction."""
    return {
        "type": "label",
        "id": made["id"],
        "model": made["model"],
        "version": made["version"],
        "ts": made["ts"] + 60 * SECOND_US,
        "outcomes": {"judge": round(made["score"] / 2 + 0.2, 4)},
    }


#: name -> its rows (how many, from which on, seed) and its settings
MODELS: Final[Mapping[str, tuple[Callable[[int, int, int], Rows], Mapping[str, Any]]]] = {
    "plain": (plain_rows, {}),
    "everything": (rows_of_everything, EVERYTHING),
}


@dataclass(slots=True)
class Spent:
    """CPU seconds of base evaluations at the longest length, and of panes that complete no base window."""

    evaluations: list[float] = field(default_factory=list)
    panes: list[float] = field(default_factory=list)
    judge: ModelJudge | None = None


def timed(spent: Spent) -> Any:  # noqa: ANN401 - whatever the patch is
    """Measure every pane that a judge takes from here on."""
    take = ModelJudge.add

    def add(judge: ModelJudge, pane: Pane, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        before, began = judge.latest, time.process_time()
        told = take(judge, pane, *rest, **more)
        seconds = time.process_time() - began
        spent.judge = judge
        latest = judge.latest
        if latest is before:
            spent.panes.append(seconds)
        elif latest is not None and latest.windows.lengths[-1] == judge.pyramid.longest:
            spent.evaluations.append(seconds)
        return told

    return patch.object(ModelJudge, "add", add)


@dataclass(frozen=True)
class Judged:
    """What one model cost; milliseconds of CPU."""

    columns: int
    pairs: int
    lengths: int
    tests: int
    evaluations_ms: Sequence[float]
    pane_ms: float
    held_bytes: int
    reference_bytes: int

    def row(self, name: str) -> list[object]:
        """Under HEAD."""
        return [
            name,
            self.columns,
            self.pairs,
            self.lengths,
            self.tests,
            f"{np.median(self.evaluations_ms):.1f} ({len(self.evaluations_ms)})",
            f"{max(self.evaluations_ms):.1f}",
            f"{self.pane_ms:.2f}",
            f"{self.held_bytes / 1e6:.1f}",
            f"{self.reference_bytes / 1e3:,.0f}",
        ]


def measured(tree: Settings, live: list[bytes], path: Path) -> Judged:
    """With the reference in `path`."""
    spent = Spent()
    pipeline, source = _pipeline(tree, live, path)
    with timed(spent):
        run_to_end(pipeline, source)
    judge = spent.judge
    if judge is None or judge.latest is None or not spent.evaluations:
        raise MissingError("no evaluation at all lengths; give more --events")
    relations = judge.prepared.reference.relations
    held = _held(tree, pipeline.to_state(), path)
    return Judged(
        len(judge.prepared.columns),
        0 if relations is None else len(relations.pairs),
        len(judge.latest.windows.lengths),
        judge.judge.tests_made(judge.latest),
        [seconds * 1e3 for seconds in spent.evaluations],
        float(np.median(spent.panes)) * 1e3,
        held,
        path.stat().st_size,
    )


def _pipeline(tree: Settings, live: list[bytes], path: Path) -> tuple[Pipeline, MemorySource]:
    source = MemorySource({EVENTS: live})
    admission = admission_of(tree, load_reference(path))
    return Pipeline(tree, admission, source, ManualClock(NOW_US + 400 * DAY_US), Recorded(), live=False), source


def _held(tree: Settings, cut: Cut, path: Path) -> int:
    """Bytes of a model that goes on from a checkpoint."""
    with tempfile.TemporaryDirectory() as folder, StateDirectory(folder) as store:
        store.save(1, whole_tree(cut.whole), cut.parts)
        gc.collect()
        tracemalloc.start()
        try:
            pipeline, _ = _pipeline(tree, [], path)
            loaded = store.load()
            if loaded is None:
                raise MissingError("no checkpoint")
            pipeline.restore(state_in(loaded))
            del loaded
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()


def _reference(tree: Settings, events: Rows) -> Reference:
    return build_reference(
        tree, CREDIT, lambda: MemorySource({EVENTS: events}), ManualClock(NOW_US), EventRange(rows=REFERENCE_ROWS)
    )


def judged(name: str, events: int) -> Judged:
    """The model of that name, behind its reference."""
    rows, model = MODELS[name]
    tree = settings(model, windows={"pane": PANE_US})
    reference, live = rows(REFERENCE_ROWS, 0, 1), rows(events, REFERENCE_ROWS, 1)
    with tempfile.TemporaryDirectory(prefix="driftd-judging-") as folder:
        path = Path(folder) / "reference.json"
        save_reference(_reference(tree, reference), path)
        return measured(tree, [json.dumps(one).encode() for one in live], path)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="judging", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=18_000, help="behind the reference")
    parser.add_argument("--only", default="plain,everything", help="models, between commas")
    asked = parser.parse_args(arguments)
    rows = []
    for name in asked.only.split(","):
        rows.append(judged(name, asked.events).row(name))
        say("  ".join(map(str, rows[-1])))
    say()
    table(HEAD, rows)
