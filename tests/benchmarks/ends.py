"""Ends of findings: lasting changes that are called over, and how soon the end of a change is reported.

A change of one column begins at event 3,000; in 37,000 events it should not be called over, and one that ends at event
13,000 should be soon. Each kind with `--seeds N` streams and a reference of 10,000 events each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tests.benchmarks.material import say, table
from tests.planted import Floats, Life, live, normal, reference_of

REFERENCE, EVENTS, CHANGE, END = 10_000, 40_000, 3_000, 13_000
SHARES = np.array([0.47, 0.35, 0.16, 0.02])

#: (seed, event at which the change ends) -> what was reported
Kind = Callable[[int, int], Life]


def shifted(shift: float, coefficient: float, seed: int, until: int) -> Life:
    values: Floats = normal([10, seed], 1, REFERENCE + EVENTS, coefficient)
    after = values[:, REFERENCE:].copy()
    after[:, CHANGE:until] += shift
    return live(reference_of(values[:, :REFERENCE]), after)


def exchanged(points: float, seed: int, until: int) -> Life:
    rng = np.random.default_rng([11, seed])
    changed = SHARES + np.array([-points, points, 0, 0])
    before = rng.choice(4, REFERENCE, p=SHARES)[None].astype(float)
    after = rng.choice(4, EVENTS, p=SHARES)[None].astype(float)
    after[0, CHANGE:until] = rng.choice(4, until - CHANGE, p=changed)
    return live(reference_of(before, categories=True), after)


KINDS: dict[str, Kind] = {
    **{f"+{shift:g} sd": partial(shifted, shift, 0.0) for shift in (0.15, 0.2, 0.3, 0.5, 1.0)},
    **{f"+{100 * points:g} points": partial(exchanged, points) for points in (0.05, 0.1)},
    **{f"AR {a:g}, +{shift:g} sd": partial(shifted, shift, a) for a, shift in ((0.5, 0.3), (0.9, 0.6), (0.9, 1.0))},
}


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="ends", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    asked = parser.parse_args(arguments)
    rows = []
    for name in asked.kinds:
        rows.append(_row(name, KINDS[name], asked.seeds))
        say("  ".join(map(str, rows[-1])))
    say()
    table(("change", "paged", "called over, of those", "closed after, median / 95 %"), rows)


def _row(name: str, kind: Kind, seeds: int) -> tuple[str, str, str, str]:
    stays = [life for life in (kind(seed, EVENTS) for seed in range(seeds)) if life.paged()]
    over = sum(bool(life.of("resolved")) for life in stays)
    closed = [after for after in (_closed(kind(seed, END)) for seed in range(seeds)) if after is not None]
    after = "-" if not closed else " / ".join(f"{at:,.0f}" for at in np.quantile(closed, [0.5, 0.95]))
    return name, f"{len(stays)} of {seeds}", str(over), after


def _closed(life: Life) -> float | None:
    """Events from the change's end to that of the page that was open then; None where none was."""
    opened = [at for at, _ in life.paged() if CHANGE < at <= END]
    over = life.of("resolved")
    if not opened or any(opened[-1] < at <= END for at in over):
        return None
    return next((at - END for at in over if at > END), float("inf"))
