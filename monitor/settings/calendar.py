"""Windows of a calendar, for silence and excluded times: between two moments, or every week or day in a time zone.

A local time that a zone skips is the moment of the jump. Of one that it has twice, a window begins at the first and
ends at the second: it never has a hole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple, Protocol

from monitor.clock import DAY_US, FIRST_US, LAST_US

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = "(" + "|".join(DAYS) + ")"
_TIME: Final = "([01][0-9]|2[0-4]):([0-5][0-9])"
_WEEKLY: Final = re.compile(f"{_DAY} {_TIME} ?- ?{_DAY} {_TIME}")
_DAILY: Final = re.compile(f"{_TIME} ?- ?{_TIME}")
_DAY_MINUTES: Final = 24 * 60
_WEEK_MINUTES: Final = 7 * _DAY_MINUTES
#: 1970-01-01 was a Thursday
_FIRST_MONDAY: Final = datetime(1969, 12, 29)  # noqa: DTZ001  # a local time, in any zone
_MONDAY_US: Final = 3 * DAY_US
_WEEK_US: Final = 7 * DAY_US
#: weeks before and after the asked one whose windows are computed: the last one that ended, and any that covers it
_WEEKS_AROUND: Final = range(-2, 3)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # UTC without its name, for differences
#: windows are looked up by time up to here: local times must lie in the years 1 to 9999
_REACH_US: Final = 4 * _WEEK_US


class Recurring(NamedTuple):
    """A window of every week: minutes from Monday 00:00 at which it begins and ends; the end is after the beginning."""

    begin: int
    end: int


class Covered(NamedTuple):
    """Event times [start, end) in microseconds of Unix time, and why."""

    start_us: int
    end_us: int
    reason: str


def parse_weekly(text: str) -> tuple[Recurring, ...]:
    """`Sat 22:00-Sun 04:00`, in a tuple.

    Raises:
        ValueError: another form.
    """
    match = _WEEKLY.fullmatch(text)
    if match is None:
        message = f'{text!r} is not a weekly window; write "Sat 22:00-Sun 04:00"'
        raise ValueError(message)
    day, hour, minute, last_day, last_hour, last_minute = match.groups()
    begin = DAYS.index(day) * _DAY_MINUTES + _minutes(text, hour, minute)
    end = DAYS.index(last_day) * _DAY_MINUTES + _minutes(text, last_hour, last_minute)
    return (_recurring(text, begin, end, _WEEK_MINUTES),)


def parse_daily(text: str) -> tuple[Recurring, ...]:
    """`22:00-04:00`: one window for each day of the week.

    Raises:
        ValueError: another form.
    """
    match = _DAILY.fullmatch(text)
    if match is None:
        message = f'{text!r} is not a daily window; write "22:00-04:00"'
        raise ValueError(message)
    hour, minute, last_hour, last_minute = match.groups()
    one = _recurring(text, _minutes(text, hour, minute), _minutes(text, last_hour, last_minute), _DAY_MINUTES)
    return tuple(Recurring(one.begin + day * _DAY_MINUTES, one.end + day * _DAY_MINUTES) for day in range(7))


def _minutes(text: str, hour: str, minute: str) -> int:
    minutes = 60 * int(hour) + int(minute)
    if minutes > _DAY_MINUTES:
        message = f"{text!r}: {hour}:{minute} is no time of day; a day ends at 24:00"
        raise ValueError(message)
    return minutes


def _recurring(text: str, begin: int, end: int, period: int) -> Recurring:
    length = (end - begin) % period
    if not length:
        message = f"{text!r} begins and ends at the same time; write when it ends"
        raise ValueError(message)
    return Recurring(begin, begin + length)


class Window(Protocol):
    """A window as the settings have it: a span of time, or some that recur."""

    @property
    def reason(self) -> str | None:
        """Why, for people."""

    def span_us(self) -> tuple[int, int] | None:
        """Beginning and end of one that does not recur."""

    def recurring(self) -> Sequence[Recurring]:
        """The windows of every week."""


class Calendar:
    """Windows in one time zone; finds those around an event time."""

    def __init__(self, windows: Iterable[Window], zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._fixed: list[Covered] = []
        self._recurring: list[tuple[Recurring, str]] = []
        for window in windows:
            span = window.span_us()
            if span is not None:
                self._fixed.append(Covered(*span, window.reason or ""))
            self._recurring += [(one, window.reason or "") for one in window.recurring()]
        #: the windows around a week, by its number: event time seldom leaves it
        self._weeks: dict[int, tuple[Covered, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._fixed or self._recurring)

    def at(self, us: int) -> Covered | None:
        """The window that covers an event time; those that overlap or touch are one, with the first one's reason."""
        return next((one for one in self._around(us) if one.start_us <= us < one.end_us), None)

    def overlapping(self, start_us: int, end_us: int) -> Covered | None:
        """The first window that has a part of [start, end)."""
        return next((one for one in self._around(start_us) if one.start_us < end_us and start_us < one.end_us), None)

    def last_before(self, us: int) -> Covered | None:
        """The window that ended last at or before an event time; of recurring ones those of the last two weeks."""
        return next((one for one in reversed(self._around(us)) if one.end_us <= us), None)

    def _around(self, us: int) -> tuple[Covered, ...]:
        """Joined windows in order of time: all fixed ones, recurring ones of the weeks around."""
        week = (us + _MONDAY_US) // _WEEK_US if self._recurring else 0
        if week not in self._weeks:
            if len(self._weeks) >= len(_WEEKS_AROUND):
                self._weeks.clear()
            self._weeks[week] = tuple(_joined([*self._fixed, *self._of_weeks(week)]))
        return self._weeks[week]

    def _of_weeks(self, week: int) -> Iterator[Covered]:
        if not FIRST_US + _REACH_US < week * _WEEK_US < LAST_US - _REACH_US:
            return
        for each in _WEEKS_AROUND:
            monday = _FIRST_MONDAY + timedelta(weeks=week + each)
            for (begin, end), reason in self._recurring:
                first = _instant_us(monday + timedelta(minutes=begin), self._zone, second=False)
                last = _instant_us(monday + timedelta(minutes=end), self._zone, second=True)
                if first < last:  # one within an hour that is skipped is empty
                    yield Covered(first, last, reason)


def _joined(windows: list[Covered]) -> Iterator[Covered]:
    """Windows in order of time; those that overlap or touch are one."""
    one: Covered | None = None
    for window in sorted(windows):
        if one is not None and window.start_us <= one.end_us:
            one = one._replace(end_us=max(one.end_us, window.end_us))
            continue
        if one is not None:
            yield one
        one = window
    if one is not None:
        yield one


def _instant_us(local: datetime, zone: tzinfo, *, second: bool) -> int:
    """Unix time in microseconds of a local time without zone; `second`: of one that is there twice, the second."""
    before, after = (local - _offset(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if after < before:  # the local time is skipped: the jump lies between
        return _us(_jump(after, before, zone))
    return _us(after if second else before)


def _jump(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The moment between two of UTC at which the zone's offset changes."""
    changed = _offset_at(high, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset_at(middle, zone) == changed else (middle, high)
    return high


def _offset_at(utc: datetime, zone: tzinfo) -> timedelta:
    return _offset(utc.replace(tzinfo=UTC).astimezone(zone))


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _us(utc: datetime) -> int:
    return (utc - _EPOCH) // timedelta(microseconds=1)
