"""Evidence: tail probabilities of count vectors, for many windows and columns at once.

Shapes: `W` windows, `C` columns, `B` value bins (padded with zeros in reference and window alike). Dependent events
are accounted for by an overdispersion factor phi >= 1: n events count as n / phi.
"""

from __future__ import annotations

from math import ceil, floor, lgamma, log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, chdtrc, chdtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: most terms of a hypergeometric tail that are summed; later ones shrink faster than geometrically, which bounds them
TAIL_TERMS: Final = 400
#: terms summed in one step, a divisor of `TAIL_TERMS`
TERMS_AT_ONCE: Final = 100


def chi_square_critical(alpha: float, freedom: Floats) -> Floats:
    """The smallest statistic whose tail probability is `alpha`; infinite where `freedom` is 0."""
    most = int(freedom.max(initial=0.0))
    by_freedom = np.concatenate(([np.inf], chdtri(np.arange(1.0, most + 1), alpha)))
    return np.asarray(by_freedom[freedom.astype(np.int64)], np.float64)


def chi_square_tail(statistic: Floats | float, freedom: Floats | float) -> Floats:
    """P(chi-square with that many degrees of freedom >= statistic)."""
    return np.asarray(chdtrc(freedom, statistic), np.float64)


def exact_excess_tail(hits: Floats, n: Floats, reference_hits: Floats, m: Floats, overdispersion: Floats) -> Floats:
    """P(at least `hits` in the window | the margins): Fisher's one-sided exact test, on effective counts.

    All (N,). Counts are divided by phi and rounded so that the p-value is never too small; 1 where the window's share
    is not above the reference's.
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
    """Sum of the tail's terms relative to the first, the last term summed, and its ratio to the one before; all (N,).

    Summed until the terms are negligible, at most `TAIL_TERMS`; a block of terms at a time, each added in order.
    """
    term = ratio_sum = np.ones((len(k), 1))
    k, n, total_hits, total = (x[:, None] for x in (k, n, total_hits, total))
    for first in range(0, TAIL_TERMS, TERMS_AT_ONCE):
        j = k + np.arange(first, first + TERMS_AT_ONCE)
        up = np.maximum((total_hits - j) * (n - j), 0)
        ratios = up / ((j + 1) * np.maximum(total - total_hits - n + j + 1, 1))
        terms = np.multiply.accumulate(np.concatenate((term, ratios), 1), 1)
        sums = np.add.accumulate(np.concatenate((ratio_sum, terms[:, 1:]), 1), 1)
        # the first term is the last one of the previous block
        done = np.flatnonzero(~np.any(terms[:, 1:] > 1e-17 * sums[:, 1:], axis=0))
        last = int(done[0]) + 1 if len(done) else TERMS_AT_ONCE
        term, ratio_sum = terms[:, last : last + 1], sums[:, last : last + 1]
        if len(done):
            break
    return ratio_sum[:, 0], term[:, 0], ratios[:, last - 1]


def _log_choose(n: Floats, k: Floats) -> Floats:
    return np.asarray(-betaln(1 + n - k, 1 + k) - np.log1p(n), np.float64)


def exact_excess_critical(alpha: float, n: float, reference_hits: float, m: float, overdispersion: float) -> float:
    """The smallest number of hits in n events whose p-value is below `alpha`, NaN if there is none."""
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
    """`exact_excess_tail` < alpha for one case; the first term decides most cases."""
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
    """Variance of the counts of windows relative to independent events; the caller raises it to at least 1.

    `windows` (W, bins) of one column, `shares` (bins,) of the whole they are taken from, `part` the share of the
    whole that one window is (corrects for the window being part of the whole). NaN where no bin is expected to hold
    5 events. (The index of dispersion of a multinomial: McCullagh and Nelder 1989, section 4.5.)
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


def same_shares(few: Ints, many: Ints) -> float:
    """Chance that a few counts (B,) are as far from the shares of many (B,), by a chi-square test of two samples.

    Bins that are empty in both say nothing. A small sample makes the test cautious, not wrong: it only refuses.
    """
    some = (few + many) > 0
    a, b = few[some].astype(np.float64), many[some].astype(np.float64)
    total = a.sum() + b.sum()
    if len(a) < 2 or not a.sum() or not b.sum():
        return 1.0
    expected = (a + b) * a.sum() / total
    statistic = ((a - expected) ** 2 / expected).sum() * total / b.sum()
    return float(chdtrc(len(a) - 1, statistic))
