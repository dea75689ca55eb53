"""The series of traffic that stopped, and of events that no verdict is wanted of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.publish.column_series import Series
from monitor.publish.rows import Row
from monitor.publish.snapshot import Snapshot

TRAFFIC_STOPPED: Final = "driftd_traffic_stopped"


def _stopped(snapshot: Snapshot) -> Iterator[Row]:
    known = (model for model in snapshot.models if model.knows_gaps)
    return ((model.key, float(model.stopped_since_us is not None)) for model in known)


def _excluded(snapshot: Snapshot) -> Iterator[Row]:
    return ((model.key, model.excluded - model.excluded_before) for model in snapshot.models)


TRAFFIC_SERIES: Final = (
    Series(
        TRAFFIC_STOPPED,
        "gauge",
        ("model", "version"),
        "1 while no event of a model version comes though its reference had no gap nearly as long, else 0; absent where"
        " the reference does not tell its gaps.",
        "1: see DriftdDataStale.",
        _stopped,
        of_model=True,
    ),
    Series(
        "driftd_excluded_events_total",
        "counter",
        ("model", "version"),
        "Accepted events of times that the settings exclude (models[].exclude): in all totals, but in no verdict.",
        "Rising outside of the planned times: check the calendar and its time zone.",
        _excluded,
        of_model=True,
    ),
)
