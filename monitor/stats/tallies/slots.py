"""Counts by slots of event time, of which the newest are kept: to compare a stretch of time with the one before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Slots:
    """The counts (C, B) of the newest `kept` slots, numbered in order of time; slots without counts take no room."""

    def __init__(self, columns: int, bins: int, kept: int) -> None:
        self._shape = columns, bins
        self._kept = kept
        self.first: int | None = None
        self._counts: dict[int, Ints] = {}

    @property
    def newest(self) -> int | None:
        """The number of the newest slot; None before the first counts."""
        return max(self._counts, default=None)

    def add(self, number: int, counts: Ints) -> None:
        """Add counts to a slot, which is the newest one or a newer one."""
        if self.first is None:
            self.first = number
        if number in self._counts:
            self._counts[number] = self._counts[number] + counts
            return
        self._counts = {at: known for at, known in self._counts.items() if at > number - self._kept}
        self._counts[number] = counts.copy()

    def between(self, begin: int, end: int) -> Ints:
        """The counts (C, B) of the slots [begin, end)."""
        total = np.zeros(self._shape, np.int64)
        for at, counts in self._counts.items():
            if begin <= at < end:
                total += counts
        return total

    def to_state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        numbers = sorted(self._counts)
        counts = [self._counts[at] for at in numbers]
        return {
            "first": self.first,
            "numbers": np.array(numbers, np.int64),
            "counts": np.array(counts, np.int64).reshape(len(numbers), -1 if numbers else 0),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `to_state`; counts of another shape are dropped."""
        numbers, counts = np.asarray(state["numbers"]).tolist(), np.array(state["counts"], np.int64)
        if counts.size == len(numbers) * self._shape[0] * self._shape[1]:
            self.first = state["first"]
            self._counts = dict(zip(numbers, counts.reshape(len(numbers), *self._shape), strict=True))
