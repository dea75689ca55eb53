"""How sure: tail probabilities of count vectors, over many windows and columns at once.

Shapes: `W` windows, `C` columns, `B` value bins (padded with zeros in reference and window alike). Dependent events
are paid for by a dispersion factor phi >= 1: n events are worth n / phi.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, lgamma, log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, chdtrc, chdtri, ndtr, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: a bin is tested alone only when the window is expected to hold this many effective events in it
MIN_EXPECTED: Final = 20.0
#: terms of a hypergeometric tail that are summed; the ones behind shrink faster than geometrically and are bounded so
TAIL_TERMS: Final = 400
#: ... so many in one step: a divisor of them
TERMS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Pooling:
    """A reference's bins sorted by share, so that any expected size finds the ones to pool without a loop."""

    order: Ints  # (C, B) bins by rising share, empty ones first
    shares: Floats  # (C, B) in that order
    counts: Floats  # (C, B) in that order
    cumulated: Floats  # (C, B) the sums of the first counts
    total: Floats  # (C,)
    padding: Ints  # (C,) how many of the first sorted bins are no bins of the column at all

    @classmethod
    def of(cls, reference: Ints, bins: Ints | None = None) -> Pooling:
        """`reference` (C, B) counts; `bins` (C,) value bins of each column [all that hold something]."""
        order = np.argsort(reference, axis=1, kind="stable")
        counts = np.take_along_axis(reference, order, 1).astype(np.float64)
        total = counts.sum(1)
        padding = (counts == 0).sum(1) if bins is None else reference.shape[1] - bins
        shares = counts / np.maximum(total, 1)[:, None]
        return cls(order, shares, counts, counts.cumsum(1), total, np.asarray(padding, np.int64))


def pooled_chi_square(pooling: Pooling, windows: Ints, overdispersion: Floats) -> tuple[Floats, Floats]:
    """Two-sample Pearson chi-square divided by the overdispersion, and its degrees of freedom (0: it says nothing).

    `windows` (W, C, B), `overdispersion` (W, C). Bins whose effective expected count is below `MIN_EXPECTED` are
    pooled, by the reference's shares alone (else the window would choose its test). A pooled bin still below it takes
    in the smallest other bin: left alone, one stray value there would be worth a page.
    """
    columns, bins = pooling.counts.shape
    each = np.arange(columns)
    n = windows.sum(2).astype(np.float64)
    observed = windows[:, each[:, None], pooling.order].astype(np.float64, order="C")
    pooled_until = _pooled_until(pooling, n / overdispersion)
    alone = np.arange(bins) >= pooled_until[..., None]
    terms = _pearson(observed, pooling.counts, n[..., None], pooling.total[:, None])
    last = np.maximum(pooled_until - 1, 0)
    pooled_observed, pooled_reference = _at(observed.cumsum(2), last), pooling.cumulated[each, last]
    pooled_term = _pearson(pooled_observed, pooled_reference, n, pooling.total)
    has_pooled = (pooled_until > 0) & (pooled_reference + pooled_observed > 0)
    statistic = np.where(alone, terms, 0.0).sum(2) + np.where(has_pooled, pooled_term, 0.0)
    freedom = np.where(n > 0, bins - pooled_until + has_pooled - 1, 0)
    return statistic / overdispersion, np.maximum(freedom, 0).astype(np.float64)


def _pooled_until(pooling: Pooling, effective: Floats) -> Ints:
    """How many of the sorted bins are pooled, (W, C)."""
    expected = pooling.shares * effective[..., None]
    until = (expected < MIN_EXPECTED).sum(2)
    mass = _at(expected.cumsum(2), np.maximum(until - 1, 0))
    short = (until > pooling.padding) & (mass < MIN_EXPECTED)
    return np.asarray(np.minimum(until + short, pooling.shares.shape[1]), np.int64)


def _at(values: Floats, index: Ints) -> Floats:
    """`values` (W, C, B) at one bin of each window and column; `index` (W, C)."""
    windows, columns, bins = values.shape
    first = np.arange(0, windows * columns * bins, bins).reshape(windows, columns)
    return values.ravel()[first + index]


def _pearson(observed: Floats, reference: Floats, n: Floats, m: Floats) -> Floats:
    """Both samples' terms of one cell: (o - e1)^2 / e1 + (r - e0)^2 / e0, which is one fraction.

    All are whole, so a scale below 1 is 0, and then the difference is 0 as well.
    """
    difference = observed * m - reference * n
    scale = (observed + reference) * n * m
    return np.asarray(difference**2 / np.maximum(scale, 1.0), np.float64)


def chi_square_critical(alpha: float, freedom: Floats) -> Floats:
    """The smallest statistic whose tail probability is `alpha`; infinite where there is no freedom (whole numbers)."""
    most = int(freedom.max(initial=0.0))
    by_freedom = np.concatenate(([np.inf], chdtri(np.arange(1.0, most + 1), alpha)))
    return np.asarray(by_freedom[freedom.astype(np.int64)], np.float64)


def chi_square_tail(statistic: Floats | float, freedom: Floats | float) -> Floats:
    """P(chi-square with that many degrees of freedom >= statistic)."""
    return np.asarray(chdtrc(freedom, statistic), np.float64)


@dataclass(frozen=True, slots=True)
class Cuts:
    """A reference's cumulative shares, ready to be compared with a window's."""

    below: Floats  # (C, B - 1) share of the values below each cut
    events: Floats  # (C, B - 1) that share of the values, as a number of them
    thinner: Floats  # (C, B - 1) share of the values on the side that has fewer
    total: Floats  # (C, 1)

    @classmethod
    def of(cls, reference: Ints) -> Cuts:
        """`reference` (C, B) counts."""
        total = reference.sum(1).astype(np.float64)[:, None]
        below = np.cumsum(reference, 1)[:, :-1] / np.maximum(total, 1)
        return cls(below, below * total, np.minimum(below, 1 - below), total)


def cut_point_z(cuts: Cuts, windows: Ints, overdispersion: Floats) -> tuple[Floats, Ints]:
    """The largest standardised difference of a cumulative share, and the cut where it is (bin index, from below).

    `windows` (W, C, B), `overdispersion` (W, C). Signed: positive where the window's values moved up. Cuts with
    fewer than `MIN_EXPECTED` effective events expected on a side are left out; 0 where none is left.
    """
    if windows.shape[2] < 2:
        return np.zeros(windows.shape[:2]), np.zeros(windows.shape[:2], np.int64)
    below = windows.cumsum(2)
    n, m = below[..., -1:].astype(np.float64), cuts.total
    some = np.maximum(n, 1)
    below_window = below[..., :-1] / some
    pool = (cuts.events + below_window * n) / np.maximum(m + n, 1)
    per_event = np.where(n > 0, 1 / some, 0.0)
    spread = np.sqrt(
        np.maximum(pool * (1 - pool), 1e-12) * (per_event + 1 / np.maximum(m, 1)) * overdispersion[..., None]
    )
    # by the reference's share alone, so that the window does not choose its cuts
    usable = cuts.thinner * (n / overdispersion[..., None]) >= MIN_EXPECTED
    z = np.where(usable, (cuts.below - below_window) / spread, 0.0)
    at = np.abs(z).argmax(2)
    return _at(z, at), at


def cut_point_critical(alpha: float, cuts: Ints) -> Floats:
    """The |z| whose two-sided tail, over so many cuts (Bonferroni), is `alpha`; infinite without cuts."""
    out = np.full(cuts.shape, np.inf)
    some = cuts > 0
    out[some] = -ndtri(alpha / (2 * cuts[some]))
    return out


def cut_point_tail(z: float, cuts: int) -> float:
    """The two-sided tail probability of |z| over so many cuts."""
    return float(min(1.0, 2 * ndtr(-abs(z)) * max(cuts, 1)))


def largest_shift(
    reference: Floats | Ints, windows: Floats | Ints, ordered: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Largest change of one bin's share, and of a cumulative share (0 where the bins have no order).

    `reference` broadcasts against `windows` (W, C, B); counts, not shares. 0 where a side is empty.
    """
    n, m = windows.sum(-1, keepdims=True), reference.sum(-1, keepdims=True)
    difference = windows / np.maximum(n, 1) - reference / np.maximum(m, 1)
    both = ((n > 0) & (m > 0))[..., 0]
    share = np.where(both, np.abs(difference).max(-1), 0.0)
    cumulative = np.where(both & ordered, np.abs(difference.cumsum(-1)).max(-1), 0.0)
    return share, cumulative


def exact_excess_tail(hits: Floats, n: Floats, reference_hits: Floats, m: Floats, overdispersion: Floats) -> Floats:
    """P(at least so many hits in the window | the margins): Fisher's one-sided exact test, on effective counts.

    All (N,). Counts are divided by phi and rounded towards no evidence; 1 where the window's share is not above the
    reference's.
    """
    some = (hits > 0) & (hits * np.maximum(m, 1) > reference_hits * n)
    out = np.ones(len(hits))
    if some.any():
        hits, n, reference_hits, m, overdispersion = (x[some] for x in (hits, n, reference_hits, m, overdispersion))
        ref = np.ceil(reference_hits / overdispersion)
        rest = np.maximum(np.floor(m / overdispersion), ref)
        out[some] = _hypergeometric_tail(np.floor(hits / overdispersion), np.ceil(n / overdispersion), ref, rest)
    return out


def _hypergeometric_tail(k: Floats, n: Floats, reference_hits: Floats, m: Floats) -> Floats:
    """P(X >= k) where X of the K = k + reference_hits hits among n + m fall into the n; all (N,)."""
    total_hits, total = k + reference_hits, n + m
    n = np.maximum(n, k)
    log_first = _log_choose(total_hits, k) + _log_choose(total - total_hits, n - k) - _log_choose(total, n)
    ratio_sum, term, ratio = _tail_terms(k, n, total_hits, total)
    ratio = np.minimum(ratio, 1 - 1e-9)
    ratio_sum = ratio_sum + term * ratio / (1 - ratio)
    return np.where(k <= 0, 1.0, np.minimum(1.0, np.exp(log_first) * ratio_sum))


def _tail_terms(k: Floats, n: Floats, total_hits: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum of the tail's terms over its first one, the last term summed, and its ratio to the one before; all (N,).

    Summed until no term counts, at most `TAIL_TERMS`; a block of terms at a time, each added in its turn.
    """
    term = ratio_sum = np.ones((len(k), 1))
    k, n, total_hits, total = (x[:, None] for x in (k, n, total_hits, total))
    for first in range(0, TAIL_TERMS, TERMS_AT_ONCE):
        j = k + np.arange(first, first + TERMS_AT_ONCE)
        up = np.maximum((total_hits - j) * (n - j), 0)
        ratios = up / ((j + 1) * np.maximum(total - total_hits - n + j + 1, 1))
        terms = np.multiply.accumulate(np.concatenate((term, ratios), 1), 1)
        sums = np.add.accumulate(np.concatenate((ratio_sum, terms[:, 1:]), 1), 1)
        # the first term is the last one of the block before
        done = np.flatnonzero(~np.any(terms[:, 1:] > 1e-17 * sums[:, 1:], axis=0))
        last = int(done[0]) + 1 if len(done) else TERMS_AT_ONCE
        term, ratio_sum = terms[:, last : last + 1], sums[:, last : last + 1]
        if len(done):
            break
    return ratio_sum[:, 0], term[:, 0], ratios[:, last - 1]


def _log_choose(n: Floats, k: Floats) -> Floats:
    return np.asarray(-betaln(1 + n - k, 1 + k) - np.log1p(n), np.float64)


def exact_excess_critical(alpha: float, n: float, reference_hits: float, m: float, overdispersion: float) -> float:
    """The smallest number of hits in n events that would be over, NaN where not even n would."""
    low, high = 1, int(n)
    if high < 1 or not _is_excess(alpha, high, n, reference_hits, m, overdispersion):
        return float("nan")
    while low < high:
        middle = (low + high) // 2
        if _is_excess(alpha, middle, n, reference_hits, m, overdispersion):
            high = middle
        else:
            low = middle + 1
    return float(high)


def _is_excess(alpha: float, hits: float, n: float, reference_hits: float, m: float, overdispersion: float) -> bool:
    """`exact_excess_tail` < alpha for one case; most cases are settled by the first term alone."""
    if hits * max(m, 1) <= reference_hits * n:
        return False
    k, size, ref = floor(hits / overdispersion), ceil(n / overdispersion), ceil(reference_hits / overdispersion)
    rest = max(floor(m / overdispersion), ref)
    size, total_hits = max(size, k), k + ref
    total = size + rest
    if k <= 0:
        return False
    log_first = _log_binomial(total_hits, k) + _log_binomial(total - total_hits, size - k) - _log_binomial(total, size)
    if log_first >= log(alpha):
        return False
    term, ratio_sum = 1.0, 1.0
    for j in range(k, min(total_hits, size)):
        term *= (total_hits - j) * (size - j) / ((j + 1) * max(total - total_hits - size + j + 1, 1))
        ratio_sum += term
        if term <= 1e-17 * ratio_sum:
            break
    return log_first + log(ratio_sum) < log(alpha)


def _log_binomial(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def dispersion(windows: Ints, shares: Floats, part: float) -> float:
    """How much more the counts of windows vary than independent events would; at least 1 is meant by the caller.

    `windows` (W, bins) of one column, `shares` (bins,) of the whole they are taken from, `part` the share of the
    whole that one window is (its own events make it a little too like the whole). NaN where no bin is expected to
    hold 5 events. (The index of dispersion of a multinomial: McCullagh and Nelder 1989, section 4.5.)
    """
    n = windows.sum(1, keepdims=True).astype(np.float64)
    expected = n * shares[None]
    usable = (shares > 0) & (expected.mean(0) >= 5)
    if not usable.any() or not (shares[usable] < 1).any():
        return float("nan")
    safe = np.maximum(expected[:, usable], 1e-9)
    statistic = ((windows[:, usable] - expected[:, usable]) ** 2 / safe).sum(1).mean()
    freedom = (1 - shares[usable]).sum() * max(1 - part, 0.1)
    return float(statistic / freedom)
