"""Bins of tied columns: atoms alone, quantiles between them, ten in all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.stats.bins.numeric_bins import distinct, numeric_bins, range_of, values_within
from monitor.stats.bins.reference_bins import LARGEST, RANGE_MARGIN
from tests.traffic import Floats, Ints


def counted(values: Floats) -> Ints:
    return np.bincount(np.searchsorted(numeric_bins(values).edges, values), minlength=numeric_bins(values).bins)


def amounts(zeros: float, rows: int = 10_000) -> Floats:
    rng = np.random.default_rng(1)
    return np.where(rng.random(rows) < zeros, 0.0, np.round(np.exp(rng.normal(3, 1, rows)), 2))


@pytest.mark.parametrize("zeros", [0.6, 0.905, 0.95])
def test_zeros_have_their_own_bin_and_the_rest_the_other_nine(zeros: float) -> None:
    values = amounts(zeros)
    counts = counted(values)
    assert len(counts) == 10
    assert counts[0] == (values == 0).sum()
    rest = counts[1:]
    assert rest.min() > 0.8 * rest.max()


def test_mostly_one_value_keeps_both_sides() -> None:
    rng = np.random.default_rng(2)
    assert counted((rng.random(5_000) < 0.95).astype(np.float64)).min() > 150
    marked = np.where(rng.random(5_000) < 0.96, 999.0, rng.integers(0, 28, 5_000))
    counts = counted(marked)
    assert len(counts) == 10
    assert counts[-1] == (marked == 999).sum()


def test_a_column_without_ties_has_the_deciles_it_always_had() -> None:
    values = np.random.default_rng(3).standard_normal(5_000)
    assert len(numeric_bins(values).edges) == 9
    assert numeric_bins(values).edges == pytest.approx(np.quantile(values, np.arange(1, 10) / 10), abs=2e-3)
    assert counted(values).min() > 490


def test_ten_values_and_fewer_have_a_bin_each() -> None:
    values = np.repeat(np.arange(10.0), [1, 500, 3, 90, 1, 2, 40, 7, 7, 7])
    assert numeric_bins(values).edges == tuple(np.arange(9) + 0.5)
    assert numeric_bins(np.array([4.0])).edges == ()


def test_values_that_rounding_makes_are_one_value() -> None:
    values = np.array([0.3, 0.1 + 0.2, float(np.float32(0.3)), 0.31] * 10)
    low, high, counts = distinct(values)
    assert counts.tolist() == [20, 10, 10]  # float32 is farther off than that
    assert numeric_bins(np.array([0.3, 0.1 + 0.2])).bins == 1
    assert low[0] < high[0]


def test_one_huge_value_does_not_make_all_others_one() -> None:
    values = np.random.default_rng(1).standard_normal(5_000)
    alone, marked = numeric_bins(values), numeric_bins(np.append(values, LARGEST))
    assert len(marked.edges) == 9
    assert marked.edges == pytest.approx(alone.edges, abs=2e-3)


def test_many_near_values_in_a_row_are_not_one() -> None:
    values = (
        np.arange(5_000, dtype=np.float64) * 1e8 + 1.79e18
    )  # nanoseconds: each is nearer to the next than rounding by 1e-9
    assert counted(values).min() > 400


def test_rounding_about_zero_is_zero() -> None:
    values = np.tile([0.0, 0.1 + 0.2 - 0.3, -5e-17, 1.0, 2.0, 3.0, 4.0], 100)
    assert counted(values).tolist() == [300, 100, 100, 100, 100]


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(finite, st.integers(-3, 3).map(float)), min_size=1, max_size=120))
@example([LARGEST, -LARGEST, 0.0] * 20)
@example([0.0] * 30 + [5e-324] * 30)
def test_edges_rise_lie_between_values_and_are_nine_at_most(values: list[float]) -> None:
    array = np.array(values)
    bins = numeric_bins(array)
    edges = np.array(bins.edges)
    assert len(edges) <= 9
    assert (np.diff(edges) > 0).all()
    assert np.isfinite(edges).all()
    assert bins.low <= array.min()
    assert bins.high >= array.max()
    low, high, _ = distinct(array)
    for edge in edges:  # with its one-value groups whole, and none of them on the edge's wrong side
        below, above = high[high <= edge], low[low > edge]
        assert len(below) + len(above) == len(low)
        assert len(below)
        assert len(above)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=11, max_size=400))
def test_a_value_with_a_tenth_of_the_rows_is_alone_where_there_is_room(values: list[int]) -> None:
    array = np.array(values, np.float64)
    seen, counts = np.unique(array, return_counts=True)
    atoms = np.flatnonzero(counts * 10 >= len(array))
    between = sum(b - a > 1 for a, b in zip([-1, *atoms.tolist()], [*atoms.tolist(), len(seen)], strict=True))
    if len(seen) > 10 and len(atoms) + between > 10:
        return
    bin_of = np.searchsorted(numeric_bins(array).edges, seen)
    for atom in atoms:
        assert (bin_of == bin_of[atom]).sum() == 1


def test_nine_atoms_with_something_between_each_share_bins() -> None:
    values = np.concatenate([np.repeat(np.arange(9.0), 100), np.arange(9) + 0.5, [-1.0]])
    assert 5 <= numeric_bins(values).bins <= 10


def test_the_margin_is_a_tenth_of_the_range_and_never_less_than_rounding() -> None:
    assert range_of(2.0, 12.0) == pytest.approx((1.0, 13.0))
    low, high = range_of(0.3, 0.3)
    assert low < np.float32(0.3) < high
    assert low < 0.1 + 0.2 < high
    assert high < 0.31
    assert range_of(0.0, 0.0) == (0.0, 0.0)
    assert range_of(-LARGEST, LARGEST) == (-LARGEST, LARGEST)
    old = numeric_bins(np.array([2.0, 12.0]))
    assert (old.low, old.high) == pytest.approx(range_of(2.0, 12.0))
    assert RANGE_MARGIN == 0.1


@pytest.mark.parametrize(("first", "last"), [(1e-4, 1.0), (5_000.0, 400_000.0), (1.0, 11.0), (1e-9, 1e9)])
def test_the_range_of_positive_values_does_not_reach_0(first: float, last: float) -> None:
    low, high = range_of(first, last)
    assert 0 < low < first
    assert low > last / 1_000 * (first / last), "thousandths of the smallest value are outside"
    assert high == pytest.approx(last + 0.1 * (last - first))


@pytest.mark.parametrize(("first", "last"), [(0.0, 5.0), (-1.0, 5.0), (8.0, 10.0), (1e-4, 1.0), (5_000.0, 400_000.0)])
def test_the_values_within_a_range_are_about_those_it_was_made_of(first: float, last: float) -> None:
    assert values_within(*range_of(first, last)) == pytest.approx((first, last), rel=1e-3)


def test_no_values_give_no_column() -> None:
    with pytest.raises(ValueError, match="without values"):
        numeric_bins(np.zeros(0))


def test_whole_numbers_need_no_margin_for_rounding() -> None:
    low, high = range_of(1_790_000_000_000.0, 1_790_000_100_000.0)
    assert (low, high) == (1_789_999_990_000.0, 1_790_000_110_000.0)
    narrow = range_of(52.5, 52.500001)
    assert narrow[1] - 52.500001 > 5e-5
