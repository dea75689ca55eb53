"""The watch on live traffic: quiet where the reference holds, loud where it was shuffled or is too calm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.state.codec import decode, encode
from monitor.stats.testing.directional import DirectionReference
from monitor.stats.testing.directions import ColumnDirections, Directions, category_directions, numeric_directions
from monitor.stats.variance.live_watch import (
    FEWEST,
    FEWEST_ALIKE,
    LENGTHS,
    Variability,
    Watch,
    kappa,
    pairs_by_chance,
    variability,
    watched_cuts,
    watched_freedom,
)
from monitor.stats.variance.long_run import BlockSums, LongRun, settle
from tests.traffic import Floats, Ints, autoregressive, deciles, in_runs, windows_of

NUMERIC = numeric_directions(10)


def reference_of(codes: Ints) -> DirectionReference:
    sums = BlockSums(NUMERIC.sets)
    sums.add(codes)
    found = settle(sums.finish(), NUMERIC.group)
    return DirectionReference.of(Directions.of([NUMERIC], 10), np.bincount(codes, minlength=10)[None], [found])


def kappa_of(codes: Ints) -> Floats:
    same = (codes[1:] == codes[:-1]).sum()
    chance, _ = pairs_by_chance(np.bincount(codes, minlength=10))
    return kappa(np.array([same]), np.array([len(codes) - 1]), np.array([chance]))


def objections(reference: DirectionReference, known: Floats, live: Ints, after: int = FEWEST) -> Floats:
    """Share of base windows behind the first `after` that are (restless, too alike, either): no page is sent then."""
    watch, flags = Watch.empty(1, 10), []
    for codes, counts in zip(live[: len(live) // 250 * 250].reshape(-1, 250), windows_of(live, 10), strict=True):
        watch.add(reference, counts[None], np.array([(codes[1:] == codes[:-1]).sum()]), np.array([249]))
        flags.append((watch.restless(reference)[0], watch.too_alike(known, reference.rows)[0]))
    found = np.array(flags[after:])
    return np.append(found.mean(0), found.any(1).mean())


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9])
def test_traffic_like_the_reference_is_let_be(coefficient: float) -> None:
    rng = np.random.default_rng(1)
    codes = deciles(autoregressive(rng, 20_000, coefficient))
    live = deciles(autoregressive(rng, 75_000, coefficient))
    restless, alike, _ = objections(reference_of(codes), kappa_of(codes), live)
    assert restless < 0.05
    assert alike == 0


@pytest.mark.parametrize(("kind", "after"), [("ar 0.5", 48), ("ar 0.9", FEWEST), ("runs of 10", FEWEST)])
def test_a_shuffled_reference_is_noticed(kind: str, after: int) -> None:
    """At once where neighbours vary several times as much; half as much again takes some 50 windows to be told."""
    rng = np.random.default_rng(3)
    rows = autoregressive(rng, 50_000, float(kind[3:])) if kind.startswith("ar") else in_runs(rng, 50_000, 10)
    codes = deciles(rows)
    shuffled = rng.permutation(codes[:10_000])
    restless, alike, either = objections(reference_of(shuffled), kappa_of(shuffled), codes[10_000:], after)
    assert either > 0.8
    assert kind == "ar 0.5" or min(restless, alike) > 0.9


def test_a_shift_of_level_is_not_overdispersion() -> None:
    rng = np.random.default_rng(3)
    live = np.concatenate([rng.standard_normal(24_000), rng.standard_normal(25_000) + 1.5])  # between two windows of 16
    codes = deciles(rng.standard_normal(10_000))
    restless, _, _ = objections(reference_of(codes), kappa_of(codes), deciles(live))
    assert restless < 0.05


def test_the_unrest_of_two_windows_is_the_mean_of_squares_over_what_is_expected() -> None:
    rng = np.random.default_rng(4)
    reference = reference_of(rng.integers(0, 10, 5_000))
    before, after = rng.multinomial(250, np.full(10, 0.1)), rng.multinomial(310, np.full(10, 0.1))
    wanted = []
    for d in np.flatnonzero(watched_cuts(reference, 280.0)[0]):
        x, y = (c[NUMERIC.sets[:, d]].sum() / c.sum() for c in (before, after))
        middle = (x + y) / 2
        wanted.append((x - y) ** 2 / (middle * (1 - middle) * (1 / 250 + 1 / 310)))
    assert len(wanted) == 9
    assert variability(reference, before[None], after[None])[0] == pytest.approx(np.mean(wanted))
    assert np.isnan(variability(reference, before[None], 0 * after[None])[0])


def test_where_no_cut_is_expected_often_enough_the_ones_in_the_middle_are_watched() -> None:
    rng = np.random.default_rng(5)
    reference = reference_of(rng.integers(0, 10, 5_000))
    watched = watched_cuts(reference, 12.0)[0]
    assert np.flatnonzero(watched).tolist() == [4]
    shares = np.array([[970, 20, 10]])
    directions = Directions.of([category_directions(3)], 3)
    sums = BlockSums(category_directions(3).sets)
    sums.add(np.repeat([0, 1, 2], shares[0]))
    rare = DirectionReference.of(directions, shares, [settle(sums.finish(), directions.group[0])])
    assert watched_cuts(rare, 50.0)[0].any()


def test_more_windows_are_waited_for_where_a_column_is_not_surely_independent() -> None:
    watch, reference = Watch.empty(2, 10), reference_of(np.arange(5_000) % 10)
    two = DirectionReference.of(
        Directions.of([NUMERIC] * 2, 10), np.full((2, 10), 500), [LongRun.independent(NUMERIC.count)] * 2
    )
    assert reference.rows.tolist() == two.rows[:1].tolist()
    new = []
    for _ in range(FEWEST + 1):
        new.append(watch.too_new(np.array([True, False])).tolist())
        watch.add(two, np.full((2, 10), 25), np.full(2, 25), np.full(2, 249))
    assert new == [[at < FEWEST_ALIKE, True] for at in range(FEWEST + 1)]
    assert watch.too_new(np.array([True, False])).tolist() == [False, False]


@pytest.mark.parametrize(
    ("directions", "shares"),
    [
        (numeric_directions(10), np.full(10, 0.1)),
        (category_directions(2), np.array([0.6, 0.4])),
        (category_directions(4), np.array([0.4, 0.4, 0.15, 0.05])),
    ],
    ids=["number", "two categories", "four categories"],
)
def test_independent_columns_are_called_restless_as_seldom_as_is_meant(
    directions: ColumnDirections, shares: Floats
) -> None:
    """Over 80,000 events one column in 80, by whatever length of window (before, one in 12 numbers)."""
    rng, columns = np.random.default_rng(10), 320
    reference = DirectionReference.of(
        Directions.of([directions] * columns, len(shares)),
        rng.multinomial(10_000, shares, columns),
        [LongRun.independent(directions.count)] * columns,
    )
    watched = [Variability(length, columns, len(shares)) for length in LENGTHS]
    ever = np.zeros(columns, np.bool_)
    for _ in range(320):
        counts = rng.multinomial(250, shares, columns)
        for one in watched:
            one.add(reference, counts)
            if one.filled == 0:
                ever |= one.restless(reference)
    assert ever.sum() <= stats.binom.ppf(0.99, columns, 1 / 80)


def test_the_freedom_of_a_mean_square_is_one_over_the_mean_squared_correlation() -> None:
    reference = reference_of(np.random.default_rng(11).integers(0, 10, 5_000))
    draws = np.random.default_rng(12).multinomial(250, reference.bin_shares[0], 20_000)
    correlation = np.corrcoef((draws @ NUMERIC.sets[:, NUMERIC.group == 0]).T)
    assert watched_freedom(reference, 250.0)[0] == pytest.approx(1 / (correlation**2).mean(), rel=0.03)
    two = DirectionReference.of(
        Directions.of([category_directions(2)], 2), np.array([[60, 40]]), [LongRun.independent(1)]
    )
    assert watched_freedom(two, 250.0)[0] == pytest.approx(1)


def test_a_long_watch_keeps_a_fixed_number_of_differences_and_merges_base_windows() -> None:
    rng = np.random.default_rng(6)
    reference = reference_of(rng.integers(0, 10, 5_000))
    four, by_hand, blocks = Variability(4, 1, 10), Variability(1, 1, 10), []
    for _ in range(4 * 70):
        counts = rng.multinomial(250, np.full(10, 0.1))[None]
        four.add(reference, counts)
        blocks.append(counts)
    for at in range(0, len(blocks), 4):
        by_hand.add(reference, np.sum(blocks[at : at + 4], axis=0))
    assert four.differences.shape == (1, 64)
    assert (four.differences == by_hand.differences).all()


def test_the_state_goes_on_where_it_was_left() -> None:
    rng = np.random.default_rng(7)
    codes = deciles(autoregressive(rng, 30_000, 0.8))
    reference, known = reference_of(rng.permutation(codes)), np.array([0.0])
    straight, stopped = Watch.empty(1, 10), Watch.empty(1, 10)
    for counts in windows_of(codes, 10):
        pair = (counts[None], np.array([60]), np.array([249]))
        straight.add(reference, *pair)
        stopped = Watch.from_state(decode(encode(stopped.to_state())))
        stopped.add(reference, *pair)
        assert (straight.restless(reference) == stopped.restless(reference)).all()
        assert (straight.too_alike(known, reference.rows) == stopped.too_alike(known, reference.rows)).all()
    assert straight.restless(reference)[0]
    assert straight.too_alike(known, reference.rows)[0]


def test_a_watch_of_no_column_comes_back_from_its_state() -> None:
    """A model may have no category at all."""
    watch = Watch.from_state(decode(encode(Watch.empty(0, 10).to_state())))
    none = DirectionReference.of(Directions.of([], 10), np.zeros((0, 10), np.int64), [])
    assert watch.too_new(np.zeros(0, np.bool_)).shape == (0,)
    assert watch.too_alike(np.zeros(0), np.zeros(0)).shape == (0,)
    assert watch.restless(none).shape == (0,)


@pytest.mark.parametrize("columns", [1, 3])
def test_a_watch_of_several_columns_comes_back_from_its_state(columns: int) -> None:
    rng = np.random.default_rng(9)
    counts = rng.multinomial(250, np.full(10, 0.1), size=(40, columns))
    directions = Directions.of([NUMERIC] * columns, 10)
    runs = [LongRun.independent(NUMERIC.count)] * columns
    reference = DirectionReference.of(directions, np.full((columns, 10), 100), runs)
    known, watch = np.zeros(columns), Watch.empty(columns, 10)
    for window in counts:
        watch = Watch.from_state(decode(encode(watch.to_state())))
        watch.add(reference, window, np.full(columns, 25), np.full(columns, 249))
        assert not watch.restless(reference).any()
        assert not watch.too_alike(known, reference.rows).any()
    assert (watch.alike.shape, watch.variability[0].differences.shape) == ((8, columns, 3), (columns, 39))


def test_a_column_that_stays_away_is_not_watched() -> None:
    rng = np.random.default_rng(8)
    reference = reference_of(rng.integers(0, 10, 5_000))
    watch, nothing = Watch.empty(1, 10), np.zeros((1, 10), np.int64)
    for _ in range(20):
        watch.add(reference, nothing, np.array([0]), np.array([0]))
    assert not watch.restless(reference)[0]
    assert not watch.too_alike(np.array([0.0]), reference.rows)[0]
    unknown = np.array([np.nan])
    for _ in range(20):
        watch.add(reference, rng.multinomial(250, np.full(10, 0.1))[None], np.array([249]), np.array([249]))
    assert not watch.too_alike(unknown, reference.rows)[0]
    assert watch.too_alike(np.array([0.0]), reference.rows)[0]


def test_kappa_is_nothing_by_chance_and_one_in_a_single_run() -> None:
    assert kappa(np.array([10.0]), np.array([100.0]), np.array([0.1])) == pytest.approx(0)
    assert kappa(np.array([100.0]), np.array([100.0]), np.array([0.1])) == pytest.approx(1)
    chance, n = pairs_by_chance(np.array([[3, 1], [0, 1], [0, 0]]))
    assert chance.tolist() == [(3 * 2) / (4 * 3), 0.0, 0.0]
    assert n.tolist() == [4, 1, 0]


def test_a_shift_of_level_inside_a_base_window_does_not_make_near_events_alike() -> None:
    watch = Watch.empty(1, 2)
    reference = DirectionReference.of(
        Directions.of([numeric_directions(2)], 2), np.array([[5_000, 5_000]]), [LongRun.independent(1)]
    )
    half = np.array([[125, 125]])
    # ten panes of 25 events, as alike as by chance
    same, pairs = np.array([10 * 25 * 24 // 2]), np.array([10 * 25 * 24])
    for _ in range(3):
        watch.add(reference, half, same, pairs)
    assert not watch.too_alike(np.zeros(1), reference.rows).any()
    watch.add(reference, half, pairs, pairs)  # all of one bin, then all of the other
    assert not watch.too_alike(np.zeros(1), reference.rows).any()
    watch.add(reference, half, pairs, pairs)
    assert watch.too_alike(np.zeros(1), reference.rows).all(), "a second such window is no accident"
