"""Rates and gaps: against NumPy and SciPy, and one false ticket a month on traffic of several kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from monitor.clock import MINUTE_US, SECOND_US
from monitor.stats.traffic import (
    MIN_WINDOWS,
    STEPS,
    Traffic,
    TrafficLearner,
    effect_of,
    judged,
    learned_levels,
    tail_above,
    tail_below,
)

PANE = 10 * SECOND_US
ALPHA = 1e-6


def learned(times: np.ndarray, base_us: int = 160 * SECOND_US) -> Traffic | None:
    """Of events at these times, pane by pane."""
    learner = TrafficLearner()
    panes = times // PANE
    for pane in np.unique(panes).tolist():
        learner.add(pane * PANE, (pane + 1) * PANE, times[panes == pane])
    return learner.finish(base_us)


def steady(events: int = 12_000, seed: int = 1) -> np.ndarray:
    """Times of independent events, 100 a minute."""
    gaps = np.random.default_rng(seed).exponential(0.6 * SECOND_US, events)
    return np.cumsum(gaps).astype(np.int64)


def test_gap_and_rate_are_those_of_numpy() -> None:
    times = steady()
    traffic = learned(times)
    assert traffic is not None
    assert traffic.gap_us == np.quantile(np.diff(times), 0.999, method="higher")
    assert traffic.step_us == 160 * SECOND_US // STEPS
    counts = np.bincount(times // traffic.step_us)[1:-1]
    assert (traffic.steps, traffic.most) == (len(counts), counts.max())
    assert traffic.per_step == pytest.approx(counts.mean(), rel=1e-5)
    for level in traffic.levels:
        sliding = np.convolve(counts, np.ones(level.steps), "valid") / counts.mean() / level.steps
        assert (level.least, level.most) == pytest.approx((sliding.min(), sliding.max()), rel=1e-5)
        assert level.windows == len(counts) // level.steps >= MIN_WINDOWS


def test_the_limit_of_silence_is_five_gaps_and_at_least_two_minutes() -> None:
    assert Traffic(gap_us=SECOND_US, step_us=PANE).stopped_after_us == 2 * MINUTE_US
    assert Traffic(gap_us=MINUTE_US, step_us=PANE).stopped_after_us == 5 * MINUTE_US


def test_a_step_is_whole_panes_and_a_short_reference_has_no_rate() -> None:
    assert learned(steady(), base_us=90 * SECOND_US).step_us == 30 * SECOND_US  # type: ignore[union-attr]
    short = learned(steady(5_000))
    assert short is not None
    assert short.levels == ()
    assert judged(short, [1] * 100, ALPHA, 0.5) is None
    assert learned(steady(1)) is None


def test_it_survives_its_file() -> None:
    traffic = learned(steady())
    assert traffic is not None
    assert Traffic.from_plain(json.loads(json.dumps(traffic.to_plain()))) == traffic


@pytest.mark.parametrize("events", [0, 3, 40, 99, 180])
@pytest.mark.parametrize("dispersion", [1.5, 4.0, 40.0])
def test_tails_are_those_of_a_negative_binomial(events: int, dispersion: float) -> None:
    size = 100 / (dispersion - 1)
    oracle = nbinom(size, size / (size + 100))
    assert oracle.mean() == pytest.approx(100)
    assert oracle.var() == pytest.approx(100 * dispersion)
    assert tail_below(events, 100.0, dispersion) == pytest.approx(oracle.cdf(events), rel=1e-6, abs=1e-300)
    assert tail_above(events, 100.0, dispersion) == pytest.approx(oracle.sf(events - 1), rel=1e-6, abs=1e-300)


def test_counts_that_vary_less_than_by_chance_have_nearly_poisson_tails() -> None:
    assert tail_below(70, 100.0, 0.1) == pytest.approx(poisson(100).cdf(70), rel=0.1)


def test_dispersion_never_falls_with_length_and_is_a_cautious_estimate() -> None:
    first = []
    for seed in range(50):
        counts = np.random.default_rng(seed).negative_binomial(10, 10 / 70, 800)  # variance 7 times the mean
        dispersions = [level.dispersion for level in learned_levels(counts)]
        assert dispersions == sorted(dispersions)
        first.append(dispersions[0])
    assert np.mean(np.array(first) > 7) > 0.8
    assert np.mean(first) < 10


def test_effects_up_and_down_are_of_one_size() -> None:
    assert effect_of(0.25, "down") == effect_of(4.0, "up") == 0.75
    assert effect_of(2.0, "down") == effect_of(0.5, "up") == effect_of(0.0, "up") == 0.0


def test_a_rate_of_a_tenth_is_over_within_sixty_events_and_one_large_batch_is_no_rise() -> None:
    traffic = learned(steady())
    assert traffic is not None
    usual, low = [round(traffic.per_step)] * 40, round(traffic.per_step / 10)
    fallen = next(n for n in range(1, 20) if _exceedance(traffic, [*usual, *[low] * n]) > 1)
    assert fallen * low <= 60
    assert _exceedance(traffic, [*usual, 5_000, *usual[:3]]) < 1
    risen = next(n for n in range(1, 40) if _exceedance(traffic, [*usual, *[3 * usual[0]] * n]) > 1)
    assert risen <= 2 * STEPS


def _exceedance(traffic: Traffic, counts: list[int]) -> float:
    rate = judged(traffic, counts, ALPHA, 0.5)
    assert rate is not None
    return rate.exceedance
