"""The vectors of one feature in a survey: their lengths, and an even sample of those of the usual length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.decode.derived import vector_value
from monitor.reference.survey.values import Floats, Ints
from monitor.stats.tallies.thinning import Thinning

#: most numbers kept of a feature's vectors, 32 MB; beyond it every second, fourth, ... vector is kept
SAMPLE_NUMBERS: Final = 1 << 22
#: lengths counted apart
MAX_LENGTHS: Final = 100


class VectorSample:
    """Lists of numbers, in the order of the survey. The sample is of vectors of `length`, the most frequent one."""

    def __init__(self) -> None:
        self.lengths: Counter[int] = Counter()
        self.length = 0
        self._thinning = Thinning(2)
        self._vectors: list[Floats] = []
        self._times: list[Ints] = []

    def add(self, values: Sequence[object], times: Ints) -> None:
        """Take the lists among the next n values, with their times (n,)."""
        lists = [(value, at) for at, value in enumerate(values) if type(value) is list]
        for length, count in Counter(len(value) for value, _ in lists).items():
            if length in self.lengths or len(self.lengths) < MAX_LENGTHS:
                self.lengths[length] += count
        usual = max(self.lengths, key=lambda length: (self.lengths[length], -length), default=0)
        if self.lengths[usual] > self.lengths[self.length]:
            self._begin(usual)
        self._sample([(value, at) for value, at in lists if len(value) == self.length], times)

    def _begin(self, length: int) -> None:
        """Sample vectors of another length from now on."""
        self.length = length
        self._thinning = Thinning(max(2, SAMPLE_NUMBERS // max(length, 1) // 2 * 2))
        self._vectors, self._times = [], []

    def _sample(self, lists: Sequence[tuple[list[object], int]], times: Ints) -> None:
        for picked, is_full in self._thinning.take(len(lists)):
            valid = [(vector, at) for value, at in lists[picked] if (vector := _valid(value)) is not None]
            if valid:
                self._vectors.append(np.array([vector for vector, _ in valid], np.float64))
                self._times.append(times[[at for _, at in valid]])
            if is_full:
                self._vectors = [np.concatenate(self._vectors)[::2].copy()] if self._vectors else []
                self._times = [np.concatenate(self._times)[::2].copy()] if self._times else []

    def in_time_order(self) -> tuple[Floats, Ints]:
        """The sample (n, length), and its times (n,)."""
        vectors = np.concatenate([np.zeros((0, self.length)), *self._vectors])
        times = np.concatenate([np.zeros(0, np.int64), *self._times])
        order = np.argsort(times, kind="stable")
        return vectors[order], times[order]


def _valid(value: list[object]) -> list[float] | None:
    vector = vector_value(value)
    return vector if isinstance(vector, list) else None
