"""The arithmetic of promises: against simulated windows, and the laws it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from monitor.stats.testing.directional import DirectionReference, evaluate, smallest_over
from monitor.stats.testing.directions import Directions, category_directions, numeric_directions
from monitor.stats.testing.promise import (
    SEEN,
    SHARE,
    SHIFT,
    ExcessDetection,
    ShareDetection,
    column_promise,
    largest_unseen,
    moved_by,
    paged_within,
    seen_within,
    share_changed,
    smallest_seen,
    windows_until,
)
from monitor.stats.variance.long_run import DEPENDENT, LongRun

Floats = NDArray[np.float64]
LENGTHS = np.array([1, 2, 4, 8, 16, 32, 64])
ALPHA = 1e-7
BASE = 250
DECILES = norm.ppf(np.linspace(0, 1, 11)[1:-1])
POINTS = np.concatenate([[-4.5], DECILES, [4.5]])


def detection(rows: int = 10_000, numeric: bool = True, bins: int = 10) -> ShareDetection:
    """Of independent rows, equal bins."""
    shares = np.full(bins, 1 / bins)
    column = numeric_directions(bins) if numeric else category_directions(bins)
    counts = np.full((1, bins), rows // bins)
    reference = DirectionReference.of(Directions.of([column], bins), counts, [LongRun.independent(column.count)])
    n = (LENGTHS * float(BASE))[:, None]
    return ShareDetection(
        bins=shares,
        sets=column.sets.astype(np.float64),
        over=smallest_over(reference, n, ALPHA)[:, :, 0],
        allowed=np.full(len(LENGTHS), -np.inf),
        live=np.repeat(1 / n, column.count, 1),
        reference=np.full(column.count, 1 / rows),
        doubt=np.zeros(column.count),
        points=POINTS if numeric else np.zeros(0),
        rows=float(rows),
        worth=float(rows),
        starts_after=3,
    )


@pytest.mark.parametrize("n", [250, 1_000, 16_000])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("dependent", [False, True])
def test_the_smallest_change_that_is_over_is_where_the_test_begins_to_page(
    n: int, share: float, dependent: bool
) -> None:
    """Two categories: just below it the judge's own test pages nothing, just above it does."""
    run = LongRun.independent(1)
    if dependent:
        run = LongRun(8, True, DEPENDENT, np.array([2.5]), np.array([80.0]), np.full((4, 1), 1.5))
    counts = np.array([[round(100_000 * share), round(100_000 * (1 - share))]])
    reference = DirectionReference.of(Directions.of([category_directions(2)], 2), counts, [run])
    over = smallest_over(reference, np.array([[float(n)]]), ALPHA)[:, 0, 0, 0]
    for sign, move in zip((-1, 1), over.tolist(), strict=True):
        if not math.isfinite(move):  # not even all of its events
            assert not _pages(reference, n, n if sign > 0 else 0)
            continue
        hits = n * (share + sign * move)
        assert _pages(reference, n, math.ceil(hits + 1e-3) if sign > 0 else math.floor(hits - 1e-3))
        assert not _pages(reference, n, math.floor(hits - 1) if sign > 0 else math.ceil(hits + 1))
    if share == 0.5 and n >= 1_000:
        assert np.isfinite(over).all()


def _pages(reference: DirectionReference, n: int, hits: int) -> bool:
    return bool(evaluate(reference, np.array([[[hits, n - hits]]]), ALPHA).large[0, 0])


def test_more_events_of_the_reference_or_a_larger_change_never_page_later() -> None:
    sizes = (0.2, 0.3, 0.5, 1.0)
    waits = np.array([[_wait(rows, size) for size in sizes] for rows in (5_000, 10_000, 50_000)])
    assert np.isfinite(waits[:, 1:]).all()
    assert (waits[:, 1:] <= waits[:, :-1]).all()
    assert (waits[1:] <= waits[:-1]).all()


def _wait(rows: int, size: float) -> float:
    return windows_until(detection(rows).chances(size), LENGTHS)


@pytest.mark.parametrize(("numeric", "form"), [(True, SHIFT), (False, SHARE)])
def test_what_is_seen_within_a_day_is_above_what_is_not_seen(numeric: bool, form: str) -> None:
    one, a_day = detection(numeric=numeric), 576.0
    smallest, unseen = smallest_seen(one, LENGTHS, a_day), largest_unseen(one, LENGTHS, a_day)
    assert one.form == form
    assert 0 < unseen < smallest
    assert seen_within(one.chances(1.01 * smallest), LENGTHS, a_day).min() >= SEEN
    assert seen_within(one.chances(0.98 * smallest), LENGTHS, a_day).min() < SEEN
    assert paged_within(one.chances(0.98 * unseen, at_most=True), LENGTHS, a_day).max() <= 1 - SEEN
    # a shift moves the share of its worst cut by the density there at the most
    assert one.moved(smallest) <= smallest * (norm.pdf(0) * 1.02 if numeric else 1)


def test_a_normal_column_moves_its_shares_as_a_normal_distribution_does() -> None:
    """No cut by more than it does, as far as both ways of filling a bin agree; most of it is seen."""
    one = detection()
    for size in (0.1, 0.3, 0.5, 1.0):
        cuts = one.moves(size)[:, : len(DECILES)]
        for sign, moves in zip((1, -1), cuts, strict=True):
            truth = norm.cdf(DECILES - sign * size) - norm.cdf(DECILES)
            assert (np.abs(moves) <= np.abs(truth) * 1.02 + 1e-3).all()
            assert np.abs(moves).max() >= 0.95 * np.abs(truth).max()


def test_a_change_of_a_share_gives_what_it_takes() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    for after in share_changed(shares, 0.1):
        assert after.sum() == pytest.approx(1)
        assert np.isclose(np.abs(after - shares).max(), 0.1)
    assert len(share_changed(shares, 0.1)) == 6
    assert len(share_changed(shares, 0.4)) == 4  # 0.3 and 0.2 cannot lose so much
    assert len(share_changed(np.array([1.0]), 0.1)) == 0
    assert moved_by(POINTS, np.full(10, 0.1), 0.0, 10_000).sum(1) == pytest.approx([1, 1])


def test_the_chance_of_a_window_is_that_of_drawn_windows() -> None:
    """Missing values: against binomial windows and references, within three standard errors."""
    rng, events, share, draws = np.random.default_rng(3), np.array([500.0, 4_000.0]), 0.02, 20_000
    critical = np.array([25.0, 200.0])
    rows = 10_000
    one = ExcessDetection(share, math.sqrt(share * (1 - share) / rows), events, critical, np.ones(2))
    truth = share + math.sqrt(share * (1 - share) / rows) * rng.standard_normal(draws) + 0.025
    for at in range(2):
        seen = (rng.binomial(int(events[at]), truth) >= critical[at]).mean()
        assert one.chances(0.025)[0, at].mean() == pytest.approx(seen, abs=0.02)


def test_windows_that_overlap_page_no_later_than_is_promised() -> None:
    """Of base windows that are normal noise, any size of the change: the share that paged in time is 95 % or more."""
    rng, runs = np.random.default_rng(4), 2_000
    for length, room in ((2, -0.8), (8, 0.5), (16, -0.5), (64, 0.0)):
        at = int(np.log2(length))
        chances = np.zeros((1, len(LENGTHS), 10))
        chances[0, at] = norm.cdf(room)
        promised = windows_until(chances, LENGTHS)
        waited = int(promised - max(1, length / 64))
        noise = np.cumsum(rng.standard_normal((runs, waited)), 1)
        sums = np.concatenate([np.zeros((runs, 1)), noise], 1)
        looks = (sums[:, length:] - sums[:, :-length]) / math.sqrt(length)
        paged = (looks + room > 0).any(1).mean()
        assert paged >= SEEN - 3 * math.sqrt(SEEN * (1 - SEEN) / runs), (length, room)


def test_nothing_is_promised_of_a_column_that_may_not_page() -> None:
    one = detection()
    quiet = ShareDetection(**{name: getattr(one, name) for name in one.__slots__} | {"why_not": "too short"})
    promise = column_promise("x", quiet, None, LENGTHS, 250.0, 1e6, 576.0)
    assert promise.why_not == "too short"
    assert all(map(math.isinf, (promise.size, promise.named.us, promise.smallest, promise.moved, promise.unseen)))
    assert promise.missing == ()
    told = column_promise("x", one, None, LENGTHS, 250.0, 1e6, 576.0)
    assert told.size == 0.3
    assert told.named.events == 250 * told.named.windows
