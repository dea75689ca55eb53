"""`driftd reference build`: two passes over recorded events, with the engine that judges later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.losses import Loss
from monitor.errors import UsageError
from monitor.events import KINDS, LABEL, ModelKey, Partition, canonical
from monitor.judge.windows.pyramid import BaseWindow
from monitor.loop.sinks import ReplayOutputs
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.records import PlaceText, Source
from monitor.reference.blank import blank_reference
from monitor.reference.configured import contradictions, fairness_faults
from monitor.reference.file.encoding import with_hash
from monitor.reference.learn.imported import with_import
from monitor.reference.learn.label_facts import LabelledCohort, label_facts
from monitor.reference.learn.performance import PerformanceLearner
from monitor.reference.learn.reference import Origin, RowStatistics, assemble
from monitor.reference.learn.segments import SegmentLearner
from monitor.reference.notes.events import column_notes, reference_notes
from monitor.reference.notes.outcomes import unknown_outcomes
from monitor.reference.plan.columns import Plan, plan_columns
from monitor.reference.plan.imported import kinds_of_import, plan_import
from monitor.reference.plan.segments import plan_segments, segment_faults
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.reference.segments import Segments, blank_segments
from monitor.run.counted_rows import NO_VALUE, RowKeeper
from monitor.run.decoders import decoder_of
from monitor.run.first_pass import EventRange, FirstPass, UpToLastEvent, survey_events
from monitor.run.left_out import (
    Times,
    far_line,
    is_table,
    lost_lines,
    nothing_found,
    place_text,
    rejected_lines,
)
from monitor.run.open_source import OffsetRange
from monitor.run.reference_labels import LateLabels, learn_from_labels
from monitor.settings.model import Model
from monitor.settings.tree import Settings
from monitor.sources.merge_by_time import MergeByTime
from monitor.sources.until_offsets import UntilOffsets
from monitor.sources.whole_calls import with_whole_calls
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.text import many
from monitor.visible import one_line


class Closeable(Source, Protocol):
    """A source that is opened once per pass."""

    def close(self) -> None: ...


@runtime_checkable
class Placed(Protocol):
    """A source that can format a record's position."""

    def place(self, partition: Partition, offset: int, /) -> str:
        """`file:line`, or `topic-partition@offset`."""


def build_reference(
    settings: Settings,
    key: ModelKey,
    open_source: Callable[[], Closeable],
    clock: Clock,
    event_range: EventRange,
    on_note: Callable[[str], object] = lambda _: None,
    *,
    accept_partial: bool = False,
    imported: Reference | None = None,
) -> Reference:
    """The reference of one model version; `on_note` gets notes on it and on events that are not in it.

    Of an `imported` one the events tell only how they vary, and what it does not have.

    Raises:
        UsageError: the model is not in the settings, there are no (or too few) such events, more than half of them were
            lost (unless `accept_partial`), or the settings contradict them.
    """
    at = next((at for at, one in enumerate(settings.models) if one.name == key.model), None)
    if at is None:
        known = ", ".join(repr(one.name) for one in settings.models)
        raise UsageError(f"--model: {key.model!r} is not in the settings; they name {known}")
    model, source = settings.models[at], open_source()
    event_range = event_range.without(model.exclusions(), settings.windows.pane)
    place = source.place if isinstance(source, Placed) else place_text
    try:
        by_time = event_range.rows is not None and isinstance(source, OffsetRange)  # partitions are polled in any order
        read = with_whole_calls(MergeByTime(source) if by_time else source, settings, decoder_of)
        found = survey_events(settings, key, read, event_range)
    finally:
        source.close()
    _require_events(found, key, event_range, place, accept_partial=accept_partial)
    plan = _planned(settings, model, found, place, imported)
    plan.faults += segment_faults(model.segments, plan.columns, plan.ignored, found.survey)
    plan.faults += fairness_faults(plan.columns, model, plan.task)
    if plan.faults:
        raise UsageError(f"models[{at}].{fault}" for fault in plan.faults)
    if not plan.columns:
        raise UsageError(_no_columns(key, plan, found))
    source = open_source()
    try:
        read = UntilOffsets(with_whole_calls(source, settings, decoder_of), found.ends, {})
        collector = _count(settings, key, plan, read, clock, event_range, found)
    finally:
        source.close()
    losses = _losses(found, collector, key, place, f"models[{at}]", accept_partial=accept_partial)
    rest = collector.base.open
    if not collector.windows and rest is None:
        raise UsageError(f"{key}: no event lies in a whole pane between --from and --to; widen them")
    origin = replace(_origin(model, found, collector), with_waves=imported is None)
    reference = assemble(key, plan, collector.windows, rest, collector.rows, origin)
    if collector.late and model.labels.horizon:
        late = _late_labels(settings, reference, open_source, clock, event_range)
        reference = _with_late_labels(reference, collector, late)
        losses += late.left_out(f"models[{at}]", model.labels.horizon)
    elif collector.label_events and not model.labels.horizon:
        unjoined = f"{many(collector.label_events, 'label event')} are not in the reference"
        losses.append(f"models[{at}].labels.horizon: 0s: labels are not joined, so {unjoined}")
    if imported is not None:
        reference = with_import(reference, imported)
    of_settings = [*contradictions(reference, model), *map(": ".join, unknown_outcomes(reference, model))]
    notes = (*reference_notes(reference, f"models[{at}]"), *(f"models[{at}].{note}" for note in of_settings))
    for note in (*notes, *losses, *_column_notes(found, plan, place)):
        on_note(one_line(note))
    return reference


def _planned(settings: Settings, model: Model, found: FirstPass, place: PlaceText, imported: Reference | None) -> Plan:
    """The columns, of an import with its bins."""
    kinds = {name: feature.kind for name, feature in model.features.items() if feature.kind is not None}
    wanted = kinds_of_import(imported, kinds)
    plan = plan_columns(found.survey, wanted, model.task, place, settings.limits.vector)
    if imported is not None:
        plan_import(plan, imported, kinds)
    return plan


def _late_labels(
    settings: Settings,
    reference: Reference,
    open_source: Callable[[], Closeable],
    clock: Clock,
    event_range: EventRange,
) -> LateLabels:
    """What the label events of the source say.

    Raises:
        UsageError: the settings of outcomes contradict their values.
    """
    source = open_source()
    try:
        late = learn_from_labels(settings, reference, source, clock, event_range)
    finally:
        source.close()
    if late.faults:
        at = next(at for at, one in enumerate(settings.models) if one.name == reference.key.model)
        raise UsageError(f"models[{at}].{fault}" for fault in late.faults)
    return late


def _with_late_labels(reference: Reference, collector: _Collector, late: LateLabels) -> Reference:
    if late.performance is not None:
        labels = late.performance.tally
        estimate = reference.estimate or collector.rows.labelled.of_counts(labels)
        facts = {**dict(reference.facts), **dict(late.facts)}
        reference = replace(
            reference,
            performance=late.performance,
            labels=labels.total,
            estimate=estimate,
            facts=tuple(facts.items()),
        )
    return with_hash(replace(reference, outcomes=late.outcomes))


def _origin(model: Model, found: FirstPass, collector: _Collector) -> Origin:
    """What the reference records about its events."""
    survey = found.survey
    return Origin(
        canonical(model.positive),
        list(survey.score_names),
        survey.unread,
        found.in_order,
        collector.labels,
        model.timezone,
        collector.performance.finish(),
        segments=collector.finished_segments(),
        feature_order=survey.order or (),
        label_facts=label_facts(collector.cohorts),
    )


def _column_notes(found: FirstPass, plan: Plan, place: PlaceText) -> Iterator[str]:
    return column_notes(found.survey, plan, place, table=any(map(is_table, found.ends)))


def _no_columns(key: ModelKey, plan: Plan, found: FirstPass) -> list[str]:
    unread = ", ".join(f"{name} ({count:,})" for name, count in found.survey.unread.most_common(10))
    fields = f"; fields that nobody reads: {unread}" if unread else ""
    lines = [f"{key}: none of its {found.events:,} events has a feature, score or prediction to compare{fields}"]
    return [*lines, *(f"ignored: {name}: {why}" for name, why in sorted(plan.ignored.items()))]


def _require_events(
    found: FirstPass, key: ModelKey, event_range: EventRange, place: PlaceText, *, accept_partial: bool
) -> None:
    if found.events == 0 and found.excluded:
        raise UsageError(f"{key}: all of its {many(found.excluded, 'event')} lie in times that the settings exclude")
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
    found: FirstPass,
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
    if found.excluded:
        lines.append(f"{many(found.excluded, 'event')} in times of {settings_name}.exclude: not in the reference")
    if (edge := found.events - collector.counted - collector.far - sum(loss.count for loss in losses)) > 0:
        lines.append(f"{many(edge, 'event')} in panes that --from or --to cuts: not in the reference")
    return lines


class _Collector(StatelessStage2):
    """Stage 2 of the second pass: collects base windows instead of judging."""

    def __init__(
        self, event_range: EventRange, times: Times, blank: Reference, keeper: RowKeeper, labels: PerformanceLearner
    ) -> None:
        super().__init__()
        self.base = BaseWindow()
        self.windows: list[Block] = []
        #: events counted, and events with an implausible time
        self.counted = 0
        self.far = 0
        #: inline labels of the events counted, and of the pane that comes next
        self.labels = 0
        self._labels = LabelTally()
        self._segments = SegmentLearner(blank.segments.by if blank.segments else (), blank.columns)
        self.performance = labels
        self.cohorts: list[LabelledCohort] = []
        #: label events came too: not all labels are known when the last event is
        self.late = False
        #: events with labels or outcomes alone, of the model's versions
        self.label_events = 0
        self.losses: list[Loss] = []
        self._event_range = event_range
        self._usual = times.usual()
        self._keeper = keeper
        self.rows = RowStatistics(blank.columns, NO_VALUE, blank.task, blank.positive)

    def judge(self, pane: Pane) -> None:
        """Take a pane if it is completely inside the range, and not far from all others."""
        rows = self._keeper.take(pane.start_us)
        labels, self._labels = self._labels, LabelTally()
        inside = self._event_range.holds(pane.start_us) and self._event_range.holds(pane.end_us - 1)
        if not inside or pane.tally.events == 0 or self._event_range.excludes(pane.start_us):
            return
        low, high = self._usual
        if not low <= pane.start_us <= high:
            self.far += pane.tally.events
            return
        self.counted += pane.tally.events
        self.labels += labels.total
        self.performance.add(pane.start_us, pane.end_us, labels)
        self.cohorts.append(LabelledCohort(pane.tally.predictions, labels.total))
        if rows is not None:
            self.rows.add(rows.codes, rows.values, rows.labels, rows.confidence)
            self.rows.traffic.add(pane.start_us, pane.end_us, rows.ts)
        self.rows.add_pane(pane.tally, (pane.start_us + pane.end_us) // 2)
        block = self.base.add(pane)
        if block is not None:
            self.windows.append(block)
            self.rows.close_window(block.tally)
            self._segments.take(block.tally, is_window=True)

    def finished_segments(self) -> Segments | None:
        """The counts by segment; call it once."""
        if self.base.open is not None:
            self._segments.take(self.base.open.tally, is_window=False)
        return self._segments.finish()

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        """Count the labels that came with their events; a reference has no others."""
        for cohort in cohorts:
            self.late |= not cohort.inline
            if cohort.inline:
                self._labels.merge(cohort.tally)


def _count(
    settings: Settings,
    key: ModelKey,
    plan: Plan,
    source: Source,
    clock: Clock,
    event_range: EventRange,
    found: FirstPass,
) -> _Collector:
    model = next(model for model in settings.models if model.name == key.model)
    positive = canonical(model.positive)
    blank = blank_reference(key, plan.columns, plan.task, positive)
    segmented = plan_segments(model.segments, plan.columns, found.survey)
    segments = blank_segments(segmented, *blank.counts.shape)
    if segments is not None and segments.size_fault:
        raise UsageError(f"models[{settings.models.index(model)}].segments: {segments.size_fault}")
    classes = tuple(sorted(found.survey.score_names))
    blank = replace(blank, derived=tuple(plan.counted), segments=segments, score_classes=classes)
    admission = Admission(settings, References({key.model: {key.version: blank}}))
    keeper = RowKeeper(settings.windows.pane)
    learner = PerformanceLearner(plan.task, positive)
    collector = _Collector(event_range, found.times, blank, keeper, learner)
    pipeline = Pipeline(
        settings,
        admission,
        source,
        clock,
        ReplayOutputs(lambda _: None),
        stage2=collector,
        aggregators=keeper,
        decoders=lambda *of: UpToLastEvent(decoder_of(*of), found.last if event_range.rows is not None else None),
        live=False,
    )
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
    collector.losses = pipeline.losses.all()
    collector.label_events = sum(
        count for (of, kind), count in pipeline.accepted.items() if kind == KINDS[LABEL] and of.model == key.model
    )
    if collector.base.open is not None:
        collector.rows.close_window(collector.base.open.tally)
    return collector
