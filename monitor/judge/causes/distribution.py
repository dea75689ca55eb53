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
from monitor.judge.all_values import in_reference, in_window, moments
from monitor.judge.policy import LEAST_CUMULATIVE, LEAST_SHARE, Policy
from monitor.judge.prepared_reference import DISTANCE_FACTOR, Floats, PreparedReference, Variability
from monitor.judge.windows import Windows
from monitor.reference.reference import FEATURE, Column
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.evidence import (
    chi_square_critical,
    chi_square_tail,
    cut_point_critical,
    cut_point_tail,
    cut_point_z,
    largest_shift,
    pooled_chi_square,
)

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
    exceedance: Floats  # how far over the threshold: the smaller of evidence and distance


def tests(prepared: PreparedReference) -> int:
    """Tests of one window length, over all columns."""
    return int(np.where(prepared.ordered, TESTS_NUMERIC, TESTS_CATEGORICAL).sum())


def measure(prepared: PreparedReference, windows: Windows, variability: Variability, alpha: float) -> Measured:
    """Evidence and distance of every window and column."""
    bins = windows.counts[..., : prepared.width]
    chi, freedom = pooled_chi_square(prepared.pooling, bins, variability.overdispersion)
    chi_critical = chi_square_critical(alpha, freedom)
    z, cut = cut_point_z(prepared.cumulated, bins, variability.overdispersion)
    z = np.where(prepared.ordered, z, 0.0)
    z_critical = np.broadcast_to(cut_point_critical(alpha, prepared.cuts), z.shape)
    share, cumulative = largest_shift(prepared.bins[None], bins, prepared.ordered)
    allowed = DISTANCE_FACTOR * variability.max_reference_distance
    evidence = np.maximum(chi / chi_critical, np.abs(z) / z_critical)
    distance = np.full(share.shape, np.inf)
    np.divide(np.maximum(share, cumulative), allowed, out=distance, where=allowed > 0)
    return Measured(
        chi, freedom, chi_critical, z, cut, z_critical, share, cumulative, allowed, np.minimum(evidence, distance)
    )


def cause_of(column: Column) -> str:
    """The cause of a changed distribution of this column."""
    return "distribution" if column.role == FEATURE else column.role


def severity(prepared: PreparedReference, policy: Policy, measured: Measured, window: int, column: int) -> str:
    """Of one window and column that is over."""
    about, least = prepared.columns[column], LEAST_CUMULATIVE if prepared.ordered[column] else LEAST_SHARE
    learned = not np.isnan(measured.allowed[window, column])
    effect = _effect(prepared, measured, window, column)
    return policy.severity(cause_of(about), about.feature, effect, least, may_page=learned)


def _effect(prepared: PreparedReference, measured: Measured, window: int, column: int) -> float:
    return float((measured.cumulative if prepared.ordered[column] else measured.share)[window, column])


def finding(
    prepared: PreparedReference, policy: Policy, windows: Windows, measured: Measured, window: int, column: int
) -> Finding:
    """The finding of one window and column that is over."""
    about = prepared.columns[column]
    numeric = bool(prepared.ordered[column])
    statistic, value, threshold, p = _evidence(prepared, measured, window, column)
    up = measured.z[window, column] > 0
    if numeric:
        headline, detail = _numeric_words(prepared, windows, measured, window, column)
    else:
        headline, detail = _category_words(prepared, policy, windows, measured, (window, column))
    return Finding(
        key=FindingKey(prepared.subjects[column], cause_of(about)),
        severity=severity(prepared, policy, measured, window, column),
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic=statistic,
        value=value,
        threshold=threshold,
        p=p,
        effect=_effect(prepared, measured, window, column),
        effect_unit="share moved",
        exceedance=float(measured.exceedance[window, column]),
        direction=("up" if up else "down") if numeric else "",
        detail=detail,
        headline=headline,
        records=windows.records(window),
    )


def _evidence(
    prepared: PreparedReference, measured: Measured, window: int, column: int
) -> tuple[str, float, float, float]:
    """Statistic, value, threshold and p of the stronger of the two tests."""
    chi, chi_critical = float(measured.chi[window, column]), float(measured.chi_critical[window, column])
    z, z_critical = abs(float(measured.z[window, column])), float(measured.z_critical[window, column])
    if z / z_critical > chi / chi_critical:
        return "cut_point", z, z_critical, cut_point_tail(z, int(prepared.cuts[column]))
    return "chi2", chi, chi_critical, float(chi_square_tail(chi, float(measured.freedom[window, column])))


def _numeric_words(
    prepared: PreparedReference, windows: Windows, measured: Measured, window: int, column: int
) -> tuple[str, str]:
    about, subject = prepared.columns[column], prepared.subjects[column]
    seen = moments(about, windows.counts[window, column], windows.sums[window, column], prepared.width)
    moved = (seen.mean - about.center) / about.scale
    up = measured.z[window, column] > 0
    if abs(moved) >= LEAST_MOVE and (moved > 0) == up:
        words = f"moved {'up' if up else 'down'} by {abs(moved):.2g} sd"
    else:
        words = "changed its shape"  # the mean stays, or goes the other way
    cumulative = f"{measured.cumulative[window, column]:.2g}"
    headline = f"{subject} {words} (cut-point distance {cumulative}{_limit(measured, window, column)})"
    name = "mean" if seen.whole else "mean of the values inside the range"
    details = [f"{name} {before_and_after(about.center, seen.mean)}"]
    if about.bins.edges:
        details.append(_largest_shift(prepared, windows, window, column))
    return headline, "; ".join(details)


def _largest_shift(prepared: PreparedReference, windows: Windows, window: int, column: int) -> str:
    """The edge above which the share of all values changed most."""
    about = prepared.columns[column]
    live, reference = in_window(prepared, windows, window, column), in_reference(prepared, column)
    above = np.cumsum(live[::-1])[::-1] / max(live.sum(), 1)
    before = np.cumsum(reference[::-1])[::-1] / max(reference.sum(), 1)
    # the first place is below the range, and an edge lies behind each bin but the last
    cut = int(np.abs(above - before)[2 : len(about.bins.edges) + 2].argmax())
    edge = told_apart([about.bins.low, *about.bins.edges, about.bins.high], 4)[cut + 1]
    return f"share above {edge}: {before_and_after(float(before[cut + 2]), float(above[cut + 2]), 3)}"


def _category_words(
    prepared: PreparedReference, policy: Policy, windows: Windows, measured: Measured, at: tuple[int, int]
) -> tuple[str, str]:
    window, column = at
    about, subject = prepared.columns[column], prepared.subjects[column]
    counts, reference = in_window(prepared, windows, window, column), in_reference(prepared, column)
    now, before = counts / max(counts.sum(), 1), reference / max(reference.sum(), 1)
    names = [*policy.labels(about.bins), *about.bins.beyond()]
    most = np.argsort(-np.abs(now - before), kind="stable")[:3].tolist()
    changed = [
        f"{names[i]}: {before_and_after(float(before[i]), float(now[i]), 3)}" for i in most if now[i] != before[i]
    ]
    share = f"{measured.share[window, column]:.2g}"
    return (
        f"{subject}: shares changed by up to {share}{_limit(measured, window, column)}",
        "share of " + ", ".join(changed),
    )


def _limit(measured: Measured, window: int, column: int) -> str:
    """The distance that windows of the reference had, with its margin; nothing where it was not learned."""
    allowed = measured.allowed[window, column]
    return f", allowed {allowed:.2g}" if not np.isnan(allowed) else ""
