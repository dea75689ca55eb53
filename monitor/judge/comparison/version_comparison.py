"""Two live versions of a model side by side: the newest events of one against those of the other of the same time.

An informational finding with a small budget of its own: it never pages and takes nothing from the tests that do. Where
both references have the same bins, shares are compared; else the means of numbers, and the shares of categories that
both know by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from monitor.events import ModelKey
from monitor.findings import INFO, Finding, FindingKey
from monitor.judge.promise.budget import TicketBudget
from monitor.judge.windows.all_values import Moments, moments
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import BLOCKS, WindowPyramid, Windows, window_of
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.digits import told_apart
from monitor.stats.tallies.tally import BELOW
from monitor.text import many, percent

CAUSE: Final = "version"
#: base windows of the newer version that are compared, and least events of the other one in the same time
BASE_WINDOWS: Final = 8
LEAST_EVENTS: Final = 1_000
#: smaller differences are not told: of a cumulative share, of a category's share, of a mean in standard deviations
LEAST_CUMULATIVE: Final = 0.05
LEAST_SHARE: Final = 0.03
LEAST_SD: Final = 0.125

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One of two versions, and its events in the time that is compared, as one window."""

    key: ModelKey
    prepared: PreparedReference
    windows: Windows

    @property
    def events(self) -> int:
        return self.windows.spans[0].events


class _Difference(NamedTuple):
    """How a column differs: `effect` of at least `least` counts, `z` is the largest of `tests` standard normal ones."""

    z: float
    tests: int
    effect: float
    least: float
    unit: str
    up: bool
    words: str


def trailing_us(pyramid: WindowPyramid) -> tuple[int, int] | None:
    """Begin and end of the newest base windows of a version that are compared; None if there are too few."""
    blocks = pyramid.levels[0].blocks
    return (blocks[-BASE_WINDOWS].start_us, blocks[-1].end_us) if len(blocks) >= BASE_WINDOWS else None


def trailing(pyramid: WindowPyramid) -> Windows:
    """These base windows as one window."""
    return window_of(BASE_WINDOWS, tuple(pyramid.levels[0].blocks[-BASE_WINDOWS:]))


def within(pyramid: WindowPyramid, start_us: int, end_us: int) -> Windows | None:
    """The windows of another version that lie in a span of time, as one; None if it has too few events there."""
    for at, level in enumerate(pyramid.levels):
        if level.blocks and (level.blocks[0].start_us <= start_us or len(level.blocks) < BLOCKS):
            inside = [one for one in level.blocks if one.start_us >= start_us and one.end_us <= end_us]
            events = sum(block.tally.events for block in inside)
            return window_of(len(inside) << at, tuple(inside)) if events >= LEAST_EVENTS else None
    return None


def differences(newer: Side, other: Side, since_us: int) -> Iterator[Finding]:
    """A finding for each column whose values differ between two versions.

    `since_us` is the time since the comparison before: so much of the budget may be spent.
    """
    columns = list(_shared(newer.prepared, other.prepared))
    alpha = TicketBudget(len(columns)).alpha(since_us)
    for at, of_other in columns:
        found = _difference(newer, other, at, of_other)
        if found is None or alpha <= 0:
            continue
        threshold = -float(ndtri(alpha / found.tests / 2))
        if found.z >= threshold and found.effect >= found.least:
            yield _finding(newer, other, at, found, threshold)


def _shared(newer: PreparedReference, other: PreparedReference) -> Iterator[tuple[int, int]]:
    """The places in both references of columns of the same name, role and kind."""
    places = {(column.name, column.role, column.bins.kind): at for at, column in enumerate(other.columns)}
    for at, column in enumerate(newer.columns):
        if (of_other := places.get((column.name, column.role, column.bins.kind))) is not None:
            yield at, of_other


def _difference(newer: Side, other: Side, at: int, of_other: int) -> _Difference | None:
    bins, others = newer.prepared.columns[at].bins, other.prepared.columns[of_other].bins
    if bins.kind != NUMERIC:
        return _of_categories(newer, other, at, of_other)
    if (bins.edges, bins.low, bins.high) == (others.edges, others.low, others.high):
        return _of_cuts(newer, other, at, of_other)
    return _of_means(newer, other, at, of_other)


def _everywhere(side: Side, at: int) -> Floats:
    """Counts of all values of a column, those outside its bins included."""
    counts, below = side.windows.counts[0, at], int(side.windows.sums[0, at, BELOW])
    return np.asarray(side.prepared.columns[at].bins.everywhere(counts, below), np.float64)


def _spread(side: Side, at: int) -> float:
    """How many times as much as that of independent events the variance of a column is in a window of this size."""
    return max(float(side.prepared.overdispersion(side.events)[at]), 1.0)


def _standard(share: float, of_other: float, n: tuple[float, float], spread: tuple[float, float]) -> float:
    """The difference of two shares in standard errors, as if both were the same."""
    pooled = (share * n[0] + of_other * n[1]) / (n[0] + n[1])
    variance = pooled * (1 - pooled) * (spread[0] / n[0] + spread[1] / n[1])
    return abs(share - of_other) / math.sqrt(variance) if variance > 0 else 0.0


def _of_categories(newer: Side, other: Side, at: int, of_other: int) -> _Difference | None:
    """The category that differs most, of those that both references know by name."""
    known, others = (side.prepared.columns[of].bins.categories for side, of in ((newer, at), (other, of_other)))
    names = [name for name in known if name in set(others)]
    counts, of_others = _everywhere(newer, at), _everywhere(other, of_other)
    n = float(counts.sum()), float(of_others.sum())
    if not names or not min(n):
        return None
    shares = {name: (counts[known.index(name)] / n[0], of_others[others.index(name)] / n[1]) for name in names}
    worst = max(names, key=lambda name: abs(shares[name][0] - shares[name][1]))
    share, against = (float(one) for one in shares[worst])
    z = _standard(share, against, n, (_spread(newer, at), _spread(other, of_other)))
    words = f"{worst}: {percent(share)} against {percent(against)}"
    return _Difference(z, len(names), abs(share - against), LEAST_SHARE, "share moved", share > against, words)


def _of_cuts(newer: Side, other: Side, at: int, of_other: int) -> _Difference | None:
    """The cut point between bins below which the shares differ most."""
    counts, of_others = _everywhere(newer, at), _everywhere(other, of_other)
    n = float(counts.sum()), float(of_others.sum())
    if not min(n) or len(counts) < 2:
        return None
    below, against = counts.cumsum()[:-1] / n[0], of_others.cumsum()[:-1] / n[1]
    worst = int(np.argmax(np.abs(below - against)))
    share, other_share = float(below[worst]), float(against[worst])
    z = _standard(share, other_share, n, (_spread(newer, at), _spread(other, of_other)))
    moved, words = other_share - share, _mean_words(_moments(newer, at), _moments(other, of_other))
    return _Difference(z, len(below), abs(moved), LEAST_CUMULATIVE, "share moved", moved > 0, words)


def _of_means(newer: Side, other: Side, at: int, of_other: int) -> _Difference | None:
    """The means of all values; of those inside the ranges where others are too large to be summed."""
    own, others = _moments(newer, at), _moments(other, of_other)
    if not own.values or not others.values:
        return None
    n = own.values, others.values
    variances = own.spread**2, others.spread**2
    error = math.sqrt(variances[0] * _spread(newer, at) / n[0] + variances[1] * _spread(other, of_other) / n[1])
    moved, spread = own.mean - others.mean, math.sqrt((variances[0] * n[0] + variances[1] * n[1]) / sum(n))
    if not error or not math.isfinite(moved):
        return None
    words = _mean_words(own, others)
    return _Difference(abs(moved) / error, 1, abs(moved) / spread, LEAST_SD, "sd", moved > 0, words)


def _moments(side: Side, at: int) -> Moments:
    prepared, windows = side.prepared, side.windows
    return moments(prepared.columns[at], windows.counts[0, at], windows.sums[0, at], prepared.width)


def _mean_words(own: Moments, others: Moments) -> str:
    return "mean {} against {}".format(*told_apart([own.mean, others.mean], 4))


def _finding(newer: Side, other: Side, at: int, found: _Difference, threshold: float) -> Finding:
    span, subject = newer.windows.spans[0], newer.prepared.subjects[at]
    against = f"version {other.key.version}"
    events = f"in {many(newer.events, 'event')}, and {other.events:,} of {against} at the same time"
    return Finding(
        FindingKey(subject, CAUSE, figure=other.key.version),
        INFO,
        span,
        BASE_WINDOWS,
        "z",
        found.z,
        threshold,
        min(2 * found.tests * float(ndtr(-found.z)), 1.0),
        found.effect,
        found.unit,
        found.z / threshold,
        "up" if found.up else "down",
        detail=f"not as in {against}: {found.words}, {events}",
        headline=f"{subject} is not as in {against}: {found.words}",
        records=newer.windows.records(0),
    )
