"""Detectors of a change in a sequence of numbers: Page-Hinkley and KSWIN.

The decisions are River's to the last one, and a test holds them to that.
"""

from __future__ import annotations

from collections import deque
from math import comb, inf
from random import Random
from typing import Any, Final

import numpy as np

from monitor.stats.detectors.detector import Detector, RunningMean

#: River's defaults
MIN_INSTANCES: Final = 30
DELTA: Final = 0.005
THRESHOLD: Final = 50.0
FORGETTING: Final = 1 - 0.0001
UP, DOWN, BOTH = "up", "down", "both"
ALPHA: Final = 0.005
WINDOW_SIZE: Final = 100
STAT_SIZE: Final = 30
#: KSWIN: a smaller distance is no change, however many values show it
LEAST_DISTANCE: Final = 0.1


class PageHinkley(Detector):
    """Page-Hinkley (Page 1954): the sum of deviations from the running mean has left its lowest or highest point."""

    numbers = ("rising", "lowest", "falling", "highest")

    def __init__(
        self,
        min_instances: int = MIN_INSTANCES,
        delta: float = DELTA,
        threshold: float = THRESHOLD,
        alpha: float = FORGETTING,
        mode: str = BOTH,
    ) -> None:
        """`delta` is tolerated in each value; `alpha` is what is kept of the sum with each."""
        self._min_instances = min_instances
        self._delta = delta
        self._threshold = threshold
        self._alpha = alpha
        self._up = mode in {UP, BOTH}
        self._down = mode in {DOWN, BOTH}
        self.reset()

    def reset(self) -> None:
        self._mean = RunningMean()
        self.rising = 0.0
        self.lowest = inf
        self.falling = 0.0
        self.highest = -1.0

    def update(self, value: float) -> bool:
        self._mean.update(value)
        off = value - self._mean.mean
        self.rising = self._alpha * self.rising + off - self._delta
        self.falling = self._alpha * self.falling + off + self._delta
        self.lowest = min(self.lowest, self.rising)
        self.highest = max(self.highest, self.falling)
        if self._mean.n < self._min_instances:
            return False
        risen = self._up and self.rising - self.lowest > self._threshold
        return risen or (self._down and self.highest - self.falling > self._threshold)

    def to_state(self) -> dict[str, Any]:
        return super().to_state() | {"mean": self._mean.pair()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._mean = RunningMean(*state["mean"])


class Kswin(Detector):
    """Kolmogorov-Smirnov on a window (Raab et al. 2020): the newest values against as many drawn of the older ones.

    `seed` makes the drawing repeatable; after a change it begins anew.
    """

    def __init__(
        self,
        alpha: float = ALPHA,
        window_size: int = WINDOW_SIZE,
        stat_size: int = STAT_SIZE,
        seed: int = 0,
    ) -> None:
        self._size = window_size
        self._newest = stat_size
        self._seed = seed
        self._least = least_difference(stat_size, alpha)
        self.reset()

    def reset(self) -> None:
        self._window: deque[float] = deque(maxlen=self._size)
        self._random = Random(self._seed)  # noqa: S311  # a sample, not a secret

    def update(self, value: float) -> bool:
        self._window.append(value)
        if len(self._window) < self._size:
            return False
        older = self._size - self._newest
        values = np.array(self._window)
        drawn = np.sort(values[self._random.sample(range(older), self._newest)])
        newest = np.sort(values[older:])
        at = np.concatenate([drawn, newest])
        below = np.searchsorted(newest, at, side="right") - np.searchsorted(drawn, at, side="right")
        return int(np.abs(below).max()) >= self._least

    def to_state(self) -> dict[str, Any]:
        _, words, _ = self._random.getstate()
        return {"window": np.array(self._window, np.float64), "random": np.array(words, np.uint32)}

    def restore(self, state: dict[str, Any]) -> None:
        self._window = deque(np.array(state["window"], np.float64).tolist(), maxlen=self._size)
        words = np.array(state["random"]).tolist()
        self._random.setstate((3, tuple(words), None))


def least_difference(n: int, alpha: float) -> int:
    """The least difference of two empirical distributions of `n` values each, in values, that is a change at `alpha`.

    n + 1 if there is none. Exact for values without ties: with h of n values the p-value is
    2 (C(2n, n-h) - C(2n, n-2h) + C(2n, n-3h) - ...) / C(2n, n).
    """
    every = comb(2 * n, n)
    for h in range(1, n + 1):
        terms = (comb(2 * n, n - j * h) * (1 if j % 2 else -1) for j in range(1, n // h + 1))
        if h / n > LEAST_DISTANCE and 2 * sum(terms) / every <= alpha:
            return h
    return n + 1
