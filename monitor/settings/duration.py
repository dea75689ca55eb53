"""Durations as people write them (`10s`, `1h30m`) and say them (`3 h 5 min`), held as whole microseconds."""

from __future__ import annotations

import re
from typing import Final

from monitor.clock import DAY_US, HOUR_US, MINUTE_US, MS_US, SECOND_US

#: unit, microseconds; longest first, the order in which they are written together
_UNITS: Final = (
    ("d", DAY_US),
    ("h", HOUR_US),
    ("m", MINUTE_US),
    ("s", SECOND_US),
    ("ms", MS_US),
    ("us", 1),
)
_WRITTEN: Final = re.compile("".join(f"(?:([0-9]{{1,18}}){unit})?" for unit, _ in _UNITS))
_IN_WORDS: Final = re.compile(r"([0-9]{1,9})\s*([A-Za-z]*)")
#: other words for the units; a number alone is taken for seconds
_WORDS: Final = {
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("", "s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "millis", "millisecond", "milliseconds"),
}
_LONGEST_US: Final = 36_500 * DAY_US
_SAID: Final = ((DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "min"), (SECOND_US, "s"))
#: lengths that people set for lateness, in minutes, and how much of one may be in use
_LATENESS_MINUTES: Final = (2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880)
_ROOM: Final = 1.2


def parse_duration(text: str) -> int:
    """Microseconds of `10s`, `1m`, `2h`, `30d`, `250ms`, or several units from long to short: `1h30m`.

    Raises:
        ValueError: not written so, or longer than a hundred years.
    """
    match = _WRITTEN.fullmatch(text)
    if not text or match is None:
        message = f"{text!r} is not a duration; write {_meant(text) or '30d, 12h, 15m'}"
        raise ValueError(message)
    total = sum(int(digits) * width for digits, (_, width) in zip(match.groups("0"), _UNITS, strict=True))
    if total > _LONGEST_US:
        message = f"{text!r} is longer than a hundred years; write 30d, 12h, 15m"
        raise ValueError(message)
    return total


def _meant(text: str) -> str:
    """How a number with a unit in other words is written here, such as `15m` for `15 minutes`; else ""."""
    match = _IN_WORDS.fullmatch(text.strip())
    if match is None:
        return ""
    count, word = int(match[1]), match[2].lower()
    unit = next((unit for unit, words in _WORDS.items() if word in words), "")
    return f"{7 * count}d" if word in {"w", "week", "weeks"} else f"{count}{unit}" * bool(unit)


def format_duration(us: int) -> str:
    """The shortest text from which `parse_duration` makes the same number: 5400000000 is `1h30m`."""
    parts = []
    for unit, width in _UNITS:
        count, us = divmod(us, width)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def in_words(us: int) -> str:
    """`3 h 5 min`: the two largest units, of at least 0 microseconds."""
    at = next((at for at, (width, _) in enumerate(_SAID) if us >= width), len(_SAID) - 1)
    parts: list[str] = []
    for width, unit in _SAID[at : at + 2]:
        count, us = divmod(us, width)
        if count or not parts:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts)


def about(us: int) -> str:
    """`73 years`, `1.5 days`, `10 min`: in one unit, to three digits."""
    years = us / (365.25 * DAY_US)
    if years >= 1:
        return f"{years:,.0f} year{'s' * (round(years) != 1)}"
    width, unit = next((one for one in _SAID if us >= one[0]), _SAID[-1])
    count = f"{us / width:.3g}"
    return f"{count} day{'s' * (count != '1')}" if unit == "d" else f"{count} {unit}"


def lateness_for(behind_us: int) -> str:
    """A usual `allowed_lateness` with room for events so far behind; "" beyond a day, where a clock is wrong rather."""
    if behind_us > DAY_US:
        return ""
    lengths = (n * MINUTE_US for n in _LATENESS_MINUTES)
    return format_duration(next(length for length in lengths if length >= _ROOM * behind_us))
