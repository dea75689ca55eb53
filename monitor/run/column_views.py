"""Columns as they are shown: reference, latest long window, and how near each cause is to a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, FindingKey
from monitor.judge.causes.cause import Evaluation
from monitor.judge.model import ModelJudge
from monitor.judge.windows.all_values import distances, in_reference, in_window
from monitor.publish.snapshot import ColumnView
from monitor.stats.bins.reference_bins import QUALITY_COUNTS

BySubject = Mapping[str, Sequence[Figures]]


def column_views(judge: ModelJudge, figures: BySubject) -> tuple[ColumnView, ...]:
    """One view for each column from the newest evaluation, with those figures; without totals."""
    reasons = judge.judge.ticket_reasons()
    return tuple(
        replace(
            _view(judge, at, figures.get(name, ())),
            ticket_reason=reasons[name].word if name in reasons else "",
            ticket_text=reasons[name].text if name in reasons else "",
        )
        for at, name in enumerate(judge.prepared.subjects)
    )


def other_figures(judge: ModelJudge, figures: BySubject) -> tuple[tuple[str, Figures], ...]:
    """(subject, figures) of subjects other than columns."""
    columns = judge.prepared.column_of
    return tuple((name, one) for name, of_it in figures.items() if name not in columns for one in of_it)


def newest_figures(judge: ModelJudge) -> dict[FindingKey, Figures]:
    """What the newest base window alone shows of the subjects that have open findings."""
    known = {found.key._replace(figure="") for found in judge.book.findings()}
    window = judge.pyramid.trailing(1) if known and judge.latest is not None else None
    if window is None or judge.latest is None:
        return {}
    figures = judge.judge.figures(judge.judge.evaluate_again(window, judge.latest.alpha))
    found = {FindingKey(name, one.cause, one.segment): one for name, of_it in figures.items() for one in of_it}
    return {key: one for key, one in found.items() if key in known}


def with_totals(
    judge: ModelJudge, views: tuple[ColumnView, ...], counted: NDArray[np.int64] | None
) -> tuple[ColumnView, ...]:
    """The views with `counted` (columns, bins + quality counts + below) since the process started, None for nothing."""
    if counted is None:
        return tuple(replace(view, total=(0,) * len(view.bins)) for view in views)
    return tuple(
        replace(view, total=tuple(column.bins.everywhere(counts[:-1], int(counts[-1])).tolist()))
        for column, view, counts in zip(judge.prepared.columns, views, counted, strict=True)
    )


def _view(judge: ModelJudge, at: int, figures: Sequence[Figures]) -> ColumnView:
    prepared, evaluation = judge.prepared, judge.latest
    column, width = prepared.columns[at], prepared.width
    shown = -1 if evaluation is None else shown_window(judge, evaluation, prepared.subjects[at])
    labels, beyond = judge.policy.of_column(column).labels(column.bins), column.bins.beyond()
    first, last = (beyond[:1], beyond[1:]) if prepared.ordered[at] else ((), beyond)
    live, events = np.zeros(width + len(QUALITY_COUNTS), np.int64), 1
    if evaluation is not None:
        live = evaluation.windows.counts[shown, at]
        events = max(int(prepared.carried(evaluation.windows.counts[shown])[at]), 1)
    reference_events = max(float(prepared.events[at]), 1.0)
    return ColumnView(
        name=prepared.subjects[at],
        role=column.role,
        kind=column.kind,
        bins=(*first, *labels, *last),
        reference=tuple(in_reference(prepared, at).tolist()),
        live=tuple(0 for _ in (*labels, *beyond))
        if evaluation is None
        else tuple(in_window(prepared, evaluation.windows, shown, at).tolist()),
        live_since_us=None
        if evaluation is None or shown == len(evaluation.windows.lengths) - 1
        else evaluation.windows.start_us(shown),
        quality_counts=tuple(
            (
                quality_count,
                float(prepared.quality_counts[at, slot] / reference_events),
                float(live[width + slot] / events),
            )
            for slot, quality_count in enumerate(QUALITY_COUNTS)
            if prepared.tested_quality[at, slot]
        ),
        distances=() if evaluation is None else tuple(_distances(judge, evaluation, at)),
        figures=tuple(figures),
        unwatched=prepared.reference.unwatched_reason(column),
    )


def shown_window(judge: ModelJudge, evaluation: Evaluation, subject: str) -> int:
    """The place of the window that is shown of a column: the longest.

    Where it has an open finding, the longest that lies behind the finding's start, else the newest: a window that also
    holds events of before is not what the column is like now.
    """
    windows, longest = evaluation.windows, len(evaluation.windows.lengths) - 1
    since = [judge.book.since(found.key) for found in judge.book.findings() if found.key.subject == subject]
    began = min((one for one in since if one is not None), default=None)
    if began is None:
        return longest
    return max((at for at in range(longest + 1) if windows.start_us(at) >= began), default=0)


def _distances(judge: ModelJudge, evaluation: Evaluation, at: int) -> Iterator[tuple[str, float]]:
    for name, value in distances(judge.prepared, evaluation.windows, len(evaluation.windows.lengths) - 1, at).items():
        if not math.isnan(value):
            yield name, value
