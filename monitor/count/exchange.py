"""What carries tallies from stage 1 to stage 2: here, in one process, a merge of what all tasks closed.

Panes of events and cohorts of labels are exchanged separately.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.count.columns.facts import events_of_facts
from monitor.count.labels.cohorts import LabelCohort, WaitingLabels
from monitor.count.labels.joins import Effective
from monitor.count.task import ClosedPane
from monitor.count.task_state import PaneKey
from monitor.events import ModelKey
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.tally import Tally


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
        """Take closed panes; events and facts of panes that were judged already are counted but never judged."""
        for pane_key, start_us, tally in closed:
            if start_us < self._judged_until.get(pane_key.key, start_us):
                if lost := tally.events + events_of_facts(tally):
                    self.unjudged[pane_key.key] += lost
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

    def recount(self, key: ModelKey, tallies: Mapping[int, Tally]) -> None:
        """Replace the tallies of a model version that wait, by the start of each pane: it has another reference."""
        for start_us, pane_key in self._waiting:
            if pane_key.key == key:
                self._waiting[start_us, pane_key] = tallies[start_us]

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


@dataclass(frozen=True, slots=True)
class LabelExchangeState:
    """What a checkpoint keeps of the labels of a model version: up to when those that came with their predictions were
    handed on (None: none was), and the others that wait, in time order."""

    handed_on_until_us: int | None = None
    waiting: list[LabelCohort] = field(default_factory=list)


class LabelExchange:
    """Merges closed cohorts over tasks; they wait until their model version is judged up to a time behind them.

    A cohort of labels that came with their predictions is handed on once. What comes for it afterwards belongs to
    predictions that are never judged, and is in the totals alone.
    """

    def __init__(self) -> None:
        self._waiting = WaitingLabels()
        #: there are no more of these than panes
        self._inline = WaitingLabels(most=math.inf)
        self._handed_on_until: dict[ModelKey, int] = {}
        #: joined ones by model version, and the end of the pane in which they take effect; none waits between two turns
        self._joined: dict[ModelKey, dict[int, list[LabelCohort]]] = {}

    def put_joined(self, found: Iterable[Effective]) -> None:
        """Add what the joins give; takes over its tallies."""
        for until_us, cohort in found:
            if cohort.joined:
                self._joined.setdefault(cohort.key, {}).setdefault(until_us, []).append(cohort)
            else:
                self._waiting.add((cohort,))

    def hand_joined_on(
        self,
        take: Callable[[list[LabelCohort], int], None],
        keys: Iterable[ModelKey] | None = None,
        end_us: float = math.inf,
    ) -> None:
        """Hand on the joined labels of model versions, by default all, that take effect before `end_us`, each once.

        `take` is called for each end of a pane in which some take effect, in time order.
        """
        for key in sorted(self._joined) if keys is None else keys:
            of_key = self._joined.get(key, {})
            for until_us in sorted(until_us for until_us in of_key if until_us <= end_us):
                take(of_key.pop(until_us), until_us)
            if not of_key:
                self._joined.pop(key, None)

    def put(self, closed: Iterable[LabelCohort]) -> None:
        """Add closed cohorts, in any order; takes over their tallies."""
        for cohort in closed:
            if not cohort.inline:
                self._waiting.add((cohort,))
            elif cohort.start_us >= self._handed_on_until.get(cohort.key, cohort.start_us):
                self._inline.add((cohort,))

    def ready(self, key: ModelKey, end_us: int) -> list[LabelCohort]:
        """The labels of a model version up to the end of a pane that were not handed on yet, each kind in time order:
        those that took effect before it, and those that came with a prediction from before it."""
        self._handed_on_until[key] = end_us
        return [*self._waiting.take_before(key, end_us), *self._inline.take_before(key, end_us)]

    def recount(self, key: ModelKey, tallies: Mapping[int, LabelTally]) -> None:
        """Replace the tallies of inline labels that wait, by the start of their cohort."""
        self._inline.recount(key, tallies)

    def forget(self, key: ModelKey) -> None:
        self._waiting.forget(key)
        self._inline.forget(key)
        self._joined.pop(key, None)
        self._handed_on_until.pop(key, None)

    def keys(self) -> list[ModelKey]:
        """The model versions with waiting labels, or labels handed on."""
        return sorted(self._waiting.keys() | self._handed_on_until.keys())

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` of a model version would give the same."""
        return self._waiting.mark(key), self._handed_on_until.get(key)

    def to_state(self, key: ModelKey) -> LabelExchangeState:
        """State of one model version. Inline labels never wait between two turns."""
        return LabelExchangeState(self._handed_on_until.get(key), self._waiting.of(key))

    def restore(self, key: ModelKey, state: LabelExchangeState) -> None:
        """Restore from a state; takes over its tallies."""
        if state.handed_on_until_us is not None:
            self._handed_on_until[key] = state.handed_on_until_us
        self._waiting.add(state.waiting)
