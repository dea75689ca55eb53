"""Exceedance of a window over its threshold, by the direction that changed most.

A window of n events has share x in a direction, the reference's m rows have share p. They count as n / V and m / V
independent events, and z is the signed root of the likelihood ratio of one common share against two. (The standardised
difference has a tail up to 30 times too heavy where 20 events are expected.) z is compared with a t quantile with V's
degrees of freedom, infinitely many for independent rows. A direction's group has the alpha of one test, divided among
those of its directions that have some but not all of the reference's events.

Shapes: W windows, C columns, D directions (padded).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit, xlogy

from monitor.cached import cached_property
from monitor.stats.testing.directions import LEAST_MOVE, NO_GROUP, Directions, Floats, Ints, group_sizes
from monitor.stats.variance.long_run import LongRun

Flags = NDArray[np.bool_]
_T = TypeVar("_T", bound=np.generic)

#: least effective events expected on the smaller side of a direction of dependent events; independent events are
#: compared with fewer too, but then only an excess counts
MIN_EXPECTED: Final = 20.0
#: a window has at most so many times the rows that the reference knows of its time: beyond it, its error is 4.5
#: times as large as the window's
KNOWN_PART: Final = 20.0
#: below this part of the critical value the plain difference suffices: the likelihood root is at most sqrt(2) times it
NEARLY: Final = 0.7
#: critical values are cached for eight alphas per factor of two; an alpha in between uses the stricter one
ALPHA_STEPS: Final = 8
#: standard errors by which the effect of a page must exceed the least effect: the maximum over many evaluations of a
#: smaller change exceeds it by chance; with more, changes of twice the least effect would page late
ERRORS_ABOVE_LEAST: Final = 2.0
#: bisections of the range of a share when its smallest change is sought
HALVINGS: Final = 14
#: smallest probability that is distinguished from 0
SMALLEST: Final = 1e-300


@dataclass(frozen=True)
class DirectionReference:
    """The reference as windows are compared with it.

    `shares`, `variance`, `freedom`, `sizes` (C, D); `bin_shares` (C, B); `rows`, `block` (C,) values in the reference
    and rows of the settled block; `by_rows` (C, K, D) V of 1, 2, 4, ... consecutive rows, and V itself beyond. `sizes`
    is 0 for a direction that is never compared.
    """

    directions: Directions
    shares: Floats
    bin_shares: Floats
    rows: Floats
    variance: Floats
    freedom: Floats
    block: Ints
    sizes: Ints
    by_rows: Floats
    _critical: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)
    #: what `variance.live_watch` made of a column and of the directions it watches
    kept_freedom: dict[tuple[int, bytes], float] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, directions: Directions, counts: Ints, long_runs: Sequence[LongRun]) -> DirectionReference:
        """`counts` (C, B) values of the reference in each bin; `long_runs` (C) of the columns' directions."""
        columns, most = directions.group.shape
        shares = directions.shares(counts[None])[0]
        rows = counts.sum(1).astype(np.float64)
        distinguishable = (shares > 0) & (shares < 1) & (directions.group != NO_GROUP)
        sizes = group_sizes(directions.group, distinguishable) * distinguishable
        variance, freedom = np.ones((columns, most)), np.full((columns, most), np.inf)
        scales = max((len(one.by_rows) for one in long_runs), default=0) or 1
        by_rows = np.ones((columns, scales, most))
        for c, one in enumerate(long_runs):
            here = slice(len(one.variance))
            variance[c, here], freedom[c, here] = one.variance, one.freedom
            by_rows[c, :, here] = one.variance
            by_rows[c, : len(one.by_rows), here] = np.clip(one.by_rows, 1.0, one.variance)
        block = np.array([one.block for one in long_runs], np.int64)
        bin_shares = counts / np.maximum(rows, 1)[:, None]
        return cls(directions, shares, bin_shares, rows, variance, freedom, block, sizes, by_rows)

    def of_column(self, place: int) -> DirectionReference:
        """That of one of the columns."""
        here, directions = slice(place, place + 1), self.directions
        own = Directions(directions.sets[here], directions.kind[here], directions.group[here], directions.at[here])
        return DirectionReference(
            own,
            self.shares[here],
            self.bin_shares[here],
            self.rows[here],
            self.variance[here],
            self.freedom[here],
            self.block[here],
            self.sizes[here],
            self.by_rows[here],
        )

    def against(self, counts: Ints, variance: Floats) -> DirectionReference:
        """Other counts (C, B) to compare windows with, which vary by V (C, D) as the windows do."""
        rows, shares = counts.sum(1).astype(np.float64), self.directions.shares(counts[None])[0]
        distinguishable = (shares > 0) & (shares < 1) & (self.directions.group != NO_GROUP)
        return DirectionReference(
            self.directions,
            shares,
            counts / np.maximum(rows, 1)[:, None],
            rows,
            variance,
            self.freedom,
            self.block,
            group_sizes(self.directions.group, distinguishable) * distinguishable,
            self.by_rows,
        )

    @cached_property
    def thinner(self) -> Floats:
        """The share (C, D) of a direction or of what is not in it, whichever is smaller."""
        return np.minimum(self.shares, 1 - self.shares)

    @cached_property
    def watched(self) -> tuple[Flags, Flags]:
        """Directions (C, D) of the first group, and those of them with shares nearest to one half."""
        thin, first = self.thinner, self.directions.group == 0
        middle = first & (thin >= 0.9 * np.where(first, thin, 0.0).max(1, keepdims=True, initial=0.0))
        return np.asarray(first, np.bool_), np.asarray(middle, np.bool_)

    @property
    def may_be_rare(self) -> Flags:
        """Directions (C, D) that are compared however few events are expected: those of independent rows."""
        return np.asarray(np.isinf(self.freedom) & (self.variance == 1), np.bool_)

    def critical(self, alpha: float) -> Floats:
        """The |z| (C, D) that a test of this alpha (two-sided) allows; infinite where nothing is compared."""
        step = int(np.floor(np.log2(max(alpha, SMALLEST)) * ALPHA_STEPS))
        if step not in self._critical:
            if len(self._critical) >= 64 * ALPHA_STEPS:
                self._critical.clear()
            self._critical[step] = self._quantiles(2.0 ** (step / ALPHA_STEPS))
        return self._critical[step]

    def _quantiles(self, alpha: float) -> Floats:
        out = np.full(self.sizes.shape, np.inf)
        normal, student = (self.sizes > 0) & np.isinf(self.freedom), (self.sizes > 0) & np.isfinite(self.freedom)
        out[normal] = -ndtri(alpha / 2 / self.sizes[normal])
        out[student] = -stdtrit(self.freedom[student], alpha / 2 / self.sizes[student])
        return out

    def faster(self, n: Ints | Floats, rate: float) -> Floats:
        """V (W, C, D) of windows of n (W, C) events from traffic `rate` times as fast as the reference's.

        Dependence is over time: n events span as much time as n / rate events of the reference. Correlations between
        consecutive rows of the reference are unknown at shorter times, so V is only raised.
        """
        n = np.asarray(n, np.float64)
        if rate <= 1:
            return np.broadcast_to(self.variance, (*n.shape, self.variance.shape[1]))
        scale = np.ceil(np.log2(np.maximum(n / rate, 1))).astype(np.int64)
        known = self.by_rows[np.arange(n.shape[1]), np.minimum(scale, self.by_rows.shape[1] - 1)]
        at = np.where((scale < self.by_rows.shape[1])[..., None], known, self.variance)
        return np.maximum(self.variance, 1 + rate * (at - 1))

    def chance(self, z: float, column: int, direction: int) -> float:
        """P(|z| or more in any direction of the group), by Bonferroni."""
        freedom = self.freedom[column, direction]
        one_side = ndtr(-abs(z)) if np.isinf(freedom) else stdtr(freedom, -abs(z))
        return float(min(1.0, 2 * one_side * max(int(self.sizes[column, direction]), 1)))


class Expected(NamedTuple):
    """What is expected of W windows where it depends on their time.

    `shares` (W, C, D) of the directions; `rows` (W, C) values of the reference that tell of each window's time, which
    are all of them for a column without a wave. `seasonal` (C,) whether a column has one. With `rare` the shares are
    counted and not fitted, so that small ones are as sure as large ones.
    """

    shares: Floats
    rows: Floats
    seasonal: Flags
    rare: bool = False

    def of_column(self, place: int) -> Expected:
        """That of one of the columns."""
        here = slice(place, place + 1)
        return Expected(self.shares[:, here], self.rows[:, here], self.seasonal[here], self.rare)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of W windows and C columns, all (W, C) but `moved`.

    `exceedance` is statistic / threshold (1: at it; 0: nothing was compared), `at` its direction (one that changed
    enough for a page, if one of those is over), `z` (signed) and `critical` its two values, `large` whether it is over
    and changed enough. `moved` (W, C, D) is the change of every share, `tests` the number of groups of directions
    that were compared.
    """

    exceedance: Floats
    at: Ints
    z: Floats
    critical: Floats
    large: Flags
    moved: Floats
    tests: Ints


def evaluate(
    reference: DirectionReference,
    counts: Ints,
    alpha: float,
    variance: Floats | None = None,
    expected: Expected | None = None,
) -> Evaluation:
    """Compare windows `counts` (W, C, B) with the reference; `variance` (W, C, D) where V is not the learned one.

    `expected` where the shares that are expected depend on the windows' time.
    """
    n = np.asarray(counts).sum(2).astype(np.float64)
    x = reference.directions.shares(counts)
    p, critical = reference.shares if expected is None else expected.shares, reference.critical(alpha)
    sizes = _sizes(reference, n, variance, expected)
    moved = np.where(n[..., None] > 0, x - p, 0.0)
    z = _statistic(x, p, critical, sizes)
    large = np.zeros(z.shape, np.bool_)
    if (np.abs(z) > critical).any():
        large = np.abs(moved) >= sizes.least(p, LEAST_MOVE[reference.directions.kind])
    return _worst(z, critical, large, moved, _tests(reference.directions.group, sizes.compared))


class _Sizes(NamedTuple):
    """What W windows of n values are worth: independent events in a window (W, C, D) and in the reference (C, D).

    `spread` (W, C, D) the variance of the difference of two shares over p (1 - p), `compared` whether anything is said
    of a direction, `rare` where only more events on the thinner side say something.
    """

    effective: Floats
    rows: Floats
    spread: Floats
    compared: Flags
    rare: Flags

    def least(self, p: Floats, least: Floats) -> Floats:
        """The change of a share (W, C, D) that a page needs: its `least` effect and two of the change's own errors."""
        own_error = np.sqrt(np.maximum(p * (1 - p), 0) * self.spread)
        return np.asarray(least + ERRORS_ABOVE_LEAST * own_error, np.float64)


def compared_often(
    reference: DirectionReference, n: Floats | Ints, variance: Floats, expected: Expected | None = None
) -> tuple[Flags, Flags]:
    """(whether windows of n (W, C) values say something of each direction, whether enough events are expected in it).

    Both (W, C, D). Of a column with a wave nothing is said where few events are expected at that time, as a small share
    is where a fit is least sure; nor where the reference knows too little of it.
    """
    p = reference.shares if expected is None else expected.shares
    often = np.minimum(p, 1 - p) * (n[..., None] / variance) >= MIN_EXPECTED
    enough = n >= np.maximum(reference.block, 1)
    may = often | reference.may_be_rare
    if expected is not None:
        enough &= ~expected.seasonal | (KNOWN_PART * expected.rows >= n)
        may = often | (reference.may_be_rare & (~expected.seasonal[:, None] | expected.rare))
    return np.asarray(may & (reference.sizes > 0) & enough[..., None], np.bool_), often


def _sizes(
    reference: DirectionReference, n: Floats, variance: Floats | None, expected: Expected | None = None
) -> _Sizes:
    """Of windows of n (W, C) values."""
    v = reference.variance if variance is None else variance
    effective, rows = n[..., None] / v, reference.rows[:, None] / reference.variance
    if expected is not None:
        rows = expected.rows[..., None] / reference.variance
    compared, often = compared_often(reference, n, v, expected)
    spread = 1 / np.maximum(effective, 1e-12) + 1 / np.maximum(rows, 1e-12)
    return _Sizes(effective, rows, spread, compared, compared & ~often)


def _statistic(x: Floats, p: Floats, critical: Floats, sizes: _Sizes) -> Floats:
    """z (W, C, D) of the shares x against p; 0 where nothing is compared."""
    effective, rows, spread, compared, rare = sizes
    a, b = _towards_each_other(x, p, effective, rows, rare)
    pool = (b * rows + a * effective) / np.maximum(rows + effective, 1e-12)
    z = np.where(compared, (a - b) / np.sqrt(np.maximum(pool * (1 - pool), 1e-12) * spread), 0.0)
    near = np.abs(z) > NEARLY * critical
    if near.any():
        z[near] = np.sign(z[near]) * _likelihood_root(a, b, pool, effective, rows, near)
    return z


def smallest_over(
    reference: DirectionReference,
    n: Floats,
    alpha: float,
    variance: Floats | None = None,
    least: Floats | None = None,
    expected: Expected | None = None,
) -> Floats:
    """(2, W, C, D): how much each share must fall, and rise, until a window of n (W, C) values pages for it.

    By what `evaluate` asks: over, and large enough; `least` (C, D) effects where they are not the usual ones. Infinite
    where no change does.
    """
    p, critical = reference.shares if expected is None else expected.shares, reference.critical(alpha)
    sizes = _sizes(reference, n, variance, expected)
    enough = sizes.least(p, LEAST_MOVE[reference.directions.kind] if least is None else least)

    def pages(moved: Floats) -> Flags:
        over = np.abs(_statistic(p + moved, p, critical, sizes)) > critical
        return np.asarray(over & (np.abs(moved) >= enough), np.bool_)

    found = []
    for sign, room in ((-1.0, p), (1.0, 1 - p)):
        low, high = np.zeros(enough.shape), np.broadcast_to(room, enough.shape)
        never = ~pages(sign * high)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            over = pages(sign * middle)
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        found.append(np.where(never, np.inf, high))
    return np.array(found)


def _towards_each_other(x: Floats, p: Floats, effective: Floats, rows: Floats, rare: Flags) -> tuple[Floats, Floats]:
    """The shares to compare: with a continuity correction of half an event where few events are expected (`rare`).

    There only an excess on the smaller side counts, and the correction keeps the tail exact; elsewhere unchanged.
    """
    p = np.broadcast_to(p, x.shape)
    if not rare.any():
        return x, p
    way = np.where(p < 0.5, 1.0, -1.0)
    a = x - way * 0.5 / np.maximum(effective, 1e-12)
    b = p + way * 0.5 / np.maximum(rows, 1e-12)
    says = rare & (way * (a - b) > 0)
    return np.where(says, a, np.where(rare, p, x)), np.where(says, b, p)


def _likelihood_root(x: Floats, p: Floats, pool: Floats, effective: Floats, rows: Floats, at: Flags) -> Floats:
    """Root of twice the log likelihood ratio, at some (window, column, direction)s."""
    rows, effective = (np.broadcast_to(y, at.shape)[at] for y in (rows, effective))
    x, p, pool = x[at], p[at], pool[at]
    return np.asarray(np.sqrt(2 * (effective * divergence(x, pool) + rows * divergence(p, pool))), np.float64)


def divergence(a: Floats, b: Floats) -> Floats:
    """Kullback-Leibler divergence of two shares, in nats; `b` is a pool with `a` in it.

    The pool may be 0 or 1 where `a` is too, or where rounding made them differ.
    """
    least = np.finfo(np.float64).tiny
    other = np.maximum(1 - a, 0.0)
    apart = xlogy(a, a / np.maximum(b, least)) + xlogy(other, other / np.maximum(1 - b, least))
    return np.asarray(np.maximum(apart, 0.0), np.float64)


def _tests(group: Ints, compared: Flags) -> Ints:
    tests = np.zeros(compared.shape[:2], np.int64)
    for one in range(int(group.max(initial=NO_GROUP)) + 1):
        tests += (compared & (group == one)).any(2)
    return tests


def _worst(z: Floats, critical: Floats, large: Flags, moved: Floats, tests: Ints) -> Evaluation:
    if z.shape[2] == 0:
        none = np.zeros(z.shape[:2])
        whole, never = none.astype(np.int64), np.full(z.shape[:2], np.inf)
        return Evaluation(none, whole, none, never, none.astype(np.bool_), moved, whole)
    ratio = np.abs(z) / critical
    worst, paging = ratio.argmax(2), np.where(large, ratio, 0.0).argmax(2)
    pages = _at(large, paging) & (_at(ratio, paging) > 1)
    at = np.where(pages, paging, worst)
    wide = np.broadcast_to(critical, z.shape)
    return Evaluation(_at(ratio, at), at, _at(z, at), _at(wide, at), pages, moved, tests)


def _at(values: NDArray[_T], index: Ints) -> NDArray[_T]:
    """`values` (W, C, D) at one direction of each window and column; `index` (W, C)."""
    return np.asarray(np.take_along_axis(values, index[..., None], 2)[..., 0], values.dtype)


def largest_move(directions: Directions, reference: Ints, counts: Ints) -> Floats:
    """The largest change (W, C) of any direction's share, which is the distance of windows inside the reference.

    `reference` and `counts` broadcast to (W, C, B); 0 where a side is empty.
    """
    both = (np.asarray(reference).sum(-1) > 0) & (np.asarray(counts).sum(-1) > 0)
    change = np.abs(directions.shares(counts) - directions.shares(reference)).max(2, initial=0.0)
    return np.where(both, change, 0.0)
