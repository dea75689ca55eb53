"""Computes the samples of each series from a snapshot: rows of label values and a number."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import monitor
from monitor.clock import SECOND_US
from monitor.events import KINDS, OUTCOMES, REASONS, REJECTED, ModelKey, Partition
from monitor.findings import PAGE, SEVERITY_RANK, TICKET, Figures
from monitor.judge.promise.words import named_changes
from monitor.publish.snapshot import Snapshot
from monitor.stats.performance.figures import UNBOUNDED, VALUE_FIGURE
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from monitor.stats.testing.promise import ColumnPromise

Row = tuple[tuple[str, ...], float]


def by_partition(values: Mapping[Partition, float]) -> Iterator[Row]:
    return (((topic, str(number)), value) for (topic, number), value in values.items())


def watermarks(snapshot: Snapshot) -> Iterator[Row]:
    return by_partition({partition: us / SECOND_US for partition, us in snapshot.watermarks.items()})


def skewed(snapshot: Snapshot) -> Iterator[Row]:
    return by_partition(snapshot.skewed)


def events(snapshot: Snapshot) -> Iterator[Row]:
    topics = {partition.topic for partition in snapshot.records} | {topic for topic, _, _ in snapshot.events}
    known = [(outcome, "") for outcome in OUTCOMES if outcome != REJECTED] + [(REJECTED, reason) for reason in REASONS]
    zeros = {(topic, outcome, reason): 0 for topic in sorted(topics) for outcome, reason in known}
    return iter((zeros | dict(snapshot.events)).items())


def model_events(snapshot: Snapshot) -> Iterator[Row]:
    zeros = {(model.key, kind): 0 for model in snapshot.models for kind in KINDS}
    return (((*key, kind), count) for (key, kind), count in (zeros | dict(snapshot.model_events)).items())


def unjudged(snapshot: Snapshot) -> Iterator[Row]:
    zeros: dict[ModelKey, int] = {model.key: 0 for model in snapshot.models}
    return iter((zeros | dict(snapshot.unjudged)).items())


def silenced(snapshot: Snapshot) -> Iterator[Row]:
    return ((model.key, float(model.silence is not None)) for model in snapshot.models)


def warmup(snapshot: Snapshot) -> Iterator[Row]:
    return ((model.key, model.warmup.share) for model in snapshot.models if model.warmup is not None)


def first_verdict(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        if model.warmup is not None and model.warmup.verdict_us is not None:
            yield model.key, model.warmup.verdict_us / SECOND_US


def incidents(snapshot: Snapshot) -> Iterator[Row]:
    active: dict[ModelKey, set[str]] = {}
    for incident in snapshot.incidents:
        active.setdefault(incident.key, set()).add(incident.severity)
    for key, severities in active.items():
        for severity in (PAGE, TICKET):
            yield (*key, severity), float(severity in severities)


def since(snapshot: Snapshot) -> Iterator[Row]:
    """Of the incident that is not lasting, where there is one."""
    found: dict[ModelKey, int] = {}
    for incident in snapshot.incidents:
        if incident.severity and incident.since_us is not None:
            found.setdefault(incident.key, incident.since_us)
    return ((key, since_us / SECOND_US) for key, since_us in found.items())


def lasting_since(snapshot: Snapshot) -> Iterator[Row]:
    for incident in snapshot.incidents:
        if incident.lasting and incident.since_us is not None:
            yield incident.key, incident.since_us / SECOND_US


def findings(snapshot: Snapshot) -> Iterator[Row]:
    """One row by subject, cause and segment. `figure` is not a label: the worst severity of all figures counts."""
    return (((*labels, severity), 1) for labels, (severity, _) in _worst(snapshot).items())


def finding_since(snapshot: Snapshot) -> Iterator[Row]:
    """The starts of these findings, where they are known."""
    return ((labels, us / SECOND_US) for labels, (_, us) in _worst(snapshot).items() if us is not None)


def finding_rank(snapshot: Snapshot) -> Iterator[Row]:
    """The first place of these findings in an open incident, and in a lasting one where there is no other."""
    found: dict[tuple[str, ...], tuple[bool, int]] = {}
    for view in snapshot.findings:
        labels = (*view.key, view.finding.subject, view.finding.cause, view.finding.segment)
        place = view.lasting, view.rank
        found[labels] = min(found.get(labels, place), place)
    return ((labels, rank) for labels, (_, rank) in found.items())


def _worst(snapshot: Snapshot) -> dict[tuple[str, ...], tuple[str, int | None]]:
    """By model version, subject, cause and segment the worst severity, and the earliest start of that severity."""
    found: dict[tuple[str, ...], tuple[str, int | None]] = {}
    for view in snapshot.findings:
        labels = (*view.key, view.finding.subject, view.finding.cause, view.finding.segment)
        severity, since_us = found.get(labels, (view.severity, None))
        rank = SEVERITY_RANK[view.severity] - SEVERITY_RANK[severity]
        if rank > 0:
            severity, since_us = view.severity, None
        if rank >= 0 and view.since_us is not None:
            since_us = view.since_us if since_us is None else min(view.since_us, since_us)
        found[labels] = severity, since_us
    return found


def checkpoint_time(snapshot: Snapshot) -> Iterator[Row]:
    if snapshot.checkpoint_us is not None:
        yield (), snapshot.checkpoint_us / SECOND_US


def checkpoint_seconds(snapshot: Snapshot) -> Iterator[Row]:
    if snapshot.checkpoint_seconds is not None:
        yield (), snapshot.checkpoint_seconds


def unreadable(snapshot: Snapshot) -> Iterator[Row]:
    return (((topic, str(number), reason), count) for ((topic, number), reason), count in snapshot.unreadable.items())


@cache
def build() -> tuple[str, ...]:
    try:
        client = version("kafka-python")
    except PackageNotFoundError:
        client = "none"
    return monitor.__version__, platform.python_version(), client


def figures(get: Callable[[Figures], float]) -> Callable[[Snapshot], Iterator[Row]]:
    """A function from a snapshot to the rows of one figure, by subject, cause and segment; NaN is left out."""

    def rows(snapshot: Snapshot) -> Iterator[Row]:
        for model in snapshot.models:
            of_columns = ((column.name, figures) for column in model.columns for figures in column.figures)
            for subject, figures in (*of_columns, *model.figures):
                value = get(figures)
                if math.isfinite(value):
                    yield (*model.key, subject, figures.cause, figures.segment), value

    return rows


def distances(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        for column in model.columns:
            for name, value in column.distances:
                yield (*model.key, column.name, name), value


def smallest_effects(snapshot: Snapshot) -> Iterator[Row]:
    for key, column in _promised(snapshot):
        if math.isfinite(column.moved):
            yield (*key, column.name), min(1.0, column.moved)


def detection_seconds(snapshot: Snapshot) -> Iterator[Row]:
    """Of each change that pages at all."""
    for key, column in _promised(snapshot):
        for change, one in named_changes(column):
            if math.isfinite(one.us):
                yield (*key, column.name, change), one.us / SECOND_US


def effective_events(snapshot: Snapshot) -> Iterator[Row]:
    return (((*key, column.name), column.worth) for key, column in _promised(snapshot))


def _promised(snapshot: Snapshot) -> Iterator[tuple[ModelKey, ColumnPromise]]:
    for model in snapshot.models:
        if model.promise is not None:
            yield from ((model.key, column) for column in model.promise.columns)


def watched(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        for column in model.columns:
            yield (*model.key, column.name), float(not column.unwatched)


def may_page(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        for column in model.columns:
            reason = "unwatched" if column.unwatched else column.ticket_reason
            yield (*model.key, column.name, reason), float(not reason)


def bins(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        for column in model.columns:
            for name, count in zip(column.bins, column.total, strict=True):
                yield (*model.key, column.name, name), count


def reference_bins(snapshot: Snapshot) -> Iterator[Row]:
    for model in snapshot.models:
        for column in model.columns:
            events = max(sum(column.reference), 1)
            for name, count in zip(column.bins, column.reference, strict=True):
                yield (*model.key, column.name, name), count / events


def performance(snapshot: Snapshot) -> Iterator[Row]:
    """Bounded figures."""
    yield from _realised(snapshot, unbounded=False)
    yield from _estimated(snapshot, unbounded=False)


def performance_errors(snapshot: Snapshot) -> Iterator[Row]:
    """Figures in the unit of the target, or of the costs."""
    yield from _realised(snapshot, unbounded=True)
    for model in snapshot.models:
        for one in model.outcomes:
            for of in (one.whole, *one.segments) if one.name == LABEL_VALUE else ():
                if of.mean is not None:
                    yield (*model.key, VALUE_FIGURE, "realised", of.segment), 1000 * of.mean
    yield from _estimated(snapshot, unbounded=True)


def performance_labels(snapshot: Snapshot) -> Iterator[Row]:
    """Labelled predictions that the figures are of; none where there are no figures."""
    for model in snapshot.models:
        if model.performance:
            yield tuple(model.key), model.performance_labels


def segment_labels(snapshot: Snapshot) -> Iterator[Row]:
    """The same of each segment."""
    for model in snapshot.models:
        for one in model.performance_segments:
            yield (*model.key, one.segment), one.labels


def _realised(snapshot: Snapshot, *, unbounded: bool) -> Iterator[Row]:
    for model in snapshot.models:
        each = [("", model.performance), *((one.segment, one.figures) for one in model.performance_segments)]
        for segment, figures in each:
            for metric, value in figures:
                if (metric in UNBOUNDED) == unbounded:
                    yield (*model.key, metric, "realised", segment), value


def _estimated(snapshot: Snapshot, *, unbounded: bool) -> Iterator[Row]:
    for model in snapshot.models:
        for metric, value in model.estimated.figures if model.estimated is not None else ():
            if (metric in UNBOUNDED) == unbounded:
                yield (*model.key, metric, "estimated", ""), value


def with_open_finding(snapshot: Snapshot, figures: Iterable[Row]) -> list[Row]:
    """The rows (model, version, subject, ...) whose subject has an open finding."""
    open_now = {(*view.key, view.finding.subject) for view in snapshot.findings}
    return [row for row in figures if row[0][:3] in open_now]
