"""Durations as people write them (`10s`, `1h30m`), held as whole microseconds."""

from __future__ import annotations

import re
from typing import Final

#: unit, microseconds; longest first, the order in which they are written together
_UNITS: Final = (
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
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
_LONGEST_US: Final = 36_500 * _UNITS[0][1]


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
