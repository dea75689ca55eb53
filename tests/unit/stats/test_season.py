"""Waves of local time: their terms, their fit, and what is left beside them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.season.fit import SlotCounts, choose, expected_shares, fit, left_in_blocks
from monitor.stats.season.terms import DAY, Floats, entries, joined, vectors
from monitor.stats.testing.directions import numeric_directions
from monitor.stats.variance.long_run import BlockSums, block_sizes, residual_blocks, settle
from tests.seasonal_kinds import KINDS, MONDAY, Ints

SLOT = 600.0
BINS = 10


def _slots(days: int) -> Floats:
    return np.asarray((np.arange(int(days * DAY / SLOT)) + 0.5) * SLOT, np.float64)


def slots_of(kind: str, days: int, seed: int, events: int = 60) -> SlotCounts:
    """Slots of ten minutes with so many events each, in the bins of their own deciles; they begin on a Monday."""
    known = next(one for one in KINDS if one.name == kind)
    rng = np.random.default_rng([seed, days])
    local = _slots(days)
    values = known.values(rng, np.repeat(local + MONDAY, events))
    codes = np.searchsorted(np.quantile(values, np.arange(1, BINS) / BINS), values).reshape(len(local), events)
    counts = np.array([np.bincount(row, minlength=BINS) for row in codes])
    return SlotCounts(local, counts)


@pytest.mark.parametrize(
    ("terms", "size"),
    [
        ((), 1),
        (("day4",), 9),
        (("day8",), 17),
        (("hours",), 24),
        (("week",), 2),
        (("day4", "week"), 9 + 5),
        (("hours", "week+"), 24 + 24),
        (("year",), 5),
        (("hours", "year", "week+"), 60),
    ],
)
def test_terms_have_their_entries_each_once(terms: tuple[str, ...], size: int) -> None:
    found = entries(terms)
    assert len(found) == len(set(found)) == size
    assert found[0] == ()
    assert joined([terms, ("day4",), terms])[: len(found)] == found


def test_a_term_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="'month' is no term"):
        entries(("day4", "month"))


def test_the_vector_follows_the_calendar() -> None:
    local = np.array([0.0, 5 * DAY - 1, 5 * DAY, 7 * DAY - 1, 7 * DAY, 3 * 3600.0])
    by_name = dict(zip(entries(("hours", "week")), vectors(entries(("hours", "week")), local).T, strict=True))
    weekend = next(entry for entry in by_name if entry and entry[0].form == "weekend" and len(entry) == 1)
    third = next(entry for entry in by_name if entry and entry[0].form == "hour" and entry[0].number == 3)
    assert by_name[()].tolist() == [1] * 6
    assert by_name[weekend].tolist() == [0, 0, 1, 1, 0, 0]
    assert by_name[third].tolist() == [0, 0, 0, 0, 0, 1]


def test_the_fit_is_that_of_least_squares_over_single_events() -> None:
    slots = slots_of("two peaks 0.6", 3, 1, 7)
    x = vectors(entries(("day4",)), slots.local)
    events = np.repeat(np.arange(len(slots.local)), slots.counts.sum(1))
    codes = np.concatenate([np.repeat(np.arange(BINS), row) for row in slots.counts])
    oracle = np.linalg.lstsq(x[events], np.eye(BINS)[codes], rcond=None)[0]
    found = fit(slots, ("day4",))
    assert np.allclose(found.shares, oracle, atol=1e-10)
    # the harmonics' own errors are made larger by what one event tells of them
    plain = np.linalg.inv(x[events].T @ x[events])
    leverage, usual = (np.einsum("ij,jk,ik->i", x, one, x) for one in (found.error, plain))
    assert np.all(leverage <= usual + 1e-12)
    assert np.all(leverage >= 0.99 * usual)


def test_a_planted_wave_is_fitted_within_its_error() -> None:
    truth = slots_of("sine 0.3", 1, 2, 20_000)
    shares = truth.counts / truth.counts.sum(1, keepdims=True)
    over, tried = 0, 0
    for seed in range(20):
        local = _slots(7)
        rng = np.random.default_rng([seed, 3])
        counts = np.array([rng.multinomial(20, shares[at % len(shares)]) for at in range(len(local))])
        found = fit(SlotCounts(local, counts), ("day4",))
        x = vectors(entries(("day4",)), truth.local)
        error = np.sqrt(np.einsum("ij,jk,ik->i", x, found.error, x)[:, None] * shares * (1 - shares))
        away = np.abs(expected_shares(entries(("day4",)), found, truth.local, np.eye(BINS, dtype=np.bool_)) - shares)
        over += int((away > 2.5 * error).sum())
        tried += away.size
    # 1.2 % of a normal's values lie beyond; the true shares have an error of their own
    assert over / tried < 0.02


@pytest.mark.parametrize(
    ("kind", "days", "terms"),
    [
        ("sine 0.3", 7, ("day4",)),
        ("two peaks 0.6", 7, ("day8",)),
        ("step 0.3", 7, ("hours",)),
        ("sine 0.3, weekend +0.3", 14, ("day4", "week")),
        ("two peaks 0.6, none at weekends", 14, ("day8", "week+")),
        ("sine 0.6", 2, ()),
        ("no wave", 14, ()),
    ],
)
def test_the_terms_that_pay_are_taken(kind: str, days: int, terms: tuple[str, ...]) -> None:
    found = [choose(slots_of(kind, days, seed), numeric_directions(BINS).sets)[0] for seed in range(3)]
    assert found == [terms] * 3


def test_a_column_of_tickets_gets_its_wave_from_two_days() -> None:
    found = choose(slots_of("sine 0.6", 2, 1), numeric_directions(BINS).sets, settled=False)
    assert found[0] == ("day4",)


def test_chance_is_hardly_ever_taken_for_a_wave() -> None:
    taken = [choose(slots_of("no wave", 3, seed, 5), numeric_directions(BINS).sets)[0] for seed in range(60)]
    assert sum(bool(terms) for terms in taken) <= 2


def test_without_values_there_is_no_wave() -> None:
    nothing = SlotCounts(np.zeros(0), np.zeros((0, BINS), np.int64))
    assert choose(nothing, numeric_directions(BINS).sets) == ((), 1.0)


def _dependent(rows: int, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    return np.repeat(rng.integers(0, BINS, rows // 4 + 1), 4)[:rows]


@pytest.mark.parametrize("rows", [3_000, 20_000])
def test_with_a_constant_alone_the_variance_is_that_of_rows_without_a_wave(rows: int) -> None:
    codes, directions = _dependent(rows, 5), numeric_directions(BINS)
    plain = BlockSums(directions.sets)
    plain.add(codes)
    shares = np.array([directions.sets[codes].mean(0)])
    left = 1 - 2.0 ** np.arange(block_sizes(rows)) / rows
    beside = residual_blocks(directions.sets, codes, np.zeros(rows, np.int64), shares, left)
    first, second = settle(plain.finish(), directions.group), settle(beside, directions.group)
    assert (first.block, first.reason) == (second.block, second.reason)
    assert np.allclose(first.variance, second.variance, rtol=1e-9)
    assert np.allclose(first.by_rows, second.by_rows, rtol=1e-9)


def test_a_constant_takes_from_a_block_its_part_of_the_rows() -> None:
    rows = 5_000
    found = left_in_blocks(np.ones((1, 1)), np.array([[1 / rows]]), np.zeros(rows, np.int64), block_sizes(rows))
    assert np.allclose(found, 1 - 2.0 ** np.arange(block_sizes(rows)) / rows)


def test_beside_its_wave_a_column_is_independent() -> None:
    """With the wave in it blocks vary far more than chance; what is left of it does not."""
    slots = slots_of("sine 0.6", 7, 4, 20)
    directions, rng = numeric_directions(BINS), np.random.default_rng(6)
    codes = np.concatenate([rng.permutation(np.repeat(np.arange(BINS), row)) for row in slots.counts])
    times = np.repeat(np.arange(len(slots.local)), slots.counts.sum(1))
    wave = fit(slots, ("day4",))
    x: Floats = vectors(entries(("day4",)), slots.local)
    left = left_in_blocks(x, wave.error, times, block_sizes(len(codes)))
    expected = expected_shares(entries(("day4",)), wave, slots.local, directions.sets)
    beside = settle(residual_blocks(directions.sets, codes, times, expected, left), directions.group)
    plain = BlockSums(directions.sets)
    plain.add(codes)
    assert beside.reason == "independent"
    assert settle(plain.finish(), directions.group).variance.max() > 5
