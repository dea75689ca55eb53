"""Columns as they are shown: reference, latest long window, and how near each cause is to a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, FindingKey
from monitor.judge.causes.cause import Evaluation
from monitor.judge.model import ModelJudge
from monitor.judge.windows.all_values import distances, in_reference, in_window
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.publish.snapshot import ColumnView
from monitor.stats.bins.reference_bins import QUALITY_COUNTS

BySubject = Mapping[str, Sequence[Figures]]


def column_views(judge: ModelJudge, figures: BySubject) -> tuple[ColumnView, ...]:
    """One view for each column from the newest evaluation, with those figures; without totals."""
    prepared, evaluation, reasons = judge.prepared, judge.latest, judge.judge.ticket_reasons()
    if "column_views" not in prepared.kept:
        prepared.kept["column_views"] = tuple(_of_reference(judge, at) for at in range(len(prepared.columns)))
    views = cast("tuple[ColumnView, ...]", prepared.kept["column_views"])
    newest: list[_Newest] = [{} for _ in views] if evaluation is None else _newest(judge, evaluation)
    return tuple(
        replace(
            view,
            **of_it,
            figures=tuple(figures.get(view.name, ())),
            ticket_reason=reasons[view.name].word if view.name in reasons else "",
            ticket_text=reasons[view.name].text if view.name in reasons else "",
        )
        for view, of_it in zip(views, newest, strict=True)
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


def _of_reference(judge: ModelJudge, at: int) -> ColumnView:
    """A column while nothing came."""
    prepared = judge.prepared
    column = prepared.columns[at]
    labels, beyond = judge.policy.of_column(column).labels(column.bins), column.bins.beyond()
    first, last = (beyond[:1], beyond[1:]) if prepared.ordered[at] else ((), beyond)
    return ColumnView(
        name=prepared.subjects[at],
        role=column.role,
        kind=column.kind,
        bins=(*first, *labels, *last),
        reference=tuple(in_reference(prepared, at).tolist()),
        live=tuple(0 for _ in (*labels, *beyond)),
        quality_counts=tuple(_quality_shares(prepared, at, np.zeros(len(QUALITY_COUNTS), np.int64), 1)),
        unwatched=prepared.reference.unwatched_reason(column),
    )


class _Newest(TypedDict, total=False):
    live: tuple[int, ...]
    live_since_us: int | None
    quality_counts: tuple[tuple[str, float, float], ...]
    distances: tuple[tuple[str, float], ...]


def _newest(judge: ModelJudge, evaluation: Evaluation) -> list[_Newest]:
    """By column what an evaluation says of it."""
    prepared, windows = judge.prepared, evaluation.windows
    longest, carried = len(windows.lengths) - 1, [prepared.carried(counts) for counts in windows.counts]
    measured, found = distances(prepared, windows, longest), list[_Newest]()
    for at, subject in enumerate(prepared.subjects):
        shown = shown_window(judge, evaluation, subject)
        live, events = windows.counts[shown, at, prepared.width :], max(int(carried[shown][at]), 1)
        one: _Newest = {
            "live": tuple(in_window(prepared, windows, shown, at).tolist()),
            "live_since_us": None if shown == longest else windows.start_us(shown),
            "quality_counts": tuple(_quality_shares(prepared, at, live, events)),
            "distances": tuple((name, value) for name, value in measured[at].items() if not math.isnan(value)),
        }
        found.append(one)
    return found


def _quality_shares(
    prepared: PreparedReference, at: int, live: NDArray[np.int64], events: int
) -> Iterator[tuple[str, float, float]]:
    """(name, share in the reference, share in the window) of the tested quality counts; `live` are the window's."""
    reference_events = max(float(prepared.events[at]), 1.0)
    for slot, name in enumerate(QUALITY_COUNTS):
        if prepared.tested_quality[at, slot]:
            yield name, float(prepared.quality_counts[at, slot] / reference_events), float(live[slot] / events)


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
