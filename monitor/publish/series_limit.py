"""The series of a board that are shown: over a limit, whole groups of them go, the least needed first."""

from __future__ import annotations

from typing import Final, TypeAlias

from monitor.publish.register import BINS, DISTANCES, DROPPED, FIGURES, REGISTER, Series
from monitor.publish.rows import Row, failing
from monitor.publish.snapshot import Snapshot

Shown: TypeAlias = list[tuple[Series, list[Row]]]

#: what goes first; incidents, performance and health never go
ORDER: Final = (BINS, DISTANCES, FIGURES)


def fitted(snapshot: Snapshot, limit: int) -> Shown:
    """Every series with its rows, at most about `limit` of them; `driftd_series_dropped` says how many are missing.

    Of the figures of findings those of subjects with an open finding stay.
    """
    shown: Shown = [
        (series, list(series.rows(snapshot))) for series in REGISTER if snapshot.restored or not series.of_model
    ]
    total = sum(len(rows) for _, rows in shown)
    dropped = 0
    for group in ORDER:
        if total - dropped <= limit:
            break
        for at, (series, rows) in enumerate(shown):
            if series.group == group:
                kept = failing(snapshot, rows) if group == FIGURES else []
                dropped += len(rows) - len(kept)
                shown[at] = series, kept
    return [(series, [((), dropped)] if series.name == DROPPED else rows) for series, rows in shown]
