"""Independent implementations of the engine's figures, by other libraries or by the simplest code possible."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from monitor.events import canonical
from monitor.reference.column import FEATURE, Column
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS

Ints = NDArray[np.int64]


def expand(counts: Ints) -> NDArray[np.int64]:
    """A sample with these counts: the index of the bin for each event."""
    return np.repeat(np.arange(len(counts)), counts)


def duplicates(keys: Sequence[int], capacity: int, memory: deque[int]) -> list[bool]:
    """For each key whether it is among the last `capacity` ones; `memory` is updated."""
    repeated = []
    for key in keys:
        repeated.append(capacity > 0 and key in memory)
        memory.append(key)
        while len(memory) > capacity:
            memory.popleft()
    return repeated


def slot_of(column: Column, width: int, features: dict[str, Any]) -> int:
    """The slot in which a feature's value is counted: a bin from 0, or a quality count after the `width` bins."""
    if column.name not in features:
        return width + QUALITY_COUNTS.index("absent")
    value = features[column.name]
    if value is None:
        return width + QUALITY_COUNTS.index("missing")
    if column.bins.kind != NUMERIC:
        return _category_slot(column, width, value)
    if isinstance(value, bool) and column.role == FEATURE:
        value = int(value)  # true and false are 1 and 0 in a feature
    return _number_slot(column, width, value)


def _number_slot(column: Column, width: int, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return width + QUALITY_COUNTS.index("type")
    if not column.bins.low <= value <= column.bins.high:
        return width + QUALITY_COUNTS.index("outside")
    return sum(edge < value for edge in column.bins.edges)


def category_of(value: object) -> str | None:
    """The text of a category; None of what is none."""
    return canonical(value) if isinstance(value, str | int | float) else None


def _category_slot(column: Column, width: int, value: object) -> int:
    name = category_of(value)
    if name is None:
        return width + QUALITY_COUNTS.index("type")
    if name in column.bins.categories:
        return column.bins.categories.index(name)
    if not column.bins.buckets:
        return width + QUALITY_COUNTS.index("unseen")
    return len(column.bins.categories) + xxhash.xxh3_64_intdigest(name.encode()) % column.bins.buckets


class PlainClock:
    """The clock of a topic-partition by its definition; `second` is a second in the units of its times."""

    def __init__(self, second: int = 1) -> None:
        self.jump = 300 * second
        self.asked: list[int] = []
        self.clock: int | None = None
        self.skewed = 0

    def ask(self, at: int, lateness: int) -> int | None:
        """The clock that an event at time `at` is compared with; then the clock is updated by the event."""
        before, least = self.clock, max(self.jump, lateness, self.usual())
        self.asked.append(at)
        last = sorted(self.asked[-20:])
        if before is None or before < at <= before + least:
            self.clock = at
        elif at > before:
            self.clock = self.jumped(before, last, least)
            self.skewed += self.clock < at
        elif len(self.asked) <= 20 and at < before - self.jump:
            ahead = [one for one in last if one > at + least]
            if ahead and len(ahead) * 5 <= len(last):
                self.clock = min(before, max(set(last) - set(ahead)))
                return self.clock
        return before

    def usual(self) -> int:
        """Ten times the median distance in time of the last 20 events."""
        last = sorted(self.asked[-20:])
        if len(last) < 5:
            return 0
        return int(10 * median(later - earlier for earlier, later in pairwise(last)))

    @staticmethod
    def jumped(clock: int, last: list[int], least: int) -> int:
        while len(beyond := [at for at in last if at > clock + least]) > len(last) / 2:
            clock = beyond[0]
            while steps := [at for at in last if clock < at <= clock + least]:
                clock = max(steps)
        return clock
