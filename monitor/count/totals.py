"""What was accepted of each model version since the state began, over all partitions: kept once, never summed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final

from monitor.events import ModelKey
from monitor.stats.tally import Tally

#: model versions that labels alone name are kept apart up to this number; further ones count as version ""
MAX_LABEL_VERSIONS: Final = 100


class Totals:
    """Events and labels of each model version; the units of a process share one."""

    def __init__(self) -> None:
        self.events: dict[ModelKey, Tally] = {}
        #: label events; inline labels are in `events`
        self.labels: Counter[ModelKey] = Counter()
        self._named_by_labels: set[ModelKey] = set()
        #: how often each changed
        self._changes: Counter[ModelKey] = Counter()

    def add(self, key: ModelKey, tally: Tally) -> None:
        self._changes[key] += 1
        known = self.events.get(key)
        if known is None:
            self.events[key] = tally.copy()
            self._named_by_labels.discard(key)
        else:
            known.merge(tally)

    def add_labels(self, key: ModelKey, labels: int) -> None:
        """Count label events of a key that `label_key` gave."""
        self._changes[key] += 1
        self.labels[key] += labels

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key that labels of `key` count under; its version is "" where labels alone name too many."""
        if key in self.events or key in self._named_by_labels or not key.version:
            return key
        if len(self._named_by_labels) >= MAX_LABEL_VERSIONS:
            return ModelKey(key.model, "")
        self._named_by_labels.add(key)
        return key

    def labels_of(self, key: ModelKey) -> int:
        """Labels of a model version, inline ones included."""
        total = self.events.get(key)
        inline = 0 if total is None else total.labels + total.labelled
        return inline + self.labels[key]

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self.events.pop(key, None)
        self.labels.pop(key, None)
        self._named_by_labels.discard(key)

    def keys(self) -> list[ModelKey]:
        """The model versions that anything was accepted of."""
        return sorted(self.events.keys() | self.labels.keys())

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as the totals of a model version are."""
        return self._changes[key]

    def restore(self, key: ModelKey, events: Tally | None, labels: int) -> None:
        """Go on from the totals of a model version; the tally is this one's from now on."""
        if events is not None:
            self.events[key] = events
            self._named_by_labels.discard(key)
        if labels:
            self.labels[key] = labels
            if key.version and events is None:
                self._named_by_labels.add(key)
