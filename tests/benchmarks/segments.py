"""Segments: what the whole path costs an event, cut by a feature of ten values, as a ratio to uncut.

A synthetic stream of 25 features, read from memory, decoded, counted and judged, in CPU time; each figure is the least
of some runs, which alternate. Also the bytes of a state with and without.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from monitor.clock import ManualClock
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.settings.tree import Settings
from monitor.state.codec import encode
from tests.benchmarks.material import say, table
from tests.engine import EVENTS, NOW_US, MemorySource, Recorded, admission_of, build, event, run_to_end, settings, trees

NUMBERS: Final = 20
CATEGORIES: Final = 4
REFERENCE_ROWS: Final = 10_000


def events(number: int, seed: int) -> list[dict[str, Any]]:
    """A hundred a second."""
    rng = np.random.default_rng(seed)
    numbers, names = rng.normal(40, 10, (number, NUMBERS)), rng.integers(0, 6, (number, CATEGORIES))
    weights = np.arange(10, 0, -1)
    regions, scores = rng.choice(10, number, p=weights / weights.sum()), rng.random(number)
    return [
        event(
            at / 100,
            id=f"{seed}-{at}",
            features={
                **{f"n{k:02d}": value for k, value in enumerate(numbers[at].tolist())},
                **{f"c{k}": f"v{value}" for k, value in enumerate(names[at].tolist())},
                "region": f"r{regions[at]}",
            },
            score=float(scores[at]),
            prediction=int(scores[at] > 0.5),
        )
        for at in range(number)
    ]


def seconds(tree: Settings, reference: Reference, values: Sequence[bytes]) -> tuple[float, int]:
    """CPU of one pass, and the bytes of the state behind it."""
    source = MemorySource({EVENTS: values})
    pipeline = Pipeline(tree, admission_of(tree, reference), source, ManualClock(NOW_US), Recorded(), live=False)
    began = time.process_time()
    run_to_end(pipeline, source)
    spent, parts = time.process_time() - began, trees(pipeline.to_state()).values()
    return spent, sum(len(encode(tree)) for tree in parts)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="segments", description=__doc__)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args(arguments)
    stream, values = events(REFERENCE_ROWS, 1), [json.dumps(one).encode() for one in events(asked.events, 2)]
    trees = {name: settings({"segments": names}) for name, names in (("uncut", []), ("by region", ["region"]))}
    built = {name: build(tree, stream) for name, tree in trees.items()}
    best = dict.fromkeys(trees, (float("inf"), 0))
    for _ in range(asked.runs):
        for name, tree in trees.items():
            best[name] = min(best[name], seconds(tree, built[name], values))
    uncut = best["uncut"]
    table(
        ("events", "µs an event", "ratio", "bytes of state"),
        [
            [name, f"{1e6 * spent / asked.events:.1f}", f"{spent / uncut[0]:.2f}", f"{size:,}"]
            for name, (spent, size) in best.items()
        ],
    )
    say()
