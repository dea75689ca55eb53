"""Realised and estimated performance in a replay: of the summary, of windows of labels, and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.clock import rfc3339
from monitor.judge.causes.segment_errors import segment_figures
from monitor.judge.estimated import Estimated
from monitor.judge.model import ModelJudge
from monitor.reference.notes.estimate import ESTIMATED
from monitor.run.outcome_lines import enough_of, outcome_lines, outcome_windows, outcomes_json, value_json
from monitor.stats.performance.figures import figures, labelled, with_scores
from monitor.stats.performance.label_tally import LabelTally
from monitor.text import many, number


def performance_json(labels: LabelTally, judge: ModelJudge, estimated: Estimated | None) -> dict[str, dict[str, float]]:
    """By figure: realised over the predictions whose labels are known beside them, and estimated over all of them."""
    found = _realised(labels, judge)
    for figure, value in estimated.figures if estimated is not None else ():
        found.setdefault(figure, {})["estimated"] = value
    return found


def scored_json(labels: LabelTally, judge: ModelJudge) -> dict[str, int]:
    """`labels_with_scores` where log loss, Brier score and areas are of fewer labels than the other figures."""
    scored = with_scores(labels, judge.meaning.task)
    return {"labels_with_scores": scored} if 0 < scored < labels.paired else {}


def segments_json(labels: LabelTally, judge: ModelJudge) -> dict[str, Any]:
    """`segments` {name: {labels, performance, outcomes}} of those of which enough labels or values came."""
    names, found = judge.judge.performance.errors.segments.names, dict[str, Any]()
    known = {one.segment: one.figures for one in segment_figures(names, labels, judge.meaning)}
    for at, of in sorted(labels.segments.items()):
        outcomes = outcomes_json(enough := enough_of(of.outcomes), judge.policy.category)
        figures_of = {name: {"realised": value} for name, value in known.get(names[at], ())} | value_json(enough)
        if figures_of or outcomes:
            own = {"labels": labelled(of, judge.meaning.task), "performance": figures_of}
            found[names[at]] = own | ({"outcomes": outcomes} if outcomes else {})
    return {"segments": found} if found else {}


def fairness_json(judge: ModelJudge) -> dict[str, Any]:
    """`fairness` {feature: {metric: {value, interval, ...}, groups}} where the settings ask for it."""
    found: dict[str, Any] = {}
    for one in judge.judge.fairness.worst():
        of = found.setdefault(one.feature, {"groups": {}})
        of[one.metric] = {
            "value": one.estimate.value,
            "interval": [one.estimate.lower, one.estimate.upper],
            "permitted": one.permitted,
            "low": one.low,
            "high": one.high,
        }
    for rate in judge.judge.fairness.rates():
        if rate.feature in found:
            of_group = found[rate.feature]["groups"].setdefault(rate.segment, {})
            of_group[rate.kind] = {"value": rate.rate, "samples": rate.rows}
    return {"fairness": found} if found else {}


def label_windows(judge: ModelJudge) -> Iterator[dict[str, Any]]:
    """One `window` line for each window of labels that ended: the figures, by the number of their labels."""
    ended, key = judge.judge.performance.errors.windows.ended, judge.monitored.key
    while ended:
        window = ended.popleft()
        span, tally = window.span, window.tally
        yield {
            "kind": "window",
            "model": key.model,
            "version": key.version,
            "subject": key.model,
            "base_windows": window.length,
            "window": {"start": rfc3339(span.start_us), "end": rfc3339(span.end_us), "events": span.events},
            "labels": span.events,
            "performance": _realised(tally, judge),
            **segments_json(tally, judge),
        }
    yield from outcome_windows(judge)


def _realised(tally: LabelTally, judge: ModelJudge) -> dict[str, dict[str, float]]:
    return {name: {"realised": value} for name, value in figures(tally, judge.meaning).items()}


def performance_lines(model: dict[str, Any]) -> Iterator[str]:
    """All realised figures, those of segments too; and the first estimated one, with what that assumes."""
    realised = {name: of["realised"] for name, of in model["performance"].items() if "realised" in of}
    estimated = {name: of["estimated"] for name, of in model["performance"].items() if "estimated" in of}
    if realised:
        judged = "" if model["performance_judged"] else f"; not judged: {model['performance_not_judged']}"
        scored = model.get("labels_with_scores")
        of = "" if scored is None else f", log_loss, brier and areas by {scored:,} with scores"
        yield f"  by {many(model['labels'], 'label')}{of}: {_named(realised)}{judged}"
    for segment, of in model.get("segments", {}).items():
        own = {name: one["realised"] for name, one in of["performance"].items()}
        if own:
            yield f"  {segment} by {many(of['labels'], 'label')}: {_named(own)}"
        yield from outcome_lines(of.get("outcomes", {}), segment)
    for feature, metrics in model.get("fairness", {}).items():
        told = [_apart(name, one) for name, one in metrics.items() if name != "groups"]
        yield f"  fairness by {feature}: {'; '.join(told)}"
    for name, value in list(estimated.items())[:1]:
        assumed = ESTIMATED["regression" if name == "mae" else "binary"]
        against = "; the labels contradict it" if model.get("estimate_contradicted") else ""
        yield f"  {name} {number(value)} {assumed}{against}"


def _apart(metric: str, one: dict[str, Any]) -> str:
    """`disparate impact 0.97 (0.91 to 1.03), permitted 0.80`: with its 95 % interval."""
    lower, upper = one["interval"]
    between = f"{one['value']:.2f} ({lower:.2f} to {upper:.2f}), permitted {one['permitted']:.2f}"
    return f"{metric.replace('_', ' ')} {between}: {one['low']} beside {one['high']}"


def _named(figures_of: dict[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in figures_of.items())
