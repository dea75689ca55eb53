"""The part of a window from which on a share is a changed one."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.testing.onset import onset


@pytest.mark.parametrize("begin", range(1, 16))
@pytest.mark.parametrize(("usual", "now"), [(0.0, 1.0), (0.02, 0.2), (0.5, 0.2)])
def test_the_first_changed_part_is_found(begin: int, usual: float, now: float) -> None:
    events = np.full(16, 250.0)
    shares = np.where(np.arange(16) >= begin, now, usual)
    assert onset(shares * events, events, usual) == begin


def test_it_is_found_in_noise_to_about_one_part() -> None:
    rng, off = np.random.default_rng(3), []
    for _ in range(200):
        begin = int(rng.integers(1, 15))
        hits = rng.binomial(250, np.where(np.arange(16) >= begin, 0.4, 0.25)).astype(np.float64)
        off.append(abs(onset(hits, np.full(16, 250.0), 0.25) - begin))
    assert np.mean(np.array(off) <= 1) > 0.9


def test_a_stray_hit_long_before_is_no_beginning() -> None:
    hits = np.array([1.0, 0, 0, 0, 0, 0, 200, 250])
    assert onset(hits, np.full(8, 250.0), 0.0) == 6


def test_without_change_or_events_it_is_the_first_part() -> None:
    assert onset(np.array([5.0, 5.0]), np.array([10.0, 10.0]), 0.5) == 0
    assert onset(np.zeros(3), np.zeros(3), 0.1) == 0
