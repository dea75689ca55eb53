"""Rates of groups compared: by simulation chance is as rare as it is asked to be, and intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.stats.testing.fairness import (
    LEAST_ROWS,
    Scores,
    beyond,
    gap,
    impact_scores,
    opportunity_scores,
    ratio,
)

RUNS = 4_000
ALPHA = 0.01
#: and what a simulation of so many runs may be off
MOST = ALPHA * 1.3 + 3 * math.sqrt(ALPHA / RUNS)


def one_sided(scores: Scores, alpha: float) -> bool:
    """Whether the first group is too far below the second."""
    return any((one.low, one.high) == (0, 1) for one in beyond(scores, alpha))


@pytest.mark.parametrize(
    ("n", "m", "high"), [(200, 2_000, 0.3), (2_000, 2_000, 0.1), (4_000, 400, 0.6), (300, 3_000, 0.05)]
)
def test_a_ratio_that_is_just_permitted_is_beyond_as_rarely_as_asked(n: int, m: int, high: float) -> None:
    rng = np.random.default_rng(3)
    hits = np.stack((rng.binomial(n, 0.8 * high, RUNS), rng.binomial(m, high, RUNS)), axis=1).astype(np.float64)
    rows = np.array([n, m], np.float64)
    assert sum(one_sided(impact_scores(rows, one, 0.8, 1.0), ALPHA) for one in hits) / RUNS <= MOST


@pytest.mark.parametrize(("n", "m", "high"), [(200, 2_000, 0.7), (1_000, 1_000, 0.4), (100, 100, 0.95)])
def test_a_difference_that_is_just_permitted_is_beyond_as_rarely_as_asked(n: int, m: int, high: float) -> None:
    rng = np.random.default_rng(4)
    hits = np.stack((rng.binomial(n, high - 0.1, RUNS), rng.binomial(m, high, RUNS)), axis=1).astype(np.float64)
    rows = np.array([n, m], np.float64)
    assert sum(one_sided(opportunity_scores(rows, one, 0.1, 1.0), ALPHA) for one in hits) / RUNS <= MOST


def test_a_ratio_far_below_is_found_and_names_the_pair() -> None:
    rows, hits = np.array([1_000.0, 1_000.0, 900.0]), np.array([290.0, 120.0, 300.0])
    (found,) = beyond(impact_scores(rows, hits, 0.8, 1.0), 1e-6)
    assert (found.low, found.high) == (1, 2)
    assert found.p < 1e-6
    assert found.exceedance > 1


def test_dependent_rows_count_for_less() -> None:
    rows, hits = np.array([1_000.0, 1_000.0]), np.array([180.0, 300.0])
    one, ten = (beyond(impact_scores(rows, hits, 0.8, v), 0.01) for v in (1.0, 10.0))
    assert one
    assert not ten


def test_a_small_group_says_nothing() -> None:
    rows, hits = np.array([LEAST_ROWS - 1.0, 10_000.0]), np.array([0.0, 9_000.0])
    assert not beyond(impact_scores(rows, hits, 0.8, 1.0), 0.01)
    assert not beyond(opportunity_scores(rows, hits, 0.1, 1.0), 0.01)


@pytest.mark.parametrize("alpha", [1e-2, 1e-6])
def test_a_pair_that_is_beyond_has_an_interval_without_the_permitted_value(alpha: float) -> None:
    """The test asks for more evidence than an interval of 95 % does."""
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(400):
        n, m = rng.integers(40, 3_000, 2).tolist()
        x, y = int(rng.binomial(n, rng.uniform(0, 0.4))), int(rng.binomial(m, rng.uniform(0.2, 0.9)))
        rows, hits = np.array([n, m], np.float64), np.array([x, y], np.float64)
        if one_sided(impact_scores(rows, hits, 0.8, 1.0), alpha):
            estimate = ratio((n, x), (m, y), 1.0)
            assert estimate is not None
            assert estimate.lower <= estimate.value <= estimate.upper < 0.8
            seen += 1
        if one_sided(opportunity_scores(rows, hits, 0.1, 1.0), alpha):
            apart = gap((n, x), (m, y), 1.0)
            assert apart is not None
            assert 0.1 < apart.lower <= apart.value <= apart.upper
            seen += 1
    assert seen > 300


def test_intervals_hold_the_true_value_19_times_of_20() -> None:
    rng, n, m = np.random.default_rng(6), 800, 1_200
    held = [0, 0]
    for _ in range(2_000):
        low, high = (n, int(rng.binomial(n, 0.2))), (m, int(rng.binomial(m, 0.3)))
        of_ratio, of_gap = ratio(low, high, 1.0), gap(low, high, 1.0)
        assert of_ratio is not None
        assert of_gap is not None
        held[0] += of_ratio.lower <= 0.2 / 0.3 <= of_ratio.upper
        held[1] += of_gap.lower <= 0.1 <= of_gap.upper
    assert [count / 2_000 for count in held] == pytest.approx([0.95, 0.95], abs=0.015)


def test_without_a_hit_in_the_higher_group_there_is_no_ratio() -> None:
    assert ratio((100, 0), (100, 0), 1.0) is None
    assert gap((0, 0), (100, 5), 1.0) is None
