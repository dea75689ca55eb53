"""Isotonic regression: the rising values that are nearest to given ones, by the pool-adjacent-violators algorithm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def isotonic(hits: Floats, events: Floats) -> Floats:
    """(n,) rising shares nearest to `hits / events` in weighted squares; both (n,).

    A place without events takes the value of the place before it, the first ones that of the first place with events.
    """
    pools: list[tuple[float, float, int]] = []
    for hit, weight in zip(hits.tolist(), events.tolist(), strict=True):
        pool = (hit, weight, 1)
        while pools and _joins(pools[-1], pool):
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    shares = [hit / weight if weight else 0.0 for hit, weight, _ in pools]
    return np.repeat(np.array(shares, np.float64), [places for _, _, places in pools])


def _joins(before: tuple[float, float, int], pool: tuple[float, float, int]) -> bool:
    """Whether two neighbouring pools (hits, events, places) get one share: it does not rise, or one has no events."""
    return not before[1] or not pool[1] or before[0] * pool[1] >= pool[0] * before[1]
