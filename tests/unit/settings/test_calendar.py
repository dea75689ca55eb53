"""Windows of a calendar: how they are written, and which moments they cover, through changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.clock import DAY_US, FIRST_US, HOUR_US, LAST_US, MINUTE_US, parse_rfc3339, rfc3339
from monitor.settings.calendar import DAYS, Calendar, parse_daily, parse_weekly
from monitor.settings.model import CalendarWindow, Model

BERLIN = "Europe/Berlin"


def calendar(*windows: dict[str, Any], zone: str = "UTC") -> Calendar:
    model = Model.model_validate({"name": "m", "reference": "r", "timezone": zone, "silence": windows})
    return model.silences()


def us(text: str) -> int:
    return parse_rfc3339(text)


def span_at(made: Calendar, text: str) -> tuple[str, str] | None:
    found = made.at(us(text))
    return None if found is None else (rfc3339(found.start_us), rfc3339(found.end_us))


NIGHT = {"weekly": "Sat 22:00-Sun 04:00", "reason": "backup"}


def test_a_span_covers_its_first_moment_and_not_its_last() -> None:
    holidays = calendar({"from": us("2026-12-24T00:00:00+01:00"), "to": us("2026-12-26T00:00:00+01:00")})
    assert holidays.at(us("2026-12-23T22:59:59Z")) is None
    assert span_at(holidays, "2026-12-23T23:00:00Z") == ("2026-12-23T23:00:00Z", "2026-12-25T23:00:00Z")
    assert holidays.at(us("2026-12-25T23:00:00Z")) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-28T20:59:59Z", None),
        ("2026-11-28T21:00:00Z", ("2026-11-28T21:00:00Z", "2026-11-29T03:00:00Z")),
        ("2026-07-04T20:00:00Z", ("2026-07-04T20:00:00Z", "2026-07-05T02:00:00Z")),
        ("2026-07-05T02:00:00Z", None),
    ],
)
def test_a_weekly_window_is_in_the_models_own_time(at: str, expected: tuple[str, str] | None) -> None:
    assert span_at(calendar(NIGHT, zone=BERLIN), at) == expected


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-28T23:00:00Z", 5), ("2026-10-24T23:00:00Z", 7), ("2026-06-06T23:00:00Z", 6)],
    ids=["clocks forward", "clocks back", "any other night"],
)
def test_a_night_in_which_the_clocks_change_is_shorter_or_longer(day: str, hours: int) -> None:
    found = calendar(NIGHT, zone=BERLIN).at(us(day))
    assert found is not None
    assert found.end_us - found.start_us == hours * HOUR_US


def test_a_time_that_is_skipped_is_the_moment_of_the_jump() -> None:
    """At 2:00 the clocks of Berlin show 3:00: that is 1:00 in UTC."""
    begins, ends = (
        calendar({"weekly": "Sun 02:30-Sun 05:00"}, zone=BERLIN),
        calendar({"weekly": "Sun 00:30-Sun 02:30"}, zone=BERLIN),
    )
    assert span_at(begins, "2026-03-29T02:00:00Z") == ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z")
    assert span_at(ends, "2026-03-29T00:30:00Z") == ("2026-03-28T23:30:00Z", "2026-03-29T01:00:00Z")
    skipped = calendar({"weekly": "Sun 02:10-Sun 02:50"}, zone=BERLIN)
    assert all(skipped.at(us("2026-03-29T00:00:00Z") + minute * MINUTE_US) is None for minute in range(180))


def test_a_time_that_is_there_twice_begins_at_the_first_and_ends_at_the_second() -> None:
    """From 3:00 the clocks of Berlin go back to 2:00: 2:30 is 0:30 and 1:30 in UTC."""
    begins, ends = (
        calendar({"weekly": "Sun 02:30-Sun 05:00"}, zone=BERLIN),
        calendar({"weekly": "Sun 00:30-Sun 02:30"}, zone=BERLIN),
    )
    assert span_at(begins, "2026-10-25T02:00:00Z") == ("2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z")
    assert span_at(ends, "2026-10-25T00:00:00Z") == ("2026-10-24T22:30:00Z", "2026-10-25T01:30:00Z")


def test_a_window_may_go_over_the_end_of_the_week() -> None:
    made = calendar({"weekly": "Sun 23:00-Mon 01:00"})
    assert span_at(made, "2026-11-30T00:30:00Z") == ("2026-11-29T23:00:00Z", "2026-11-30T01:00:00Z")


def test_windows_that_touch_are_one_with_the_reason_of_the_first() -> None:
    made = calendar({"daily": "22:00-24:00", "reason": "a"}, {"daily": "00:00-02:00", "reason": "b"})
    found = made.at(us("2026-11-30T01:00:00Z"))
    assert found is not None
    assert (found.end_us - found.start_us, found.reason) == (4 * HOUR_US, "a")


def test_what_overlaps_and_what_ended_last() -> None:
    made = calendar({"daily": "22:00-04:00"})
    midnight = us("2026-11-30T00:00:00Z")
    before, after = midnight - 2 * HOUR_US, midnight + 4 * HOUR_US
    for start, end, covered in (
        (before - 10, before, False), (before - 10, before + 1, True), (before - HOUR_US, after + HOUR_US, True),
        (after - 1, after + 9, True), (after, after + 9, False),
    ):  # fmt: skip
        assert (made.overlapping(start, end) is not None) == covered
    last = made.last_before(after)
    assert last is not None
    assert last.end_us == after
    last = made.last_before(after - 1)
    assert last is not None
    assert last.end_us == after - DAY_US


def test_nothing_recurs_near_the_end_of_time_and_nothing_fails() -> None:
    made = calendar({"daily": "22:00-04:00"}, zone="Pacific/Kiritimati")
    for at in (FIRST_US, LAST_US):
        assert made.at(at) is None
        assert made.last_before(at) is None


ZONES = st.sampled_from(["UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"])
TIMES = st.integers(us("2009-01-01T00:00:00Z"), us("2030-01-01T00:00:00Z"))
MINUTES = st.integers(0, 7 * 24 * 60 - 1)


def written(minute: int) -> str:
    return f"{DAYS[minute // 1440]} {minute % 1440 // 60:02d}:{minute % 60:02d}"


@given(zone=ZONES, at=TIMES, begin=MINUTES, end=MINUTES)
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_weekly_window_covers_what_a_clock_on_the_wall_says(zone: str, at: int, begin: int, end: int) -> None:
    """But within a day of a change of the clocks, where the wall has an hour twice or not at all."""
    if begin == end:
        return
    made = calendar({"weekly": f"{written(begin)}-{written(end)}"}, zone=zone)
    around = [datetime.fromtimestamp((at + step * DAY_US) / 1e6, UTC) for step in (-8, 0, 8)]
    moments = [moment.astimezone(ZoneInfo(zone)) for moment in around]
    if len({moment.utcoffset() for moment in moments}) > 1:
        return
    wall = moments[1]
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    inside = begin <= minute < end if begin < end else minute >= begin or minute < end
    assert (made.at(at) is not None) == inside


@given(zone=ZONES, at=TIMES)
@hypothesis_settings(max_examples=100, deadline=None)
def test_the_answer_does_not_depend_on_what_was_asked_before(zone: str, at: int) -> None:
    windows = ({"daily": "21:30-03:15"}, NIGHT)
    asked = calendar(*windows, zone=zone)
    for step in range(-40, 40):
        asked.at(at + step * DAY_US)
    assert asked.at(at) == calendar(*windows, zone=zone).at(at)


@pytest.mark.parametrize("text", ["Sat 22:00 - Sun 04:00", "Sat 22:00-Sun 04:00"])
def test_spaces_around_the_dash_are_fine(text: str) -> None:
    ((begin, end),) = parse_weekly(text)
    assert (begin, end) == (5 * 1440 + 22 * 60, 6 * 1440 + 4 * 60)


@pytest.mark.parametrize(
    "text", ["Sat 22-Sun 04", "sat 22:00-sun 04:00", "Sat 25:00-Sun 04:00", "Sat 24:30-Sun 04:00", ""]
)
def test_a_weekly_window_of_another_form_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a weekly window|is no time of day"):
        parse_weekly(text)


def test_a_window_without_length_is_a_fault() -> None:
    with pytest.raises(ValueError, match="begins and ends at the same time"):
        parse_daily("04:00-04:00")
    with pytest.raises(ValueError, match="begins and ends at the same time"):
        parse_weekly("Sun 24:00-Mon 00:00")


@pytest.mark.parametrize(
    ("window", "fault"),
    [
        ({}, "write either from and to, or weekly, or daily"),
        ({"weekly": "Sat 22:00-Sun 04:00", "daily": "22:00-04:00"}, "write either"),
        ({"from": 5}, "to is missing"),
        ({"to": 5}, "from is missing"),
        ({"from": 5, "to": 5}, "is not after from"),
    ],
)
def test_a_window_has_one_form(window: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        CalendarWindow.model_validate(window)


def test_a_window_of_an_hour_lasts_it_wherever_it_is_asked() -> None:
    made = calendar({"daily": "10:00-11:00"}, zone="Asia/Kolkata")
    start = us("2026-11-30T04:30:00Z")
    assert [made.at(start + step) is not None for step in (-1, 0, HOUR_US - 1, HOUR_US)] == [False, True, True, False]
