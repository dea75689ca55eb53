"""Durations: what people write, as microseconds, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.duration import format_duration, parse_duration

_A_HUNDRED_YEARS_US = 36_500 * 86_400 * 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m", 60), ("2h", 7200), ("30d", 2_592_000), ("250ms", 0.25), ("1h30m", 5400), ("0s", 0)],
)
def test_a_duration_is_what_it_says(text: str, seconds: float) -> None:
    assert parse_duration(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("10", "10s"), (" 1s", "1s"), ("1S", "1s"), ("5 min", "5m"), ("2 weeks", "14d"), ("3 Hours", "3h")],
)
def test_other_ways_to_write_one_are_refused_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"is not a duration; write {meant}$"):
        parse_duration(text)
    assert parse_duration(meant) > 0


@pytest.mark.parametrize("text", ["", "30 dayz", "s", "-1s", "1.5h", "1m1h", "1s1s", "٣s", "9" * 30])
def test_what_is_no_duration_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 30d, 12h, 15m"):
        parse_duration(text)


def test_more_than_a_hundred_years_is_refused() -> None:
    assert parse_duration("36500d") == _A_HUNDRED_YEARS_US
    with pytest.raises(ValueError, match="longer than a hundred years"):
        parse_duration("36500d1us")


@given(st.integers(0, _A_HUNDRED_YEARS_US))
def test_a_formatted_duration_parses_to_the_same_number(us: int) -> None:
    assert parse_duration(format_duration(us)) == us
