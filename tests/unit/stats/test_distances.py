"""Distances against SciPy, against closed forms, and what every distance owes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from monitor.stats.distances import DISTANCES, ORDERED_ONLY, PSI_FLOOR
from tests.oracles import expand

Ints = NDArray[np.int64]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Two count vectors of the same bins, both with something in them."""
    bins = draw(st.integers(1, 9))
    sides = [draw(st.lists(st.integers(0, 400), min_size=bins, max_size=bins)) for _ in range(2)]
    for side in sides:
        side[draw(st.integers(0, bins - 1))] += 1
    return np.array(sides[0]), np.array(sides[1])


@settings(deadline=None)
@given(pairs())
def test_jensen_shannon_is_that_of_scipy_to_base_two(pair: tuple[Ints, Ints]) -> None:
    expected = float(jensenshannon(pair[0], pair[1], base=2))
    assert DISTANCES["jensen_shannon"](*pair) == pytest.approx(0 if math.isnan(expected) else expected, abs=1e-7)


@settings(deadline=None)
@given(pairs())
def test_kolmogorov_smirnov_is_that_of_scipy_on_the_ranks(pair: tuple[Ints, Ints]) -> None:
    expected = ks_2samp(expand(3 * pair[0]), expand(3 * pair[1]), method="asymp").statistic
    assert DISTANCES["ks"](*pair) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(pairs())
def test_wasserstein_is_that_of_scipy_on_ranks_between_nought_and_one(pair: tuple[Ints, Ints]) -> None:
    ranks = np.arange(len(pair[0])) / max(len(pair[0]) - 1, 1)
    expected = wasserstein_distance(ranks, ranks, pair[0], pair[1])
    assert DISTANCES["wasserstein"](*pair) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(pairs())
def test_hellinger_psi_and_the_largest_change_are_their_formulas(pair: tuple[Ints, Ints]) -> None:
    p, q = ((side / side.sum()).tolist() for side in pair)
    affinity = sum(math.sqrt(a * b) for a, b in zip(p, q, strict=True))
    assert DISTANCES["hellinger"](*pair) == pytest.approx(math.sqrt(max(0.0, 1 - affinity)), abs=1e-7)
    floored = [(max(a, PSI_FLOOR), max(b, PSI_FLOOR)) for a, b in zip(p, q, strict=True)]
    assert DISTANCES["psi"](*pair) == pytest.approx(sum((b - a) * math.log(b / a) for a, b in floored), abs=1e-12)
    assert DISTANCES["linf"](*pair) == pytest.approx(max(abs(a - b) for a, b in zip(p, q, strict=True)))


@settings(deadline=None)
@given(pairs())
def test_no_distance_is_negative_and_all_are_the_same_both_ways(pair: tuple[Ints, Ints]) -> None:
    for name, distance in DISTANCES.items():
        there, back = distance(pair[0], pair[1]), distance(pair[1], pair[0])
        assert there >= 0, name
        assert there == pytest.approx(back, abs=1e-9), name
        if name != "psi":
            assert there <= 1 + 1e-12, name


@settings(deadline=None)
@given(pairs())
def test_the_distance_of_equal_shares_is_zero(pair: tuple[Ints, Ints]) -> None:
    for name, distance in DISTANCES.items():
        assert distance(pair[0], 3 * pair[0]) == pytest.approx(0, abs=1e-7), name


@settings(deadline=None)
@given(st.lists(pairs().filter(lambda pair: len(pair[0]) >= 2), min_size=1, max_size=5))
def test_many_at_once_are_each_alone(some: list[tuple[Ints, Ints]]) -> None:
    bins = min(len(reference) for reference, _ in some)
    sides = [np.stack([pair[side][:bins] for pair in some]) for side in (0, 1)]  # a side may be empty then
    for name, distance in DISTANCES.items():
        alone = [float(distance(reference, window)) for reference, window in zip(*sides, strict=True)]
        assert distance(*sides).tolist() == pytest.approx(alone, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_an_empty_side_is_at_no_distance(name: str) -> None:
    nothing, some = np.zeros(3, np.int64), np.array([1, 2, 3])
    assert math.isnan(DISTANCES[name](nothing, some))
    assert math.isnan(DISTANCES[name](some, nothing))


def test_only_the_distances_that_need_an_order_change_with_the_order() -> None:
    reference, window = np.array([500, 300, 150, 50]), np.array([100, 200, 300, 400])
    order = [2, 0, 3, 1]
    changed = {
        name
        for name, distance in DISTANCES.items()
        if distance(reference, window) != pytest.approx(distance(reference[order], window[order]))
    }
    assert changed == ORDERED_ONLY
