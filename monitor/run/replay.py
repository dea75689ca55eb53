"""Runs the same engine over a recorded stream, in event time, as fast as possible."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from monitor.clock import Clock, rfc3339
from monitor.count.admission.versions import Admission
from monitor.count.losses import Place
from monitor.count.outcomes import outcome_totals, reason_totals
from monitor.events import ACCEPTED, IGNORED, KINDS, LABEL, ModelKey
from monitor.findings import SEVERITY_RANK, Transition
from monitor.judge.estimated import Estimated
from monitor.judge.fleet import Fleet
from monitor.judge.incidents.first_cause import in_words
from monitor.judge.incidents.incident import worst_first
from monitor.judge.model import ModelJudge
from monitor.judge.warmup import Warmup
from monitor.judge.windows.all_values import distances
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.loop.sinks import ReplayOutputs
from monitor.pipeline import Pipeline
from monitor.records import PlaceText, Source
from monitor.reference.column import FEATURE
from monitor.reference.notes.performance import horizon_notes, why_not_judged
from monitor.run.decoders import decoder_of
from monitor.run.loss_lines import loss_lines
from monitor.run.no_ids import no_id_lines
from monitor.run.outcome_lines import outcomes_json, value_json
from monitor.run.performance_lines import fairness_json, label_windows, performance_json, scored_json, segments_json
from monitor.run.warmup_learning import learn
from monitor.run.warmup_lines import ended_line, not_judged
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.performance.label_tally import LabelTally
from monitor.text import many

#: takes one JSON object of the output
Emit = Callable[[dict[str, Any]], object]


@dataclass(slots=True)
class Replay:
    """A finished replay: its pipeline, its summary and the worst severity of any incident.

    `lost` has a line for each reason why events were lost; `failed` is why the replay failed, or "".
    """

    pipeline: Pipeline
    summary: dict[str, Any]
    worst: str
    lost: list[str]
    failed: str


def replay(
    settings: Settings,
    admission: Admission,
    source: Source,
    clock: Clock,
    emit: Emit,
    *,
    place: PlaceText = lambda partition, offset: str(Place(partition, offset)),
    windows: bool = False,
    progress: Callable[[], object] = lambda: None,
) -> Replay:
    """Run the stream to its end; `emit` gets transitions, `info` findings and (with `windows`) judged windows.

    `place` formats a record's position for people.
    """
    began, worst = clock.monotonic(), ""

    def judged(judge: ModelJudge, evaluated: Windows, alpha: float) -> None:
        _emit_learned(emit, pipeline)
        _emit_windows(emit, judge, evaluated, alpha)

    def reported(transition: Transition) -> None:
        nonlocal worst
        _emit_learned(emit, pipeline)  # a warm-up ends before what is judged behind it
        worst = max(worst, transition.severity, key=lambda severity: SEVERITY_RANK.get(severity, -1))
        emit(transition.to_json())

    fleet = Fleet(admission, settings, judged if windows else None)
    pipeline = Pipeline(
        settings,
        admission,
        source,
        clock,
        ReplayOutputs(reported),
        stage2=fleet,
        decoders=decoder_of,
        learn=learn,
        live=False,
    )
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
        _emit_learned(emit, pipeline)
        while fleet.reported:
            news = fleet.reported.popleft()
            emit(news.line())
        progress()
    if windows:
        for judge in fleet.judges.values():
            for line in label_windows(judge):
                emit(line)
    summary = _summary(pipeline, fleet, clock.monotonic() - began)
    emit(summary)
    losses, events = pipeline.losses.all(), _events(pipeline)
    lost = list(loss_lines(losses, settings, events, place))
    accepted, labels = summary["outcomes"].get(ACCEPTED, 0), _labels(pipeline)
    gone = sum(loss.count for loss in losses)
    if labels_alone := 0 < accepted == labels and not gone:
        lost.append(f"{many(labels, 'label')} and nothing else: they are counted, and there was nothing to judge")
    lost += _columns_without_values(fleet, pipeline)
    lost += [*_beyond_horizon(fleet), *no_id_lines(pipeline, settings, admission)]
    lost += [not_judged(warmup) for warmup in _without_reference(pipeline)]
    failed = (
        ""
        if labels_alone
        else _failure(fleet, events.total(), gone, accepted, learning=bool(_without_reference(pipeline)))
    )
    return Replay(pipeline, summary, worst, lost, failed)


def _events(pipeline: Pipeline) -> Counter[str]:
    """Events by topic."""
    events: Counter[str] = Counter()
    for (topic, outcome, _), count in pipeline.outcomes.items():
        events[topic] += count if outcome != IGNORED else 0
    for loss in pipeline.losses.all():
        events[loss.topic] += loss.count if loss.outcome == IGNORED else 0
    return events


def _emit_learned(emit: Emit, pipeline: Pipeline) -> None:
    """The warm-ups that have ended since."""
    while pipeline.warming.ended:
        emit(ended_line(pipeline.warming.ended.popleft()))


def _columns_without_values(fleet: Fleet, pipeline: Pipeline) -> Iterator[str]:
    """Models whose score or prediction no event had (a missing feature is a finding instead)."""
    for key, judge in sorted(fleet.judges.items()):
        total = pipeline.totals.events.get(key)
        columns = [column.name for column in judge.prepared.columns if column.role != FEATURE]
        if columns and total is not None and total.predictions == 0:
            whose = f"{key.model} {key.version}: {' and '.join(columns)} not judged"
            name = columns[0]
            missing = f"is a column for {name} missing (--map COLUMN={name}, or {name}='COLUMN' from Python)?"
            yield f"{whose}: none of {many(total.events, 'event')} is a prediction; {missing}"


def _beyond_horizon(fleet: Fleet) -> Iterator[str]:
    """Models whose settings do not wait for the labels that their reference had."""
    for key, judge in sorted(fleet.judges.items()):
        for note in horizon_notes(judge.monitored.reference, judge.monitored.model.labels.horizon):
            yield f"{key.model} {key.version}: labels.horizon: {note}"


def _labels(pipeline: Pipeline) -> int:
    return sum(count for (_, kind), count in pipeline.accepted.items() if kind == KINDS[LABEL])


def _failure(fleet: Fleet, events: int, lost: int, accepted: int, *, learning: bool) -> str:
    """Why a replay failed; "" for one that judged something and lost at most half of the events."""
    if not any(judge.pyramid.closed for judge in fleet.judges.values()):
        if not events:
            return "nothing was judged: the source holds no events"
        if learning:
            return "nothing was judged: no model has a reference yet"
        few = f", and a window holds {BASE_EVENTS}" if accepted else ""
        return f"nothing was judged: {accepted:,} of {many(events, 'event')} were accepted{few}"
    return f"more than half was lost: {lost:,} of {many(events, 'event')}" if 2 * lost > events else ""


def _summary(pipeline: Pipeline, fleet: Fleet, seconds: float) -> dict[str, Any]:
    tasks = pipeline.tasks.values()
    counts = [(outcome, reason, n) for task in tasks for (_, outcome, reason), n in task.outcomes.items()]
    return {
        "kind": "summary",
        "records": pipeline.records.total(),
        "outcomes": outcome_totals(counts),
        "reasons": reason_totals(counts),
        "seconds": round(seconds, 3),
        "models": [
            *(_model_summary(key, judge, pipeline) for key, judge in sorted(fleet.judges.items())),
            *(_warmup_summary(warmup, pipeline) for warmup in _without_reference(pipeline)),
        ],
    }


def _without_reference(pipeline: Pipeline) -> list[Warmup]:
    """The warm-ups that did not end with a reference."""
    warmups = pipeline.warming.warmups
    return [warmup for _, warmup in sorted(warmups.items()) if warmup.state.reference is None]


def _warmup_summary(warmup: Warmup, pipeline: Pipeline) -> dict[str, Any]:
    """The same of a model version that was not judged."""
    total, key = pipeline.totals.events.get(warmup.state.key), warmup.state.key
    return {
        "model": key.model,
        "version": key.version,
        "predictions": 0 if total is None else total.predictions,
        "features": 0 if total is None else total.feature_events,
        "labels": pipeline.totals.labels.of(key).total,
        "pages": 0,
        "tickets": 0,
        "expected_false_pages": 0.0,
        "open": False,
        "lasting": False,
        "unjudged": pipeline.exchange.unjudged[key],
        "performance": {},
        "warmup": warmup.progress().to_json(),
    }


def _model_summary(key: ModelKey, judge: ModelJudge, pipeline: Pipeline) -> dict[str, Any]:
    total, labels = pipeline.totals.events.get(key), pipeline.totals.labels.of(key)
    estimated = judge.estimator.of_tally(total)
    return {
        "model": key.model,
        "version": key.version,
        "predictions": 0 if total is None else total.predictions,
        "features": 0 if total is None else total.feature_events,
        "labels": labels.total,
        "pages": judge.book.pages,
        "tickets": judge.book.tickets,
        "expected_false_pages": round(judge.budget.expected, 6),
        "open": judge.book.incident is not None,
        "lasting": judge.book.lasting_incident is not None,
        "at_the_end": [in_words(worst_first(book)) for book in (judge.book.open, judge.book.lasting) if book],
        "unjudged": pipeline.exchange.unjudged[key],
        "excluded": judge.excluded,
        "outcomes": outcomes_json(labels.outcomes, judge.policy.category),
        "performance": performance_json(labels, judge, estimated) | value_json(labels.outcomes),
        **scored_json(labels, judge),
        **segments_json(labels, judge),
        **fairness_json(judge),
        "performance_judged": (judged := judge.judge.performance.errors.is_judged),
        **({} if judged else {"performance_not_judged": why_not_judged(judge.monitored.reference)}),
        **({"estimate_contradicted": True} if _is_contradicted(estimated, labels) else {}),
    }


def _is_contradicted(estimated: Estimated | None, labels: LabelTally) -> bool:
    return estimated is not None and estimated.contradicted(labels.accuracy, labels.paired)


def _emit_windows(emit: Emit, judge: ModelJudge, windows: Windows, _alpha: float) -> None:
    for line in label_windows(judge):
        emit(line)
    estimates = judge.estimator.of_windows(windows)
    for window, estimated in enumerate(estimates):
        for line in window_lines(judge, windows, window):
            emit(line)
        if estimated is not None:
            emit(_estimate_line(judge, windows, window, estimated))


def _estimate_line(judge: ModelJudge, windows: Windows, window: int, estimated: Estimated) -> dict[str, Any]:
    """The `window` line of the model itself: its performance, and from how many predictions that is estimated."""
    span = windows.spans[window]
    return {
        "kind": "window",
        "model": judge.monitored.key.model,
        "version": judge.monitored.key.version,
        "subject": judge.monitored.key.model,
        "base_windows": windows.lengths[window],
        "window": {"start": rfc3339(span.start_us), "end": rfc3339(span.end_us), "events": span.events},
        "performance": {figure: {"estimated": value} for figure, value in estimated.figures},
        "samples": {"estimated": estimated.samples},
    }


def window_lines(judge: ModelJudge, windows: Windows, window: int) -> Iterator[dict[str, Any]]:
    """One `window` line for each subject: counts, quality counts and distances."""
    prepared, span = judge.prepared, windows.spans[window]
    measured = distances(prepared, windows, window)
    for at, column in enumerate(prepared.columns):
        counts = column.bins.labelled(windows.counts[window, at])
        quality_counts = windows.counts[window, at, prepared.width :].tolist()
        yield {
            "kind": "window",
            "model": judge.monitored.key.model,
            "version": judge.monitored.key.version,
            "subject": prepared.subjects[at],
            "base_windows": windows.lengths[window],
            "window": {"start": rfc3339(span.start_us), "end": rfc3339(span.end_us), "events": span.events},
            "bins": counts.tolist(),
            **dict(zip(QUALITY_COUNTS, quality_counts, strict=True)),
            "distances": {name: None if math.isnan(value) else value for name, value in measured[at].items()},
        }


def json_line(thing: dict[str, Any]) -> str:
    """One line of JSON; numbers are finite, names are not escaped."""
    return json.dumps(thing, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
