"""The daily, weekly or yearly waves of a reference's columns, and the calendar that they follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.clock import SECOND_US
from monitor.stats.season.fit import Fit
from monitor.stats.season.terms import DAY_FORMS, WEEK_FORMS, Entry, entries, joined, vectors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: a Monday's midnight, in seconds since 1970
MONDAY: Final = 4 * 86_400
#: slots of time in which the vector is taken to be constant: of a usual reference, and of a long one
SLOT_US: Final = 600 * SECOND_US
LONG_SLOT_US: Final = 3_600 * SECOND_US
#: fixed-point steps in one unit of the time's vector, so that sums over events are integers
UNIT: Final = 1 << 20
#: name of these sums among a tally's further counts
COUNTS: Final = "season"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: seconds since 1970 of times that have a local time everywhere
_FIRST: Final = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_LAST: Final = (datetime(9998, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds()


@dataclass(frozen=True)
class SeasonCalendar:
    """Local time of a time zone (an IANA name), in slots."""

    timezone: str = "UTC"
    slot_us: int = SLOT_US

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def slot(self, us: int) -> int:
        """The number of the slot of a time."""
        return us // self.slot_us

    def local(self, slots: Ints) -> Floats:
        """(n,) local seconds since a Monday's midnight, in the middle of each slot (n,).

        The hour that comes twice when clocks go back has the same local times twice.
        """
        middles = (slots.astype(np.float64) + 0.5) * (self.slot_us / SECOND_US)
        offsets = np.array([self._offset(one) for one in middles.tolist()])
        return np.asarray(middles + offsets - MONDAY, np.float64)

    def _offset(self, seconds: float) -> float:
        seconds = min(max(seconds, _FIRST), _LAST)
        offset = (_EPOCH + timedelta(seconds=seconds)).astimezone(self._zone).utcoffset()
        return 0.0 if offset is None else offset.total_seconds()


@dataclass(frozen=True, slots=True)
class ColumnSeason:
    """A column's wave: its `terms`, the fit of its bins' shares, and `means` (K,) of the standardised value.

    `falls_to`: what part of the variance of three hours (of a month, of a day) is left without the first term's wave.
    """

    terms: tuple[str, ...]
    wave: Fit
    means: Floats
    falls_to: float

    @property
    def has_day(self) -> bool:
        return any(term in DAY_FORMS for term in self.terms)

    @property
    def words(self) -> str:
        """`at this time of day`: what it is compared with."""
        parts = ["day"] if self.has_day else []
        parts += ["week"] if any(term in WEEK_FORMS for term in self.terms) else []
        parts += ["year"] if "year" in self.terms else []
        return f"at this time of {' and '.join(parts)}"

    def to_plain(self) -> dict[str, Any]:
        upper = np.triu_indices(len(self.wave.error))
        return {
            "terms": list(self.terms),
            "shares": self.wave.shares.tolist(),
            "error": self.wave.error[upper].tolist(),
            "means": self.means.tolist(),
            "falls_to": self.falls_to,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ColumnSeason:
        terms = tuple(plain["terms"])
        size = len(entries(terms))
        error = np.zeros((size, size))
        error[np.triu_indices(size)] = plain["error"]
        error = np.triu(error) + np.triu(error, 1).T
        shares = np.array(plain["shares"], np.float64)
        return cls(terms, Fit(shares, error), np.array(plain["means"], np.float64), float(plain["falls_to"]))


@dataclass(frozen=True)
class Seasons:
    """The waves of some of a reference's columns, by their place."""

    calendar: SeasonCalendar
    columns: Mapping[int, ColumnSeason]

    @cached_property
    def entries(self) -> list[Entry]:
        """Of the vector that serves all columns."""
        return joined(season.terms for season in self.columns.values())

    def places(self, at: int) -> list[int]:
        """Where a column's entries are in the joint vector."""
        known = {entry: place for place, entry in enumerate(self.entries)}
        return [known[entry] for entry in entries(self.columns[at].terms)]

    def vector(self, us: int) -> Ints:
        """(K,) the vector at a time, in fixed point."""
        return np.asarray(self.vectors([us])[0], np.int64)

    def vectors(self, times_us: Sequence[int]) -> Ints:
        """(n, K) of several times: cheaper at once than one by one."""
        local = self.calendar.local(np.array([self.calendar.slot(us) for us in times_us]))
        return np.asarray(np.rint(vectors(self.entries, local) * UNIT), np.int64)

    def of(self, kept: list[int]) -> Seasons | None:
        """The waves of the kept columns; None if none of them has one."""
        columns = {new: self.columns[old] for new, old in enumerate(kept) if old in self.columns}
        return replace(self, columns=columns) if columns else None

    def to_plain(self) -> dict[str, Any]:
        """Without the columns."""
        return {"timezone": self.calendar.timezone, "slot_us": self.calendar.slot_us}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], columns: Mapping[int, ColumnSeason]) -> Seasons:
        return cls(SeasonCalendar(str(plain["timezone"]), int(plain["slot_us"])), columns)
