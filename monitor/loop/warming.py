"""Model versions in their warm-up: rows are kept until a reference is learned, then open panes are counted by it."""

from __future__ import annotations

import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.columns.pane_rows import Rows
from monitor.count.exchange import Exchange, LabelExchange, Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.labels.rows import LabelRows
from monitor.count.task import Shared, Task
from monitor.count.warmup.rows import Chunk, OpenRows, WarmupRows
from monitor.decode.columns import Limits, Rules
from monitor.decode.native.decoder import NativeDecoder
from monitor.errors import UsageError
from monitor.events import PREDICTION, ModelKey
from monitor.judge.warmup import Warmup, WarmupState
from monitor.records import RecordBatch
from monitor.reference.blank import WARMUP
from monitor.reference.configured import contradictions
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from monitor.settings.model import Model
from monitor.settings.tree import Settings
from monitor.stats.performance.label_tally import LabelTally, merged_labels
from monitor.stats.tallies.tally import Tally, merged

#: learns the reference of a model version from its lines, and from its import if there is one; raises UsageError where
#: none can be learned
_T = TypeVar("_T", Tally, LabelTally)
Learn = Callable[[Settings, Model, ModelKey, Callable[[], Iterator[list[bytes]]], Reference | None], Reference]


class Recounted(NamedTuple):
    """Open panes counted by a new reference: events and inline labels, by partition number and start of the pane."""

    events: dict[int, dict[int, Tally]]
    labels: dict[int, dict[int, LabelTally]]

    def all_events(self) -> dict[int, Tally]:
        """By start of the pane, over all partitions."""
        merged: dict[int, Tally] = {}
        for tallies in self.events.values():
            for start_us, tally in tallies.items():
                if start_us in merged:
                    merged[start_us].merge(tally)
                else:
                    merged[start_us] = tally.copy()
        return merged

    def all_labels(self) -> dict[int, LabelTally]:
        """The same of inline labels."""
        merged: defaultdict[int, LabelTally] = defaultdict(LabelTally)
        for tallies in self.labels.values():
            for start_us, tally in tallies.items():
                merged[start_us].merge(tally)
        return dict(merged)


class LearningStopped(Exception):
    """Raised by `Warming.tick` to leave the learning: the state of before it is as good as that of a killed process."""


class Ended(NamedTuple):
    """The end of a warm-up, or of one try: what was known then (without the rows), and how many seconds it took.

    `limit` is the limit that its rows had reached, "" if none. Without a reference in `state`, it has begun again.
    """

    state: WarmupState
    seconds: float
    limit: str


class Warming:
    """The warm-ups of a process. Without `learn` there are none."""

    def __init__(self, settings: Settings, admission: Admission, learn: Learn | None, clock: Clock) -> None:
        self._settings = settings
        self._admission = admission
        self._learn = learn
        self._clock = clock
        self.rows = WarmupRows(settings.windows.pane, self._tags)
        self.warmups: dict[ModelKey, Warmup] = {}
        #: called now and then while a reference is learned, which may take seconds; may raise LearningStopped
        self.tick: Callable[[], object] = lambda: None
        #: those that ended, until they are reported
        self.ended: deque[Ended] = deque()

    def _tags(self, model: str) -> tuple[str, ...]:
        """Names of the tags that may cut the events of a model."""
        known = self._admission.model(model)
        return () if known is None else known.segments

    def holds(self, key: ModelKey) -> bool:
        """Whether the panes of this model version are taken here: it has no reference yet."""
        monitored = self._admission.seen.monitored(key)
        return monitored is not None and monitored.reference.hash == WARMUP

    def taken_until_us(self, key: ModelKey) -> int:
        """The end of the last pane that was taken of a model version."""
        warmup = self.warmups.get(key)
        return NO_CLOCK if warmup is None else warmup.state.at_us

    def models(self) -> set[str]:
        """The models of which a version has no reference yet."""
        return {key.model for key in self._admission.seen if self.holds(key)}

    def open_too_large(self) -> bool:
        """Whether the rows of open panes take more than they should: no pane is learned from before it is complete."""
        return self.rows.size > self._settings.limits.warmup_bytes

    def take(self, pane: Pane, cohorts: Iterable[LabelCohort]) -> Warmup | None:
        """Take a complete pane, and the labels up to its end; returns the warm-up if it has learned a reference.

        Raises:
            LearningStopped: by `tick`; no call may be made after it.
        """
        key = pane.pane_key.key
        warmup, exclusions = self._warmup(key), self._model(key).exclusions()
        excluded = bool(exclusions) and exclusions.overlapping(pane.start_us, pane.end_us) is not None
        lines, labels = self.rows.take(key, pane.start_us), sum(cohort.tally.total for cohort in cohorts)
        warmup.add(pane, lines, labels, excluded=excluded)
        if not warmup.is_full or self._learn is None:
            return None
        began, limit = self._clock.monotonic(), warmup.ended_by
        before, (reference, failure) = warmup.state, self._learned(warmup, self._learn)
        known = replace(before, blocks=[], tail=[], reference=reference, failure=failure)
        self.ended.append(Ended(known, self._clock.monotonic() - began, limit))
        if reference is None:
            warmup.begin_again(failure)
            return None
        warmup.end(reference)
        return warmup

    def _learned(self, warmup: Warmup, learn: Learn) -> tuple[Reference | None, str]:
        """The reference of a full warm-up, or why there is none: whatever events hold, it is no end of the process."""
        key = warmup.state.key
        model = self._model(key)
        try:
            imported = self._admission.references.imported(key)
            reference = learn(self._settings, model, key, lambda: self._rows(warmup), imported)
        except UsageError as fault:
            return None, "; ".join(fault.faults)
        except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
            place = traceback.extract_tb(fault.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"  # without the text, which may quote values
            return None, f"a fault of driftd, {type(fault).__name__} at {where}; please report it"
        faults = list(contradictions(reference, model))
        return (None, "; ".join(faults)) if faults else (reference, "")

    def _rows(self, warmup: Warmup) -> Iterator[list[bytes]]:
        for lines in warmup.rows():
            self.tick()
            yield lines

    def _warmup(self, key: ModelKey) -> Warmup:
        known = self.warmups.get(key)
        if known is None:
            known = self._begun(WarmupState(key, self._admission.warmup_meaning(key)))
        return known

    def _begun(self, state: WarmupState) -> Warmup:
        wanted, limits = self._model(state.key).warmup_predictions, self._settings.limits
        warmup = self.warmups[state.key] = Warmup(state, wanted, limits.warmup_rows, limits.warmup_bytes)
        return warmup

    def _model(self, key: ModelKey) -> Model:
        model = self._admission.model_of_event(key.model)
        assert model is not None, key  # noqa: S101  # its events were let in
        return model

    def recount(
        self, warmup: Warmup, shared: Shared, tasks: Iterable[Task], exchange: Exchange, label_exchange: LabelExchange
    ) -> None:
        """Put a learned reference in use: panes of which none was taken are counted by it, and so are their labels."""
        key, reference = warmup.state.key, warmup.state.reference
        assert reference is not None, key  # noqa: S101  # that is when it is called
        self._admission.learned(key, reference)
        monitored = self._admission.monitored(key)
        assert monitored is not None, key  # noqa: S101  # its events are let in
        again = self._recounted(monitored, shared)
        for task in tasks:
            task.recount(key, again.events.get(task.number, {}))
            task.labels.inline.recount(key, again.labels.get(task.number, {}))
        events, labels = again.all_events(), again.all_labels()
        exchange.recount(key, events)
        label_exchange.recount(key, labels)
        empty = shared.aggregators.of(monitored).empty()
        shared.totals.recount(key, merged([empty, *events.values()]), merged_labels(labels.values()))

    def _recounted(self, monitored: Monitored, shared: Shared) -> Recounted:
        """The rows that no pane was taken of; they are dropped here."""
        found = Recounted(defaultdict(dict), defaultdict(dict))
        aggregator, key = shared.aggregators.of(monitored), monitored.key
        labels, limits = shared.label_aggregators.of(monitored), self._settings.limits
        most = Limits(1 << 62, limits.events_per_record, limits.features)
        decoder = NativeDecoder(lambda _: aggregator.shape, Rules(most, 0, key.model, key.version))
        for start_us, chunk in self.rows.open(key):
            events, zeros = decoder.decode(_batch(chunk)), np.zeros(len(chunk.ts), np.int64)
            (group,) = events.groups
            is_prediction, number = events.kind == PREDICTION, chunk.partition.number
            rows = Rows(chunk.partition, group.rows, zeros[:1], zeros, is_prediction, chunk.ts, chunk.offset)
            (tally,) = aggregator.count(group, rows)
            tally.add_records(chunk.partition, int(chunk.offset.min()), int(chunk.offset.max()))
            _add(found.events[number], start_us, tally)
            segments = labels.segments.of(group, rows)
            for counted in labels.count(LabelRows.inline(group, rows, segments)).values():
                _add(found.labels[number], start_us, counted)
        self.rows.forget(key)
        return found

    def forget(self, key: ModelKey) -> None:
        """The model version starts from scratch."""
        self.rows.forget(key)
        self.warmups.pop(key, None)

    # state

    def begun(self) -> list[Warmup]:
        """All warm-ups to be saved: also those of which no pane was complete yet, whose rows are open."""
        for key in self.rows.keys():  # noqa: SIM118  # no mapping
            self._warmup(key)
        return list(self.warmups.values())

    def restore(self, warmups: Iterable[WarmupState], rows: Iterable[OpenRows]) -> None:
        """Continue from a saved state; references that were learned are in use again.

        A warm-up whose settings changed, or that is not wanted any more, is left out: the model version starts afresh.
        So does one whose daily waves are in another time zone than the settings have now.

        Raises:
            UsageError: the settings contradict a reference that is in use.
        """
        faults: list[str] = []
        for state in warmups:
            if state.meaning != self._admission.warmup_meaning(state.key) or self._has_other_times(state):
                continue
            faults += self._contradictions(state)
            self._begun(state)
            if state.reference is not None:
                self._admission.learned(state.key, state.reference)
        for of_key in rows:
            if of_key.key in self.warmups:
                self.rows.restore(of_key)
        if faults and self._learn is not None:  # without it the state is only shown
            raise UsageError(faults)

    def _has_other_times(self, state: WarmupState) -> bool:
        seasons = None if state.reference is None else state.reference.seasons
        return seasons is not None and seasons.calendar.timezone != self._model(state.key).timezone

    def _contradictions(self, state: WarmupState) -> Iterator[str]:
        """Settings that the reference of a model version was not learned for."""
        if state.reference is not None:
            for fault in contradictions(state.reference, self._model(state.key)):
                yield f"model {state.key}: {fault} (its reference was learned in a warm-up, before this was set)"


def _batch(chunk: Chunk) -> RecordBatch:
    lines = chunk.lines
    return RecordBatch(chunk.partition, list(lines), np.arange(len(lines)), None, len(lines), 0)


def _add(into: dict[int, _T], start_us: int, tally: _T) -> None:
    known = into.get(start_us)
    if known is None:
        into[start_us] = tally
    else:
        known.merge(tally)
