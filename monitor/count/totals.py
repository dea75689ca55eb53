"""Accepted events of each model version since the state began, over all partitions; kept as one running total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable
from typing import Final

from monitor.count.put_off import PutOff
from monitor.events import ModelKey
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.tally import Tally

#: model versions known from labels only are counted separately up to this number; further ones count as version ""
MAX_LABEL_VERSIONS: Final = 100


class LabelTotals:
    """Labels of each model version, whether predictions of it came or not."""

    def __init__(self) -> None:
        self.tallies: dict[ModelKey, LabelTally] = {}
        self._named: set[ModelKey] = set()
        #: how often those of each changed
        self._changes: Counter[ModelKey] = Counter()

    def add(self, key: ModelKey, tally: LabelTally) -> None:
        self._changes[key] += 1
        known = self.tallies.get(key)
        if known is None:
            self.tallies[key] = tally.copy()
        else:
            known.merge(tally)

    def of(self, key: ModelKey) -> LabelTally:
        """All labels of a model version."""
        return self.tallies.get(key) or LabelTally()

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

    def recount(self, key: ModelKey, counted: LabelTally) -> None:
        """Some of a model version's labels, of which none was in a pair, are counted again."""
        if counted.total:
            self._changes[key] += 1
            self.tallies[key].labels -= counted.total
            self.tallies[key].merge(counted)

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self.tallies.pop(key, None)
        self._named.discard(key)

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as the labels of a model version are."""
        return self._changes[key]

    def restore(self, key: ModelKey, tally: LabelTally) -> None:
        """Go on from the labels of a model version; the tally is this one's from now on."""
        if not tally.total:
            return
        self.tallies[key] = tally
        if key.version:
            self._named.add(key)


class Totals:
    """Events and labels of each model version; the tasks of a process share one."""

    def __init__(self) -> None:
        self._events: dict[ModelKey, Tally] = {}
        self.labels = LabelTotals()
        #: rows that are not in here yet
        self.put_off = PutOff()
        #: number of changes of each total, as its mark
        self._changes: Counter[ModelKey] = Counter()

    @property
    def events(self) -> dict[ModelKey, Tally]:
        """All events that were accepted, by model version."""
        self.put_off.count_all()
        return self._events

    def begin(self, key: ModelKey, empty: Callable[[], Tally]) -> None:
        """Events of a model version were accepted, and will be added."""
        if key not in self._events:
            self._events[key] = empty()

    def add(self, key: ModelKey, tally: Tally) -> None:
        self._changes[key] += 1
        known = self._events.get(key)
        if known is None:
            self._events[key] = tally.copy()
        else:
            known.merge(tally)

    def recount(self, key: ModelKey, columns: Tally, labels: LabelTally) -> None:
        """Give the total of a model version columns: those of `columns`, with its counts and not its events.

        `labels` are some of its labels, counted again: by class.
        """
        self._changes[key] += 1
        known, total = self.events[key], columns.copy()
        total.predictions, total.feature_events, total.records = known.predictions, known.feature_events, known.records
        self.events[key] = total
        self.labels.recount(key, labels)

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key that labels of `key` count under."""
        return self.labels.key_of(key, self._events)

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self._events.pop(key, None)
        self.labels.forget(key)

    def keys(self) -> list[ModelKey]:
        """The model versions that events were accepted of."""
        return sorted(self._events)

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as the events of a model version are."""
        self.put_off.count_all()
        return self._changes[key]

    def restore(self, key: ModelKey, events: Tally | None) -> None:
        """Go on from the events of a model version; the tally is this one's from now on."""
        if events is not None:
            self._events[key] = events
