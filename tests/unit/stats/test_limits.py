"""What is over a limit, against SciPy; and how often a stream at the limit is called over."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom

from monitor.stats.testing.limits import DISTANCES, change_of_order, share_allowed


@pytest.mark.parametrize("most", [0.001, 0.05, 0.4, 0.97])
@pytest.mark.parametrize("events", [50, 250, 10_000])
@pytest.mark.parametrize("alpha", [0.05, 1e-4])
def test_the_smallest_share_over_is_the_binomials(most: float, events: int, alpha: float) -> None:
    hits = math.floor(share_allowed(most, events, 1.0, alpha) * events) + 1
    assert hits / events > share_allowed(most, events, 1.0, alpha) > (hits - 1) / events
    assert binom.sf(hits - 1, events, most) <= alpha * (1 + 1e-9)
    assert binom.sf(hits - 2, events, most) > alpha or hits <= most * events + 2


def test_a_limit_of_none_is_over_with_one_and_one_of_all_never() -> None:
    for events in (1, 250, 10**8):
        assert 1 / events > share_allowed(0.0, events, 3.0, 1e-6) > 0
    assert share_allowed(1.0, 250, 1.0, 0.1) == np.inf


def test_events_that_vary_more_have_to_be_further_over() -> None:
    assert share_allowed(0.1, 250, 4.0, 1e-3) > share_allowed(0.1, 250, 1.0, 1e-3)


def test_the_distances_are_the_usual_ones() -> None:
    p, q = np.array([40, 30, 20, 10]), np.array([10, 20, 30, 40])
    assert DISTANCES["jensen_shannon_distance"](p, q, 1.0, 0.01)[0] == pytest.approx(jensenshannon(p, q, base=2))
    assert DISTANCES["jensen_shannon_divergence"](p, q, 1.0, 0.01)[0] == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    big = DISTANCES["linf"](p * 1_000, q * 1_000, 1.0, 0.01)
    assert big[0] == pytest.approx(0.3)
    assert DISTANCES["ks"](p * 1_000, q * 1_000, 1.0, 0.01)[0] == pytest.approx(0.4)


@pytest.mark.parametrize("measure", list(DISTANCES))
def test_what_chance_alone_makes_is_allowed(measure: str) -> None:
    """Windows of the reference's own distribution are over a limit of nothing as seldom as was asked for."""
    rng, shares, alpha = np.random.default_rng(5), np.array([0.3, 0.25, 0.2, 0.15, 0.1]), 0.01
    over = 0
    for _ in range(2_000):
        known, live = rng.multinomial(20_000, shares), rng.multinomial(500, shares)
        value, by_chance = DISTANCES[measure](known, live, 1.0, alpha)
        over += value > by_chance
    assert binom.sf(over - 1, 2_000, alpha) > 1e-3


def test_one_bin_has_no_order() -> None:
    assert change_of_order(np.array([5]), np.array([7]), 1.0, 0.1) == (0.0, 0.0)
