"""Causes `missing`, `absent`, `unseen`, `outside`, `type`: the share of a fact rose.

An exact (hypergeometric) test against the reference's own count of the fact, on effective numbers. A page at every
window length: a fact the reference never saw needs no learned distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.all_values import moments
from monitor.judge.causes.unit_change import UnitChange, unit_change
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.prepared_reference import Floats, PreparedReference, Variability
from monitor.judge.windows import Windows
from monitor.reference.reference import PREDICTION, SCORE, Column
from monitor.stats import names
from monitor.stats.bins import NUMERIC, OUTSIDE, QUALITY_COUNTS, UNSEEN
from monitor.stats.digits import before_and_after, percent, told_apart
from monitor.stats.evidence import exact_excess_critical, exact_excess_tail

#: `outside` pages only while the newest panes still show this part of the window's share: a burst that is over does not
RECENT_PART = 0.5
#: never-seen values that are named
MAX_NAMED = 5


@dataclass(frozen=True)
class Measured:
    """Arrays (W, C, quality counts) of one evaluation, made from `hits`, `overdispersion`, `events` (W, C) and
    `reference` (C, quality counts), the share there. A quiet evaluation needs `p` alone: the others are made on demand.
    """

    p: Floats
    hits: Floats
    events: Floats
    overdispersion: Floats
    reference: Floats
    alpha: float

    @cached_property
    def share(self) -> Floats:
        return self.hits / np.maximum(self.events, 1)[..., None]

    @cached_property
    def excess(self) -> Floats:
        return self.share - self.reference

    @cached_property
    def exceedance(self) -> Floats:
        """log p / log alpha."""
        return np.asarray(np.log(np.maximum(self.p, 1e-300)) / np.log(self.alpha), np.float64)


def tests(prepared: PreparedReference) -> int:
    """Tests of one window length, over all columns."""
    return int(prepared.tested_quality.sum())


def measure(prepared: PreparedReference, windows: Windows, variability: Variability, alpha: float) -> Measured:
    """Tail probability of every window, column and fact."""
    hits = windows.counts[..., prepared.width :].astype(np.float64)
    events = windows.counts.sum(2).astype(np.float64)
    p = np.ones(hits.shape)
    at = window, column, slot = np.nonzero(hits)  # few: most windows are well
    if len(window):
        reference, m = prepared.quality_counts[column, slot], prepared.events[column]
        p[at] = exact_excess_tail(
            hits[at], events[window, column], reference, m, variability.quality_overdispersion[at]
        )
        p[:, ~prepared.tested_quality] = 1.0
    return Measured(p, hits, events, variability.quality_overdispersion, prepared.quality_shares, alpha)


def severity(
    prepared: PreparedReference, policy: Policy, measured: Measured, at: tuple[int, int, int], recent_share: float
) -> str:
    """Of one (window, column, fact) that is over; `recent_share` is the fact's in the newest panes."""
    _, column, slot = at
    cause = QUALITY_COUNTS[slot]
    goes_on = slot != OUTSIDE or recent_share >= RECENT_PART * float(measured.share[at])
    may_page = goes_on and cause not in dict(prepared.columns[column].ticket_only)
    return policy.severity(
        cause,
        prepared.columns[column].feature,
        float(measured.excess[at]),
        LEAST_QUALITY_CHANGE,
        may_page=may_page,
    )


def finding(
    prepared: PreparedReference,
    policy: Policy,
    windows: Windows,
    measured: Measured,
    at: tuple[int, int, int],
    severity: str,
) -> Finding:
    """The finding of one (window, column, fact) that is over."""
    window, column, slot = at
    cause, subject = QUALITY_COUNTS[slot], prepared.subjects[column]
    share, effect = float(measured.share[at]), float(measured.excess[at])
    change = unit_change(prepared, windows, window, column) if slot == OUTSIDE else None
    came = _came(policy, windows, window, column) if slot == UNSEEN else ""
    before = share - effect
    headline = _headline(prepared.columns[column], subject, cause, before, share)
    critical = exact_excess_critical(
        measured.alpha,
        float(measured.events[window, column]),
        float(prepared.quality_counts[column, slot]),
        float(prepared.events[column]),
        float(measured.overdispersion[at]),
    )
    return Finding(
        key=FindingKey(subject, cause),
        severity=severity,
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="exact",
        value=share,
        threshold=critical / max(float(measured.events[window, column]), 1.0),
        p=float(measured.p[at]),
        effect=effect,
        effect_unit="share",
        exceedance=float(measured.exceedance[at]),
        direction="up",
        detail=_detail(prepared, windows, at, before, share, came, change),
        headline=headline + (change.headline if change else "") + came,
        factor=change.factor if change else None,
        since_us=began(windows, window, column, prepared.width + slot),
        records=windows.records(window),
    )


def began(windows: Windows, window: int, column: int, slot: int) -> int:
    """Start of the first part of the window that shows the fact."""
    parts = windows.parts[window]
    return next((part.start_us for part in parts if part.tally.counts[column, slot]), parts[0].start_us)


def _came(policy: Policy, windows: Windows, window: int, column: int) -> str:
    """The never-seen values by name, the most frequent first: `: "st99" (96), "st98" (3)`.

    Nothing where none is known, or where each came once and there are many: that is how free text looks.
    """
    unseen: names.Names = {}
    for part in windows.parts[window]:
        names.add(unseen, {column: part.tally.unseen[column]} if column in part.tally.unseen else {})
    known = unseen.get(column)
    if not known or (len(known) >= names.KEPT and max(known.values()) == 1):
        return ""
    messages = ", ".join(f"{policy.quoted(name)} ({n:,})" for name, n in names.most_frequent(known, MAX_NAMED))
    return f": {messages}" + (" and others" if len(known) > MAX_NAMED else "")


def _headline(about: Column, subject: str, cause: str, before: float, share: float) -> str:
    how_many = percent(share)
    instead = f", in the reference in {percent(before)}" if before > 0 else ""
    own = about.role in {SCORE, PREDICTION}
    if cause == "absent":
        if own:
            return f"{subject} is null or left out in {how_many}{instead}"
        return f"{subject} is gone" if share == 1 else f"{subject} is gone from {how_many}{instead}"
    wrong = "not a number" if about.bins.kind == NUMERIC else "neither text nor a number"
    words = {
        "missing": f"{subject} is missing (null) in {how_many}",
        "unseen": f"{subject} has never-seen {'classes' if own else 'values'} in {how_many}",
        "outside": f"{subject} is outside the reference's range in {how_many}",
        "type": f"{subject} is {wrong} in {how_many}",
    }
    return words[cause] + instead


def _detail(
    prepared: PreparedReference,
    windows: Windows,
    at: tuple[int, int, int],
    before: float,
    share: float,
    came: str,
    change: UnitChange | None,
) -> str:
    window, column, slot = at
    details = [f"share {QUALITY_COUNTS[slot]}: {before_and_after(before, share)}{came}"]
    if slot == OUTSIDE:
        about = prepared.columns[column]
        low, high = told_apart([about.bins.low, about.bins.high])
        details.append(f"the reference's range with its margin is {low} to {high}")
        seen = moments(about, windows.counts[window, column], windows.sums[window, column], prepared.width)
        if seen.whole:
            details.append(f"mean {before_and_after(about.center, seen.mean)}")
    return "; ".join(details) + (change.detail if change else "")
