"""Cheap bounds that show which windows cannot be over their thresholds; exact tests cost ten times as much.

Every bound errs on one side: a window that is over by the exact test is never ruled out. The others are tested exactly.

Shapes: W windows, C columns, B bins, D directions (padded), K joined windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from monitor.stats.bins.name_bins import NameBins, regroup
from monitor.stats.testing.directional import (
    ALPHA_STEPS,
    KNOWN_PART,
    MIN_EXPECTED,
    NEARLY,
    SMALLEST,
    DirectionReference,
    Expected,
    compared_often,
    divergence,
)
from monitor.stats.testing.directions import NO_GROUP
from monitor.stats.testing.evidence import chi_square_critical

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: bounds are looser by this share: more than rounding does to either side of them
SLACK: Final = 1e-6
#: ... and logarithms by so much: those of the factorials of 10^9 events are right to 10^-5
LOG_SLACK: Final = 1e-3
#: groups of joined buckets are made for so many sizes of a window in each doubling
SIZE_STEPS: Final = 8
#: all columns
EVERY: Final = slice(None)
#: critical values that are kept, by steps of alpha
KEPT: Final = 64


class DirectionScreen:
    """Of the directions of one reference, after the test in `directional`.

    The plain standardised difference bounds the test: where it is below `NEARLY` of the critical value it is the test,
    elsewhere the root of the likelihood ratio is. Half an event of correction brings shares nearer to each other, and
    a larger variance makes either statistic smaller, so both are left out.
    """

    def __init__(self, reference: DirectionReference) -> None:
        self.reference = reference
        p = reference.shares
        self._expected = np.ascontiguousarray((p * reference.rows[:, None])[:, None])
        self._p, self._m = p[:, None], np.maximum(reference.rows, 1)[:, None]
        self._from = _least_events(reference)
        group = reference.directions.group
        self._groups = [group == one for one in range(int(group.max(initial=NO_GROUP)) + 1)]
        self._first = [np.where(of, self._from, np.inf).min(1, initial=np.inf) for of in self._groups]
        self._critical: Floats | None = None
        self._allowed: Floats = np.zeros(0)

    def tests(self, n: Ints, variance: Floats | None = None, expected: Expected | None = None) -> Ints:
        """Groups of directions (W, C) in which something is compared in windows of n (W, C) values.

        `variance` (W, C, D) where V is not the learned one; `expected` where shares depend on the windows' time.
        """
        tests = np.zeros(n.shape, np.int64)
        if variance is None and expected is None:
            for first in self._first:
                tests += n >= first
            return tests
        learned = self.reference.variance if variance is None else variance
        compared, _ = compared_often(self.reference, n, learned, expected)
        for group in self._groups:
            tests += (compared & group).any(2)
        return tests

    def may_be_over(self, counts: Ints, n: Ints, alpha: float, expected: Expected | None = None) -> Flags:
        """Windows and columns (W, C) in which a direction may be over; n (W, C) values of `counts` (W, C, B)."""
        if expected is not None and expected.seasonal.all() and n.size:
            return self._over_at_its_time(EVERY, counts, n, alpha, expected)
        out = self._over_at_any_time(counts, n, alpha)
        if expected is not None and (at := np.flatnonzero(expected.seasonal)).size and n.size:
            own = Expected(expected.shares[:, at], expected.rows[:, at], expected.seasonal[at], expected.rare)
            out[:, at] = self._over_at_its_time(at, counts[:, at], n[:, at], alpha, own)
        return out

    def _over_at_its_time(self, at: Ints | slice, counts: Ints, n: Ints, alpha: float, expected: Expected) -> Flags:
        """(W, S): the same of the columns `at` (S,), with the shares that are expected of each window."""
        hits = np.moveaxis(
            np.matmul(np.moveaxis(counts.astype(np.float64), 1, 0), self.reference.directions.sets[at]), 1, 0
        )
        e, m = expected.shares, np.maximum(expected.rows, 1e-12)[..., None]
        events = np.maximum(n, 1).astype(np.float64)[..., None]
        pool, x = (hits + e * m) / (events + m), hits / events
        allowed = self._allowed_squares(alpha)[at, 0]
        near = (x - e) ** 2 > pool * (1 - pool) * (1 / events + 1 / m) * allowed
        near &= (KNOWN_PART * expected.rows >= n)[..., None]
        out = np.zeros(n.shape, np.bool_)
        if near.any():
            w, s, d = here = np.nonzero(near)
            pool = pool[here]
            apart = events[w, s, 0] * divergence(x[here], pool) + m[w, s, 0] * divergence(e[here], pool)
            critical, variance = self.reference.critical(alpha)[at], self.reference.variance[at]
            over = 2 * apart / variance[s, d] > (1 - SLACK) * critical[s, d] ** 2
            out[w[over], s[over]] = True
        return out

    def _over_at_any_time(self, counts: Ints, n: Ints, alpha: float) -> Flags:
        """The same with the reference's shares."""
        by_column = np.array(np.moveaxis(counts, 1, 0), np.float64, order="C")
        hits, live = np.matmul(by_column, self.reference.directions.sets), np.ascontiguousarray(n.T)[..., None]
        out = np.zeros(n.shape, np.bool_)
        if not hits.size:
            return out
        events = np.maximum(live, 1).astype(np.float64)
        total, m = events + self._m[..., None], self._m[..., None]
        pool = hits + self._expected
        pool /= total
        away = hits / events
        away -= self._p
        away *= away
        bound = 1 - pool
        bound *= pool
        bound *= total / (events * m)
        bound *= self._allowed_squares(alpha)
        near = away > bound
        if near.any():
            c, w, d = np.nonzero(near & (live >= self._from[:, None]))
            x = hits[c, w, d] / events[c, w, 0]
            squares = self._root_squares(x, pool[c, w, d], events[c, w, 0], c, d)
            over = squares > (1 - SLACK) * self.reference.critical(alpha)[c, d] ** 2
            out[w[over], c[over]] = True
        return out

    def _allowed_squares(self, alpha: float) -> Floats:
        """(C, 1, D): the plain difference's square, for a variance of 1, from which the test may be over."""
        critical = self.reference.critical(alpha)
        if critical is not self._critical:
            largest = np.where(np.isfinite(critical), NEARLY * critical, 0.0) ** 2
            self._critical = critical
            self._allowed = np.ascontiguousarray((1 - SLACK) * (largest * self.reference.variance)[:, None])
        return self._allowed

    def _root_squares(self, x: Floats, pool: Floats, events: Floats, c: Ints, d: Ints) -> Floats:
        """Twice the log likelihood ratio of some windows' shares x and the reference's, from the pool of both."""
        p, m, v = self._p[c, 0, d], self._m[c, 0], self.reference.variance[c, d]
        return np.asarray(2 * (events * divergence(x, pool) + m * divergence(p, pool)) / v, np.float64)


def _compared(reference: DirectionReference, n: Ints | Floats, variance: Floats) -> Flags:
    """Whether windows of n (..., C, D) values say something of each direction, as the test asks it."""
    thin = reference.thinner
    often = thin * (n / variance) >= MIN_EXPECTED
    enough = n >= np.maximum(reference.block, 1)[:, None]
    return np.asarray((often | reference.may_be_rare) & (reference.sizes > 0) & enough, np.bool_)


def _least_events(reference: DirectionReference) -> Floats:
    """The fewest values (C, D) of a window in which each direction is compared, infinite where it never is."""
    thin = reference.thinner
    often = np.floor(MIN_EXPECTED * reference.variance / np.maximum(thin, SMALLEST)) - 1
    least = np.maximum(np.where(reference.may_be_rare, 0, often), np.maximum(reference.block, 1)[:, None])
    for _ in range(3):  # rounding decides at the border, as in the test itself
        least = least + ~_compared(reference, least, reference.variance)
    return np.where(reference.sizes > 0, least, np.inf)


class _Joined(NamedTuple):
    """The groups of one column's bins for a size of window (B,), the reference's counts in them, and their freedom."""

    groups: Ints
    reference: Floats
    freedom: int


def size_steps(n: Ints) -> Ints:
    """The step of size of windows of n values, at least 1: windows of one step have the same groups."""
    return np.asarray(np.floor(np.log2(n) * SIZE_STEPS), np.int64)


@dataclass(frozen=True)
class NameScreen:
    """Of the joined buckets of some columns, {place: names}; groups are kept by place and step of size."""

    names: Mapping[int, NameBins]
    width: int
    _joined: dict[tuple[int, int], _Joined] = field(default_factory=dict, repr=False, compare=False)
    _critical: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)

    def groups(self, place: int, step: int) -> Ints:
        """The group of each of a column's bins in windows of that step of size."""
        return self._of(place, step).groups[: len(self.names[place].reference)]

    def of(self, counts: Ints, n: Ints, alpha: float) -> tuple[Flags, Flags]:
        """(may be over, is tested) by chi-square, both (W, C), of windows `counts` (W, C, B) of n (W, C) values."""
        over, tested = np.zeros(n.shape, np.bool_), np.zeros(n.shape, np.bool_)
        places = [(w, c) for c in self.names for w in range(len(n)) if n[w, c]]
        if not places:
            return over, tested
        at = tuple(np.array(places).T)
        steps = size_steps(n[at]).tolist()
        joined = [self._of(place, step) for (_, place), step in zip(places, steps, strict=True)]
        freedom = np.array([one.freedom for one in joined])
        flat = np.stack([one.groups for one in joined]) + self.width * np.arange(len(joined))[:, None]
        live = np.bincount(flat.ravel(), counts[at].ravel(), self.width * len(joined)).reshape(flat.shape)
        reference, events = np.stack([one.reference for one in joined]), n[at][:, None].astype(np.float64)
        rows = reference.sum(1, keepdims=True)
        apart = live * rows - reference * events
        chi = (apart * apart / np.maximum((live + reference) * (events * rows), 1.0)).sum(1)
        over[at], tested[at] = chi > self._allowed(alpha, freedom), freedom > 0
        return over, tested

    def _of(self, place: int, step: int) -> _Joined:
        if (place, step) not in self._joined:
            names = self.names[place]
            groups = names.join(2.0 ** (step / SIZE_STEPS))
            reference = regroup(names.reference, groups)
            rest, more = self.width - len(groups), self.width - len(reference)
            joined = _Joined(
                np.pad(groups, (0, rest)), np.pad(reference, (0, more)).astype(np.float64), len(reference) - 1
            )
            self._joined[place, step] = joined
        return self._joined[place, step]

    def _allowed(self, alpha: float, freedom: Ints) -> Floats:
        """At most the critical values of `alpha`: those of the next larger one on a step."""
        step = int(np.ceil(np.log2(alpha) * ALPHA_STEPS))
        if step not in self._critical:
            if len(self._critical) >= KEPT:
                self._critical.clear()
            every = np.arange(self.width, dtype=np.float64)
            self._critical[step] = (1 - SLACK) * chi_square_critical(min(2.0 ** (step / ALPHA_STEPS), 1.0), every)
        return self._critical[step][freedom]


def tail_may_be_below(alpha: float, hits: Floats, n: Floats, reference_hits: Floats, m: Floats) -> Flags:
    """Whether the exact tail of whole counts (N,) may be below alpha: it is not where its first term is above.

    As in `exact_excess_tail`: 1 where the window's share is not above the reference's.
    """
    some = np.flatnonzero((hits > 0) & (hits * np.maximum(m, 1) > reference_hits * n))
    below = np.zeros(len(hits), np.bool_)
    if not len(some):
        return below
    hits, reference_hits, m = hits[some], reference_hits[some], np.maximum(m, reference_hits)[some]
    n = np.maximum(n[some], hits)
    total, total_hits = n + m, hits + reference_hits
    chosen = [total_hits, total - total_hits, n, m]
    left = [hits, reference_hits, n - hits, m - reference_hits, total]
    factorials = gammaln(np.array(chosen + left) + 1)
    first = factorials[:4].sum(0) - factorials[4:].sum(0)
    below[some] = first < np.log(alpha) + LOG_SLACK
    return below
