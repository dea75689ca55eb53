"""Labels that were counted and wait to be told: by model version and the pane in which they take effect.

They stand beside the panes of events and teach those nothing: not what is complete, not what was judged. A transition
tells how many took effect before its time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from monitor.events import ModelKey

#: panes kept apart over all model versions; beyond, the oldest of the version that has most are told later, as one
MAX_PANES: Final = 20_000


class LabelCount(NamedTuple):
    """Labels of a model version that take effect in one pane."""

    key: ModelKey
    start_us: int
    labels: int


class WaitingLabels:
    """Counts by model version and pane."""

    def __init__(self, most: int = MAX_PANES) -> None:
        self._most = most
        self._panes: dict[ModelKey, Counter[int]] = {}
        #: heaps of the same panes
        self._order: dict[ModelKey, list[int]] = {}
        self._held = 0
        #: how often those of a model version changed
        self._changes: Counter[ModelKey] = Counter()

    def add(self, counts: Iterable[LabelCount]) -> None:
        """Take counts, in any order."""
        for key, start_us, labels in counts:
            self._changes[key] += 1
            of_key = self._panes.setdefault(key, Counter())
            if start_us not in of_key:
                heappush(self._order.setdefault(key, []), start_us)
                self._held += 1
            of_key[start_us] += labels
            if self._held > self._most:
                self._fold()

    def _fold(self) -> None:
        """Put the older half of the longest row of panes into its last one: never told too early."""
        key = max(self._panes, key=lambda one: len(self._panes[one]))
        self._changes[key] += 1
        longest = self._panes[key]
        older = sorted(longest)[: max(2, len(longest) // 2)]
        longest[older[-1]] += sum(longest.pop(start_us) for start_us in older[:-1])
        self._order[key] = list(longest)
        heapify(self._order[key])
        self._held -= len(older) - 1

    def take_before(self, key: ModelKey, end_us: int) -> int:
        """Labels that took effect before `end_us` and were not taken yet."""
        of_key, order, taken = self._panes.get(key, Counter()), self._order.get(key, []), 0
        if order and order[0] < end_us:
            self._changes[key] += 1
        while order and order[0] < end_us:
            taken += of_key.pop(heappop(order))
            self._held -= 1
        if not order:
            self._panes.pop(key, None)
            self._order.pop(key, None)
        return taken

    def keys(self) -> Iterable[ModelKey]:
        return self._panes.keys()

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as what waits of a model version is."""
        return self._changes[key]

    def of(self, key: ModelKey) -> list[LabelCount]:
        """What waits of a model version, in order of time."""
        return [LabelCount(key, start_us, labels) for start_us, labels in sorted(self._panes.get(key, {}).items())]

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self._held -= len(self._panes.pop(key, ()))
        self._order.pop(key, None)

    def __iter__(self) -> Iterator[LabelCount]:
        """Every count, in a fixed order."""
        for key in sorted(self._panes):
            yield from self.of(key)
