"""Labels by cohort: those of one model version that belong to one stretch of time.

Cohorts stand beside the panes of events and share nothing with them: they move no clock, close no pane and make none
final.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from monitor.events import ModelKey

#: cohorts kept apart over all model versions; beyond, the older half of the version that has most become one
MAX_COHORTS: Final = 20_000


class LabelCohort(NamedTuple):
    """Labels of a model version that belong to the stretch of time that begins at `start_us`, microseconds."""

    key: ModelKey
    start_us: int
    labels: int


class Cohorts:
    """Labels by model version and cohort, each given out once; the same whatever the order in which they came."""

    def __init__(self, most: int = MAX_COHORTS) -> None:
        self._most = most
        self._labels: dict[ModelKey, Counter[int]] = {}
        #: heaps of the same starts
        self._order: dict[ModelKey, list[int]] = {}
        self._held = 0

    def add(self, cohorts: Iterable[LabelCohort]) -> None:
        """Take labels, in any order."""
        for key, start_us, labels in cohorts:
            of_key = self._labels.setdefault(key, Counter())
            if start_us not in of_key:
                heappush(self._order.setdefault(key, []), start_us)
                self._held += 1
            of_key[start_us] += labels
            if self._held > self._most:
                self._fold()

    def _fold(self) -> None:
        """Put the older half of the most cohorts of a version into the newest of them: given out later, never early."""
        key = max(self._labels, key=lambda one: len(self._labels[one]))
        longest = self._labels[key]
        older = sorted(longest)[: max(2, len(longest) // 2)]
        longest[older[-1]] += sum(longest.pop(start_us) for start_us in older[:-1])
        self._order[key] = list(longest)
        heapify(self._order[key])
        self._held -= len(older) - 1

    def take_until(self, key: ModelKey, start_us: float) -> list[LabelCohort]:
        """Give out the cohorts of a model version that begin at or before `start_us`, in time order."""
        of_key, order, taken = self._labels.get(key, Counter()), self._order.get(key, []), []
        while order and order[0] <= start_us:
            begin_us = heappop(order)
            taken.append(LabelCohort(key, begin_us, of_key.pop(begin_us)))
        self._held -= len(taken)
        if not order:
            self.forget(key)
        return taken

    def model_keys(self) -> list[ModelKey]:
        """The model versions that have cohorts."""
        return list(self._labels)

    def forget(self, key: ModelKey) -> None:
        self._held -= len(self._labels.pop(key, ()))
        self._order.pop(key, None)

    def __iter__(self) -> Iterator[LabelCohort]:
        """Every cohort, in a fixed order."""
        for key, of_key in sorted(self._labels.items()):
            for start_us, labels in sorted(of_key.items()):
                yield LabelCohort(key, start_us, labels)
