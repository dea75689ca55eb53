"""Limits the series of a snapshot: above the limit whole groups are left out, the least needed first."""

from __future__ import annotations

from typing import Final, TypeAlias

from monitor.publish.column_series import BINS, DISTANCES, FIGURES, Series
from monitor.publish.register import DROPPED, REGISTER
from monitor.publish.rows import Row, with_open_finding
from monitor.publish.snapshot import Snapshot

SeriesRows: TypeAlias = list[tuple[Series, list[Row]]]

#: the order in which groups are left out; incidents, performance and health never are
ORDER: Final = (BINS, DISTANCES, FIGURES)


def limited_series(snapshot: Snapshot, limit: int) -> SeriesRows:
    """Every series with its rows, at most about `limit` rows; `driftd_series_dropped` counts those left out.

    The figures of subjects with an open finding are always kept.
    """
    shown: SeriesRows = [
        (series, list(series.rows(snapshot))) for series in REGISTER if snapshot.restored or not series.of_model
    ]
    total = sum(len(rows) for _, rows in shown)
    dropped = 0
    for group in ORDER:
        if total - dropped <= limit:
            break
        for at, (series, rows) in enumerate(shown):
            if series.group == group:
                kept = with_open_finding(snapshot, rows) if group == FIGURES else []
                dropped += len(rows) - len(kept)
                shown[at] = series, kept
    return [(series, [((), dropped)] if series.name == DROPPED else rows) for series, rows in shown]
