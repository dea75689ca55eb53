"""Bins of a reference: where the edges lie, what they are called, and what counts as the same category."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import canonical
from monitor.stats.bins.name_bins import BUCKETS, category_bins
from monitor.stats.bins.numeric_bins import numeric_bins
from monitor.stats.bins.reference_bins import (
    CATEGORICAL,
    MISSING,
    OUTSIDE,
    QUALITY_COUNTS,
    QUANTILE_BINS,
    UNSEEN,
    ColumnBins,
    category_codes,
    outside_bins,
    width_of,
)

numbers = st.one_of(
    st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=80),
    st.lists(st.integers(-3, 6).map(float), min_size=1, max_size=80),
)


def bins_of(values: list[float], column: ColumnBins) -> list[int]:
    return [sum(edge < value for edge in column.edges) for value in values]


@settings(deadline=None)
@given(numbers)
def test_edges_rise_and_lie_strictly_between_values_that_occur(values: list[float]) -> None:
    column = numeric_bins(np.array(values))
    assert list(column.edges) == sorted(set(column.edges))
    assert column.bins <= QUANTILE_BINS
    filled = set(bins_of(values, column))
    assert filled == set(range(column.bins))  # so every edge has values on both sides


@settings(deadline=None)
@given(st.lists(st.integers(-3, 6).map(float), min_size=1, max_size=80))
def test_no_value_lies_on_an_edge(values: list[float]) -> None:
    assert not set(numeric_bins(np.array(values)).edges) & set(values)


@settings(deadline=None)
@given(numbers)
def test_every_reference_value_is_inside_the_range_with_its_margin(values: list[float]) -> None:
    column = numeric_bins(np.array(values))
    low, high = min(values), max(values)
    assert column.low <= low <= high <= column.high
    margin = max(0.1 * (high - low), 1e-6 * max(abs(low), abs(high)))
    assert column.high - high == pytest.approx(margin, rel=1e-6, abs=1e-6)


def test_quantile_bins_of_many_values_hold_a_tenth_each() -> None:
    values = np.random.default_rng(2).normal(size=50_000)
    found = np.bincount(bins_of(values.tolist(), numeric_bins(values)))
    assert found / 50_000 == pytest.approx(np.full(10, 0.1), abs=0.001)


def test_a_column_of_one_value_has_one_bin_and_no_edge() -> None:
    column = numeric_bins(np.full(100, 3.5))
    assert (column.bins, column.edges) == (1, ())
    # another way to compute the same number is not a change
    assert column.low < 3.5 * (1 - 1e-15) < 3.5 * (1 + 1e-15) < column.high
    assert (column.low, column.high) == pytest.approx((3.5, 3.5), rel=2e-6)


def test_a_frequent_value_is_not_split_between_bins() -> None:
    values = [0.0] * 700 + [float(x) for x in range(1, 301)]
    column = numeric_bins(np.array(values))
    assert all(edge > 0 for edge in column.edges)
    assert bins_of([0.0], column) == [0]


@pytest.mark.parametrize("make", [lambda: numeric_bins(np.zeros(0)), lambda: category_bins([])])
def test_there_are_no_bins_without_values(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="without values has no bins"):
        make()


@settings(deadline=None)
@given(st.one_of(st.booleans(), st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_category_is_found_under_every_way_to_write_it(value: float | bool) -> None:
    column = category_bins([canonical(value), "other"])
    codes = category_codes(column)
    assert column.categories[codes[canonical(value)]] == canonical(value)
    assert codes[value] == codes[canonical(value)]


def test_true_one_and_the_text_one_are_one_category_and_text_that_only_looks_like_it_is_not() -> None:
    codes = category_codes(category_bins(["1", "0", "01", "1.0", "1e0"] * 50))
    assert codes["1"] == codes[1] == codes[1.0] == codes[True]
    assert len({codes["1"], codes["01"], codes["1.0"], codes["1e0"]}) == 4


def test_categories_without_their_own_bin_share_buckets_that_have_one_name() -> None:
    column = ColumnBins(CATEGORICAL, categories=("a", "7"), buckets=BUCKETS)
    assert category_codes(column) == {"a": 0, "7": 1, 7: 1}
    assert (column.bins, column.named) == (2 + BUCKETS, 2)
    assert column.labels() == ["a", "7", "(other)"]
    assert column.beyond() == ("(never seen)",)


def test_a_category_that_is_called_like_a_bin_is_not_taken_for_it() -> None:
    column = ColumnBins(CATEGORICAL, categories=("(other)", "((other))", "(never seen)"), buckets=BUCKETS)
    assert column.labels() == ["(other)", "((other))", "(never seen)", "(((other)))"]
    assert column.beyond() == ("((never seen))",)


counts_of_a_column = st.lists(st.integers(0, 99), min_size=BUCKETS + 4, max_size=BUCKETS + 4)


@settings(deadline=None)
@given(counts_of_a_column, st.integers(0, 99), st.booleans())
def test_each_value_of_a_category_has_one_label_or_was_never_seen(bins: list[int], unseen: int, pooled: bool) -> None:
    """In buckets a never-seen value is counted twice: in its bucket, and as never seen."""
    column = ColumnBins(CATEGORICAL, categories=tuple("abcd"), buckets=BUCKETS if pooled else 0)
    quality = np.zeros(len(QUALITY_COUNTS), np.int64)
    quality[MISSING] = 50  # no value at all
    quality[UNSEEN] = min(unseen, sum(bins[4:])) if pooled else unseen
    counts = np.concatenate([bins[: column.bins], np.zeros(3, np.int64), quality])
    shown = column.everywhere(counts, 0)
    assert len(shown) == len(column.labels()) + len(column.beyond())
    assert shown[:4].tolist() == bins[:4]
    assert shown[-1] == quality[UNSEEN]
    inside = int(counts[: column.bins].sum())
    assert shown.sum() == inside + (0 if pooled else quality[UNSEEN])
    beside = (quality * outside_bins([column])[0]).sum()
    assert inside + beside == sum(bins[: column.bins]) + 50 + (0 if pooled else quality[UNSEEN])


def test_values_of_numbers_in_their_order_are_below_in_the_bins_and_above() -> None:
    column = numeric_bins(np.arange(3.0))
    counts = np.zeros(3 + len(QUALITY_COUNTS), np.int64)
    counts[:3], counts[3 + OUTSIDE] = [5, 6, 7], 9
    assert column.everywhere(counts, below=4).tolist() == [4, 5, 6, 7, 5]


def test_bins_that_lie_close_together_have_their_own_names() -> None:
    column = numeric_bins(np.arange(1_000, dtype=np.float64) * 1e-9 + 52.37)
    assert column.bins == 10
    assert len({*column.labels(), *column.beyond()}) == 12
    milliseconds = numeric_bins(np.arange(1_790_000_000_000.0, 1_790_000_001_000.0))
    assert len({*milliseconds.labels(), *milliseconds.beyond()}) == 12
    assert not any("e+" in label for label in milliseconds.labels())


def test_every_bin_has_a_name() -> None:
    for column in (numeric_bins(np.arange(50.0)), numeric_bins(np.ones(3)), category_bins("aab")):
        assert len(set(column.labels())) == column.bins
    assert width_of([numeric_bins(np.arange(50.0)), category_bins("aab")]) == 10
    assert width_of([]) == 1


def test_integers_that_a_float_cannot_tell_apart_are_their_own_categories() -> None:
    large = [2**60 + n for n in range(3)]
    codes = category_codes(category_bins([str(n) for n in large] * 50))
    assert [codes[n] for n in large] == [0, 1, 2]
