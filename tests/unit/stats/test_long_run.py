"""Long-run variances against brute force, and against what is known of the processes they are learned from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.testing.directions import category_directions, numeric_directions
from monitor.stats.variance import long_run
from monitor.stats.variance.long_run import (
    DEPENDENT,
    GROWS,
    INDEPENDENT,
    TOO_SHORT,
    BlockSums,
    BlockVariances,
    LongRun,
    settle,
)
from tests.traffic import Floats, Ints, autoregressive, deciles, in_blocks, in_runs

NUMERIC = numeric_directions(10)


def learned(codes: Ints) -> BlockVariances:
    sums = BlockSums(NUMERIC.sets)
    sums.add(codes)
    return sums.finish()


def settled(codes: Ints) -> LongRun:
    return settle(learned(codes), NUMERIC.group)


def by_brute_force(codes: Ints, block: int) -> tuple[Floats, Floats]:
    """Ratio and excess kurtosis of all blocks that start every max(1, block / 8) rows."""
    parts = NUMERIC.sets[codes].astype(np.float64)
    share = parts.mean(0)
    starts = range(0, len(codes) - block + 1, max(1, block // 8))
    away = np.array([parts[at : at + block].sum(0) - block * share for at in starts])
    square = (away**2).mean(0)
    ratio = square / (block * share * (1 - share)) / (1 - block / len(codes))
    return ratio, (away**4).mean(0) / square**2 - 3


@pytest.mark.parametrize("rows", [800, 2_000, 20_000])
def test_the_variances_are_those_of_all_overlapping_blocks(rows: int) -> None:
    codes = deciles(autoregressive(np.random.default_rng(2), rows, 0.8))
    found = learned(codes)
    assert found.rows == rows
    assert found.shares == pytest.approx(NUMERIC.sets[codes].mean(0))
    assert found.ratios[0].tolist() == [1.0] * NUMERIC.count
    sizes = len(found.ratios)
    assert 1 << (sizes - 1) <= rows / 8 < 1 << sizes
    for size in range(1, sizes):
        ratio, kurtosis = by_brute_force(codes, 1 << size)
        assert found.ratios[size] == pytest.approx(ratio, rel=1e-9)
        assert found.kurtosis[size] == pytest.approx(kurtosis, rel=1e-9, abs=1e-9)


def test_blocks_longer_than_a_piece_are_made_of_whole_pieces() -> None:
    rows = 16 * long_run.PIECE + 100
    codes = np.random.default_rng(3).integers(0, 10, rows)
    found = learned(codes)
    size = long_run.PIECE.bit_length()
    assert len(found.ratios) == size + 1
    ratio, _ = by_brute_force(codes, 1 << size)
    assert found.ratios[size] == pytest.approx(ratio, rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_the_result_is_the_same_for_any_cut_into_pieces(data: st.DataObject) -> None:
    codes = deciles(autoregressive(np.random.default_rng(4), 18_000, 0.5))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(codes)), max_size=6)))
    sums = BlockSums(NUMERIC.sets)
    for part in np.split(codes, cuts):
        sums.add(part)
    found, whole = sums.finish(), learned(codes)
    for name in ("shares", "ratios", "kurtosis"):
        assert (getattr(found, name) == getattr(whole, name)).all()


def test_few_rows_or_one_value_alone_say_nothing() -> None:
    for codes in (np.zeros(0, np.int64), np.array([3]), np.arange(10), np.full(5_000, 2)):
        found = settled(codes)
        assert (found.reason, found.block, found.settled) == (INDEPENDENT, 0, True)
        assert (found.variance == 1).all()
        assert np.isinf(found.freedom).all()


def test_independent_columns_are_found_independent_but_for_one_in_fifty() -> None:
    rng = np.random.default_rng(5)
    wrong = sum(settled(rng.integers(0, 10, 4_000)).reason != INDEPENDENT for _ in range(150))
    assert stats.binom.sf(wrong - 1, 150, 0.02) > 1e-3


@pytest.mark.parametrize("coefficient", [0.5, 0.9])
def test_the_variance_of_an_autoregressive_column_is_that_of_a_long_stream(coefficient: float) -> None:
    """V of the middle cut is 1 + 2 sum 2/pi asin(a^k): the sign of a Gaussian process."""
    lags = np.arange(1, 400)
    truth = 1 + 2 * (2 / np.pi * np.arcsin(coefficient**lags)).sum()
    rng = np.random.default_rng(6)
    found = [settled(deciles(autoregressive(rng, 10_000, coefficient))) for _ in range(30)]
    kept = [one for one in found if one.settled]
    assert len(kept) >= 25
    assert {one.reason for one in kept} == {DEPENDENT}
    middle = [one.variance[4] for one in kept]
    assert 0.9 < np.median(middle) / truth < 1.35
    assert min(middle) > 0.6 * truth
    assert all((one.freedom > 5).all() for one in kept)


def test_runs_of_ten_have_a_variance_of_ten() -> None:
    found = settled(deciles(in_runs(np.random.default_rng(7), 20_000, 10)))
    assert found.settled
    assert found.block >= 8
    assert np.median(found.variance) == pytest.approx(10, rel=0.15)


def test_waves_as_long_as_the_reference_settle_at_nothing() -> None:
    rng = np.random.default_rng(8)
    reasons = {settled(deciles(in_blocks(rng, 4_000, 700))).reason for _ in range(12)}
    assert reasons & {TOO_SHORT, GROWS}
    assert INDEPENDENT not in reasons
    walk = np.cumsum(rng.standard_normal(10_000))
    assert not settled(np.searchsorted(np.quantile(walk, np.arange(1, 10) / 10), walk)).settled


def test_a_mean_that_still_grows_is_not_settled() -> None:
    rows, sizes = 100_000, 14
    ratios = np.ones((sizes, NUMERIC.count))
    ratios[2:] = 3.0
    flat = BlockVariances(rows, np.full(NUMERIC.count, 0.5), ratios, np.zeros_like(ratios))
    assert settle(flat, NUMERIC.group).reason == DEPENDENT
    growing = ratios.copy()
    growing[-1] *= long_run.GROWING + 0.01
    found = settle(BlockVariances(rows, flat.shares, growing, flat.kurtosis), NUMERIC.group)
    assert (found.settled, found.reason) in {(False, GROWS), (False, TOO_SHORT)}


def test_no_direction_has_less_than_the_mean_of_its_group() -> None:
    found = settled(deciles(autoregressive(np.random.default_rng(9), 5_000, 0.7)))
    assert found.reason == DEPENDENT
    for group in (0, 1):
        own = found.variance[NUMERIC.group == group]
        assert own.min() <= own.mean()  # the mean of what was raised is higher than the floor
        assert own.min() > 0.8 * np.median(own)


def test_heavy_tailed_blocks_cost_degrees_of_freedom() -> None:
    shares, ratios = np.full(NUMERIC.count, 0.5), np.full((9, NUMERIC.count), 4.0)
    ratios[0] = 1.0
    plain = settle(BlockVariances(5_000, shares, ratios, np.zeros_like(ratios)), NUMERIC.group)
    heavy = settle(BlockVariances(5_000, shares, ratios, np.full_like(ratios, 2.0)), NUMERIC.group)
    assert plain.freedom == pytest.approx(0.375 * 5_000 / plain.block)
    assert heavy.freedom == pytest.approx(plain.freedom / 2)


@pytest.mark.parametrize("coefficient", [0.0, 0.9])
def test_plain_values_give_the_same_back(coefficient: float) -> None:
    found = settled(deciles(autoregressive(np.random.default_rng(10), 5_000, coefficient)))
    again = LongRun.from_plain(json.loads(json.dumps(found.to_plain(), allow_nan=False)))
    assert (again.block, again.settled, again.reason) == (found.block, found.settled, found.reason)
    for name in ("variance", "freedom", "by_rows"):
        assert (getattr(again, name) == getattr(found, name)).all()
        assert getattr(again, name).shape == getattr(found, name).shape


def test_a_sticky_category_is_dependent() -> None:
    rng = np.random.default_rng(11)
    keep = rng.random(20_000) < 0.9
    keep[0] = False
    new = rng.choice(4, 20_000, p=[0.4, 0.3, 0.2, 0.1])
    codes = new[np.maximum.accumulate(np.where(keep, 0, np.arange(20_000)))]
    directions = category_directions(4)
    sums = BlockSums(directions.sets)
    sums.add(codes.astype(np.uint8))
    found = settle(sums.finish(), directions.group)
    assert found.settled
    assert found.variance == pytest.approx(19, rel=0.4)  # 1 + 2 (0.9 + 0.81 + ...)
