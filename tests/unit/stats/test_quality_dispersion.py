"""The dispersion of facts, against its own formulas and against bursts, runs and single hits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from monitor.stats.testing.evidence import exact_excess_tail
from monitor.stats.variance.quality_dispersion import (
    MOST_CLUMP,
    by_length,
    excess_critical,
    excess_tail,
    lasts,
    spans,
    stream_clump,
    windows_tail,
)
from tests.traffic import Floats, Ints, autoregressive, deciles, in_blocks, in_runs, windows_of


def hits_of(flags: Ints | NDArray[np.bool_], size: int = 250) -> tuple[Ints, Ints]:
    hits = flags.reshape(-1, size).sum(1)[:, None].astype(np.int64)
    return hits, np.full_like(hits, size)


def test_single_hits_have_the_dispersion_one_and_runs_their_length() -> None:
    rng = np.random.default_rng(1)
    found = [by_length(*hits_of(rng.random(50_000) < 0.02), 1.0)[0] for _ in range(20)]
    assert all(one.max() < 2.2 for one in found)
    assert np.median([one[0] for one in found]) == 1.0
    runs = by_length(*hits_of(np.repeat(rng.random(5_000) < 0.02, 10)), 1.0)[0]
    assert runs[0] == pytest.approx(10, rel=0.4)


def test_one_burst_is_divided_by_its_size() -> None:
    flags = np.zeros(10_000, np.int64)
    flags[5_000:5_015] = 1
    assert by_length(*hits_of(flags), 1.0)[0, 0] == pytest.approx(15, rel=0.05)
    few = np.zeros((4, 1), np.int64)
    few[1] = 15
    assert by_length(few, np.full((4, 1), 250), 1.0)[0].tolist() == [15.0] * 3


@settings(deadline=None, max_examples=50)
@given(st.floats(0.1, 500))
def test_without_a_hit_the_streams_clumping_is_taken_up_to_ten(clump: float) -> None:
    found = by_length(np.zeros((40, 3), np.int64), np.full((40, 3), 250), clump)
    assert found.shape == (3, 6)
    assert (found == min(max(clump, 1.0), MOST_CLUMP)).all()


def test_fifty_of_fifty_hits_are_far_over_at_the_most_clumping() -> None:
    one = np.ones(1)
    for m in (2_000, 10_000):
        p = excess_tail(50 * one, 50 * one, 0 * one, m * one, MOST_CLUMP * one, MOST_CLUMP * one)
        assert p[0] < (1e-9 if m == 2_000 else 2e-13)


def test_a_hit_that_is_not_clearly_clumped_has_the_streams_clumping_within_its_error() -> None:
    flags = np.zeros(10_000, np.int64)
    flags[::1_000] = 1
    clear = 1 + 2 * np.sqrt(2 / 39)
    assert by_length(*hits_of(flags), 1.0)[0, 0] == 1.0
    assert by_length(*hits_of(flags), 1.2)[0, 0] == pytest.approx(1.2)
    assert by_length(*hits_of(flags), 180.0)[0, 0] == pytest.approx(clear)
    assert by_length(*hits_of(flags), None, 4.0)[0, 0] == 4.0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1_000), st.integers(1, 70), st.floats(1, 12))
def test_dispersion_never_falls_with_length_and_is_at_least_one(seed: int, windows: int, clump: float) -> None:
    rng = np.random.default_rng(seed)
    events = rng.integers(0, 400, (windows, 4))
    found = by_length(rng.binomial(events, rng.random(4)), events, clump)
    assert found.shape == (4, windows.bit_length())
    assert (found >= 1).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.isfinite(found).all()


def test_slow_waves_of_a_fact_show_at_longer_lengths() -> None:
    rng = np.random.default_rng(2)
    level = 0.03 * (1 + np.sin(np.arange(64_000) / 64_000 * 2 * np.pi * 8))
    found = by_length(*hits_of(rng.random(64_000) < level), 1.0)[0]
    assert found[3] > 2 * found[0]


def stack_of(columns: list[Floats]) -> Ints:
    return np.stack([windows_of(deciles(one), 10) for one in columns], axis=1)


def test_the_streams_clumping_is_that_of_most_columns() -> None:
    rng = np.random.default_rng(3)
    plain = [rng.standard_normal(10_000) for _ in range(5)]
    assert stream_clump(stack_of(plain)) < 1.1
    assert stream_clump(stack_of([in_runs(rng, 10_000, 10) for _ in range(5)])) == pytest.approx(10, rel=0.2)
    assert 2.5 < stream_clump(stack_of([autoregressive(rng, 10_000, 0.9) for _ in range(5)])) < 6
    restless = [in_blocks(rng, 10_000, 700, shift=5.0) for _ in range(2)]
    assert stream_clump(stack_of(plain[:3] + restless)) < 1.5
    assert stream_clump(stack_of(plain[:1] + [in_blocks(rng, 10_000, 700, 5.0) for _ in range(3)])) > 3


def test_a_slow_season_is_not_dispersion() -> None:
    rng = np.random.default_rng(4)
    swing = 0.7 * np.sin(np.arange(10_000) * 2 * np.pi / 4_300)
    columns = [(rng.standard_normal(10_000) + swing) / np.sqrt(1.25) for _ in range(5)]
    assert stream_clump(stack_of(columns)) < 1.6


def test_nothing_to_measure_is_not_dispersion() -> None:
    assert stream_clump(np.zeros((0, 3, 4), np.int64)) == 1
    assert stream_clump(np.zeros((9, 3, 4), np.int64)) == 1
    assert stream_clump(np.full((9, 2, 1), 250)) == 1
    assert stream_clump(np.zeros((5, 0, 4), np.int64)) == 1


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(60, 400), st.integers(0, 90), st.integers(100, 3_000))
def test_the_tail_of_independent_hits_is_fishers(hits: int, n: int, before: int, m: int) -> None:
    one = np.ones(1)
    p = excess_tail(hits * one, n * one, before * one, m * one, one, one)[0]
    if hits * m <= before * n:
        assert p == 1
    else:
        table = np.array([[hits, n - hits], [before, m - before]])
        assert p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.sampled_from([1, 2, 5]), st.sampled_from([1, 2, 4]))
def test_more_clumping_is_less_evidence(hits: int, overdispersion: int, more: int) -> None:
    """Of clumps that divide the reference's hits: where they do not, its effective hits are rounded up by less."""
    x = np.ones(2)
    both = excess_tail(hits * x, 100 * x, 40 * x, 60_000 * x, overdispersion * x, overdispersion * np.array([1, more]))
    assert both[1] >= both[0] * (1 - 1e-9)
    same = exact_excess_tail(hits * x, 100 * x, 40 * x, 60_000 * x, overdispersion * x)
    assert both[0] == pytest.approx(same[0])


def test_windows_with_a_hit_are_counted_whatever_the_size_of_a_burst() -> None:
    k, of = np.array([4.0, 4, 4, 1]), np.array([4.0, 4, 1, 4])
    p = windows_tail(k, of, np.array([1.0, 21, 0, 1]), np.full(4, 40.0))
    assert p[0] == pytest.approx(stats.fisher_exact(np.array([[4, 0], [1, 39]]), alternative="greater").pvalue)
    assert p[1] == 1  # more than half of the reference's windows have one
    assert p[2] == 1  # one window alone
    assert p[3] > 0.1


@pytest.mark.parametrize("share", [0.002, 0.02])
def test_hits_of_independent_events_are_over_as_often_as_they_say(share: float) -> None:
    rng = np.random.default_rng(5)
    exceedance, evaluations = np.zeros(2), 0
    for _ in range(40):
        flags = (rng.random(10_000) < share).astype(np.int64)
        overdispersion = by_length(*hits_of(flags), 1.0)[0, 0]
        hits = rng.binomial(250, share, 1_000).astype(np.float64)
        each = np.ones(1_000)
        p = excess_tail(
            hits, 250 * each, flags.sum() * each, 10_000 * each, overdispersion * each, overdispersion * each
        )
        exceedance += [(p < 1e-2).sum(), (p < 1e-3).sum()]
        evaluations += 1_000
    assert exceedance[0] <= 1.2e-2 * evaluations
    assert exceedance[1] <= 2e-3 * evaluations


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), min_size=1, max_size=12))
def test_a_span_runs_from_the_first_pane_with_a_hit_to_the_last(panes: list[tuple[int, int]]) -> None:
    hits, events = (np.array(x)[:, None] for x in zip(*panes, strict=True))
    with_hit = [at for at, (hit, _) in enumerate(panes) if hit]
    wanted = sum(n for _, n in panes[with_hit[0] : with_hit[-1] + 1]) if len(with_hit) > 1 else 0
    assert spans(hits, events).tolist() == [wanted]


@pytest.mark.parametrize(
    ("share", "hits", "span", "expected"),
    [
        (0.5, 2, 0, True),  # half of the events
        (0.49, 2, 124, False),
        (0.02, 2, 125, True),  # hits far apart
        (0.02, 200, 124, False),  # many in a burst
        (0.2, 20, 0, True),  # many, and a fifth of the events
        (0.2, 19, 0, False),
        (0.19, 20, 0, False),
    ],
)
def test_half_of_the_events_or_a_fifth_and_many_or_a_long_span_is_not_a_burst(
    share: float, hits: int, span: int, expected: bool
) -> None:
    assert lasts(share, hits, span) is expected


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([1e-3, 1e-6, 1e-9]),
    st.integers(0, 150),
    st.integers(0, 60),
    st.integers(1, 4_000),
    st.sampled_from([1.0, 1.3, 4.3, 10.0]),
    st.sampled_from([1.0, 2.5, 10.0]),
)
def test_the_fewest_hits_that_are_over_are_those_that_trying_all_finds(
    alpha: float, n: int, before: int, more: int, overdispersion: float, of_reference: float
) -> None:
    least = excess_critical(alpha, n, before, before + more, overdispersion, of_reference)
    hits, each = np.arange(n + 1.0), np.ones(n + 1)
    tails = excess_tail(
        hits, n * each, before * each, (before + more) * each, overdispersion * each, of_reference * each
    )
    over = hits[tails < alpha]
    assert least == (over[0] if len(over) else n + 1)
    assert len(over) == n + 1 - least  # and none above it is not over


def test_clumped_hits_must_be_more_to_be_over() -> None:
    least = [excess_critical(1e-6, 500, 10, 10_000, phi, phi) for phi in (1.0, 2.0, 5.0, 10.0)]
    assert least == sorted(least)
    assert 1 < least[0] < least[-1] < 500
    assert excess_critical(1e-9, 3, 0, 10, 1.0, 1.0) == 4  # not even all of three
