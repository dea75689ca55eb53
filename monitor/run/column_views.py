"""Columns as they are shown: the reference beside the latest long window, and how near each cause is to a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.judge.all_values import distances, in_reference, in_window
from monitor.judge.causes import constant
from monitor.judge.causes.distribution import cause_of
from monitor.judge.evaluation import Look
from monitor.judge.model import ModelJudge
from monitor.publish.snapshot import ColumnView, Figures
from monitor.stats.bins import FACTS
from monitor.stats.evidence import chi_square_tail

#: a share change of about so many sqrt(p(1-p)(1/n + 1/m)) is seen within n effective events, 95 times in 100
SEEN: Final = 8.5


def column_views(judge: ModelJudge) -> tuple[ColumnView, ...]:
    """One view for each column, as far as the newest look tells; without totals."""
    return tuple(_view(judge, at) for at in range(len(judge.baseline.columns)))


def with_totals(
    judge: ModelJudge, views: tuple[ColumnView, ...], counted: NDArray[np.int64] | None
) -> tuple[ColumnView, ...]:
    """The same with `counted` (columns, bins + facts + below) since the process began, None for nothing."""
    if counted is None:
        return tuple(replace(view, total=(0,) * len(view.bins)) for view in views)
    return tuple(
        replace(view, total=tuple(column.bins.everywhere(counts[:-1], int(counts[-1])).tolist()))
        for column, view, counts in zip(judge.baseline.columns, views, counted, strict=True)
    )


def _view(judge: ModelJudge, at: int) -> ColumnView:
    baseline, look = judge.baseline, judge.latest
    column, width = baseline.columns[at], baseline.width
    labels, beyond = judge.policy.labels(column.bins), column.bins.beyond()
    first, last = (beyond[:1], beyond[1:]) if baseline.ordered[at] else ((), beyond)
    live = look.windows.counts[-1, at] if look is not None else np.zeros(width + len(FACTS), np.int64)
    events = max(int(live.sum()), 1)
    reference_events = max(float(baseline.events[at]), 1.0)
    return ColumnView(
        name=baseline.subjects[at],
        role=column.role,
        kind=column.bins.kind,
        bins=(*first, *labels, *last),
        reference=tuple(in_reference(baseline, at).tolist()),
        live=tuple(0 for _ in (*labels, *beyond))
        if look is None
        else tuple(in_window(baseline, look.windows, len(look.windows.lengths) - 1, at).tolist()),
        facts=tuple(
            (fact, float(baseline.facts[at, slot] / reference_events), float(live[width + slot] / events))
            for slot, fact in enumerate(FACTS)
            if baseline.tested_facts[at, slot]
        ),
        distances=() if look is None else tuple(_distances(judge, look, at)),
        figures=() if look is None else tuple(_figures(judge, look, at)),
        smallest_effect=_smallest_effect(judge, look, at),
        unwatched=baseline.reference.unwatched_reason(column),
    )


def _distances(judge: ModelJudge, look: Look, at: int) -> Iterator[tuple[str, float]]:
    for name, value in distances(judge.baseline, look.windows, len(look.windows.lengths) - 1, at).items():
        if not math.isnan(value):
            yield name, value


def _figures(judge: ModelJudge, look: Look, at: int) -> Iterator[Figures]:
    """The worst window of each cause that has something to say: the distribution, facts that occur, a stuck value."""
    measured = look.distribution
    worst = int(measured.over[:, at].argmax())
    if measured.freedom[worst, at] > 0:
        chi, freedom = float(measured.chi[worst, at]), float(measured.freedom[worst, at])
        ordered = bool(judge.baseline.ordered[at])
        yield Figures(
            cause=cause_of(judge.baseline.columns[at]),
            value=chi,
            threshold=float(measured.chi_critical[worst, at]),
            effect=float(measured.cumulative[worst, at] if ordered else measured.share[worst, at]),
            p=float(chi_square_tail(chi, freedom)),
            samples=int(look.windows.counts[worst, at].sum()),
            over=float(measured.over[worst, at]),
        )
    for slot, fact in enumerate(FACTS):
        window = int(look.facts.over[:, at, slot].argmax())
        if look.facts.share[window, at, slot] > 0:
            yield Figures(
                cause=fact,
                value=float(look.facts.share[window, at, slot]),
                threshold=math.nan,
                effect=float(look.facts.excess[window, at, slot]),
                p=float(look.facts.p[window, at, slot]),
                samples=int(look.facts.events[window, at]),
                over=float(look.facts.over[window, at, slot]),
            )

    yield from _stuck(judge, look, at)


def _stuck(judge: ModelJudge, look: Look, at: int) -> Iterator[Figures]:
    measured, about = look.constant, judge.baseline.columns[at]
    window = int(measured.over[:, at].argmax())
    if measured.over[window, at] > 0:
        values = int(measured.values[window, at])
        yield Figures(
            cause="constant",
            value=values,
            threshold=constant.threshold(about, look.alpha),
            effect=1.0 - about.commonest_share,
            p=float(measured.p[window, at]),
            samples=values,
            over=float(measured.over[window, at]),
        )


def _smallest_effect(judge: ModelJudge, look: Look | None, at: int) -> float | None:
    """The rule of thumb for a share of one half, at the rate of the longest window judged, over a day."""
    if look is None:
        return None
    span = look.windows.spans[-1]
    a_day = span.events * DAY_US / max(span.end_us - span.start_us, 1)
    phi = float(judge.baseline.phi(int(a_day))[at])
    effective = 1 / max(a_day, 1) + 1 / max(float(judge.baseline.events[at]), 1)
    return min(1.0, SEEN * 0.5 * math.sqrt(effective * phi))
