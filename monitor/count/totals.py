"""Accepted events of each model version since the state began, over all partitions; kept as one running total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Mapping
from typing import Final

from monitor.events import ModelKey
from monitor.stats.tally import Tally

#: model versions known from labels only are counted separately up to this number; further ones count as version ""
MAX_LABEL_VERSIONS: Final = 100


class LabelTotals:
    """Label events of each model version, with or without predictions."""

    def __init__(self) -> None:
        self.counted: Counter[ModelKey] = Counter()
        self._named: set[ModelKey] = set()

    def add(self, labels: Mapping[ModelKey, int]) -> None:
        self.counted.update(labels)

    def key_of(self, key: ModelKey, seen: Container[ModelKey]) -> ModelKey:
        """The key that labels of `key` count under; version "" if too many versions are known from labels only.

        `seen` are the model versions with events.
        """
        if key in seen or key in self._named or not key.version:
            return key
        if len(self._named) >= MAX_LABEL_VERSIONS:
            self._named = {named for named in self._named if named not in seen}
        if len(self._named) >= MAX_LABEL_VERSIONS:
            return ModelKey(key.model, "")
        self._named.add(key)
        return key

    def forget(self, key: ModelKey) -> None:
        self.counted.pop(key, None)
        self._named.discard(key)

    def restore(self, key: ModelKey, labels: int) -> None:
        self.counted[key] = labels
        if key.version:
            self._named.add(key)


class Totals:
    """Events and labels of each model version; the tasks of a process share one."""

    def __init__(self) -> None:
        self.events: dict[ModelKey, Tally] = {}
        self.labels = LabelTotals()
        #: number of changes of each total, as its mark
        self._changes: Counter[ModelKey] = Counter()

    def add(self, key: ModelKey, tally: Tally) -> None:
        self._changes[key] += 1
        known = self.events.get(key)
        if known is None:
            self.events[key] = tally.copy()
        else:
            known.merge(tally)

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key that labels of `key` count under."""
        return self.labels.key_of(key, self.events)

    def labels_of(self, key: ModelKey) -> int:
        """Labels of a model version, inline ones included."""
        total = self.events.get(key)
        inline = 0 if total is None else total.labels + total.labelled
        return inline + self.labels.counted[key]

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self.events.pop(key, None)
        self.labels.forget(key)

    def keys(self) -> list[ModelKey]:
        """The model versions with an accepted event or label."""
        return sorted(self.events.keys() | self.labels.counted.keys())

    def mark(self, key: ModelKey) -> Hashable:
        """Changes whenever the totals of a model version do (labels only grow)."""
        return self._changes[key], self.labels.counted[key]

    def restore(self, key: ModelKey, events: Tally | None, labels: int) -> None:
        """Continue from the saved totals of a model version; this object owns the tally from now on."""
        if events is not None:
            self.events[key] = events
        if labels:
            self.labels.restore(key, labels)
