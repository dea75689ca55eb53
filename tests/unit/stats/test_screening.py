"""Bounds tell what is true: nothing that an exact test finds over is called quiet, and tests are counted as made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stats.bins.name_bins import BUCKETS, NameBins, joined_chi_square, regroup
from monitor.stats.testing.directional import DirectionReference, divergence, evaluate
from monitor.stats.testing.directions import ColumnDirections, Directions, category_directions, numeric_directions
from monitor.stats.testing.evidence import chi_square_critical, exact_excess_critical, exact_excess_tail
from monitor.stats.testing.screening import SIZE_STEPS, DirectionScreen, NameScreen, size_steps, tail_may_be_below
from monitor.stats.variance.long_run import DEPENDENT, LongRun
from tests.traffic import Floats, Ints

BINS = 8
COLUMNS: list[ColumnDirections] = [
    numeric_directions(BINS),
    category_directions(5),
    category_directions(2),
    category_directions(4, 4),
    numeric_directions(1),
]
SIZES = (0, 1, 7, 19, 20, 21, 40, 250, 260, 1_000, 16_000, 300_000)
ALPHAS = (1e-2, 1e-3, 1e-5, 1e-8)


def long_run(directions: int, rng: np.random.Generator, dependent: bool) -> LongRun:
    if not dependent:
        return LongRun.independent(directions)
    variance = rng.uniform(1, 8, directions)
    return LongRun(
        int(rng.integers(0, 300)), True, DEPENDENT, variance, rng.uniform(5, 200, directions), np.ones((3, directions))
    )


def reference_of(rng: np.random.Generator, rows: int) -> tuple[DirectionReference, Ints]:
    """Even, lopsided and nearly constant columns, some of dependent rows; and their counts."""
    counts = np.zeros((len(COLUMNS), BINS), np.int64)
    for at, column in enumerate(COLUMNS):
        bins = column.sets.shape[0]
        counts[at, :bins] = rng.multinomial(rows, rng.dirichlet(np.full(bins, rng.choice([0.1, 1.0, 20.0]))))
    runs = [long_run(column.count, rng, bool(rng.random() < 0.4)) for column in COLUMNS]
    return DirectionReference.of(Directions.of(COLUMNS, BINS), counts, runs), counts


def windows_near(rng: np.random.Generator, reference: Ints) -> Ints:
    """A window of each size, as the reference or a little off: near the thresholds is where a bound may fail."""
    shares = reference / reference.sum(1, keepdims=True)
    bins = np.array([column.sets.shape[0] for column in COLUMNS])
    out = np.zeros((len(SIZES), *reference.shape), np.int64)
    for w, c in np.ndindex(len(SIZES), len(COLUMNS)):
        much, other = rng.choice([0.0, 0.01, 0.03, 0.1, 0.5]), rng.dirichlet(np.ones(bins[c]))
        out[w, c, : bins[c]] = rng.multinomial(SIZES[w], (1 - much) * shares[c, : bins[c]] + much * other)
    return out


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.sampled_from([200, 2_000, 10_000, 1_000_000]), alpha=st.sampled_from(ALPHAS))
def test_no_direction_that_is_over_is_called_quiet(seed: int, rows: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    reference, known = reference_of(rng, rows)
    screen, counts = DirectionScreen(reference), windows_near(rng, known)
    n = counts.sum(2)
    may_be_over, found = screen.may_be_over(counts, n, alpha), evaluate(reference, counts, alpha)
    assert not (found.exceedance > 1)[~may_be_over].any()
    assert screen.tests(n).tolist() == found.tests.tolist()
    # traffic that comes faster varies more
    faster = np.concatenate([reference.faster(n[w : w + 1], rng.uniform(1.05, 20)) for w in range(len(n))])
    found = evaluate(reference, counts, alpha, faster)
    assert not (found.exceedance > 1)[~may_be_over].any()
    assert screen.tests(n, faster).tolist() == found.tests.tolist()


def test_a_share_of_all_or_none_diverges_by_nothing_and_warns_of_nothing() -> None:
    """A reference's share may be rounded to a little beside 0 or 1 where the pool of both is not, and the other way."""
    ulp = np.finfo(np.float64).eps
    shares = np.array([0.0, 1.0, 1 - ulp, 1 + ulp, 1.0, 5e-324, 0.0, 0.25])
    pools = np.array([0.0, 1.0, 1.0, 1.0, 1 + ulp, 0.0, 5e-324, 0.5])
    with np.errstate(all="raise", under="ignore"):
        found = divergence(shares, pools)
    assert found[:-1] == pytest.approx(0, abs=1e-12)
    assert found[-1] == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5))


def test_windows_like_the_reference_are_quiet() -> None:
    """A bound that calls everything possible would cost more than it saves."""
    rng = np.random.default_rng(1)
    known = np.tile(np.full(10, 1_000), (25, 1))
    directions = [numeric_directions(10)] * 25
    runs = [LongRun.independent(directions[0].count)] * 25
    screen = DirectionScreen(DirectionReference.of(Directions.of(directions, 10), known, runs))
    counts = rng.multinomial(250, np.full(10, 0.1), (400, 25))
    assert screen.may_be_over(counts, counts.sum(2), 1e-6).sum() <= 1


@pytest.mark.parametrize("share", [0.5, 0.1, 0.004, 1 / 3, 0.07])
def test_a_test_is_counted_from_the_very_event_on_from_which_it_is_made(share: float) -> None:
    rows = 1_000_000
    known = np.array([[round(rows * share), rows - round(rows * share)]])
    directions = numeric_directions(2)
    run = LongRun(0, True, DEPENDENT, np.full(1, 2.5), np.full(1, 50.0), np.ones((0, 1)))
    reference = DirectionReference.of(Directions.of([directions], 2), known, [run])
    n = np.arange(1, 20_000)[:, None]
    made = evaluate(reference, np.stack([n, np.zeros_like(n)], 2), 1e-3).tests
    assert made.any()
    assert not made.all()
    assert DirectionScreen(reference).tests(n).tolist() == made.tolist()


def names_of(rng: np.random.Generator) -> NameBins:
    names = int(rng.integers(0, 12))
    counts = np.sort(rng.integers(1, 4_000, names))[::-1]
    tail = rng.multinomial(int(rng.integers(40, 4_000)), rng.dirichlet(np.full(BUCKETS, 0.7)))
    return NameBins(tuple(range(names + 1)), rng.integers(0, BUCKETS, names), np.concatenate([counts, tail]))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), alpha=st.sampled_from(ALPHAS))
def test_no_joined_names_that_are_over_are_called_quiet(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    names, width = {0: names_of(rng), 2: names_of(rng)}, 12 + BUCKETS
    screen, counts = NameScreen(names, width), np.zeros((len(SIZES), 3, width), np.int64)
    for place, one in names.items():
        shares = one.reference / one.reference.sum()
        for w, size in enumerate(SIZES):
            much, other = rng.choice([0.0, 0.02, 0.1, 0.4]), rng.dirichlet(np.ones(len(shares)))
            counts[w, place, : len(shares)] = rng.multinomial(size, (1 - much) * shares + much * other)
    n = counts.sum(2)
    may_be_over, tested = screen.of(counts, n, alpha)
    for w, place in np.ndindex(len(SIZES), 3):
        if place not in names or not n[w, place]:
            assert not may_be_over[w, place]
            assert not tested[w, place]
            continue
        one, (step,) = names[place], size_steps(n[w : w + 1, place]).tolist()
        groups = screen.groups(place, step)
        assert groups.tolist() == one.join(2.0 ** (step / SIZE_STEPS)).tolist()
        live = regroup(counts[w, place, : len(one.reference)], groups)
        chi, freedom = joined_chi_square(regroup(one.reference, groups), live)
        assert tested[w, place] == (freedom > 0)
        critical = float(chi_square_critical(alpha, np.array([freedom], np.float64))[0])
        assert may_be_over[w, place] or not chi > critical


@settings(max_examples=300, deadline=None)
@given(data=st.data(), alpha=st.sampled_from(ALPHAS))
def test_no_tail_below_alpha_is_called_quiet(data: st.DataObject, alpha: float) -> None:
    n, m = (data.draw(st.integers(1, most)) for most in (50_000, 1_000_000))
    reference = min(m, round(10 ** data.draw(st.floats(-1, np.log10(m)))))
    least = exact_excess_critical(alpha, n, reference, m, 1.0)
    for hits in (least, least + 1, 2 * least):
        if hits <= n:  # never where nothing is over
            one, events, known, rows = (np.array([float(x)]) for x in (hits, n, reference, m))
            assert exact_excess_tail(one, events, known, rows, np.ones(1))[0] < alpha
            assert tail_may_be_below(alpha, one, events, known, rows)[0]


def test_no_excess_is_quiet_whatever_alpha() -> None:
    same: Floats = np.array([0.0, 10.0, 5.0])
    assert not tail_may_be_below(0.99, same, np.full(3, 100.0), np.full(3, 100.0), np.full(3, 1_000.0)).any()
