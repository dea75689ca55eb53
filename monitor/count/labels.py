"""Labels that were counted and wait to be handed on: by model version and cohort.

Until they are joined to their predictions, the cohort of labels is the stretch of time in which they take effect. They
are kept apart from the panes of events and do not affect what is complete or judged. A transition reports
how many took effect before its time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from monitor.events import ModelKey

#: most cohorts over all model versions; above that, the oldest ones of the version with the most are merged, and handed
#: on with the newest of them
MAX_COHORTS: Final = 20_000


class LabelCount(NamedTuple):
    """Labels of a model version that belong to one cohort, which begins at `start_us`."""

    key: ModelKey
    start_us: int
    labels: int


class WaitingLabels:
    """Counts by model version and cohort, each given out once."""

    def __init__(self, most: int = MAX_COHORTS) -> None:
        self._most = most
        self._cohorts: dict[ModelKey, Counter[int]] = {}
        #: heaps of the same cohorts' starts
        self._order: dict[ModelKey, list[int]] = {}
        self._held = 0
        #: how often those of a model version changed, and of all
        self._changes: Counter[ModelKey] = Counter()
        self._all_changes = 0

    def add(self, counts: Iterable[LabelCount]) -> None:
        """Take counts, in any order."""
        for key, start_us, labels in counts:
            self._changed(key)
            of_key = self._cohorts.setdefault(key, Counter())
            if start_us not in of_key:
                heappush(self._order.setdefault(key, []), start_us)
                self._held += 1
            of_key[start_us] += labels
            if self._held > self._most:
                self._fold()

    def _changed(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self._all_changes += 1

    def mark(self, key: ModelKey | None = None) -> Hashable:
        """The same as long as what waits of a model version is; without one, as long as all of it is."""
        return self._all_changes if key is None else self._changes[key]

    def _fold(self) -> None:
        """Put the older half of the longest row of cohorts into its last one: never handed on too early."""
        key = max(self._cohorts, key=lambda one: len(self._cohorts[one]))
        self._changed(key)
        longest = self._cohorts[key]
        older = sorted(longest)[: max(2, len(longest) // 2)]
        longest[older[-1]] += sum(longest.pop(start_us) for start_us in older[:-1])
        self._order[key] = list(longest)
        heapify(self._order[key])
        self._held -= len(older) - 1

    def take_before(self, key: ModelKey, end_us: float) -> list[LabelCount]:
        """The cohorts of a model version that begin before `end_us` and were not taken yet, in time order."""
        of_key, order, taken = self._cohorts.get(key, Counter()), self._order.get(key, []), []
        if order and order[0] < end_us:
            self._changed(key)
        while order and order[0] < end_us:
            start_us = heappop(order)
            taken.append(LabelCount(key, start_us, of_key.pop(start_us)))
            self._held -= 1
        if not order:
            self._cohorts.pop(key, None)
            self._order.pop(key, None)
        return taken

    def keys(self) -> Iterable[ModelKey]:
        return self._cohorts.keys()

    def of(self, key: ModelKey) -> list[LabelCount]:
        """What waits of a model version, in time order."""
        return [LabelCount(key, start_us, labels) for start_us, labels in sorted(self._cohorts.get(key, {}).items())]

    def forget(self, key: ModelKey) -> None:
        self._changed(key)
        self._held -= len(self._cohorts.pop(key, ()))
        self._order.pop(key, None)

    def __iter__(self) -> Iterator[LabelCount]:
        """Every count, in a fixed order."""
        for key in sorted(self._cohorts):
            yield from self.of(key)
