"""Cause `absent` of the model itself: predictions that carry no features, where the reference's did.

Nothing is counted in any column then: without this, the gravest absence would be the quietest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.prepared_reference import Floats, PreparedReference, Variability
from monitor.judge.windows import Windows
from monitor.stats.bins import ABSENT
from monitor.stats.digits import before_and_after, percent
from monitor.stats.evidence import exact_excess_critical, exact_excess_tail

CAUSE = "absent"


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W,) of one look; so many of the reference's events `lacked` features."""

    p: Floats
    hits: Floats
    events: Floats
    overdispersion: Floats
    exceedance: Floats  # log p / log alpha
    alpha: float
    lacked: float
    reference_events: float

    @property
    def before(self) -> float:
        return self.lacked / self.reference_events


def tests(prepared: PreparedReference) -> int:
    """Tests of one window length."""
    return int(_carried(prepared) > 0)


def _carried(prepared: PreparedReference) -> float:
    """Events of the reference that carried features."""
    return float(prepared.events[prepared.features].max(initial=0.0))


def lacking(prepared: PreparedReference, windows: Windows) -> Floats:
    """(W,) events without features, 0 where the reference has none either."""
    events = np.array([span.events for span in windows.spans], np.float64)
    if not _carried(prepared):
        return np.zeros(len(events))
    return np.asarray(np.maximum(events - windows.counts[:, prepared.features[0]].sum(-1), 0.0))


def measure(prepared: PreparedReference, windows: Windows, variability: Variability, alpha: float) -> Measured:
    """Tail probability of every window; 1 where the reference has no features either."""
    events = np.array([span.events for span in windows.spans], np.float64)
    carried, whole = _carried(prepared), max(float(prepared.reference.events), 1.0)
    hits = lacking(prepared, windows)
    # how such events cluster was not measured: as a usual column's absence does, unless there is nothing else left
    overdispersion = np.ones(len(events))
    if carried:
        overdispersion = np.where(
            hits == events, 1.0, np.median(variability.quality_overdispersion[:, prepared.features, ABSENT], axis=1)
        )
    lacked = max(whole - carried, 0.0)
    size = len(events)
    p = exact_excess_tail(hits, events, np.full(size, lacked), np.full(size, whole), overdispersion)
    exceedance = np.log(np.maximum(p, 1e-300)) / np.log(alpha)
    return Measured(p, hits, events, overdispersion, exceedance, alpha, lacked, whole)


def severity(policy: Policy, measured: Measured, window: int) -> str:
    """Of one window that is over."""
    share = float(measured.hits[window] / measured.events[window])
    return policy.severity(CAUSE, "", share - measured.before, LEAST_QUALITY_CHANGE)


def key(prepared: PreparedReference) -> FindingKey:
    return FindingKey(prepared.reference.key.model, CAUSE)


def began(prepared: PreparedReference, windows: Windows, window: int) -> int:
    """Start of the first part of the window that has such an event."""
    parts, column = windows.parts[window], prepared.features[0]
    return next((p.start_us for p in parts if p.tally.counts[column].sum() < p.tally.events), parts[0].start_us)


def finding(prepared: PreparedReference, windows: Windows, measured: Measured, window: int, severity: str) -> Finding:
    """The finding of one window that is over."""
    share = float(measured.hits[window] / measured.events[window])
    before, n = measured.before, float(measured.events[window])
    critical = exact_excess_critical(
        measured.alpha, n, measured.lacked, measured.reference_events, float(measured.overdispersion[window])
    )
    model = prepared.reference.key.model
    return Finding(
        key=key(prepared),
        severity=severity,
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="exact",
        value=share,
        threshold=critical / max(n, 1.0),
        p=float(measured.p[window]),
        effect=share - before,
        effect_unit="share",
        exceedance=float(measured.exceedance[window]),
        direction="up",
        detail=f"share of events without features: {before_and_after(before, share)}; "
        "the columns are judged by the events that have them",
        headline="no prediction has features any more"
        if share == 1
        else f"{percent(share)} of the events of {model} have no features",
        since_us=began(prepared, windows, window),
        records=windows.records(window),
    )
