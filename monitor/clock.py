"""The injected clock. Event times are integer microseconds of Unix time (`us`) everywhere.

Wall time is for display and for rejecting events as `future`, monotonic time for intervals, event time for statistics.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

MS_US = 1_000
SECOND_US = 1_000 * MS_US
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: position of the seconds in an RFC 3339 time
_SECONDS_PLACE = slice(17, 19)
#: event times outside of these are rejected; the margin to the years 1 and 9999 lets window bounds be RFC 3339 too
FIRST_US = -62_135_500_000 * SECOND_US  # in January of the year 1
LAST_US = 253_402_200_000 * SECOND_US  # in December of the year 9999


class Clock(Protocol):
    """A source of time, passed to everything that needs it."""

    def now_us(self) -> int:
        """Wall time in microseconds of Unix time."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; only differences are meaningful."""


class SystemClock:
    """The system's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that the caller moves, for tests and for replays driven by event times."""

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
    """`2026-11-22T10:07:00Z`; milli- or microseconds only if they are not zero. Clipped to FIRST_US and LAST_US."""
    us = min(max(us, FIRST_US), LAST_US)
    moment = _EPOCH + timedelta(microseconds=us)
    fraction = us % SECOND_US
    digits = "" if fraction == 0 else f".{fraction:06d}".removesuffix("000")
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{digits}Z"


def parse_rfc3339(text: str, zone: tzinfo | None = None) -> int:
    """An RFC 3339 time in microseconds of Unix time; a time without an offset is in `zone`.

    Of an hour that a zone has twice, the first. A leap second is the second after :59, the last of a day in UTC.

    Raises:
        ValueError, OverflowError: it is not an RFC 3339 time, or has no offset and there is no zone.
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
        message = f"{text!r} is not a leap second"
        raise ValueError(message)
    return us + SECOND_US if leap else us
