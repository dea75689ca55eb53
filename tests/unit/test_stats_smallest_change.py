"""The rule of thumb: how it scales, and the two changes whose delay is known by measurement."""

from __future__ import annotations

import math

import pytest

from monitor.stats.smallest_change import smallest_share_change, smallest_shift


@pytest.mark.parametrize(("events", "reference"), [(1_000, 10_000), (50, 400), (10**6, 10**4)])
def test_more_events_on_either_side_show_less_and_four_times_all_half_of_it(events: int, reference: int) -> None:
    for smallest in (smallest_shift, smallest_share_change):
        here = smallest(events, reference, 1.0)
        assert smallest(4 * events, 4 * reference, 1.0) == pytest.approx(here / 2)
        assert smallest(events, reference, 4.0) == pytest.approx(2 * here)
        assert smallest(2 * events, reference, 1.0) < here
        assert smallest(events, 2 * reference, 1.0) < here
        assert smallest(events, reference, 1.0) == smallest(reference, events, 1.0)


def test_the_reference_bounds_what_is_ever_seen() -> None:
    """With 10,000 reference events no mean that moves by less than 0.08 to 0.1 standard deviations."""
    assert 0.08 <= smallest_shift(1e12, 10_000, 1.0) <= 0.1


def test_a_share_of_one_half_has_an_error_of_half_a_standard_deviation() -> None:
    errors = smallest_share_change(2_100, 10_000, 1.0) / math.sqrt(0.25 * (1 / 2_100 + 1 / 10_000))
    assert errors == pytest.approx(8.5)
    assert smallest_share_change(2_100, 10_000, 1.0) == pytest.approx(0.1, rel=0.05)
