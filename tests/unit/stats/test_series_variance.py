"""The long-run variance of a series against what is known of the processes it is learned from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from monitor.stats.variance.series_variance import SeriesVariance, series_variance
from tests.traffic import autoregressive

NUMBERS = 10_000


def ratios(coefficient: float, seeds: int = 12) -> list[SeriesVariance]:
    return [
        series_variance(autoregressive(np.random.default_rng([5, seed]), NUMBERS, coefficient)) for seed in range(seeds)
    ]


def test_most_independent_series_are_taken_for_independent() -> None:
    learned = ratios(0.0)
    assert sum(one.block == 0 for one in learned) >= 7
    assert all(one.settled and one.ratio < 1.6 for one in learned)
    assert all(one.ratio == 1 and np.isinf(one.freedom) for one in learned if one.block == 0)


@pytest.mark.parametrize("coefficient", [0.5, 0.9])
def test_an_autoregressive_series_has_its_long_run_variance(coefficient: float) -> None:
    known = (1 + coefficient) / (1 - coefficient)
    learned = ratios(coefficient)
    assert all(one.block > 0 for one in learned)
    assert 0.8 < np.median([one.ratio for one in learned]) / known < 1.25


def test_it_does_not_depend_on_place_and_scale() -> None:
    series = autoregressive(np.random.default_rng(3), NUMBERS, 0.8)
    one, other = series_variance(series), series_variance(1_000 + 0.001 * series)
    assert other.ratio == pytest.approx(one.ratio, rel=1e-5)
    assert other.block == one.block


@pytest.mark.parametrize("series", [np.zeros(1_000), np.arange(20.0), np.zeros(0)])
def test_nothing_is_known_of_a_constant_or_short_series(series: np.ndarray) -> None:
    assert series_variance(series) == SeriesVariance()


def test_a_file_gives_it_back() -> None:
    for one in (SeriesVariance(), series_variance(autoregressive(np.random.default_rng(3), NUMBERS, 0.8))):
        assert SeriesVariance.from_plain(json.loads(json.dumps(one.to_plain()))) == one
