"""Columns as they are shown: reference, latest long window, and how near each cause is to a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures
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
    labels, beyond = judge.policy.of_column(column).labels(column.bins), column.bins.beyond()
    first, last = (beyond[:1], beyond[1:]) if prepared.ordered[at] else ((), beyond)
    live = (
        evaluation.windows.counts[-1, at] if evaluation is not None else np.zeros(width + len(QUALITY_COUNTS), np.int64)
    )
    events = max(0 if evaluation is None else int(prepared.carried(evaluation.windows.counts[-1])[at]), 1)
    reference_events = max(float(prepared.events[at]), 1.0)
    return ColumnView(
        name=prepared.subjects[at],
        role=column.role,
        kind=column.kind,
        bins=(*first, *labels, *last),
        reference=tuple(in_reference(prepared, at).tolist()),
        live=tuple(0 for _ in (*labels, *beyond))
        if evaluation is None
        else tuple(in_window(prepared, evaluation.windows, len(evaluation.windows.lengths) - 1, at).tolist()),
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


def _distances(judge: ModelJudge, evaluation: Evaluation, at: int) -> Iterator[tuple[str, float]]:
    for name, value in distances(judge.prepared, evaluation.windows, len(evaluation.windows.lengths) - 1, at).items():
        if not math.isnan(value):
            yield name, value
