"""Pairs of near events that share a bin, against counting every pair."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.state.codec import decode, encode
from monitor.stats.bins.agreement import FEWEST_TOGETHER, Agreement
from monitor.stats.variance.live_watch import kappa, pairs_by_chance
from tests.traffic import Floats, Ints, autoregressive, deciles

BINS = 4
Pane = list[int]

panes = st.lists(st.lists(st.integers(0, BINS), max_size=12), max_size=12)


def counts_of(codes: Pane) -> Ints:
    """(1, BINS) of one column; the code BINS is an event without a value."""
    return np.bincount(np.array(codes, np.int64), minlength=BINS + 1)[None, :BINS]


def add(agreement: Agreement, window: list[Pane]) -> None:
    for codes in window:
        agreement.add(counts_of(codes), len(codes))


def pairs_in(window: list[Pane]) -> tuple[int, int]:
    """(same, pairs) of a base window by looking at every pair of values that came together."""
    together: list[list[int]] = [[]]
    for codes in window:
        if len(together[-1]) >= FEWEST_TOGETHER:
            together.append([])
        together[-1].extend(codes)
    near = [(a, b) for codes in together for a, b in permutations([code for code in codes if code < BINS], 2)]
    return sum(a == b for a, b in near), len(near)


@settings(deadline=None)
@given(st.lists(panes, min_size=1, max_size=3))
def test_pairs_are_those_of_panes_that_hold_a_few_events_and_no_base_window_knows_of_another(
    windows: list[list[Pane]],
) -> None:
    agreement = Agreement(1, BINS)
    for window in windows:
        add(agreement, window)
        same, pairs = agreement.close()
        assert (int(same[0]), int(pairs[0])) == pairs_in(window)


@settings(deadline=None)
@given(panes, panes)
def test_it_goes_on_from_its_state_as_if_it_had_never_stopped(first: list[Pane], second: list[Pane]) -> None:
    uncut, stopped = Agreement(1, BINS), Agreement(1, BINS)
    add(uncut, first + second)
    add(stopped, first)
    restored = Agreement.from_state(decode(encode(stopped.to_state())))
    add(restored, second)
    assert [x.tolist() for x in restored.close()] == [x.tolist() for x in uncut.close()]


@given(panes, panes)
def test_columns_know_nothing_of_each_other(first: list[Pane], second: list[Pane]) -> None:
    both, alone = Agreement(2, BINS), Agreement(1, BINS)
    for one, other in zip(first, second, strict=False):
        both.add(np.concatenate([counts_of(one), counts_of(other)]), len(one))
        alone.add(counts_of(one), len(one))
    assert [x[:1].tolist() for x in both.close()] == [x.tolist() for x in alone.close()]


def kappa_of(values: Floats, events_per_pane: int) -> float:
    """Of base windows of 250 events."""
    agreement, sums = Agreement(1, 10), np.zeros(4)
    for window in deciles(values).reshape(-1, 250):
        for start in range(0, 250, events_per_pane):
            codes = window[start : start + events_per_pane]
            agreement.add(np.bincount(codes, minlength=10)[None], len(codes))
        same, pairs = agreement.close()
        chance, n = pairs_by_chance(np.bincount(window, minlength=10)[None])
        sums += [same[0], pairs[0], (chance * n)[0], n[0]]
    return float(kappa(sums[:1], sums[1:2], sums[2:3] / sums[3])[0])


@pytest.mark.parametrize("events_per_pane", [1, 5, 16, 50])
def test_near_events_are_no_more_alike_where_events_are_independent(events_per_pane: int) -> None:
    rng = np.random.default_rng(1)
    found = [kappa_of(rng.standard_normal(10_000), events_per_pane) for _ in range(10)]
    assert np.abs(found).max() < 0.02
    assert abs(float(np.mean(found))) < 0.004


@pytest.mark.parametrize("events_per_pane", [1, 5, 16, 50])
def test_near_events_are_more_alike_where_events_go_on_as_they_were(events_per_pane: int) -> None:
    rng = np.random.default_rng(2)
    assert kappa_of(autoregressive(rng, 10_000, 0.9), events_per_pane) > 0.02
    values = autoregressive(rng, 10_000, 0.98)
    assert kappa_of(values, events_per_pane) > kappa_of(rng.permutation(values), events_per_pane) + 0.06
