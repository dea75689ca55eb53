"""Whether the day comes some hours later, or sooner, than in the reference: a clock, a time zone, daylight saving.

Only a sentence in findings, never a test of its own. Over the newest day, base windows are compared with what would be
expected if the day had moved by some hours; one of these shifts has to explain most of what the windows differ by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import HOUR_US
from monitor.judge.comparison.columns import Compared
from monitor.judge.windows.season import mean_times
from monitor.reference.season import Seasons
from monitor.stats.tallies.block import Block
from monitor.text import many

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: hours that the day may have moved by: later is positive
SHIFTS: Final = np.arange(-3, 4)
UNMOVED: Final = 3
#: base windows of so many hours are kept: less than a whole day takes a change of level for a moved wave
HOURS: Final = 24
#: mean squared residual, relative to what chance leaves, from which there is something to explain
MOVED: Final = 1.3
#: the largest part of the excess over 1 that the best shift leaves
UNEXPLAINED: Final = 0.4


class DailyShift:
    """State of one model version, of the N columns with a daily wave.

    `sums` (H, shifts, N) squared residuals of base windows that ended in one hour, `windows` (H,) their number.
    """

    def __init__(self, seasons: Seasons, sides: Sequence[Compared]) -> None:
        self._seasons, self._sides = seasons, sides
        daily = {at for at, season in seasons.columns.items() if season.has_day}
        #: (side, place in it) of each column
        self._columns = [
            (s, c) for s, side in enumerate(sides) for c, at in enumerate(side.places.tolist()) if at in daily
        ]
        self._slot: int | None = None
        self._vectors: Ints = np.zeros((0, 0), np.int64)
        self._times = np.zeros((len(SHIFTS), len(seasons.entries)), np.int64)
        self._since: int | None = None
        self._hours: list[int] = []
        self._windows: list[int] = []
        self._sums: list[Floats] = []

    def observe(self, pane: Block, base: Block | None, width: int) -> None:
        """Take the next pane; `base` is the base window that it completes, with bins of that `width`."""
        middle = (pane.start_us + pane.end_us) // 2
        if (slot := self._seasons.calendar.slot(middle)) != self._slot:
            self._slot = slot
            self._vectors = self._seasons.vectors([middle - hours * HOUR_US for hours in SHIFTS.tolist()])
        self._times = self._times + pane.tally.events * self._vectors
        if base is None:
            return
        hour, times = base.end_us // HOUR_US, mean_times(self._times)
        self._times = np.zeros_like(self._times)
        self._since = hour if self._since is None else self._since
        if not self._hours or self._hours[-1] != hour:
            self._hours.append(hour)
            self._windows.append(0)
            self._sums.append(np.zeros((len(SHIFTS), len(self._columns))))
        self._windows[-1] += 1
        self._sums[-1] = self._sums[-1] + self._residuals(base, times, width)
        while self._hours[0] <= hour - HOURS:
            del self._hours[0], self._windows[0], self._sums[0]

    def _residuals(self, base: Block, times: Floats, width: int) -> Floats:
        """(shifts, N) mean squares of the shares of cuts or categories, relative to what chance makes of them."""
        found: list[Floats] = [np.zeros((len(SHIFTS), 0))]  # waves may all be weekly
        for s, side in enumerate(self._sides):
            own = [c for of, c in self._columns if of == s]
            if side.season is None or not own:
                continue
            reference, counts = side.reference, base.tally.counts[side.places, :width]
            usual = side.season.expected(reference, times).shares[:, own]
            n = np.maximum(counts.sum(1), 1)[own, None]
            seen = reference.directions.shares(counts[None])[0, own]
            chance = usual * (1 - usual) * reference.variance[own] / n
            first = reference.directions.group[own] == 0
            squares = np.where(first, (seen - usual) ** 2 / np.maximum(chance, 1e-12), 0.0)
            found.append(np.asarray(squares.sum(2) / np.maximum(first.sum(1), 1), np.float64))
        return np.concatenate(found, axis=1)

    def words(self, side: int, place: int) -> str:
        """`the day comes 2 hours later than in the reference: ...` of one column, or ""."""
        if (side, place) not in self._columns or not self._hours or self._since is None:
            return ""
        if self._hours[-1] - self._since < HOURS:
            return ""
        at = self._columns.index((side, place))
        means = np.sum(self._sums, axis=0)[:, at] / sum(self._windows)
        best = int(means.argmin())
        if means[UNMOVED] <= MOVED or means[best] - 1 >= UNEXPLAINED * (means[UNMOVED] - 1):
            return ""
        hours = int(SHIFTS[best])
        way = "later" if hours > 0 else "earlier"
        moved = f"the day comes {many(abs(hours), 'hour')} {way} than in the reference"
        return f"{moved}: a clock, the time zone or daylight saving?"

    def to_state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "times": self._times,
            "since": self._since,
            "hours": list(self._hours),
            "windows": list(self._windows),
            "sums": np.array(self._sums, np.float64).reshape(len(self._hours), len(SHIFTS) * len(self._columns)),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self._times = np.array(state["times"], np.int64).reshape(self._times.shape)
        self._since = state["since"]
        self._hours, self._windows = list(state["hours"]), list(state["windows"])
        sums = np.array(state["sums"], np.float64)
        self._sums = [one.reshape(len(SHIFTS), len(self._columns)) for one in sums]
