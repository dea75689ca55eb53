"""When a finding is over, and when it is lasting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stats.testing.ending import (
    FEWER,
    end_windows,
    has_ended,
    is_fewer,
    is_lasting,
    is_news,
    joined,
    left_of,
    left_of_cut,
    left_of_shares,
)

HOUR_US = 3_600 * 1_000_000
changes = st.lists(st.integers(-50, 50), min_size=2, max_size=10).map(lambda x: np.array(x, np.float64) / 100)


@settings(deadline=None, max_examples=50)
@given(changes, st.floats(-2, 2))
def test_a_change_that_shrinks_to_a_part_has_that_part_left(then: np.ndarray, part: float) -> None:
    reference = np.full(len(then), 1 / len(then))
    if np.abs(then).max() > 0:
        assert left_of_shares(part * then, then, reference) == pytest.approx(part, abs=1e-9)
    if np.abs(np.cumsum(then)[:-1]).max() > 0:
        assert left_of_cut(part * then, then) == pytest.approx(part, abs=1e-9)


def test_only_what_goes_the_way_of_the_opening_is_left() -> None:
    then = np.array([0.1, -0.1, 0.0, 0.0])
    other = np.array([0.0, 0.0, 0.2, -0.2])
    assert left_of_shares(other, then, np.full(4, 0.25)) == 0
    assert left_of_shares(-then, then, np.full(4, 0.25)) == pytest.approx(-1)
    assert left_of(-0.02, 0.1) == pytest.approx(-0.2)


def test_a_rare_names_change_counts_for_more() -> None:
    then, reference = np.array([0.05, 0.0, -0.05]), np.array([0.01, 0.5, 0.49])
    rare_stays, common_stays = np.array([0.05, -0.05, 0.0]), np.array([0.0, 0.05, -0.05])
    assert left_of_shares(rare_stays, then, reference) > 0.9 > left_of_shares(common_stays, then, reference)


def test_the_cut_is_that_of_the_opening() -> None:
    then, now = np.array([-0.1, 0.1, 0.0]), np.array([-0.02, -0.2, 0.22])
    assert left_of_cut(now, then) == pytest.approx(0.2)


def test_nothing_known_of_the_opening_ends_nothing() -> None:
    assert left_of(0.3, 0.0) == 1
    assert left_of_cut(np.array([0.0]), np.array([0.0])) == 1
    assert left_of_shares(np.zeros(3), np.zeros(3), np.ones(3)) == 1
    assert not has_ended(float("nan"), 0.0)
    assert not has_ended(0.0, float("nan"))


def test_an_end_needs_both() -> None:
    assert has_ended(0.99, 0.25)
    assert not has_ended(1.0, 0.0)
    assert not has_ended(0.2, 0.26)
    assert has_ended(0.2, -1.0)


@pytest.mark.parametrize(
    ("opened", "longest", "windows"), [(1, 64, 3), (2, 64, 4), (8, 64, 16), (64, 64, 64), (1, 2, 2)]
)
def test_the_end_is_tested_over_twice_what_it_opened_on(opened: int, longest: int, windows: int) -> None:
    assert end_windows(opened, longest) == windows


def test_lasting_needs_time_and_measurements() -> None:
    day = 24 * HOUR_US
    assert is_lasting(day, day, 16, 1)
    assert not is_lasting(day - 1, day, 100, 1)
    assert not is_lasting(2 * day, day, 15, 1)
    assert not is_lasting(2 * day, day, 31, 16)
    assert is_lasting(2 * day, day, 32, 16)
    assert is_lasting(0, 0, 16, 8)


def test_next_to_a_lasting_one_another_key_is_news_and_half_as_much_again() -> None:
    assert is_news(0.01, None)
    assert not is_news(0.149, 0.1)
    assert is_news(0.151, 0.1)


def test_rare_shares_change_together_and_common_ones_alone() -> None:
    """Of 1,000 values five are expected of a share of 0.5 %."""
    reference = np.array([0.6, 0.39, *[0.001] * 10])
    change = np.array([-0.05, 0.0, 0.05, *[0.0] * 9])
    then = joined(change, reference, 1_000)
    assert then[:2].tolist() == [-0.05, 0.0]
    assert then[2:] == pytest.approx([0.005] * 10)
    other = np.array([-0.05, 0.0, *[0.0] * 9, 0.05])  # another of the rare ones has it now
    assert left_of_shares(other, then, reference) == pytest.approx(1)
    assert joined(change, reference, 10_000).tolist() == change.tolist()  # enough of each


@settings(deadline=None, max_examples=50)
@given(changes, st.integers(1, 2_000), st.floats(-2, 2))
def test_joining_keeps_the_sum_and_what_is_left_of_a_change_as_a_whole(
    change: np.ndarray, values: int, part: float
) -> None:
    reference = np.arange(1.0, len(change) + 1) / sum(range(1, len(change) + 1))
    then = joined(change, reference, values)
    assert then.sum() == pytest.approx(change.sum(), abs=1e-12)
    if np.abs(then).max() > 1e-9:
        assert left_of_shares(part * change, then, reference) == pytest.approx(part, abs=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("events", [1, 50, 400])
def test_hits_are_fewer_only_where_the_binomial_tail_is_small(events: int, share: float) -> None:
    for hits in range(events + 1):
        tail = sum(math.comb(events, k) * share**k * (1 - share) ** (events - k) for k in range(hits + 1))
        if is_fewer(hits, events, share):
            assert tail <= FEWER
        if share < 1 and tail <= FEWER / (50 * events):  # the bound is not much larger than the tail
            assert is_fewer(hits, events, share)
    assert not is_fewer(0, 0, share)
