"""Planted changes in one column of a model of 25 independent ones: how many events pass until the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.reference import Reference
from tests.simulated import Simulation, part_of, reference_of
from tests.traffic_kinds import Values

Delays = dict[str, list[int | None]]
#: (generator, rows) -> values
Draw = Callable[[np.random.Generator, int], Values]

REFERENCE_ROWS: Final = 10_000
MODEL_COLUMNS: Final = 25
RUNS: Final = 6
#: events before a change; it falls anywhere into a base window
BEFORE: Final = (1_000, 1_250)
WAITED: Final = 30_000


def _normal(shift: float = 0.0, scale: float = 1.0) -> Draw:
    return lambda rng, rows: shift + scale * rng.standard_normal(rows)


def _categories(*shares: float) -> Draw:
    names: NDArray[Any] = np.array([f"n{at}" for at in range(len(shares))], object)
    return lambda rng, rows: names[rng.choice(len(shares), rows, p=np.array(shares) / sum(shares))]


_HALF_GONE = (0.5,) * 100 + (0.0,) * 100
#: by the column, how it is drawn without a change
USUAL: Final[dict[str, Draw]] = {
    "normal": _normal(),
    "sex": _categories(0.6, 0.4),
    "education": _categories(0.35, 0.47, 0.16, 0.02),
    "names": _categories(*(1.0,) * 200),
}
#: by the change, its column and how it is drawn afterwards
PLANTED: Final[dict[str, tuple[str, Draw]]] = {
    "N +0.2 sd": ("normal", _normal(0.2)),
    "N +0.3 sd": ("normal", _normal(0.3)),
    "N +0.5 sd": ("normal", _normal(0.5)),
    "N +1 sd": ("normal", _normal(1.0)),
    "N scale x 1.3": ("normal", _normal(scale=1.3)),
    "two categories, 10 points": ("sex", _categories(0.5, 0.5)),
    "four categories, 10 points": ("education", _categories(0.45, 0.37, 0.16, 0.02)),
    "four categories, 5 points": ("education", _categories(0.40, 0.42, 0.16, 0.02)),
    "half of 200 names gone": ("names", _categories(*_HALF_GONE)),
}


def planted(seed: int) -> Delays:
    """By the change, events from it to its page in runs with one reference; None: not within those waited for."""
    rng = np.random.default_rng([31, seed])
    columns = {name: draw(rng, REFERENCE_ROWS) for name, draw in USUAL.items()}
    references = {name: reference_of({name: values}, REFERENCE_ROWS) for name, values in columns.items()}
    return {
        change: [_delay(references[name], name, after, (seed, at, run)) for run in range(RUNS)]
        for at, (change, (name, after)) in enumerate(PLANTED.items())
    }


def _delay(reference: Reference, name: str, after: Draw, seed: tuple[int, ...]) -> int | None:
    rng = np.random.default_rng(seed)
    before = int(rng.integers(*BEFORE))
    live = {name: np.concatenate([USUAL[name](rng, before), after(rng, WAITED)])}
    # one column has the part of the budget that it has among all
    judged = Simulation(reference, 1 / MODEL_COLUMNS).run(part_of(live, 0), int(rng.integers(1 << 30)), to_page=True)
    found = [at - before for at, *_ in judged.pages if at > before]
    return found[0] if found else None
