"""Promises and what becomes of them: changes of the promised size planted in traffic like the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.judge.promise import Traffic, promise_of
from monitor.reference.reference import Reference
from monitor.stats.promise import ColumnPromise
from tests.simulated import Simulation, reference_of
from tests.traffic_kinds import Values

#: (generator, rows) -> values
Make = Callable[[np.random.Generator, int], Values]
#: (generator, values) -> values after the change
Plant = Callable[[np.random.Generator, Values], Values]

NAME: Final = "x"
#: base windows before the change, in which a watch that has only begun lets nothing page, and a part of one more
BEFORE: Final = 1_500
BASE: Final = 260


@dataclass(frozen=True, slots=True)
class Promised:
    """One reference of one column, and what is promised of it."""

    reference: Reference
    simulation: Simulation
    column: ColumnPromise
    base_events: float


def promised(make: Make, rows: int, seed: int, pages: float = 1.0) -> Promised:
    reference = reference_of({NAME: make(np.random.default_rng([seed, 1]), rows)}, rows)
    simulation = Simulation(reference, pages)
    usual = Traffic.of_reference(reference)
    (column,) = promise_of(simulation.judge(), usual).columns
    return Promised(reference, simulation, column, usual.base_events)


def shifted(by: float, _rng: np.random.Generator, values: Values) -> Values:
    return values + by


def more_of(value: object, by: float, rng: np.random.Generator, values: Values) -> Values:
    """So much more of one value at the cost of all others; less where `by` is below 0."""
    same = values == value
    share = float(same.mean())
    out = values.copy()
    if by > 0:
        out[~same & (rng.random(len(values)) < by / (1 - share))] = value
    else:
        gone = same & (rng.random(len(values)) < -by / share)
        out[gone] = rng.choice(values[~same], int(gone.sum()))
    return out


def more_missing(by: float, rng: np.random.Generator, values: Values) -> Values:
    out = values.astype(object)
    out[rng.random(len(values)) < by] = None
    return out


def pages_after(one: Promised, make: Make, plant: Plant, cause: str, events: float, seed: tuple[int, ...]) -> float:
    """Events from the change to its page; infinite where there is none among so many."""
    rng = np.random.default_rng([*seed, 2])
    before = BEFORE + int(rng.integers(BASE))
    values = make(rng, before + int(events))
    changed = plant(rng, values)
    live = np.concatenate([values[:before].astype(changed.dtype), changed[before:]])
    judged = one.simulation.run({NAME: live}, int(rng.integers(1 << 30)), to_page=True)
    found = [at - before for at, subject, of, _ in judged.pages if (subject, of) == (NAME, cause) and at > before]
    return float(found[0]) if found else np.inf
