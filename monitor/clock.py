"""Time, injected. Event times are whole microseconds of Unix time (`us`) everywhere inside.

Wall time is for display and for the `future` question, monotonic time for intervals, event time for statistics.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

MS_US = 1_000
SECOND_US = 1_000 * MS_US
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: where the seconds stand in an RFC 3339 time
_SECONDS_PLACE = slice(17, 19)
#: event times outside of these are rejected, so that whatever is made of them can be written as RFC 3339
FIRST_US = -62_135_500_000 * SECOND_US  # in January of the year 1
LAST_US = 253_402_200_000 * SECOND_US  # in December of the year 9999


def clock_is_wrong(times_ms: Iterable[Sequence[int]], now_us: int) -> bool:
    """Whether more than half of the records that were polled are more than an hour ahead of this machine's clock.

    `times_ms` are the records' own timestamps, batch by batch. A few such records have a wrong time themselves; brokers
    let no stream of them in, so where most are ahead it is the clock at hand that is behind. Times that cannot be
    written as a date are none.
    """
    first, last = (now_us + HOUR_US) // 1000, LAST_US // 1000
    ahead = total = 0
    for times in times_ms:
        total += len(times)
        if times and max(times) > first:
            ahead += sum(first < time_ms <= last for time_ms in times)
    return 2 * ahead > total


class Clock(Protocol):
    """What asks for the time gets one of these."""

    def now_us(self) -> int:
        """Wall time in microseconds of Unix time."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; only differences mean something."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock moved by hand, for tests and for replays driven by the events."""

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us
        self._monotonic = 0.0

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now_us += round(seconds * SECOND_US)
        self._monotonic += seconds


def rfc3339(us: int) -> str:
    """`2026-11-22T10:07:00Z`; with milli- or microseconds only where they are not zero. Total: what RFC 3339 cannot
    write is the nearest it can."""
    us = min(max(us, FIRST_US), LAST_US)
    moment = _EPOCH + timedelta(microseconds=us)
    fraction = us % SECOND_US
    digits = "" if fraction == 0 else f".{fraction:06d}".removesuffix("000")
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{digits}Z"


def parse_rfc3339(text: str, zone: tzinfo | None = None) -> int:
    """Microseconds of Unix time of an RFC 3339 time; one without an offset is a time of the `zone`.

    Of an hour that a zone has twice it is the first; a leap second (the last of a day in UTC) is the one after :59.

    Raises:
        ValueError, OverflowError: no RFC 3339 time, or one without an offset where there is no zone.
    """
    leap = text[_SECONDS_PLACE] == "60"
    written = f"{text[:17]}59{text[19:]}" if leap else text
    moment = datetime.fromisoformat(written.upper())
    if moment.tzinfo is None:
        if zone is None:
            message = f"{text!r} has no offset; write 2026-11-22T10:07:00Z or +01:00"
            raise ValueError(message)
        moment = moment.replace(tzinfo=zone)
    us = (moment - _EPOCH) // timedelta(microseconds=1)
    if leap and us % DAY_US < DAY_US - SECOND_US:
        message = f"{text!r} is no leap second"
        raise ValueError(message)
    return us + SECOND_US if leap else us
