"""What carries tallies from stage 1 to stage 2: here, in one process, a merge of what all units closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.count.labels import LabelCount, WaitingLabels
from monitor.count.task import ClosedPane
from monitor.count.task_state import PaneKey
from monitor.events import ModelKey
from monitor.stats.tally import Tally


class Pane(NamedTuple):
    """A pane that is complete over all units. `labels` took effect before its end, and not before an earlier one's."""

    pane_key: PaneKey
    start_us: int
    end_us: int
    tally: Tally
    labels: int = 0


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """What a checkpoint keeps of a model version: what is final (None: nothing), and the labels that wait."""

    judged_until_us: int | None = None
    unjudged: int = 0
    labels: list[LabelCount] = field(default_factory=list)


class Exchange:
    """Merges closed panes over units and hands them on in time order. What was handed on is final.

    Labels come beside them: they close no pane and make none final.
    """

    def __init__(self, pane_us: int) -> None:
        self._pane_us = pane_us
        self._waiting: dict[tuple[int, PaneKey], Tally] = {}
        self._judged_until: dict[ModelKey, int] = {}
        self._labels = WaitingLabels()
        self.unjudged: Counter[ModelKey] = Counter()

    def put(self, closed: Iterable[ClosedPane]) -> None:
        """Take closed panes; events for panes that were judged already are counted and never judged."""
        for pane_key, start_us, tally in closed:
            if start_us < self._judged_until.get(pane_key.key, start_us):
                self.unjudged[pane_key.key] += tally.events
                continue
            known = self._waiting.get((start_us, pane_key))
            if known is None:
                self._waiting[start_us, pane_key] = tally
            else:
                known.merge(tally)

    def put_labels(self, counts: Iterable[LabelCount]) -> None:
        """Take counted labels, in any order; the next pane of their model version that ends after them tells them."""
        self._labels.add(counts)

    def ready(self) -> list[Pane]:
        """The panes that came in since the last call, in time order."""
        ready = []
        for (start_us, pane_key), tally in sorted(self._waiting.items(), key=lambda item: item[0]):
            end_us = start_us + self._pane_us
            labels = self._labels.take_before(pane_key.key, end_us)
            ready.append(Pane(pane_key, start_us, end_us, tally, labels))
            self._judged_until[pane_key.key] = end_us
        self._waiting.clear()
        return ready

    def forget(self, key: ModelKey) -> None:
        self._judged_until.pop(key, None)
        self.unjudged.pop(key, None)
        self._labels.forget(key)

    def keys(self) -> list[ModelKey]:
        """The model versions that anything is known of."""
        return sorted(self._judged_until.keys() | self.unjudged.keys() | set(self._labels.keys()))

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` of a model version would give the same."""
        return self._judged_until.get(key), self.unjudged[key], self._labels.mark(key)

    def to_state(self, key: ModelKey) -> ExchangeState:
        """Of one model version. Nothing but labels waits between two turns, so they and what is final are state."""
        return ExchangeState(self._judged_until.get(key), self.unjudged[key], self._labels.of(key))

    def restore(self, key: ModelKey, state: ExchangeState) -> None:
        """Go on from the state of a model version."""
        if state.judged_until_us is not None:
            self._judged_until[key] = state.judged_until_us
        if state.unjudged:
            self.unjudged[key] = state.unjudged
        self._labels.add(state.labels)
