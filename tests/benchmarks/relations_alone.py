"""One column moves alone, in real credit rows: what the whole judge tells of its relations.

16,000 events after the change, each with a reference of 10,000 rows; all columns are taken as numbers.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from tests.benchmarks.material import say, table
from tests.benchmarks.relations import ROWS, Floats, Rng, World
from tests.planted import live, reference_of

EVENTS: Final = 16_000
Move = Callable[[Floats, Rng], Floats]


def _moves(values: Floats) -> Iterator[tuple[str, Move]]:
    """Changes of one column (n,), by what it is in the reference."""
    spread, middle, mode = values.std(), float(np.median(values)), _most_frequent(values)
    yield "shift 0.3 sd", lambda x, _: x + 0.3 * spread
    yield "shift 1 sd", lambda x, _: x + spread
    yield "scale 1.5", lambda x, _: middle + 1.5 * (x - middle)
    yield "unit x 1000", lambda x, _: x * 1_000
    yield "unit in 5 %", lambda x, rng: np.where(rng.random(len(x)) < 0.05, x * 1_000, x)
    yield "missing 10 %", lambda x, rng: np.where(rng.random(len(x)) < 0.1, np.nan, x)
    yield "missing 60 %", lambda x, rng: np.where(rng.random(len(x)) < 0.6, np.nan, x)
    yield "constant", lambda x, _: np.full(len(x), middle)
    yield "imputed 30 %", lambda x, rng: np.where(rng.random(len(x)) < 0.3, values.mean(), x)
    yield "mode one up, 30 %", lambda x, rng: np.where((x == mode) & (rng.random(len(x)) < 0.3), x + 1, x)


def _most_frequent(values: Floats) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="relations-alone", description=__doc__)
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--columns", default="AGE,LIMIT_BAL,BILL_AMT2,PAY_AMT1,PAY_0,EDUCATION")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    world, told = World.read(), defaultdict[str, list[tuple[bool, bool, str]]](list)
    for number in range(asked.references):
        rng = np.random.default_rng([asked.seed, 3, number])
        reference = reference_of(world.values[rng.integers(0, len(world.values), ROWS)].T)
        for name in asked.columns.split(","):
            at = world.names.index(name)
            for kind, move in _moves(world.values[:, at]):
                rows = world.values[rng.integers(0, len(world.values), EVENTS)].T.copy()
                rows[at] = move(rows[at], rng)
                findings = [one for _, sent in live(reference, rows).sent for one in sent.findings]
                relation = any(one.key.cause == "relation" for one in findings)
                first = bool(findings) and findings[0].key.cause == "relation"
                told[kind].append((relation, first, name))
    rows_shown = []
    for kind, runs in told.items():
        who = sorted({name for relation, _, name in runs if relation})
        counts = (sum(relation for relation, _, _ in runs), sum(first for _, first, _ in runs))
        rows_shown.append((kind, len(runs), *counts, ", ".join(who)))
    table(("one column alone", "streams", "a relation told", "told first", "of"), rows_shown)
    say(f"{sum(len(runs) for runs in told.values())} streams")
