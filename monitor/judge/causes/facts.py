"""Causes `missing`, `absent`, `unseen`, `outside`, `type`: the share of a fact rose.

An exact (hypergeometric) test against the reference's own count of the fact, on effective numbers. A page at every
window length: a fact the reference never saw needs no learned distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.baseline import Baseline, Floats, Unrest
from monitor.judge.causes.unit_factor import unit_factor
from monitor.judge.ladder import Windows
from monitor.judge.policy import LEAST_FACT, Policy
from monitor.reference.reference import Column
from monitor.stats.bins import FACTS, OUTSIDE
from monitor.stats.evidence import exact_excess_critical, exact_excess_tail

#: `outside` pages only while the newest panes still show this part of the window's share: a burst that is over does not
RECENT_PART = 0.5


@dataclass(frozen=True)
class Measured:
    """Arrays (W, C, facts) of one look; `hits`, `phi`, `events` (W, C) and `reference` (C, facts), the share there, are
    what they were made with. A quiet look needs `p` alone: the others are made when they are asked for.
    """

    p: Floats
    hits: Floats
    events: Floats
    phi: Floats
    reference: Floats
    alpha: float

    @cached_property
    def share(self) -> Floats:
        return self.hits / np.maximum(self.events, 1)[..., None]

    @cached_property
    def excess(self) -> Floats:
        return self.share - self.reference

    @cached_property
    def over(self) -> Floats:
        """log p / log alpha."""
        return np.asarray(np.log(np.maximum(self.p, 1e-300)) / np.log(self.alpha), np.float64)


def tests(baseline: Baseline) -> int:
    """Tests of one window length, over all columns."""
    return int(baseline.tested_facts.sum())


def measure(baseline: Baseline, windows: Windows, unrest: Unrest, alpha: float) -> Measured:
    """Tail probability of every window, column and fact."""
    hits = windows.counts[..., baseline.width :].astype(np.float64)
    events = windows.counts.sum(2).astype(np.float64)
    p = np.ones(hits.shape)
    at = window, column, slot = np.nonzero(hits)  # few: most windows are well
    if len(window):
        reference, m = baseline.facts[column, slot], baseline.events[column]
        p[at] = exact_excess_tail(hits[at], events[window, column], reference, m, unrest.fact_phi[at])
        p[:, ~baseline.tested_facts] = 1.0
    return Measured(p, hits, events, unrest.fact_phi, baseline.fact_shares, alpha)


def severity(
    baseline: Baseline, policy: Policy, measured: Measured, at: tuple[int, int, int], recent_share: float
) -> str:
    """Of one (window, column, fact) that is over; `recent_share` is the fact's in the newest panes."""
    _, column, slot = at
    may_page = slot != OUTSIDE or recent_share >= RECENT_PART * float(measured.share[at])
    return policy.severity(
        FACTS[slot], baseline.columns[column].name, float(measured.excess[at]), LEAST_FACT, may_page=may_page
    )


def finding(
    baseline: Baseline, windows: Windows, measured: Measured, at: tuple[int, int, int], severity: str
) -> Finding:
    """The finding of one (window, column, fact) that is over."""
    window, column, slot = at
    about, cause = baseline.columns[column], FACTS[slot]
    share, effect = float(measured.share[at]), float(measured.excess[at])
    factor = unit_factor(about, windows.sums[window, column]) if slot == OUTSIDE else None
    before = share - effect
    critical = exact_excess_critical(
        measured.alpha,
        float(measured.events[window, column]),
        float(baseline.facts[column, slot]),
        float(baseline.events[column]),
        float(measured.phi[at]),
    )
    return Finding(
        key=FindingKey(about.name, cause),
        severity=severity,
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="exact",
        value=share,
        threshold=critical / max(float(measured.events[window, column]), 1.0),
        p=float(measured.p[at]),
        effect=effect,
        effect_unit="share",
        over=float(measured.over[at]),
        direction="up",
        detail=_detail(about, cause, before, share, factor),
        headline=_headline(about, cause, share, factor),
        factor=factor,
        since_us=began(windows, window, column, baseline.width + slot),
        records=windows.records(window),
    )


def began(windows: Windows, window: int, column: int, slot: int) -> int:
    """Start of the first part of the window that shows the fact."""
    parts = windows.parts[window]
    return next((part.start_us for part in parts if part.tally.counts[column, slot]), parts[0].start_us)


def _headline(about: Column, cause: str, share: float, factor: float | None) -> str:
    words = {
        "missing": f"{about.name} is missing in {share:.1%}",
        "absent": f"{about.name} is gone from {share:.1%}" if share < 1 else f"{about.name} is gone",
        "unseen": f"{about.name} has never-seen values in {share:.1%}",
        "outside": f"{about.name} is outside the reference's range in {share:.1%}",
        "type": f"{about.name} is of the wrong type in {share:.1%}",
    }
    return words[cause] + (f", by a factor of about {factor:g}" if factor is not None else "")


def _detail(about: Column, cause: str, before: float, share: float, factor: float | None) -> str:
    detail = f"share {cause}: {before:.4f} -> {share:.4f}"
    if cause == "outside":
        detail += f"; the reference's range with its margin is {about.bins.low:.6g} to {about.bins.high:.6g}"
    if factor is not None:
        detail += f"; the values look like the reference's times {factor:g}: a changed unit?"
    return detail
