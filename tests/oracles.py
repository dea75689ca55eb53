"""Independent implementations of the engine's figures, by other libraries or by the simplest code possible."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitor.events import canonical
from monitor.reference.reference import FEATURE, Column
from monitor.stats.bins import NUMERIC, QUALITY_COUNTS
from monitor.stats.evidence import MIN_EXPECTED

Ints = NDArray[np.int64]


def pool(reference: Ints, window: Ints, effective: float) -> tuple[Ints, Ints]:
    """Merge the bins with too few expected events in the window; chosen by the reference's shares alone."""
    order = sorted(range(len(reference)), key=lambda i: (reference[i], i))
    expected = [reference[i] / reference.sum() * effective for i in order]
    taken = sum(one < MIN_EXPECTED for one in expected)
    if 0 < sum(expected[:taken]) < MIN_EXPECTED:
        taken = min(taken + 1, len(order))
    tables = [[counts[i] for i in order] for counts in (reference, window)]
    merged = [[sum(row[:taken]), *row[taken:]] if taken else row for row in tables]
    kept = [i for i in range(len(merged[0])) if merged[0][i] + merged[1][i] > 0]
    return np.array([merged[0][i] for i in kept], np.int64), np.array([merged[1][i] for i in kept], np.int64)


def chi_square(reference: Ints, window: Ints, overdispersion: float) -> tuple[float, int]:
    """SciPy's chi-square of the pooled two-row table, divided by the overdispersion, and its degrees of freedom."""
    first, second = pool(reference, window, window.sum() / overdispersion)
    if len(first) < 2 or second.sum() == 0:
        return 0.0, 0
    result = stats.chi2_contingency(np.array([first, second]), correction=False)
    return float(result.statistic) / overdispersion, int(result.dof)


def cut_point(reference: Ints, window: Ints, overdispersion: float) -> tuple[float, int]:
    """The largest two-proportion z over all cuts with enough events on both sides, and its cut."""
    n, m, best = int(window.sum()), int(reference.sum()), (0.0, 0)
    for cut in range(len(reference) - 1):
        p0, p1 = int(reference[: cut + 1].sum()) / m, int(window[: cut + 1].sum()) / n
        if min(p0, 1 - p0) * n / overdispersion < MIN_EXPECTED:
            continue
        both = (p0 * m + p1 * n) / (m + n)
        z = (p0 - p1) / math.sqrt(both * (1 - both) * (1 / n + 1 / m) * overdispersion)
        if abs(z) > abs(best[0]):
            best = (z, cut)
    return best


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


def _category_slot(column: Column, width: int, value: object) -> int:
    if not isinstance(value, str | int | float | bool):
        return width + QUALITY_COUNTS.index("type")
    name = canonical(value)
    if name in column.bins.categories:
        return column.bins.categories.index(name)
    return len(column.bins.categories) if name in column.bins.rare else width + QUALITY_COUNTS.index("unseen")


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
