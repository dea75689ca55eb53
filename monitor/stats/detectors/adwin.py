"""ADWIN (Bifet and Gavalda 2007): a window that is cut where the means of its two parts differ.

The arithmetic is River's to the last digit, and a test holds it to that. River's own core is opaque, and its package
imports pandas and scikit-learn: a second of CPU or more, and 95 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt
from typing import Any, Final

import numpy as np

from monitor.stats.detectors.detector import Detector

#: River's defaults
DELTA: Final = 0.002
CLOCK: Final = 32
MAX_BUCKETS: Final = 5
MIN_WINDOW_LENGTH: Final = 5
GRACE_PERIOD: Final = 10

#: (total, variance) of consecutive values; the variance is the sum of squares about their mean
Bucket = tuple[float, float]


class Adwin(Detector):
    """Detects changes of the mean of a sequence of values from 0 to 1, or near it.

    The window is kept as buckets: level L holds up to `max_buckets` of 2^L values each, oldest first.
    """

    numbers = ("width", "total", "variance", "ticks")

    def __init__(
        self,
        delta: float = DELTA,
        clock: int = CLOCK,
        max_buckets: int = MAX_BUCKETS,
        min_window_length: int = MIN_WINDOW_LENGTH,
        grace_period: int = GRACE_PERIOD,
    ) -> None:
        """`delta`: the significance, in (0, 1). With every `clock` values the window is checked."""
        self._delta = delta
        self._clock = clock
        self._max_buckets = max_buckets
        self._least = min_window_length
        self._grace = grace_period
        self.reset()

    def reset(self) -> None:
        self.width = 0.0
        self.total = 0.0
        self.variance = 0.0
        self.ticks = 0
        self._levels: list[list[Bucket]] = [[]]

    @property
    def estimation(self) -> float:
        """The mean since the last change."""
        return self.total / self.width if self.width else 0.0

    def update(self, value: float) -> bool:
        self._insert(value)
        self.ticks += 1
        if self.ticks % self._clock or self.width <= self._grace:
            return False
        changed = False
        while self._has_cut():
            changed = True
            self._drop_oldest()
        return changed

    def _insert(self, value: float) -> None:
        self._levels[0].append((value, 0.0))
        self.width += 1.0
        if self.width > 1.0:
            off = value - self.total / (self.width - 1.0)
            self.variance += (self.width - 1.0) * off * off / self.width
        self.total += value
        self._compress()

    def _compress(self) -> None:
        """Merge the two oldest buckets of each level that has too many."""
        for at, level in enumerate(self._levels):
            if len(level) <= self._max_buckets:
                return
            if at + 1 == len(self._levels):
                self._levels.append([])
            (first, spread), (second, other_spread) = level[:2]
            size = float(1 << at)
            off = first / size - second / size
            variance = spread + other_spread + size * size * off * off / (size + size)
            del level[:2]
            self._levels[at + 1].append((first + second, variance))

    def _oldest_first(self) -> Iterator[tuple[float, Bucket]]:
        for at in range(len(self._levels) - 1, -1, -1):
            size = float(1 << at)
            for bucket in self._levels[at]:
                yield size, bucket

    def _has_cut(self) -> bool:
        """Whether the window falls into two parts whose means differ."""
        spread = self.variance / self.width
        if spread < 0:  # by rounding, of values that are all alike; River finds no change then either
            return False
        confidence = log(2.0 * log(self.width) / self._delta)
        old_n, new_n, old_total, new_total = 0.0, self.width, 0.0, self.total
        for size, (total, _) in self._oldest_first():
            old_n += size
            new_n -= size
            if new_n <= 0:
                return False
            old_total += total
            new_total -= total
            if old_n >= self._least and new_n >= self._least:
                harmonic = 1.0 / (old_n - self._least + 1) + 1.0 / (new_n - self._least + 1)
                allowed = sqrt(2 * harmonic * spread * confidence) + 2 / 3 * confidence * harmonic
                if abs(old_total / old_n - new_total / new_n) > allowed:
                    return True
        return False

    def _drop_oldest(self) -> None:
        size = float(1 << (len(self._levels) - 1))
        total, variance = self._levels[-1].pop(0)
        self.width -= size
        self.total -= total
        off = total / size - self.total / self.width
        self.variance -= variance + size * self.width * off * off / (size + self.width)
        while len(self._levels) > 1 and not self._levels[-1]:
            self._levels.pop()

    def to_state(self) -> dict[str, Any]:
        buckets = [bucket for level in self._levels for bucket in level]
        return super().to_state() | {
            "levels": [len(level) for level in self._levels],
            "buckets": np.array(buckets, np.float64).reshape(-1, 2),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        buckets: list[list[float]] = np.array(state["buckets"], np.float64).tolist()
        known = iter([(total, variance) for total, variance in buckets])
        self._levels = [[next(known) for _ in range(size)] for size in state["levels"]]
