"""Promises and what becomes of them: changes of the promised size planted in traffic like the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from monitor.judge.promise.promised import Traffic, promise_of
from monitor.reference.reference import Reference
from monitor.stats.testing.promise import SHARE, SHIFT, ColumnPromise
from tests import traffic
from tests.simulated import Simulation, reference_of
from tests.traffic_kinds import Values

#: (generator, rows) -> values
Make = Callable[[np.random.Generator, int], Values]
#: (generator, values) -> values after the change
Plant = Callable[[np.random.Generator, Values], Values]

NAME: Final = "x"
#: events before the change: a watch that has only begun lets nothing page; and a part of a base window
BEFORE: Final = 2_500
BASE: Final = 260
#: events in which a change that is not seen is waited for
UNSEEN_WAITED: Final = 40_000
#: of what is not seen
BELOW: Final = 0.95


@dataclass(frozen=True, slots=True)
class Source:
    """How a column is made, in what form it changes, and its value that becomes more or less frequent."""

    form: str
    make: Make
    value: object = None
    rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Promised:
    """One reference of one column, and what is promised of it."""

    source: Source
    reference: Reference
    simulation: Simulation
    column: ColumnPromise
    seed: int


def _normal(rng: np.random.Generator, rows: int) -> Values:
    return rng.standard_normal(rows)


def _autoregressive(rng: np.random.Generator, rows: int) -> Values:
    return traffic.autoregressive(rng, rows, 0.7)


def _zero_inflated(rng: np.random.Generator, rows: int) -> Values:
    return traffic.mostly(rng, np.round(rng.lognormal(3, 1, rows), 2), 0.0, 0.5)


def categories(*shares: float) -> Make:
    names: Values = np.array([f"n{at}" for at in range(len(shares))], object)
    return lambda rng, rows: names[rng.choice(len(shares), rows, p=np.array(shares) / sum(shares))]


def _sticky(rng: np.random.Generator, rows: int) -> Values:
    names: Values = np.array([f"n{at}" for at in range(4)], object)
    return np.asarray(names[traffic.sticky(rng, rows, np.array([0.4, 0.3, 0.2, 0.1]), 0.5)])


SOURCES: Final = {
    "independent": Source(SHIFT, _normal),
    "AR 0.7": Source(SHIFT, _autoregressive),
    "two categories": Source(SHARE, categories(0.6, 0.4), "n0"),
    "four categories": Source(SHARE, categories(0.35, 0.47, 0.16, 0.02), "n1"),
    "sticky categories": Source(SHARE, _sticky, "n0"),
    "zero-inflated": Source(SHARE, _zero_inflated, 0.0),
    "2,000 rows": Source(SHIFT, _normal, rows=2_000),
}


def promised(source: Source, seed: int) -> Promised:
    reference = reference_of({NAME: source.make(np.random.default_rng([seed, 1]), source.rows)}, source.rows)
    simulation = Simulation(reference)
    (column,) = promise_of(simulation.judge(), Traffic.of_reference(reference)).columns
    return Promised(source, reference, simulation, column, seed)


def delays(one: Promised, runs: int) -> list[float]:
    """Events from a change of the named size to its page, up or down in turn; infinite: not within what is promised."""
    column = one.column
    return [
        _delay(one, _change(one, column.size, run), "distribution", column.named.events, run) for run in range(runs)
    ]


def missing_delays(one: Promised, size: float, events: float, runs: int) -> list[float]:
    return [_delay(one, partial(_more_missing, size), "missing", events, run) for run in range(runs)]


def unseen_pages(one: Promised, runs: int) -> list[bool]:
    """Whether a change a little below what is seen pages."""
    changes = [_change(one, BELOW * one.column.unseen, run) for run in range(runs)]
    return [np.isfinite(_delay(one, change, "distribution", UNSEEN_WAITED, run)) for run, change in enumerate(changes)]


def _change(one: Promised, size: float, run: int) -> Plant:
    signed = size if run % 2 else -size
    if one.source.form == SHIFT:
        return partial(_shifted, signed * one.reference.columns[0].scale)
    return partial(_more_of, one.source.value, signed)


def _shifted(by: float, _rng: np.random.Generator, values: Values) -> Values:
    return values + by


def _more_of(value: object, by: float, rng: np.random.Generator, values: Values) -> Values:
    """So much more of one value at the cost of all others, or less of it."""
    same = values == value
    share, out = float(same.mean()), values.copy()
    if by > 0:
        out[~same & (rng.random(len(values)) < by / (1 - share))] = value
    else:
        gone = same & (rng.random(len(values)) < -by / share)
        out[gone] = rng.choice(values[~same], int(gone.sum()))
    return out


def _more_missing(by: float, rng: np.random.Generator, values: Values) -> Values:
    return np.where(rng.random(len(values)) < by, np.nan, values)


def _delay(one: Promised, plant: Plant, cause: str, events: float, run: int) -> float:
    rng = np.random.default_rng([one.seed, run, 2])
    before = BEFORE + int(rng.integers(BASE))
    values = one.source.make(rng, before + int(events))
    live = np.concatenate([values[:before], plant(rng, values)[before:]])
    judged = one.simulation.run({NAME: live}, int(rng.integers(1 << 30)), to_page=True)
    found = [at - before for at, subject, of, _ in judged.pages if (subject, of) == (NAME, cause) and at > before]
    return float(found[0]) if found else np.inf
