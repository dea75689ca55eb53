"""The test of means holds its level where errors are rare and skewed, and where they come in runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.stats.testing.mean_difference import chance, critical, difference
from monitor.stats.variance.number_sums import NumberSums

TIMES = 200_000


def hits(n: int, counts: np.ndarray) -> np.ndarray:
    return np.stack([np.full(len(counts), float(n)), counts, counts, counts], axis=1)


def mirrored(moments: np.ndarray) -> np.ndarray:
    """The moments of the same numbers with the other sign: a fall is then a rise."""
    return np.asarray(moments * np.array([1.0, -1.0, 1.0, -1.0]))


@pytest.mark.parametrize(("share", "n"), [(0.02, 250), (0.1, 250), (0.3, 250), (0.02, 2_000), (0.9, 250)])
@pytest.mark.parametrize("rises", [True, False])
def test_a_thousandth_is_no_more_than_that(share: float, n: int, *, rises: bool) -> None:
    counts = np.random.default_rng(n).binomial(n, share, TIMES).astype(np.float64)
    windows, reference = hits(n, counts), hits(10**7, np.array([share * 10**7]))[0]
    if not rises:
        windows, reference = mirrored(windows), mirrored(reference)
    found = difference(windows, reference, 1.0)
    bound = critical(1e-3, found.skew, np.inf)
    assert (found.higher > bound * found.error).mean() <= 1.3e-3
    at_bound = [chance(float(bound[i]), float(found.skew[i]), np.inf) for i in range(5)]
    assert at_bound == pytest.approx([1e-3] * 5, rel=1e-6)


def test_the_tail_of_rare_errors_is_near_that_of_a_poisson() -> None:
    windows, reference = hits(250, np.array([17.0])), hits(10**7, np.array([0.02 * 10**7]))[0]
    found = difference(windows, reference, 1.0)
    p = chance(float(found.higher[0] / found.error[0]), float(found.skew[0]), np.inf)
    exact = float(stats.binom.sf(16, 250, 0.02))
    assert 0.9 * exact <= p < 2 * exact
    assert stats.norm.sf(found.higher[0] / found.error[0]) < exact / 50  # a normal tail would be wrong


def test_an_estimated_variance_has_the_tails_of_t() -> None:
    assert critical(1e-6, np.zeros(1), 20.0)[0] == pytest.approx(float(stats.t.isf(1e-6, 20)))
    assert chance(5.0, 0.0, 20.0) == pytest.approx(float(stats.t.sf(5.0, 20)))


def run_of(errors: np.ndarray, cohort: int) -> NumberSums:
    sums = NumberSums()
    for at in range(0, len(errors), cohort):
        own = errors[at : at + cohort]
        sums.add_cohort(np.array([len(own), own.sum(), (own**2).sum(), (own**3).sum()], np.float64))
    return sums


def test_independent_errors_are_called_so_and_runs_are_not() -> None:
    rng = np.random.default_rng(2)
    independent = [run_of((rng.random(8_000) < 0.2).astype(float), 7).settled().block == 0 for _ in range(20)]
    assert sum(independent) >= 17
    numbers = [run_of(rng.exponential(2.0, 8_000), 7).settled().block == 0 for _ in range(20)]
    assert sum(numbers) >= 17
    for _ in range(5):
        runs = run_of(np.repeat((rng.random(2_000) < 0.2).astype(float), 10), 25).settled()
        assert runs.settled
        assert 5 < runs.variance[0] < 20  # ten alike in a row
