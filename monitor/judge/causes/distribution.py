"""Cause `distribution` (`score` and `prediction` for the model's own columns): the shape of the values changed.

Over its threshold is a window (a) whose pooled chi-square or cut-point difference is too unlikely for this look and
(b) which is further from the reference than any window of that size was inside it. (b) survives seasons and slow
waves; where it could not be learned, the change is a ticket.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Finding, FindingKey
from monitor.judge.baseline import DISTANCE_FACTOR, Baseline, Floats, Unrest
from monitor.judge.ladder import Windows
from monitor.judge.policy import LEAST_CUMULATIVE, LEAST_SHARE, Policy
from monitor.reference.reference import FEATURE, Column
from monitor.stats.evidence import (
    chi_square_critical,
    chi_square_tail,
    cut_point_critical,
    cut_point_tail,
    cut_point_z,
    largest_shift,
    pooled_chi_square,
)
from monitor.stats.tally import SUM, UNIT

TESTS_NUMERIC = 2
TESTS_CATEGORICAL = 1

#: standard deviations the mean moves at least when a finding says that the column moved
LEAST_MOVE = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W, C) of one look."""

    chi: Floats
    freedom: Floats
    chi_critical: Floats
    z: Floats
    cut: NDArray[np.int64]
    z_critical: Floats
    share: Floats
    cumulative: Floats
    allowed: Floats  # the distance allowed, NaN where it was not learned
    over: Floats  # how far over the threshold: the smaller of evidence and distance


def tests(baseline: Baseline) -> int:
    """Tests of one window length, over all columns."""
    return int(np.where(baseline.ordered, TESTS_NUMERIC, TESTS_CATEGORICAL).sum())


def measure(baseline: Baseline, windows: Windows, unrest: Unrest, alpha: float) -> Measured:
    """Evidence and distance of every window and column."""
    bins = windows.counts[..., : baseline.width]
    chi, freedom = pooled_chi_square(baseline.pooling, bins, unrest.phi)
    chi_critical = chi_square_critical(alpha, freedom)
    z, cut = cut_point_z(baseline.cumulated, bins, unrest.phi)
    z = np.where(baseline.ordered, z, 0.0)
    z_critical = np.broadcast_to(cut_point_critical(alpha, baseline.cuts), z.shape)
    share, cumulative = largest_shift(baseline.bins[None], bins, baseline.ordered)
    allowed = DISTANCE_FACTOR * unrest.top
    evidence = np.maximum(chi / chi_critical, np.abs(z) / z_critical)
    distance = np.full(share.shape, np.inf)
    np.divide(np.maximum(share, cumulative), allowed, out=distance, where=allowed > 0)
    return Measured(
        chi, freedom, chi_critical, z, cut, z_critical, share, cumulative, allowed, np.minimum(evidence, distance)
    )


def cause_of(column: Column) -> str:
    """The cause of a changed distribution of this column."""
    return "distribution" if column.role == FEATURE else column.role


def severity(baseline: Baseline, policy: Policy, measured: Measured, window: int, column: int) -> str:
    """Of one window and column that is over."""
    about, least = baseline.columns[column], LEAST_CUMULATIVE if baseline.ordered[column] else LEAST_SHARE
    learned = not np.isnan(measured.allowed[window, column])
    effect = _effect(baseline, measured, window, column)
    return policy.severity(cause_of(about), about.name, effect, least, may_page=learned)


def _effect(baseline: Baseline, measured: Measured, window: int, column: int) -> float:
    return float((measured.cumulative if baseline.ordered[column] else measured.share)[window, column])


def finding(
    baseline: Baseline, policy: Policy, windows: Windows, measured: Measured, window: int, column: int
) -> Finding:
    """The finding of one window and column that is over."""
    about = baseline.columns[column]
    numeric = bool(baseline.ordered[column])
    statistic, value, threshold, p = _evidence(baseline, measured, window, column)
    up = measured.z[window, column] > 0
    if numeric:
        headline, detail = _numeric_words(baseline, windows, measured, window, column)
    else:
        headline, detail = _category_words(baseline, policy, windows, measured, (window, column))
    return Finding(
        key=FindingKey(about.name, cause_of(about)),
        severity=severity(baseline, policy, measured, window, column),
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic=statistic,
        value=value,
        threshold=threshold,
        p=p,
        effect=_effect(baseline, measured, window, column),
        effect_unit="share moved",
        over=float(measured.over[window, column]),
        direction=("up" if up else "down") if numeric else "",
        detail=detail,
        headline=headline,
        records=windows.records(window),
    )


def _evidence(baseline: Baseline, measured: Measured, window: int, column: int) -> tuple[str, float, float, float]:
    """Statistic, value, threshold and p of the stronger of the two tests."""
    chi, chi_critical = float(measured.chi[window, column]), float(measured.chi_critical[window, column])
    z, z_critical = abs(float(measured.z[window, column])), float(measured.z_critical[window, column])
    if z / z_critical > chi / chi_critical:
        return "cut_point", z, z_critical, cut_point_tail(z, int(baseline.cuts[column]))
    return "chi2", chi, chi_critical, float(chi_square_tail(chi, float(measured.freedom[window, column])))


def mean_in_window(baseline: Baseline, windows: Windows, window: int, column: int) -> float:
    """Mean of a numeric column's values inside the range, from the fixed-point sums; NaN without values."""
    about = baseline.columns[column]
    n = int(windows.counts[window, column, : baseline.width].sum())
    if n == 0:
        return float("nan")
    return about.center + about.scale * (int(windows.sums[window, column, SUM]) / UNIT) / n


def _numeric_words(
    baseline: Baseline, windows: Windows, measured: Measured, window: int, column: int
) -> tuple[str, str]:
    about, width = baseline.columns[column], baseline.width
    mean = mean_in_window(baseline, windows, window, column)
    moved = (mean - about.center) / about.scale
    allowed = measured.allowed[window, column]
    limit = f", allowed {allowed:.2g}" if not np.isnan(allowed) else ""
    up = measured.z[window, column] > 0
    if abs(moved) >= LEAST_MOVE and (moved > 0) == up:
        words = f"moved {'up' if up else 'down'} by {abs(moved):.2g} sd"
    else:
        words = "changed its shape"  # the mean stays, or goes the other way
    headline = f"{about.name} {words} (cut-point distance {measured.cumulative[window, column]:.2g}{limit})"
    details = [f"mean {about.center:.4g} -> {mean:.4g}"]
    if about.bins.edges:
        counts, reference = windows.counts[window, column, :width], baseline.bins[column]
        above = np.cumsum(counts[::-1])[::-1] / max(counts.sum(), 1)
        above_reference = np.cumsum(reference[::-1])[::-1] / max(reference.sum(), 1)
        cut = int(np.abs(above - above_reference)[1 : len(about.bins.edges) + 1].argmax()) + 1
        edge = about.bins.edges[cut - 1]
        details.append(f"share above {edge:.4g}: {above_reference[cut]:.3f} -> {above[cut]:.3f}")
    return headline, "; ".join(details)


def _category_words(
    baseline: Baseline, policy: Policy, windows: Windows, measured: Measured, at: tuple[int, int]
) -> tuple[str, str]:
    window, column = at
    about, width = baseline.columns[column], baseline.width
    counts, reference = windows.counts[window, column, :width], baseline.bins[column]
    now, before = counts / max(counts.sum(), 1), reference / max(reference.sum(), 1)
    names = [policy.category(name) for name in about.bins.labels()]
    most = [i for i in np.argsort(-np.abs(now - before), kind="stable")[:3].tolist() if i < len(names)]
    changed = [f"{names[i]}: {before[i]:.3f} -> {now[i]:.3f}" for i in most if now[i] != before[i]]
    allowed = measured.allowed[window, column]
    limit = f", allowed {allowed:.2g}" if not np.isnan(allowed) else ""
    share = measured.share[window, column]
    return f"{about.name}: shares changed by up to {share:.2g}{limit}", "share of " + ", ".join(changed)
