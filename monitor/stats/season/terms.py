"""A vector of functions of local time, X(t), of which the shares of a column with a daily, weekly or yearly wave are a
linear function. Pure arithmetic.

Local time is in seconds since a Monday's midnight. Only these periods exist: others are announced by no calendar, and
whoever searches a spectrum finds a period in any noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
YEAR: Final = 365.2425 * DAY

#: forms of the day: so many harmonics, or a level for each hour (opening hours)
DAY_FORMS: Final = ("day4", "day8", "hours")
#: Saturday and Sunday have a level and two harmonics of their own, or a day of their own form
WEEK_FORMS: Final = ("week", "week+")
YEAR_FORMS: Final = ("year",)
TERMS: Final = (*DAY_FORMS, *YEAR_FORMS, *WEEK_FORMS)

_HARMONICS: Final = {"day4": 4, "day8": 8}
#: harmonics of the day that differ at weekends and over the year; harmonics of the year, and those that change the day
_DAY_OF_OTHERS: Final = 2
_YEAR: Final = 2
_YEAR_OF_DAY: Final = 1


class Factor(NamedTuple):
    """A function of local time: `form` is a period's sine or cosine with its `number`, an hour, or the weekend."""

    form: str
    number: int


#: an entry of the vector is a product of factors; the first one is 1
Entry = tuple[Factor, ...]
ONE: Final[Entry] = ()


def entries(terms: Sequence[str]) -> list[Entry]:
    """The entries of a column with these terms, 1 first.

    Raises:
        ValueError: such terms do not exist.
    """
    if unknown := [term for term in terms if term not in TERMS]:
        message = f"{unknown[0]!r} is no term of a season"
        raise ValueError(message)
    form = next((term for term in terms if term in DAY_FORMS), None)
    day = _day(form) if form else []
    few = _waves("day", _DAY_OF_OTHERS) if form else []
    found: list[Entry] = [ONE, *((factor,) for factor in day)]
    if any(term in WEEK_FORMS for term in terms):
        weekend = Factor("weekend", 0)
        found += [(weekend,), *((weekend, other) for other in (day if "week+" in terms else few))]
    if "year" in terms:
        found += [(factor,) for factor in _waves("year", _YEAR)]
        found += [(of_year, of_day) for of_year in _waves("year", _YEAR_OF_DAY) for of_day in few]
    return found


def joined(terms: Iterable[Sequence[str]]) -> list[Entry]:
    """The entries of several columns, each once, 1 first."""
    return list(dict.fromkeys([ONE, *(entry for one in terms for entry in entries(one))]))


def _day(form: str) -> list[Factor]:
    if form == "hours":
        return [Factor("hour", hour) for hour in range(1, 24)]
    return _waves("day", _HARMONICS[form])


def _waves(period: str, count: int) -> list[Factor]:
    return [Factor(f"{period} {wave}", number) for number in range(1, count + 1) for wave in ("sin", "cos")]


def vectors(of: Sequence[Entry], local: Floats) -> Floats:
    """X (n, K) at local times (n,)."""
    known: dict[Factor, Floats] = {}
    out = np.ones((len(local), len(of)))
    for at, entry in enumerate(of):
        for factor in entry:
            if factor not in known:
                known[factor] = _values(factor, local)
            out[:, at] *= known[factor]
    return out


def _values(factor: Factor, local: Floats) -> Floats:
    if factor.form == "weekend":
        return np.asarray(local // DAY % 7 >= 5, np.float64)
    if factor.form == "hour":
        return np.asarray(local // 3600 % 24 == factor.number, np.float64)
    period, wave = factor.form.split()
    angle = 2 * np.pi * factor.number * (local / (DAY if period == "day" else YEAR))
    return np.asarray(np.sin(angle) if wave == "sin" else np.cos(angle), np.float64)
