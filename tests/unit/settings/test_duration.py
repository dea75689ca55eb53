"""Durations: text to microseconds and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings.duration import about, format_duration, in_words, lateness_for, parse_duration
from tests.settings_texts import SMALL, Load, faults_of

_A_HUNDRED_YEARS_US = 36_500 * 86_400 * 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m", 60), ("2h", 7200), ("30d", 2_592_000), ("250ms", 0.25), ("1h30m", 5400), ("0s", 0)],
)
def test_a_duration_is_parsed_to_microseconds(text: str, seconds: float) -> None:
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
def test_what_is_not_a_duration_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 30d, 12h, 15m"):
        parse_duration(text)


def test_more_than_a_hundred_years_is_refused() -> None:
    assert parse_duration("36500d") == _A_HUNDRED_YEARS_US
    with pytest.raises(ValueError, match="longer than a hundred years"):
        parse_duration("36500d1us")


@given(st.integers(0, _A_HUNDRED_YEARS_US))
def test_a_formatted_duration_parses_to_the_same_number(us: int) -> None:
    assert parse_duration(format_duration(us)) == us


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 s"),
        (90, "1.5 min"),
        (86_400, "1 day"),
        (129_600, "1.5 days"),
        (31_557_600, "1 year"),
        (7e10, "2,218 years"),
    ],
)
def test_a_length_of_time_is_rounded_to_one_unit(seconds: float, words: str) -> None:
    assert about(round(seconds * 1_000_000)) == words


@given(st.integers(0, _A_HUNDRED_YEARS_US))
def test_the_two_largest_units_leave_less_than_one_of_the_second(us: int) -> None:
    widths = {"d": 86_400_000_000, "h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000}
    parts = in_words(us).replace(",", "").split()
    messages = sum(int(count) * widths[unit] for count, unit in zip(parts[::2], parts[1::2], strict=True))
    rest = {"d": "h", "h": "min"}.get(parts[1], "s") if parts[1] != "min" else "s"
    assert 0 <= us - messages < widths[rest]


@given(st.integers(1, 86_400_000_000))
def test_the_lateness_that_is_named_has_room_and_is_not_far_above(behind: int) -> None:
    enough = parse_duration(lateness_for(behind))
    assert 1.2 * behind <= enough <= max(3.6 * behind, 120_000_000)


def test_what_is_further_behind_than_a_day_is_not_a_lateness() -> None:
    assert lateness_for(86_400_000_001) == ""


def test_a_zero_needs_no_unit_where_a_duration_may_be_zero(load: Load) -> None:
    model = "models: [{name: credit, reference: c.json, labels: {horizon: 0}}]\n"
    loaded = load("inputs: [{topic: events}]\n" + model + "windows: {max_skew: 0, allowed_lateness: 0.0}\n")
    assert (loaded.models[0].labels.horizon, loaded.windows.max_skew, loaded.windows.allowed_lateness) == (0, 0, 0)
    assert load(SMALL, DRIFTD_WINDOWS__MAX_SKEW="0").windows.max_skew == 0
    assert faults_of(load, "windows: {pane: 0, max_skew: false, allowed_lateness: 7, pair_within: -1}\n" + SMALL) == [
        "windows.pane: '0s' is not above 0; write 30d, 12h, 15m",
        "windows.allowed_lateness: 7 is not a duration; write 7s",
        "windows.max_skew: false is not a duration; write 30d, 12h, 15m",
        "windows.pair_within: -1 is not a duration; write 30d, 12h, 15m",
    ]
