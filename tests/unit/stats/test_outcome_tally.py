"""Tallies of named outcomes: exact means, a grid for everything else, merging in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.performance.outcome_tally import (
    FURTHEST,
    NEAREST,
    STEPS,
    UNIT,
    OutcomeTally,
    add_outcomes,
    category_moments,
    fixed_sums,
    merged_outcomes,
    number_at,
    number_moments,
    place_of,
    power_sums,
)
from monitor.stats.testing.mean_difference import CUBES, ROWS, SQUARES, SUM
from tests.traffic import Floats

numbers = st.floats(-FURTHEST, FURTHEST) | st.floats(-10, 10) | st.integers(-256, 256).map(float)
cells = st.integers(-9_000, 9_000) | st.sampled_from(["late", "early", "(other)"])
sums = st.integers(-(2**70), 2**70)
tallies = st.builds(
    OutcomeTally,
    st.dictionaries(cells, st.integers(-5, 5).filter(bool), max_size=5),
    sums,
    st.integers(-5, 5),
    sums,
    sums,
)


def tally_of(values: Floats) -> OutcomeTally:
    places, counts = np.unique(place_of(values), return_counts=True)
    ones = np.ones(len(values), np.int64)
    (total,) = fixed_sums(np.zeros(len(values), np.int64), 1, values, ones)
    return OutcomeTally(dict(zip(places.tolist(), counts.tolist(), strict=True)), total)


def summed(values: Floats, sign: int = 1) -> OutcomeTally:
    """As a segment has them."""
    zeros, signs = np.zeros(len(values), np.int64), np.full(len(values), sign)
    (total,), ((squares,), (cubes,)) = fixed_sums(zeros, 1, values, signs), power_sums(zeros, 1, values, signs)
    return OutcomeTally({}, total, sign * len(values), squares, cubes)


@given(numbers)
def test_a_number_is_near_its_place(number: float) -> None:
    (near,) = number_at(place_of(np.array([number]))).tolist()
    assert abs(near - number) <= max(abs(number) / (2 * STEPS), NEAREST)


@given(st.lists(numbers, min_size=2))
def test_places_have_the_order_of_their_numbers(values: list[float]) -> None:
    places = place_of(np.array(sorted(values)))
    assert (np.diff(places) >= 0).all()
    assert (place_of(number_at(places)) == places).all()


def test_whole_numbers_up_to_256_are_on_the_grid() -> None:
    whole = np.arange(-256, 257, dtype=np.float64)
    assert (number_at(place_of(whole)) == whole).all()


@given(st.lists(st.floats(-1e9, 1e9) | st.floats(-FURTHEST, FURTHEST), min_size=1, max_size=50))
def test_sums_are_exact_and_can_be_taken_back(values: list[float]) -> None:
    array = np.array(values)
    zeros, ones = np.zeros(len(values), np.int64), np.ones(len(values), np.int64)
    (total,) = fixed_sums(zeros, 1, array, ones)
    assert total == sum(round(value * UNIT) for value in values)
    assert fixed_sums(zeros, 1, array, -ones) == [-total]


@given(tallies, tallies, tallies)
def test_merging_is_the_same_in_any_order_and_way(a: OutcomeTally, b: OutcomeTally, c: OutcomeTally) -> None:
    assert merged_outcomes([a, b, c]) == merged_outcomes([c, merged_outcomes([b, a])])
    both = merged_outcomes([a, b])
    assert OutcomeTally.from_state(both.to_state()) == both
    gone = OutcomeTally({cell: -count for cell, count in a.counts.items()}, -a.total, -a.summed, -a.squares, -a.cubes)
    assert not merged_outcomes([a, gone])
    into = {"judge": a.copy()} if a else {}
    add_outcomes(into, {"judge": gone} if gone else {})
    assert into == {}


@pytest.mark.parametrize(("center", "spread"), [(0.7, 0.2), (0.0, 3.0), (-40.0, 12.0), (1e6, 2e5)])
def test_moments_are_those_of_the_values(center: float, spread: float) -> None:
    values = np.random.default_rng(5).normal(center, spread, 20_000)
    moments = number_moments(tally_of(values))
    assert moments[ROWS] == len(values)
    assert moments[SUM] == pytest.approx(values.sum(), rel=1e-6, abs=1e-2)
    mean = moments[SUM] / moments[ROWS]
    assert moments[SQUARES] / moments[ROWS] - mean**2 == pytest.approx(values.var(), rel=0.01)
    third = moments[CUBES] / moments[ROWS] - 3 * mean * moments[SQUARES] / moments[ROWS] + 2 * mean**3
    assert abs(third) < 0.1 * values.std() ** 3


@given(st.lists(numbers, min_size=1, max_size=30), st.lists(numbers, max_size=10))
def test_powers_are_added_in_any_order_and_taken_back(kept: list[float], taken_back: list[float]) -> None:
    both = np.array(kept + taken_back)
    left = merged_outcomes([summed(np.array(taken_back), -1), summed(both[::-1])])
    assert left == summed(np.array(kept))
    exact = [round(value * UNIT) for value in kept]
    assert left.squares == pytest.approx(sum(one**2 for one in exact), rel=1e-12)
    assert left.cubes == pytest.approx(
        sum(one**3 for one in exact), rel=1e-9, abs=1e-9 * sum(abs(one) ** 3 for one in exact)
    )


@pytest.mark.parametrize(("center", "spread"), [(0.7, 0.2), (0.0, 3.0), (-40.0, 12.0), (1e6, 2e5), (2e-4, 1e-4)])
def test_moments_of_a_segment_are_those_of_its_values(center: float, spread: float) -> None:
    values = center + spread * np.random.default_rng(5).gumbel(0, 1, 5_000)
    rows, total, squares, cubes = number_moments(summed(values)).tolist()
    mean = total / rows
    assert (rows, mean) == (5_000, pytest.approx(values.mean(), rel=1e-3, abs=1e-7))
    assert squares / rows - mean**2 == pytest.approx(values.var(), rel=1e-3)
    third = cubes / rows - 3 * mean * squares / rows + 2 * mean**3
    assert third == pytest.approx(((values - values.mean()) ** 3).mean(), rel=0.02)


def test_others_than_a_segment_have_a_spread_however_close_the_values_lie() -> None:
    """What is left of all values without those of a segment, which are alike and on no step of the grid."""
    for own, rest in ((1_000.3, 2_000.0), (1_000.3, 1_000.3), (1.7e12, 1.7e12)):
        alike, others = np.full(900, own), np.full(100, rest)
        left = number_moments(tally_of(np.concatenate((alike, others)))) - number_moments(summed(alike))
        assert left[ROWS] == 100
        assert left[SUM] / 100 == pytest.approx(rest)
        assert left[SQUARES] / 100 - (left[SUM] / 100) ** 2 >= 0


def test_moments_of_the_largest_numbers_are_numbers() -> None:
    moments = number_moments(tally_of(np.array([FURTHEST, -FURTHEST, 2.0**100, 1.0])))
    assert np.isfinite(moments).all()
    assert moments[SUM] == 2.0**100


def test_the_spread_is_never_taken_for_smaller_than_it_is() -> None:
    """All values lie between two places of the grid: it cannot tell them apart."""
    values = np.random.default_rng(5).normal(1e6, 10.0, 5_000)
    moments = number_moments(tally_of(values))
    assert moments[SQUARES] / moments[ROWS] - (moments[SUM] / moments[ROWS]) ** 2 >= values.var()


def test_quantiles_and_shares() -> None:
    values = np.random.default_rng(5).gamma(2.0, 10.0, 20_000)
    tally = tally_of(values)
    for share in (0.05, 0.5, 0.95):
        assert tally.quantile(share) == pytest.approx(np.quantile(values, share), rel=0.02)
    tally.merge(OutcomeTally({"late": 30}))
    assert (tally.values, tally.numbers, tally.texts()) == (20_030, 20_000, {"late": 30})
    assert category_moments(tally, "late").tolist() == [20_030, 30, 30, 30]
    assert OutcomeTally({"late": 3}).mean is None
    assert OutcomeTally().quantile(0.5) is None
