"""Runs the same engine over a recorded stream, in event time, as fast as possible."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from monitor.clock import Clock, rfc3339
from monitor.count.admission.versions import Admission
from monitor.count.losses import Place
from monitor.count.outcomes import outcome_totals, reason_totals
from monitor.events import ACCEPTED, IGNORED, KINDS, LABEL, ModelKey
from monitor.findings import SEVERITY_RANK, Transition
from monitor.judge.estimated import Estimated
from monitor.judge.fleet import Fleet
from monitor.judge.model import ModelJudge
from monitor.judge.warmup import Warmup
from monitor.judge.windows.all_values import distances
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.loop.sinks import ReplayOutputs
from monitor.pipeline import Pipeline
from monitor.records import PlaceText, Source
from monitor.reference.column import FEATURE
from monitor.reference.notes.estimate import ESTIMATED
from monitor.reference.notes.performance import why_not_judged
from monitor.run.decoders import decoder_of
from monitor.run.loss_lines import loss_lines
from monitor.run.outcome_lines import outcome_lines, outcome_windows, outcomes_json, value_json
from monitor.run.warmup_learning import learn
from monitor.run.warmup_lines import ended_line, not_judged
from monitor.settings.detector import KINDS as DETECTORS
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.performance.figures import figures
from monitor.stats.performance.label_tally import LabelTally
from monitor.text import expected, many, number, probability

#: takes one JSON object of the output
Emit = Callable[[dict[str, Any]], object]

#: reasons of events that are not lost
_OTHER_REASONS: Final = {
    "versions": "more versions than limits.versions",
    "tombstone": "the record has no value",
}
#: texts of the summary for a model version's open incidents
_OPEN_AT_END: Final = (("open", "one incident"), ("lasting", "a lasting ticket"))


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

    def reported(transition: Transition) -> None:
        nonlocal worst
        worst = max(worst, transition.severity, key=lambda severity: SEVERITY_RANK.get(severity, -1))
        emit(transition.to_json())

    fleet = Fleet(admission, settings, (lambda *evaluation: _emit_windows(emit, *evaluation)) if windows else None)
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
        while fleet.reported:
            news = fleet.reported.popleft()
            emit(news.line())
        while pipeline.warming.ended:
            emit(ended_line(pipeline.warming.ended.popleft()))
        progress()
    if windows:
        for judge in fleet.judges.values():
            _emit_label_windows(emit, judge)
    summary = _summary(pipeline, fleet, clock.monotonic() - began)
    emit(summary)
    events: Counter[str] = Counter()
    for (topic, outcome, _), count in pipeline.outcomes.items():
        events[topic] += count if outcome != IGNORED else 0
    losses = pipeline.losses.all()
    for loss in losses:
        events[loss.topic] += loss.count if loss.outcome == IGNORED else 0
    lost = list(loss_lines(losses, settings, events, place))
    accepted, labels = summary["outcomes"].get(ACCEPTED, 0), _labels(pipeline)
    gone = sum(loss.count for loss in losses)
    if labels_alone := 0 < accepted == labels and not gone:
        lost.append(f"{many(labels, 'label')} and nothing else: they are counted, and there was nothing to judge")
    lost += _columns_without_values(fleet, pipeline)
    lost += [not_judged(warmup) for warmup in _without_reference(pipeline)]
    failed = (
        ""
        if labels_alone
        else _failure(fleet, events.total(), gone, accepted, learning=bool(_without_reference(pipeline)))
    )
    return Replay(pipeline, summary, worst, lost, failed)


def _columns_without_values(fleet: Fleet, pipeline: Pipeline) -> Iterator[str]:
    """Models whose score or prediction no event had (a missing feature is a finding instead)."""
    for key, judge in sorted(fleet.judges.items()):
        total = pipeline.totals.events.get(key)
        columns = [column.name for column in judge.prepared.columns if column.role != FEATURE]
        if columns and total is not None and total.predictions == 0:
            whose = f"{key.model} {key.version}: {' and '.join(columns)} not judged"
            missing = f"is a column for {columns[0]} missing (--map COLUMN={columns[0]})?"
            yield f"{whose}: none of {many(total.events, 'event')} is a prediction; {missing}"


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
        "unjudged": pipeline.exchange.unjudged[key],
        "excluded": judge.excluded,
        "outcomes": outcomes_json(labels.outcomes, judge.policy.category),
        "performance": _performance(labels, judge, estimated) | value_json(labels.outcomes),
        "performance_judged": (judged := judge.judge.performance.is_judged),
        **({} if judged else {"performance_not_judged": why_not_judged(judge.monitored.reference)}),
        **({"estimate_contradicted": True} if _is_contradicted(estimated, labels) else {}),
    }


def _is_contradicted(estimated: Estimated | None, labels: LabelTally) -> bool:
    return estimated is not None and estimated.contradicted(labels.accuracy, labels.paired)


def _performance(labels: LabelTally, judge: ModelJudge, estimated: Estimated | None) -> dict[str, dict[str, float]]:
    """By figure: realised over the predictions whose labels are known beside them, and estimated over all of them."""
    found = _realised(labels, judge)
    for figure, value in estimated.figures if estimated is not None else ():
        found.setdefault(figure, {})["estimated"] = value
    return found


def _emit_windows(emit: Emit, judge: ModelJudge, windows: Windows, _alpha: float) -> None:
    _emit_label_windows(emit, judge)
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


def _emit_label_windows(emit: Emit, judge: ModelJudge) -> None:
    """One `window` line for each window of labels that ended: the figures, by the number of their labels."""
    ended, key = judge.judge.performance.windows.ended, judge.monitored.key
    while ended:
        window = ended.popleft()
        span = window.span
        emit(
            {
                "kind": "window",
                "model": key.model,
                "version": key.version,
                "subject": key.model,
                "base_windows": window.length,
                "window": {"start": rfc3339(span.start_us), "end": rfc3339(span.end_us), "events": span.events},
                "labels": span.events,
                "performance": _realised(window.tally, judge),
            }
        )
    for line in outcome_windows(judge):
        emit(line)


def _realised(tally: LabelTally, judge: ModelJudge) -> dict[str, dict[str, float]]:
    return {name: {"realised": value} for name, value in figures(tally, judge.meaning).items()}


def window_lines(judge: ModelJudge, windows: Windows, window: int) -> Iterator[dict[str, Any]]:
    """One `window` line for each subject: counts, quality counts and distances."""
    prepared, span = judge.prepared, windows.spans[window]
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
            "distances": {
                name: None if math.isnan(value) else value
                for name, value in distances(prepared, windows, window, at).items()
            },
        }


def json_line(thing: dict[str, Any]) -> str:
    """One line of JSON; numbers are finite, names are not escaped."""
    return json.dumps(thing, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _evidence(found: dict[str, Any]) -> str:
    """What a finding was seen in and how likely that is by chance; nothing of a rule about no events."""
    window, p = found["window"], found["p"]
    if not window["events"]:
        return ""
    if found["statistic"] in DETECTORS:  # it was fed all values since it began: its last pane is no sample
        return f"; the alarm came with the events up to {window['end']}"
    seen = "seen in" if p is None else "tested on"
    words = f"; {seen} {many(window['events'], 'event')} from {window['start']} to {window['end']}"
    return words if p is None else f"{words}; by chance {probability(p)}"


def _subject(found: dict[str, Any]) -> str:
    """`AGE`, or of a segment `AGE in SEX=2`."""
    return f"{found['subject']} in {found['segment']}" if found.get("segment") else str(found["subject"])


def human_line(thing: dict[str, Any]) -> str | None:
    """A transition, finding or summary as text for a terminal; None for other lines."""
    if thing["kind"] == "transition":
        lines = [f"{thing['at']}  {thing['transition']:<12} {thing['severity']:<7} {thing['summary']}"]
        for found in thing["findings"]:
            what = " ".join([found["cause"], *([found["figure"]] if "figure" in found else [])])
            lines.append(f"{'':24}{_subject(found)}: {what} ({found['severity']}): {found['detail']}")
            lines.append(f"{'':24}  since {found['since']}{_evidence(found)}")
        return "\n".join(lines)
    if thing["kind"] == "warmup":
        return f"{thing['at']}  {'reference':<12} {'info':<7} {thing['text']}"
    if thing["kind"] == "finding":
        whose = f"{thing['model']} {thing['version']}: {_subject(thing)}"
        return f"{thing['at']}  {'finding':<12} {'info':<7} {whose}: {thing['detail']}"
    if thing["kind"] == "summary":
        return _human_summary(thing)
    return None


def _performance_lines(model: dict[str, Any]) -> Iterator[str]:
    """All realised figures; and the first estimated one, with what that assumes."""
    realised = {name: of["realised"] for name, of in model["performance"].items() if "realised" in of}
    estimated = {name: of["estimated"] for name, of in model["performance"].items() if "estimated" in of}
    if realised:
        named = ", ".join(f"{name} {number(value)}" for name, value in realised.items())
        judged = "" if model["performance_judged"] else f"; not judged: {model['performance_not_judged']}"
        yield f"  by {many(model['labels'], 'label')}: {named}{judged}"
    for name, value in list(estimated.items())[:1]:
        assumed = ESTIMATED["regression" if name == "mae" else "binary"]
        against = "; the labels contradict it" if model.get("estimate_contradicted") else ""
        yield f"  {name} {number(value)} {assumed}{against}"


def _still(model: dict[str, Any]) -> str:
    still = [words for name, words in _OPEN_AT_END if model[name]]
    return f", {' and '.join(still)} still open at the end" if still else ""


def _human_summary(thing: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in thing["outcomes"].items())
    lines = [f"\n{many(thing['records'], 'record')} in {thing['seconds']:.1f} s: {outcomes or 'no events'}"]
    for reason, count in thing["reasons"].items():
        if meaning := _OTHER_REASONS.get(reason.split("/", 1)[1]):
            lines.append(f"  {reason}: {count:,}  ({meaning})")
    for model in thing["models"]:
        lines.append(
            f"{model['model']} {model['version']}: {many(model['predictions'], 'prediction')}, "
            f"{many(model['pages'], 'page')}, {many(model['tickets'], 'ticket')}{_still(model)}; "
            + (
                model["warmup"]["text"]
                if "warmup" in model
                else f"by chance alone {expected(model['expected_false_pages'])} pages were to be expected"
            )
        )
        lines += _performance_lines(model)
        lines += outcome_lines(model.get("outcomes", {}))
        if model.get("excluded"):
            lines.append(f"  {many(model['excluded'], 'event')} in excluded times: counted, not judged")
    return "\n".join(lines)
