"""Parses durations in settings (`10s`, `1h30m`) and formats them for people (`3 h 5 min`); integer microseconds."""

from __future__ import annotations

import re
from typing import Final

from monitor.clock import DAY_US, HOUR_US, MINUTE_US, MS_US, SECOND_US

#: (unit, microseconds), longest first, which is also their order in a text
_UNITS: Final = (
    ("d", DAY_US),
    ("h", HOUR_US),
    ("m", MINUTE_US),
    ("s", SECOND_US),
    ("ms", MS_US),
    ("us", 1),
)
_PATTERN: Final = re.compile("".join(f"(?:([0-9]{{1,18}}){unit})?" for unit, _ in _UNITS))
#: a number and the name of a unit, from which a duration is suggested
_NUMBER_AND_UNIT: Final = re.compile(r"([0-9]{1,9})\s*([A-Za-z]*)")
#: other names of the units, for suggestions; a number without a unit is taken for seconds
_OTHER_NAMES: Final = {
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("", "s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "millis", "millisecond", "milliseconds"),
}
_LONGEST_US: Final = 36_500 * DAY_US
_SHOWN_UNITS: Final = ((DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "min"), (SECOND_US, "s"))
#: values to suggest for `allowed_lateness`, in minutes, and the margin over what was observed
_LATENESS_MINUTES: Final = (2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880)
_MARGIN: Final = 1.2


def parse_duration(text: str) -> int:
    """Microseconds of `10s`, `1m`, `2h`, `30d`, `250ms`, or several units from long to short: `1h30m`.

    Raises:
        ValueError: another form, or longer than a hundred years.
    """
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        message = f"{text!r} is not a duration; write {_suggestion(text) or '30d, 12h, 15m'}"
        raise ValueError(message)
    total = sum(int(digits) * width for digits, (_, width) in zip(match.groups("0"), _UNITS, strict=True))
    if total > _LONGEST_US:
        message = f"{text!r} is longer than a hundred years; write 30d, 12h, 15m"
        raise ValueError(message)
    return total


def _suggestion(text: str) -> str:
    """The duration that was probably meant, such as `15m` for `15 minutes`; "" if unclear."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None:
        return ""
    count, word = int(match[1]), match[2].lower()
    unit = next((unit for unit, names in _OTHER_NAMES.items() if word in names), "")
    return f"{7 * count}d" if word in {"w", "week", "weeks"} else f"{count}{unit}" * bool(unit)


def format_duration(us: int) -> str:
    """The shortest text that `parse_duration` parses to the same number: `1h30m` for 5,400,000,000."""
    parts = []
    for unit, width in _UNITS:
        count, us = divmod(us, width)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def in_words(us: int) -> str:
    """`3 h 5 min`: a duration of at least 0 in its two largest units."""
    at = next((at for at, (width, _) in enumerate(_SHOWN_UNITS) if us >= width), len(_SHOWN_UNITS) - 1)
    parts: list[str] = []
    for width, unit in _SHOWN_UNITS[at : at + 2]:
        count, us = divmod(us, width)
        if count or not parts:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts)


def about(us: int) -> str:
    """`73 years`, `1.5 days`, `10 min`: rounded to one unit and three digits."""
    years = us / (365.25 * DAY_US)
    if years >= 1:
        return f"{years:,.0f} year{'s' * (round(years) != 1)}"
    width, unit = next((one for one in _SHOWN_UNITS if us >= one[0]), _SHOWN_UNITS[-1])
    count = f"{us / width:.3g}"
    return f"{count} day{'s' * (count != '1')}" if unit == "d" else f"{count} {unit}"


def lateness_for(behind_us: int) -> str:
    """The `allowed_lateness` to suggest for events so far behind; "" beyond a day: then a clock is probably wrong."""
    if behind_us > DAY_US:
        return ""
    lengths = (n * MINUTE_US for n in _LATENESS_MINUTES)
    return format_duration(next(length for length in lengths if length >= _MARGIN * behind_us))
