"""Named outcomes as JSON, as lines for a person and as the status page has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monitor.clock import rfc3339
from monitor.judge.causes.outcome import OneOutcome
from monitor.judge.causes.segment_errors import LEAST_SHOWN
from monitor.judge.model import ModelJudge
from monitor.publish.snapshot import OutcomeSegment, OutcomeView
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance.figures import VALUE_FIGURE
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import LABEL_VALUE, OTHER, OutcomeTally
from monitor.text import many, number, percent
from monitor.visible import one_line


def as_it_is(text: str) -> str:
    """A category where values may be shown."""
    return text


def outcome_json(tally: OutcomeTally, shown: Callable[[str], str] = as_it_is) -> dict[str, Any]:
    """The values of one, the mean of its numbers, and counts of its texts, each as it may be `shown`."""
    texts = {text if text == OTHER else shown(text): count for text, count in tally.texts().items()}
    return {
        "values": tally.values,
        **({} if tally.mean is None else {"numbers": tally.numbers, "mean": tally.mean}),
        **({"texts": texts} if texts else {}),
    }


def outcomes_json(
    tallies: Mapping[str, OutcomeTally], shown: Callable[[str], str] = as_it_is
) -> dict[str, dict[str, Any]]:
    """The same of all by name."""
    return {name: outcome_json(tally, shown) for name, tally in sorted(tallies.items()) if name != LABEL_VALUE}


def value_json(tallies: Mapping[str, OutcomeTally]) -> dict[str, dict[str, float]]:
    """What the values of 1,000 labels are together, by its name as a figure; empty without any."""
    mean = tallies[LABEL_VALUE].mean if LABEL_VALUE in tallies else None
    return {} if mean is None else {VALUE_FIGURE: {"realised": 1000 * mean}}


def enough_of(tallies: Mapping[str, OutcomeTally]) -> dict[str, OutcomeTally]:
    """Those of a segment that have enough values to be shown."""
    return {name: tally for name, tally in tallies.items() if tally.values >= LEAST_SHOWN}


def outcome_windows(judge: ModelJudge) -> Iterator[dict[str, Any]]:
    """One `window` line for each window of an outcome's values that ended; they are given once."""
    for one in judge.judge.outcomes.each.values():
        while one.windows.ended:
            yield _window(judge, one)


def _window(judge: ModelJudge, one: OneOutcome) -> dict[str, Any]:
    window, key = one.windows.ended.popleft(), judge.monitored.key
    tally = window.tally.outcomes[one.name]
    return {
        "kind": "window",
        "model": key.model,
        "version": key.version,
        "subject": one.subject,
        "base_windows": window.length,
        "window": {
            "start": rfc3339(window.span.start_us),
            "end": rfc3339(window.span.end_us),
            "events": window.span.events,
        },
        **(
            {"performance": value_json(window.tally.outcomes)}
            if one.is_value
            else {"outcome": outcome_json(tally, judge.policy.category)}
        ),
        "samples": {"realised": one.outcome.counted(tally)},
        **_segments(judge, one, window.tally),
    }


def _segments(judge: ModelJudge, one: OneOutcome, labels: LabelTally) -> dict[str, Any]:
    """`segments` {name: what a window says of the values in it}; nothing without any."""
    found = {
        name: {"performance": value_json({one.name: tally})}
        if one.is_value
        else {"outcome": outcome_json(tally, judge.policy.category)}
        for name, tally, _ in one.in_segments(labels)
        if tally.values >= LEAST_SHOWN
    }
    return {"segments": found} if found else {}


def outcome_lines(outcomes: Mapping[str, Mapping[str, Any]], segment: str = "") -> Iterator[str]:
    """A line for each of `outcomes_json`, of all predictions or in a segment."""
    where = f" in {segment}" if segment else ""
    for name, of in outcomes.items():
        told = [f"mean {number(of['mean'])}"] if "mean" in of else []
        told += [f"{one_line(text)} {percent(count / of['values'])}" for text, count in of.get("texts", {}).items()]
        yield f"  outcome {one_line(name)}{where}, {many(of['values'], 'value')}: {', '.join(told)}"


def outcome_views(judge: ModelJudge) -> Iterator[OutcomeView]:
    """Of each outcome the newest values; without those whose values stopped."""
    for one in judge.judge.outcomes.each.values():
        latest = one.latest(judge.at_us)
        if latest is None:
            continue
        now, before, is_number = latest.tally.outcomes[one.name], one.outcome.tally, one.outcome.kind == NUMERIC
        yield OutcomeView(
            one.name,
            one.outcome.counted(now),
            latest.span.end_us,
            mean=now.mean if is_number else None,
            mean_before=before.mean if is_number else None,
            shares=() if is_number else _shares(judge, one, now),
            shares_before=() if is_number else _shares(judge, one, before),
            judged=bool(one.sides),
            segments=tuple(_segment_views(judge, one, latest.tally)),
        )


def _segment_views(judge: ModelJudge, one: OneOutcome, labels: LabelTally) -> Iterator[OutcomeSegment]:
    for name, now, before in one.in_segments(labels):
        if now.values >= LEAST_SHOWN and one.outcome.kind == NUMERIC:
            yield OutcomeSegment(name, now.numbers, mean=now.mean, mean_before=None if before is None else before.mean)
        elif now.values >= LEAST_SHOWN:
            shares_before = () if before is None else _shares(judge, one, before)
            yield OutcomeSegment(name, now.values, shares=_shares(judge, one, now), shares_before=shares_before)


def _shares(judge: ModelJudge, one: OneOutcome, tally: OutcomeTally) -> tuple[tuple[str, float], ...]:
    values = max(tally.values, 1)
    return tuple(
        (figure if figure == OTHER else judge.policy.category(figure), tally.counts.get(figure, 0) / values)
        for figure in one.outcome.figures
    )
