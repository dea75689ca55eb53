"""Tail probabilities against SciPy and against the plainest formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.testing import evidence
from monitor.stats.testing.evidence import (
    chi_square_critical,
    chi_square_tail,
    dispersion,
    exact_excess_critical,
    exact_excess_tail,
)

ALPHAS = (0.05, 1e-3, 1e-6, 1e-9, 1e-12)


def one(number: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([number], np.float64)


def tail(hits: float, n: float, reference_hits: float, m: float, overdispersion: float = 1.0) -> float:
    return float(exact_excess_tail(one(hits), one(n), one(reference_hits), one(m), one(overdispersion))[0])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_critical_values_and_tails_are_inverse_of_each_other(alpha: float) -> None:
    freedom = np.array([1.0, 2.0, 5.0, 9.0, 30.0])
    assert chi_square_tail(chi_square_critical(alpha, freedom), freedom) == pytest.approx(np.full(5, alpha), rel=1e-6)
    assert chi_square_critical(alpha, freedom) == pytest.approx(stats.chi2.isf(alpha, freedom), rel=1e-9)


def test_without_freedom_nothing_is_over() -> None:
    assert chi_square_critical(0.01, np.zeros((1, 2))).tolist() == [[np.inf, np.inf]]


def test_the_exact_tail_is_the_hypergeometric_one_of_scipy_down_to_extremes() -> None:
    rng = np.random.default_rng(5)
    smallest = 1.0
    for _ in range(2_000):
        n, m = int(rng.integers(1, 5_000)), int(rng.integers(1, 50_000))
        reference_hits = int(rng.binomial(m, rng.choice([0.0, 0.001, 0.02, 0.3])))
        hits = int(rng.integers(1, min(n, 2 + int(n * (reference_hits / m) * 3)) + 1))
        if hits * m <= reference_hits * n:
            continue
        expected = stats.hypergeom.sf(hits - 1, n + m, hits + reference_hits, n)
        assert tail(hits, n, reference_hits, m) == pytest.approx(expected, rel=1e-6)
        smallest = min(smallest, expected)
    assert smallest < 1e-12


def test_long_tails_are_never_said_to_be_less_likely_than_they_are() -> None:
    for n, hits in ((10**6, 101_500), (10**7, 1_003_000), (10**7, 1_006_000)):
        expected = stats.hypergeom.sf(hits - 1, 11 * n, hits + n, n)
        assert expected * (1 - 1e-5) <= tail(hits, n, n, 10 * n) <= 1.2 * expected


def test_a_share_that_is_not_above_the_references_is_no_evidence() -> None:
    assert tail(0, 100, 0, 1_000) == 1
    assert tail(5, 100, 50, 1_000) == 1
    assert tail(3, 100, 100, 1_000) == 1


def test_however_many_terms_are_taken_at_once_the_tail_is_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(8)
    n, m = (rng.integers(1, most, 50).astype(np.float64) for most in (90_000, 50_000))
    before = np.floor(m * rng.choice([0.0, 0.001, 0.02, 0.3], 50))
    hits = np.minimum(n, np.floor(n * before / m * rng.uniform(1, 1.2, 50)) + 1)
    tails = []
    for at_once in (1, 50, evidence.TERMS_AT_ONCE, evidence.TAIL_TERMS):
        monkeypatch.setattr(evidence, "TERMS_AT_ONCE", at_once)
        tails.append(exact_excess_tail(hits, n, before, m, np.ones(50)).tolist())
    assert tails == [tails[0]] * 4
    assert 1 > max(tails[0]) > min(tails[0]) > 0


def test_dispersion_weakens_the_exact_evidence() -> None:
    tails = [tail(30, 500, 10, 10_000, overdispersion) for overdispersion in (1, 1.5, 3, 10, 50)]
    assert tails == sorted(tails)
    assert tails[0] < 1e-20


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 5_000), st.floats(1, 20))
def test_effective_counts_are_rounded_towards_no_evidence(
    hits: int, rest: int, before: int, m: int, overdispersion: float
) -> None:
    n, m = hits + rest, before + m
    found = tail(hits, n, before, m, overdispersion)
    if hits * max(m, 1) <= before * n:
        assert found == 1
        return
    k, size, kept = math.floor(hits / overdispersion), math.ceil(n / overdispersion), math.ceil(before / overdispersion)
    whole = size + max(math.floor(m / overdispersion), kept)
    assert found == pytest.approx(stats.hypergeom.sf(k - 1, whole, k + kept, size), rel=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(
    ("n", "reference_hits", "m", "overdispersion"),
    [(250, 0, 10_000, 1.0), (250, 200, 10_000, 1.0), (8_000, 300, 10_000, 1.0), (500, 40, 10_000, 4.3)],
)
def test_the_critical_count_is_the_smallest_one_that_is_over(
    alpha: float, n: int, reference_hits: int, m: int, overdispersion: float
) -> None:
    least = exact_excess_critical(alpha, n, reference_hits, m, overdispersion)
    hits = np.arange(1.0, n + 1)
    n_each, before, m_each, overdispersion_each = (
        np.full(n, x, np.float64) for x in (n, reference_hits, m, overdispersion)
    )
    tails = exact_excess_tail(hits, n_each, before, m_each, overdispersion_each)
    assert least == hits[tails < alpha][0]
    assert (tails < alpha).sum() == n - least + 1


def test_there_is_no_critical_count_where_not_even_all_would_be_over() -> None:
    assert np.isnan(exact_excess_critical(1e-9, 3, 0, 10, 1))
    assert np.isnan(exact_excess_critical(1e-9, 0, 0, 10, 1))


@pytest.mark.parametrize("clusters_of", [1, 5, 10])
def test_dispersion_is_the_size_of_the_clusters(clusters_of: int) -> None:
    rng = np.random.default_rng(7)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    windows = rng.multinomial(1_000 // clusters_of, shares, 400) * clusters_of
    whole = windows.sum(0)
    assert dispersion(windows, whole / whole.sum(), 1 / 400) == pytest.approx(clusters_of, rel=0.12)


def test_the_own_part_of_a_window_is_made_good() -> None:
    rng = np.random.default_rng(8)
    figures = []
    for _ in range(300):
        windows = rng.multinomial(500, [0.4, 0.3, 0.2, 0.1], 8)
        figures.append(dispersion(windows, windows.sum(0) / windows.sum(), 1 / 8))
    assert np.mean(figures) == pytest.approx(1.0, abs=0.05)


def test_without_a_bin_that_is_expected_to_hold_five_dispersion_is_unknown() -> None:
    assert np.isnan(dispersion(np.array([[1, 2], [2, 1]]), np.array([0.5, 0.5]), 0.5))
    assert np.isnan(dispersion(np.array([[50, 0], [50, 0]]), np.array([1.0, 0.0]), 0.5))
