"""Learns which daily, weekly or yearly wave a column has, from its counts in slots of time. Pure arithmetic.

The share of every bin is a linear function of the time's vector X(t), fitted by least squares. A term is taken only if
it pays out of sample: periods that were left out are predicted from the others.

Shapes: S slots, B bins, D directions, K entries of X.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.stats.season.terms import (
    DAY,
    DAY_FORMS,
    WEEK,
    WEEK_FORMS,
    YEAR,
    YEAR_FORMS,
    Entry,
    entries,
    vectors,
)
from monitor.stats.variance.long_run import LEAST_ROWS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: a term is taken where squared residuals, out of sample, fall below this part of what they were
PAYS: Final = 0.9
#: least part of a period that the slots may miss of the periods that are needed
NEARLY: Final = 0.98
#: days from which on the variance of what is left holds days with a level of their own
ENOUGH_DAYS: Final = 7
#: rows of which the fit's part in blocks is computed, at most
SAMPLED_ROWS: Final = 8_000
SAMPLED_BLOCKS: Final = 300


class _Period(NamedTuple):
    """A period with its forms: looked for from `least` of them on; residuals are added up over parts of it."""

    length: float
    least: int
    parts: int
    fine: int
    forms: tuple[str, ...]


#: in the order in which they are looked for
_PERIODS: Final = (
    _Period(DAY, 3, 8, 48, DAY_FORMS),
    _Period(YEAR, 2, 12, 12, YEAR_FORMS),
    _Period(WEEK, 2, 7, 7 * 24, WEEK_FORMS),
)
LEAST_DAYS: Final = _PERIODS[0].least
#: ... of a column that has tickets only without a wave: there chance that is taken for one costs no page
LEAST_DAYS_OF_TICKETS: Final = 2
LEAST_WEEKS: Final = _PERIODS[2].least
LEAST_YEARS: Final = _PERIODS[1].least


@dataclass(frozen=True, slots=True)
class SlotCounts:
    """`local` (S,) the middle of each slot with values, in order; `counts` (S, B) the values in each bin."""

    local: Floats
    counts: Ints

    @property
    def values(self) -> Floats:
        """(S,) values in each slot."""
        return np.asarray(self.counts.sum(1), np.float64)

    @property
    def usual_step(self) -> float:
        return float(np.median(np.diff(self.local))) if len(self.local) > 1 else DAY

    @property
    def lasted(self) -> float:
        """Seconds from the first slot to the end of the last one."""
        return float(self.local.max() - self.local.min()) + self.usual_step if len(self.local) else 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """A wave: `shares` (K, B) of the bins and `error` (K, K), by which x' error x is 1 / rows for a share at X = x."""

    shares: Floats
    error: Floats


def fit(slots: SlotCounts, terms: Sequence[str]) -> Fit:
    """Least squares, each value with the same weight. What no slot shows has an error as large as one value's."""
    x, n = vectors(entries(terms), slots.local), slots.values
    square = (x * n[:, None]).T @ x
    at_least = np.diag([0.0, *np.ones(square.shape[0] - 1)])
    return Fit(_inverse(square) @ (x.T @ slots.counts), np.asarray(np.linalg.inv(square + at_least), np.float64))


def _inverse(square: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(square, hermitian=True), np.float64)


class _Search:
    """Compares terms of one column out of sample, over the directions that have enough values."""

    def __init__(self, slots: SlotCounts, sets: Flags) -> None:
        hits = slots.counts @ sets.astype(np.float64)
        shares = hits.sum(0) / max(float(slots.values.sum()), 1.0)
        use = np.minimum(shares, 1 - shares) * slots.values.sum() >= LEAST_ROWS
        self.local, self.n, self.hits = slots.local, slots.values, hits[:, use]

    def error(self, terms: tuple[str, ...], period: float, parts: int) -> Floats:
        """(D,) squared residuals, summed over parts of the period, each period predicted from all others."""
        x, group = vectors(entries(terms), self.local), np.floor(self.local / period).astype(np.int64)
        weighted = x * self.n[:, None]
        square, cross = weighted.T @ x, x.T @ self.hits
        left = np.empty_like(self.hits)
        for one in np.unique(group):
            own = group == one
            others = _inverse(square - weighted[own].T @ x[own]) @ (cross - x[own].T @ self.hits[own])
            left[own] = self.hits[own] - self.n[own, None] * np.clip(x[own] @ others, 0, 1)
        part = np.floor(self.local / (period / parts)).astype(np.int64)
        out = np.zeros((int(part.max() - part.min()) + 1, left.shape[1]))
        np.add.at(out, part - part.min(), left)
        return np.asarray((out**2).sum(0), np.float64)

    def falls_to(self, with_it: tuple[str, ...], period: float, parts: int, before: Floats) -> float:
        """The mean over directions of the error with more terms, as a part of that `before`."""
        return float((self.error(with_it, period, parts) / np.maximum(before, 1e-9)).mean())


def choose(slots: SlotCounts, sets: Flags, *, settled: bool = True) -> tuple[tuple[str, ...], float]:
    """The terms that pay, `()` if none does; and to what part the squared residuals fall with the first one.

    `settled`: whether the column may page without a wave.
    """
    terms: tuple[str, ...] = ()
    fell_to = 1.0
    search = _Search(slots, sets)
    if not search.hits.shape[1]:
        return terms, fell_to
    for length, usual, parts, fine, forms in _PERIODS:
        least = LEAST_DAYS_OF_TICKETS if length == DAY and not settled else usual
        if slots.usual_step > length / parts or slots.lasted < least * length * NEARLY:
            continue
        # a weekend has a day of its own only where days have a form
        allowed = forms if forms != WEEK_FORMS or any(one in DAY_FORMS for one in terms) else WEEK_FORMS[:1]
        before = search.error(terms, length, parts)
        falls = {form: search.falls_to((*terms, form), length, parts, before) for form in allowed}
        paying = [form for form in allowed if falls[form] < PAYS]
        if len(paying) > 1:
            q = fine if slots.usual_step <= length / fine else parts
            finely = search.error(terms, length, q)
            paying.sort(key=lambda form: search.falls_to((*terms, form), length, q, finely))
        if paying:
            fell_to = falls[paying[0]] if not terms else fell_to
            terms = (*terms, paying[0])
    return terms, fell_to


def expected_shares(of: Sequence[Entry], wave: Fit, local: Floats, sets: Flags) -> Floats:
    """(S, D): the share of each direction at local times (S,)."""
    return np.clip(vectors(of, local) @ (wave.shares @ sets), 0.0, 1.0)


def left_in_blocks(x: Floats, error: Floats, times: Ints, sizes: int) -> Floats:
    """(sizes,): the part of the noise of a block of 1, 2, 4, ... rows that the fit did not take up.

    `times` (n,) which row of `x` (S, K) holds for each row. For x = (1): 1 - g / n.
    """
    rows = len(times)
    thin = np.linspace(0, rows - 1, min(rows, SAMPLED_ROWS)).astype(np.int64)
    sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x[times[thin]], 0)]) * (rows / max(len(thin), 1))
    ends = np.concatenate([[0], thin + 1])
    out = np.ones(sizes)
    for size in range(sizes):
        length = 1 << size
        starts = np.linspace(0, max(rows - length, 0), SAMPLED_BLOCKS).astype(np.int64)
        if length * len(thin) > 20 * rows:
            low, high = np.searchsorted(ends, starts), np.searchsorted(ends, starts + length)
            block = sums[np.minimum(high, len(thin))] - sums[low]
        else:
            block = x[times[starts]] * length
        block = block / np.maximum(block[:, :1], 1e-9) * length
        out[size] = 1 - float(np.einsum("ij,jk,ik->i", block, error, block).mean()) / length
    return out
