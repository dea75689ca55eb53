"""Laws of ends and of lasting incidents; changes are planted at event 3,000 (figures: `tests.benchmarks ends`)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from monitor.clock import DAY_US
from tests.planted import SLOW_US, Floats, Life, live, normal, reference_of

SEEDS = range(6)
CHANGE, END = 3_000, 13_000
SHARES = np.array([0.47, 0.35, 0.16, 0.02])


@cache
def numbers(seed: int) -> Floats:
    """Of one column: 10,000 of the reference, 40,000 that follow."""
    return normal([10, seed], 1, 50_000)


def moved(seed: int, shift: float, until: int) -> Life:
    values = numbers(seed)
    after = values[:, 10_000:].copy()
    after[:, CHANGE:until] += shift
    return live(reference_of(values[:, :10_000]), after)


def other_shares(seed: int, points: float, until: int) -> Life:
    rng = np.random.default_rng([11, seed])
    changed = SHARES + np.array([-points, points, 0, 0])
    before = rng.choice(4, 10_000, p=SHARES)[None].astype(float)
    after = rng.choice(4, 40_000, p=SHARES)[None].astype(float)
    after[0, CHANGE:until] = rng.choice(4, until - CHANGE, p=changed)
    return live(reference_of(before, categories=True), after)


def test_a_change_that_stays_is_not_called_over() -> None:
    """37,000 events each: no end in 12 lives (19 of 20 are asked for)."""
    lives = [moved(seed, 0.3, 40_000) for seed in SEEDS] + [other_shares(seed, 0.1, 40_000) for seed in SEEDS]
    assert [len(life.paged()) for life in lives] == [1] * len(lives)
    assert [life.of("resolved") for life in lives] == [[]] * len(lives)


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_a_change_that_ends_is_soon_called_over(shift: float) -> None:
    ends = [[at - END for at in moved(seed, shift, END).of("resolved")] for seed in SEEDS]
    assert all(len(end) == 1 and end[0] > 0 for end in ends)
    after = sorted(end[0] for end in ends)
    assert np.median(after) <= 2_000
    assert after[-1] <= 4_000


@cache
def five_columns(seed: int) -> Floats:
    return normal([12, seed], 5, 80_000)


def lasting(seed: int, second: int | None, shift: float = 0.4) -> Life:
    """The first column moves for good; at 60,000 the column `second` does too. Six events a minute."""
    values = five_columns(seed)
    after = values[:, 10_000:].copy()
    after[0, CHANGE:] += shift
    if second is not None:
        after[second, 60_000:] += shift
    reference = reference_of(values[:, :10_000], span_us=SLOW_US)
    return live(reference, after, span_us=SLOW_US, lasting_after_us=DAY_US)


@pytest.mark.parametrize("seed", range(2))
def test_a_lasting_change_is_a_ticket_after_a_day_and_pages_no_second_time(seed: int) -> None:
    life = lasting(seed, None)
    assert len(life.paged()) == 1
    (at,) = life.of("lasting")
    (paged_at, _), *_ = life.paged()
    assert DAY_US <= (at - paged_at) // 250 * SLOW_US <= DAY_US + 2 * SLOW_US
    assert [one.severity for sent_at, one in life.sent if sent_at > at] == []  # nothing more is reported of it
    assert life.of("resolved") == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("second", [1, 0], ids=["another column", "the same, doubled"])
def test_the_next_real_change_pages_within_ten_thousand_events(seed: int, second: int) -> None:
    life = lasting(seed, second)
    (_, first), (at, subject) = life.paged()
    assert (first, subject) == ("c0", f"c{second}")
    assert 60_000 < at <= 70_000
    assert len({one.incident for _, one in life.sent}) == 2
