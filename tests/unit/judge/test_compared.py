"""Columns of one kind side by side are compared as each of them alone."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from monitor.judge.comparison.columns import Compared, Comparison
from monitor.judge.windows.prepared_reference import FASTER, PreparedReference
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.reference.column import Column
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import OUTSIDE, QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import BELOW, Tally
from monitor.stats.testing.directional import MIN_EXPECTED
from monitor.stats.variance.long_run import DEPENDENT, ROWS_WITHOUT_DISTANCE, LongRun
from tests.engine import blank, categorical, numeric

ALPHA = 1e-5
ROWS = 10_000
Ints = NDArray[np.int64]

NUMBERS = [numeric(f"x{at}", edges=range(1, 2 + at % 9)) for at in range(20)]
CLOSED = [categorical(f"c{at}", "abcdef"[: 2 + at]) for at in range(3)]
POOLED = [categorical(f"p{at}", ("a", "b", "c")[: 1 + at], others=("x", "y", "z")) for at in range(2)]


def long_run(column: Column, rng: np.random.Generator, dependent: bool) -> LongRun:
    directions = column.directions().count
    if not dependent:
        return LongRun.independent(directions)
    variance = np.maximum(rng.uniform(1, 6, directions), 1)
    by_rows = np.minimum(rng.uniform(1, 3, (5, directions)), variance)
    return LongRun(16, True, DEPENDENT, variance, rng.uniform(20, 200, directions), by_rows)


def reference(columns: list[Column], rows: int = ROWS) -> Reference:
    """Every other column varies more than independent rows do."""
    rng = np.random.default_rng(1)
    made = blank(columns)
    counts = np.zeros((len(columns), made.width + len(QUALITY_COUNTS)), np.int64)
    for at, column in enumerate(columns):
        counts[at, : column.bins.bins] = rng.multinomial(rows, rng.dirichlet(np.full(column.bins.bins, 3.0)))
    runs = tuple(long_run(column, rng, at % 2 == 1) for at, column in enumerate(columns))
    variability = replace(made.variability, long_runs=runs, kappa=rng.uniform(0, 0.1, len(columns)))
    return replace(made, counts=counts, variability=variability, events=rows)


def alone(whole: Reference, at: int) -> Reference:
    """The reference of one of its columns."""
    column = whole.columns[at]
    quality = whole.counts[at : at + 1, whole.width :]
    counts = np.concatenate([whole.counts[at : at + 1, : column.bins.bins], quality], axis=1)
    return replace(whole, columns=(column,), counts=counts, variability=whole.variability.of([at]))


def live(whole: Reference, seed: int = 2) -> Ints:
    """Counts (W, C, B) of windows of 250, 500, ... values; in some columns a share moves."""
    rng = np.random.default_rng(seed)
    windows = []
    for length in range(7):
        rows = []
        for at, column in enumerate(whole.columns):
            shares = whole.counts[at, : column.bins.bins] / whole.counts[at, : column.bins.bins].sum()
            moved = 0.3 * shares + 0.7 * rng.dirichlet(np.ones(column.bins.bins)) if at % 3 == 0 else shares
            drawn = rng.multinomial(250 << length, moved)
            rows.append(np.pad(drawn, (0, whole.width - column.bins.bins)))
        windows.append(rows)
    return np.array(windows, np.int64)


def figures(comparison: Comparison, column: int, directions: int) -> dict[str, list[float]]:
    """Of one column."""
    found = {one.name: getattr(comparison, one.name)[:, column] for one in fields(Comparison)}
    found["moved"] = found["moved"][:, :directions]
    return {name: values.ravel().tolist() for name, values in found.items()}


COLUMNS = [*NUMBERS[:10], *CLOSED, *NUMBERS[10:], *POOLED]
RATES = np.array([0.5, 1.0, FASTER, 1.2, 3.0, 1.04, 20.0])


@pytest.mark.parametrize("numeric_side", [True, False])
def test_a_comparison_of_25_columns_is_that_of_each_column_alone(numeric_side: bool) -> None:
    whole = reference(COLUMNS)
    prepared = PreparedReference.of(whole)
    side, counts = Compared.of(prepared, numeric=numeric_side), live(whole)
    together = side.compare(counts[:, side.places], RATES, ALPHA)
    assert (together.evidence > 1).any()
    assert (together.evidence < 1).any()
    for place, at in enumerate(side.places.tolist()):
        column = whole.columns[at]
        own = Compared.of(PreparedReference.of(alone(whole, at)), numeric=numeric_side)
        separate = own.compare(counts[:, [at], : column.bins.bins], RATES, ALPHA)
        directions, expected = column.directions().count, figures(separate, 0, column.directions().count)
        for name, values in figures(together, place, directions).items():
            assert values == pytest.approx(expected[name], rel=1e-9, abs=1e-12), (column.name, name)
        assert side.free[place] == own.free[0]
        assert side.settled[place] == own.settled[0]


@pytest.mark.parametrize("numeric_side", [True, False])
def test_windows_evaluated_together_are_compared_as_each_alone(numeric_side: bool) -> None:
    """One that came fast says nothing of the others."""
    whole = reference(COLUMNS)
    side, counts = Compared.of(PreparedReference.of(whole), numeric=numeric_side), live(whole)[:, :, :]
    together = side.compare(counts[:, side.places], RATES, ALPHA)
    for window in range(len(counts)):
        one = side.compare(counts[window : window + 1, side.places], RATES[window : window + 1], ALPHA)
        for field in fields(Comparison):
            expected = getattr(one, field.name)[0].tolist()
            assert getattr(together, field.name)[window].tolist() == expected, field.name


def test_both_sides_have_every_column_once_and_its_tests() -> None:
    prepared = PreparedReference.of(reference(COLUMNS))
    sides = [Compared.of(prepared, numeric=kind) for kind in (True, False)]
    assert sorted([*sides[0].places.tolist(), *sides[1].places.tolist()]) == list(range(25))
    assert all(prepared.ordered[sides[0].places])
    assert not any(prepared.ordered[sides[1].places])
    assert sides[0].tests == 2 * 20
    # one more where names share buckets, if rows are independent
    independent = [at for at, c in enumerate(COLUMNS) if c.bins.buckets and at % 2 == 0]
    assert sides[1].tests == 5 + len(independent) == 6


def window(columns: int, width: int, bins: Ints, below: list[int], outside: list[int]) -> Windows:
    tally = Tally.empty(columns, width)
    tally.counts[:, : bins.shape[1]] = bins
    tally.counts[:, width + OUTSIDE] = outside
    tally.sums[:, BELOW] = below
    tally.predictions = int(bins[0].sum())
    return window_of(1, (Block(0, 10, tally),))


def test_values_outside_the_range_are_in_the_first_or_last_bin_of_their_column() -> None:
    made = reference([numeric("x", edges=(1, 2, 3)), categorical("c", "abcde"), numeric("y", edges=())])
    prepared = PreparedReference.of(made)
    bins = np.array([[10, 20, 30, 40, 0], [1, 2, 3, 4, 5], [50, 0, 0, 0, 0]])
    one = window(3, prepared.width, bins, below=[7, 0, 2], outside=[9, 6, 2])
    before = one.counts.copy()
    numbers, categories = (Compared.of(prepared, numeric=kind) for kind in (True, False))
    assert numbers.values(one, prepared.width).tolist() == [[[17, 20, 30, 42, 0], [52, 0, 0, 0, 0]]]
    assert categories.values(one, prepared.width).tolist() == [[[1, 2, 3, 4, 5]]]
    assert (one.counts == before).all()


def test_the_change_of_each_share_is_of_the_values_as_they_are_compared() -> None:
    made = reference([numeric("x", edges=(1, 2, 3)), POOLED[1], numeric("y", edges=(1,))])
    prepared = PreparedReference.of(made)
    bins = np.array([[10, 20, 30, 40, 0], [1, 2, 3, 4, 5], [50, 20, 0, 0, 0]])
    bins = np.pad(bins, ((0, 0), (0, prepared.width - 5)))
    one = window(3, prepared.width, bins, below=[7, 0, 2], outside=[9, 0, 9])
    numbers, categories = (Compared.of(prepared, numeric=kind) for kind in (True, False))
    expected = [(numbers, 0, 0, [17, 20, 30, 42]), (numbers, 1, 2, [52, 27]), (categories, 0, 1, [1, 2, 3, 4, 5])]
    for side, place, column, known in expected:
        whole = made.columns[column].bins.bins
        counts = known + [0] * (whole - len(known))
        before = made.counts[column, :whole]
        change, values = side.share_change(one, 0, place)
        assert values == sum(counts)
        assert change == pytest.approx(np.array(counts) / sum(counts) - before / before.sum())
        assert change.sum() == pytest.approx(0, abs=1e-12)


def test_what_leaves_the_range_is_a_change_of_the_share_above_every_edge() -> None:
    made = reference([numeric("x", edges=(1, 2, 3))])
    prepared = PreparedReference.of(made)
    side = Compared.of(prepared, numeric=True)
    usual = (made.counts[0, :4] / 10).astype(np.int64)[None]
    few = window(1, 4, usual // 2, below=[0], outside=[int(usual.sum()) // 2])
    comparison = side.compare(side.values(few, 4), np.ones(1), ALPHA)
    above = made.counts[0, 3] / made.counts[0, :4].sum()
    assert comparison.distance[0, 0] == pytest.approx((1 - above) / 2, abs=0.01)
    assert comparison.evidence[0, 0] > 5


def test_the_error_is_that_of_the_share_in_both_samples() -> None:
    made = reference([numeric("x"), numeric("y")])
    side = Compared.of(PreparedReference.of(made), numeric=True)
    counts = live(made)
    found = side.compare(counts, np.ones(len(counts)), ALPHA)
    for w in range(len(counts)):
        for c in range(2):
            direction = found.at[w, c]
            share, variance = side.reference.shares[c, direction], made.variability.long_runs[c].variance[direction]
            n = counts[w, c].sum()
            expected = np.sqrt(share * (1 - share) * variance * (1 / n + 1 / ROWS))
            assert found.error[w, c] == pytest.approx(expected)


def test_chi_square_of_joined_names_is_scipys_and_asked_of_independent_columns_with_buckets() -> None:
    made = reference([POOLED[0], CLOSED[1], POOLED[1], POOLED[0]])  # the last one is dependent
    side, counts = Compared.of(PreparedReference.of(made), numeric=False), live(made)
    found = side.compare(counts, np.ones(len(counts)), ALPHA)
    assert (found.chi[:, [1, 3]] == 0).all()
    assert np.isinf(found.chi_critical[:, [1, 3]]).all()
    for w in range(len(counts)):
        for at in (0, 2):
            freedom = int(found.freedom[w, at])
            assert found.chi_critical[w, at] == pytest.approx(stats.chi2.isf(ALPHA, freedom))
            n = counts[w, at].sum()
            assert 1 <= freedom < n / MIN_EXPECTED  # each group is expected so often
    assert found.spread.max() > 0.1  # columns whose shares moved


def test_an_independent_column_is_free_of_the_largest_distance_from_enough_rows_on() -> None:
    for rows, free in ((ROWS_WITHOUT_DISTANCE, True), (ROWS_WITHOUT_DISTANCE - 1, False)):
        side = Compared.of(PreparedReference.of(reference([numeric("x"), numeric("y")], rows)), numeric=True)
        assert side.free.tolist() == [free, False]


def test_an_empty_window_says_nothing() -> None:
    made = reference(COLUMNS)
    for kind in (True, False):
        side = Compared.of(PreparedReference.of(made), numeric=kind)
        found = side.compare(np.zeros((1, len(side.places), made.width), np.int64), np.ones(1), ALPHA)
        for name in ("evidence", "z", "chi", "distance", "spread"):
            assert not getattr(found, name).any(), name
