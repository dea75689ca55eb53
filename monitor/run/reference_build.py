"""`driftd reference build`: two passes over recorded events, by the same engine that judges later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from monitor.clock import Clock
from monitor.count.admission import Admission
from monitor.count.exchange import Pane
from monitor.count.labels import LabelCount
from monitor.count.losses import Loss
from monitor.decode.native.rows import AnyRow, is_given
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition, canonical
from monitor.findings import Transition
from monitor.judge.model import JudgeState
from monitor.judge.windows import BaseWindow
from monitor.loop.sinks import ReplayOutputs
from monitor.pipeline import Pipeline
from monitor.records import Source
from monitor.reference.learn import Origin, RowStatistics, assemble
from monitor.reference.notes import column_notes, reference_notes
from monitor.reference.order import MIN_VALUES, has_order
from monitor.reference.plan import Plan, plan_columns
from monitor.reference.reference import Column, Reference, ReferenceVariability
from monitor.reference.references import References
from monitor.reference.survey import Survey
from monitor.run.counted_rows import NO_VALUE, RowKeeper
from monitor.run.left_out import (
    Others,
    PlaceText,
    Times,
    far_line,
    is_table,
    lost_lines,
    nothing_found,
    place_text,
    rejected_lines,
)
from monitor.run.open_source import OffsetRange
from monitor.run.recorded_events import EventReader, LastEvent, UpToElement
from monitor.settings.tree import Settings
from monitor.sources.merge_by_time import MergeByTime
from monitor.stats.bins import QUALITY_COUNTS, width_of
from monitor.stats.block import Block
from monitor.text import many
from monitor.visible import one_line


@dataclass(frozen=True, slots=True)
class EventRange:
    """Which events become the reference: the first `rows` predictions, or those of [start, end) in microseconds.

    The first are those of a topic with the earliest record times, of files those that come first.
    """

    rows: int | None = None
    start_us: int | None = None
    end_us: int | None = None

    def holds(self, ts: int) -> bool:
        return (self.start_us is None or ts >= self.start_us) and (self.end_us is None or ts < self.end_us)


@dataclass(slots=True)
class _FirstPass:
    """What the survey found, and where each partition's part of the reference ends."""

    survey: Survey = field(default_factory=Survey)
    predictions: int = 0
    events: int = 0
    others: Others = field(default_factory=Others)
    times: Times = field(default_factory=Times)
    ends: dict[Partition, int] = field(default_factory=dict)
    last: LastEvent | None = None

    @property
    def read(self) -> int:
        """Events of the model version, and those that were rejected: whose they were is not known."""
        return self.events + self.others.rejected

    @property
    def in_order(self) -> bool:
        """Whether times order the events; so few that nothing is asked of their order have one."""
        return self.events < MIN_VALUES or has_order(np.array(self.times.values, np.int64))


class Closeable(Source, Protocol):
    """A source that is opened for each pass."""

    def close(self) -> None: ...


@runtime_checkable
class Placed(Protocol):
    """A source that can say where a record stands."""

    def place(self, partition: Partition, offset: int, /) -> str:
        """`file:line`, or `topic-partition@offset`."""


def build_reference(
    settings: Settings,
    key: ModelKey,
    open_source: Callable[[], Closeable],
    clock: Clock,
    event_range: EventRange,
    tell: Callable[[str], object] = lambda _: None,
    *,
    accept_partial: bool = False,
) -> Reference:
    """The reference of one model version; `tell` gets what a person should know of it and of events not in it.

    Raises:
        UsageError: the model is not in the settings, there are no (or too few) such events, more than half of them were
            lost (unless `accept_partial`), or the settings contradict them.
    """
    at = next((at for at, one in enumerate(settings.models) if one.name == key.model), None)
    if at is None:
        known = ", ".join(repr(one.name) for one in settings.models)
        raise UsageError(f"--model: {key.model!r} is not in the settings; they name {known}")
    model, source = settings.models[at], open_source()
    place = source.place if isinstance(source, Placed) else place_text
    try:
        by_time = event_range.rows is not None and isinstance(source, OffsetRange)  # a topic's polls have no order
        found = _survey(settings, key, MergeByTime(source) if by_time else source, event_range)
    finally:
        source.close()
    _require_events(found, key, event_range, place, accept_partial=accept_partial)
    kinds = {name: feature.kind for name, feature in model.features.items() if feature.kind is not None}
    plan = plan_columns(found.survey, kinds, model.task, place)
    if plan.faults:
        raise UsageError(f"models[{at}].{fault}" for fault in plan.faults)
    if not plan.columns:
        raise UsageError(_no_columns(key, plan, found))
    source = open_source()
    try:
        upto = UpToElement(source, found.ends, found.last if event_range.rows is not None else None)
        collector = _count(settings, key, plan, upto, clock, event_range, canonical(model.positive), found.times)
    finally:
        source.close()
    losses = _losses(found, collector, key, place, f"models[{at}]", accept_partial=accept_partial)
    rest = collector.base.open
    if not collector.windows and rest is None:
        raise UsageError(f"{key}: no event lies in a whole pane between --from and --to; widen them")
    origin = Origin(canonical(model.positive), list(found.survey.score_names), found.survey.unread, found.in_order)
    reference = assemble(key, plan, collector.windows, rest, collector.rows, origin)
    for note in (*reference_notes(reference, f"models[{at}]"), *losses, *_column_notes(found, plan, place)):
        tell(one_line(note))
    return reference


def _column_notes(found: _FirstPass, plan: Plan, place: PlaceText) -> Iterator[str]:
    return column_notes(found.survey, plan, place, table=any(map(is_table, found.ends)))


def _no_columns(key: ModelKey, plan: Plan, found: _FirstPass) -> list[str]:
    unread = ", ".join(f"{name} ({count:,})" for name, count in found.survey.unread.most_common(10))
    fields = f"; fields that nobody reads: {unread}" if unread else ""
    lines = [f"{key}: none of its {found.events:,} events has a feature, score or prediction to compare{fields}"]
    return [*lines, *(f"ignored: {name}: {why}" for name, why in sorted(plan.ignored.items()))]


def _require_events(
    found: _FirstPass, key: ModelKey, event_range: EventRange, place: PlaceText, *, accept_partial: bool
) -> None:
    if found.events == 0:
        raise UsageError(nothing_found(found.others, found.times, key, place))
    lines = list(rejected_lines(found.others, key, found.read, place))
    if 2 * found.others.rejected > found.read and not accept_partial:
        raise UsageError([*lines, "more than half of the events were lost; --accept-partial takes the others"])
    if event_range.rows is not None and found.predictions < event_range.rows:
        fault = (
            f"--rows: the source holds {found.predictions:,} predictions of {key}, not {event_range.rows:,} (and "
            f"{found.events - found.predictions:,} events without a prediction or score, which do not count); "
            "write a smaller number, give more, or take a range of time by --from and --to"
        )
        raise UsageError([fault, *lines])


def _losses(
    found: _FirstPass,
    collector: _Collector,
    key: ModelKey,
    place: PlaceText,
    settings_name: str,
    *,
    accept_partial: bool,
) -> list[str]:
    """A line for each kind of loss.

    Raises:
        UsageError: more than half was lost.
    """
    losses = [loss for loss in collector.losses if loss.key == key]
    lines = list(rejected_lines(found.others, key, found.read, place))
    lines += lost_lines(losses, key, found.events, place, settings_name)
    lost = found.others.rejected + sum(loss.count for loss in losses)
    if 2 * lost > found.read and not accept_partial:
        raise UsageError([*lines, "more than half of the events were lost; --accept-partial takes the others"])
    if far := far_line(collector.far, found.times, place):
        lines.append(far)
    if edge := found.events - collector.counted - collector.far - sum(loss.count for loss in losses):
        lines.append(f"{many(edge, 'event')} in panes that --from or --to cuts: not in the reference")
    return lines


def _survey(settings: Settings, key: ModelKey, source: Source, event_range: EventRange) -> _FirstPass:
    found = _FirstPass()
    positive = canonical(next(m.positive for m in settings.models if m.name == key.model))
    reader = EventReader(settings, key)
    done = False
    while not done:
        ended = source.ended()
        for batch in source.poll(()):
            for index, element, ts, row, raw in reader.events(batch, found.others):
                if event_range.rows is not None and found.predictions >= event_range.rows:
                    done = True
                    break
                offset = batch.offsets[index]
                found.times.add(ts, batch.partition, offset)
                if event_range.holds(ts):
                    found.ends[batch.partition] = offset + 1
                    found.last = LastEvent(batch.partition, offset, element)
                    found.survey.inspect(raw, ts, batch.partition, offset)
                    _add(found, row, positive)
        done = done or ended
    return found


def _add(found: _FirstPass, row: AnyRow, positive: str) -> None:
    score = row.score
    if isinstance(row.scores, dict):
        found.survey.score_classes = max(found.survey.score_classes, len(row.scores))
        score = score if is_given(score) else row.scores.get(positive)
    found.events += 1
    found.predictions += row.type == "prediction"
    found.survey.add(
        row.features if isinstance(row.features, dict) else None,
        float(score) if isinstance(score, (int, float)) else None,
        row.prediction if is_given(row.prediction) else None,  # type: ignore[arg-type]  # not UNSET
    )


class _Collector:
    """Stage 2 of the second pass: base windows instead of judges."""

    def __init__(self, event_range: EventRange, times: Times, columns: list[Column], keeper: RowKeeper) -> None:
        self.unsent: deque[Transition] = deque()
        self.base = BaseWindow()
        self.windows: list[Block] = []
        #: events counted, and events of a wrong clock
        self.counted = 0
        self.far = 0
        self.losses: list[Loss] = []
        self._event_range = event_range
        self._usual = times.usual()
        self._keeper = keeper
        self.rows = RowStatistics(columns, NO_VALUE)

    def judge(self, pane: Pane) -> None:
        """Panes that lie wholly inside the stretch count, but for those far from all others."""
        rows = self._keeper.take(pane.start_us)
        inside = self._event_range.holds(pane.start_us) and self._event_range.holds(pane.end_us - 1)
        if not inside or pane.tally.events == 0:
            return
        low, high = self._usual
        if not low <= pane.start_us <= high:
            self.far += pane.tally.events
            return
        self.counted += pane.tally.events
        if rows is not None:
            self.rows.add(rows.codes, rows.values)
        self.rows.add_pane(pane.tally)
        block = self.base.add(pane)
        if block is not None:
            self.windows.append(block)
            self.rows.close_window(block.tally)

    def forget(self, key: ModelKey) -> None:
        """Nobody replaces the blank reference that is being filled."""

    def take_labels(self, cohorts: Iterable[LabelCount]) -> None:
        """A reference is made of events alone."""

    def sent(self, transitions: Iterable[Transition]) -> None:
        """There are none."""

    def judged(self) -> list[ModelKey]:
        return []

    def mark(self, key: ModelKey) -> Hashable:
        return None

    def to_state(self, key: ModelKey) -> JudgeState | None:
        return None

    def restore(self, judges: Iterable[JudgeState], unsent: Iterable[Transition]) -> list[ModelKey]:
        return []


def _count(
    settings: Settings,
    key: ModelKey,
    plan: Plan,
    source: Source,
    clock: Clock,
    event_range: EventRange,
    positive: str,
    times: Times,
) -> _Collector:
    blank = blank_reference(key, plan.columns, plan.task, positive)
    admission = Admission(settings, References({key.model: {key.version: blank}}))
    keeper = RowKeeper(settings.windows.pane)
    collector = _Collector(event_range, times, plan.columns, keeper)
    pipeline = Pipeline(
        settings,
        admission,
        source,
        clock,
        ReplayOutputs(lambda _: None),
        stage2=collector,
        aggregators=keeper,
        live=False,
    )
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
    collector.losses = pipeline.losses.all()
    if collector.base.open is not None:
        collector.rows.close_window(collector.base.open.tally)
    return collector


def blank_reference(key: ModelKey, columns: list[Column], task: str, positive: str) -> Reference:
    """Columns with nothing counted yet."""
    return Reference(
        key=key,
        task=task,
        positive=positive,
        columns=tuple(columns),
        counts=np.zeros((len(columns), width_of([c.bins for c in columns]) + len(QUALITY_COUNTS)), np.int64),
        levels=(),
        variability=ReferenceVariability.unknown(tuple(columns)),
        events=0,
        predictions=0,
        labels=0,
        start_us=0,
        end_us=0,
        base_windows=0,
        base_us=0,
    )
