"""What carries tallies from stage 1 to stage 2: here, in one process, a merge of what all tasks closed.

Panes of events and cohorts of labels have an entry each, and neither knows of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from monitor.count.labels import LabelCount, WaitingLabels
from monitor.count.task import ClosedPane
from monitor.count.task_state import PaneKey
from monitor.events import ModelKey
from monitor.stats.tally import Tally


class Pane(NamedTuple):
    """A pane that is complete over all tasks."""

    pane_key: PaneKey
    start_us: int
    end_us: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """Checkpointed state of a model version's events: up to when they are final (None: nothing is)."""

    judged_until_us: int | None = None
    unjudged: int = 0


class Exchange:
    """Merges closed panes over tasks and hands them on in time order. A pane handed on is final."""

    def __init__(self, pane_us: int) -> None:
        self._pane_us = pane_us
        self._waiting: dict[tuple[int, PaneKey], Tally] = {}
        self._judged_until: dict[ModelKey, int] = {}
        self.unjudged: Counter[ModelKey] = Counter()

    def put(self, closed: Iterable[ClosedPane]) -> None:
        """Take closed panes; events of panes that were judged already are counted but never judged."""
        for pane_key, start_us, tally in closed:
            if start_us < self._judged_until.get(pane_key.key, start_us):
                self.unjudged[pane_key.key] += tally.events
                continue
            known = self._waiting.get((start_us, pane_key))
            if known is None:
                self._waiting[start_us, pane_key] = tally
            else:
                known.merge(tally)

    def ready(self) -> Iterator[Pane]:
        """The panes put since the last call, in time order, without those forgotten meanwhile."""
        for start_us, pane_key in sorted(self._waiting):
            tally = self._waiting.pop((start_us, pane_key), None)
            if tally is None:
                continue
            end_us = start_us + self._pane_us
            self._judged_until[pane_key.key] = end_us
            yield Pane(pane_key, start_us, end_us, tally)

    def forget(self, key: ModelKey) -> None:
        """Drop everything of a model version."""
        self._waiting = {place: tally for place, tally in self._waiting.items() if place[1].key != key}
        self._judged_until.pop(key, None)
        self.unjudged.pop(key, None)

    def keys(self) -> list[ModelKey]:
        """The model versions with state here."""
        return sorted(self._judged_until.keys() | self.unjudged.keys())

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` of a model version would give the same."""
        return self._judged_until.get(key), self.unjudged[key]

    def to_state(self, key: ModelKey) -> ExchangeState:
        """State of one model version. No pane waits between two turns, so the state is only the time."""
        return ExchangeState(self._judged_until.get(key), self.unjudged[key])

    def restore(self, key: ModelKey, state: ExchangeState) -> None:
        if state.judged_until_us is not None:
            self._judged_until[key] = state.judged_until_us
        if state.unjudged:
            self.unjudged[key] = state.unjudged


class LabelExchange:
    """Merges closed cohorts over tasks; they wait until their model version is judged past them."""

    def __init__(self) -> None:
        self._waiting = WaitingLabels()

    def put(self, closed: Iterable[LabelCount]) -> None:
        """Take closed cohorts, in any order."""
        self._waiting.add(closed)

    def ready(self, key: ModelKey, end_us: int) -> list[LabelCount]:
        """Labels of a model version that took effect before `end_us`, each handed on once, in time order."""
        return self._waiting.take_before(key, end_us)

    def forget(self, key: ModelKey) -> None:
        self._waiting.forget(key)

    def keys(self) -> list[ModelKey]:
        """The model versions with waiting labels."""
        return sorted(self._waiting.keys())

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` of a model version would give the same."""
        return self._waiting.mark(key)

    def to_state(self, key: ModelKey) -> list[LabelCount]:
        """The waiting labels of a model version, in time order."""
        return self._waiting.of(key)

    def restore(self, labels: Iterable[LabelCount]) -> None:
        self._waiting.add(labels)
