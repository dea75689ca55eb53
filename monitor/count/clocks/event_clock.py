"""The clock of one topic-partition: how far event time has come there, whatever one producer with a wrong clock says.

It is the largest time of the events asked, but a jump ahead counts only once more than half of the last 20 events lie
beyond it. No result depends on how polls cut the stream: a batch without a jump is a running maximum, any other one is
taken event by event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import SECOND_US

#: a clock that has not been set: before every event
NO_CLOCK: Final = -(1 << 62)
#: events whose times decide whether a jump counts
RECENT: Final = 20
#: no step ahead of at most this is a jump
LEAST_JUMP_US: Final = 300 * SECOND_US
#: ... nor one of at most this many usual distances between two events: sparse traffic has large steps
USUAL_DISTANCES: Final = 10
#: events from which on a usual distance is known, and from which on a first event may turn out to be wild
ENOUGH: Final = 5

Ints = NDArray[np.int64]


class EventClock:
    """A clock and the times of the last 20 events asked. `skewed` events were ahead of a jump that did not count."""

    def __init__(self) -> None:
        self.us = NO_CLOCK
        self.recent: deque[int] = deque(maxlen=RECENT)
        #: since the process began, for series
        self.skewed = 0

    def ask(self, ts: Ints, lateness: Ints) -> tuple[Ints, Ints]:
        """Move on by events at `ts` (n,), microseconds, of models whose events may be late by `lateness` (n,).

        Gives the clocks (n + 1,) before the first event and after each, and those (n,) each event is held against.
        """
        first = self.us if self.us != NO_CLOCK or not len(ts) else int(ts[0])
        clocks = np.maximum.accumulate(np.concatenate(([first], ts)))
        steps = ts - clocks[:-1]
        settled = len(self.recent) == RECENT
        if len(ts) and (steps.max() > LEAST_JUMP_US or not (settled or steps.min() >= -LEAST_JUMP_US)):
            clocks = self._one_by_one(ts.tolist(), lateness.tolist())
        else:
            clocks[0] = self.us
            self.recent.extend(ts[-RECENT:].tolist())
        self.us = int(clocks[-1])
        # a clock that falls back does so before it asks
        return clocks, np.minimum(clocks[:-1], clocks[1:])

    def _one_by_one(self, ts: Sequence[int], lateness: Sequence[int]) -> Ints:
        clock, recent = self.us, self.recent
        clocks = [clock]
        for at, allowed in zip(ts, lateness, strict=True):
            if clock == NO_CLOCK or 0 <= at - clock <= LEAST_JUMP_US:
                recent.append(at)
                clock = at
            elif abs(at - clock) <= LEAST_JUMP_US or (at < clock and len(recent) == RECENT):
                recent.append(at)
            else:
                clock = self._after_a_jump(clock, at, allowed)
            clocks.append(clock)
        return np.array(clocks, np.int64)

    def _after_a_jump(self, clock: int, at: int, lateness: int) -> int:
        """The clock after an event more than `LEAST_JUMP_US` away from it."""
        least = self._least_jump(lateness)
        self.recent.append(at)
        if at < clock:
            return self._fallen(clock, at, least)
        if at <= clock + least:
            return at
        moved = _climbed(clock, sorted(self.recent), least)
        self.skewed += moved < at
        return moved

    def _least_jump(self, lateness: int) -> int:
        if len(self.recent) < ENOUGH:
            return max(LEAST_JUMP_US, lateness)
        times = sorted(self.recent)
        distances = sorted(later - earlier for earlier, later in pairwise(times))
        middle = (distances[(len(distances) - 1) // 2] + distances[len(distances) // 2]) // 2
        return max(LEAST_JUMP_US, lateness, USUAL_DISTANCES * middle)

    def _fallen(self, clock: int, at: int, least: int) -> int:
        """Of a clock that was set by the first events: where at most a fifth of them lie a jump ahead of all others,
        that jump has not counted."""
        times = sorted(self.recent)
        below = [time for time in times if time <= at + least]
        few = 0 < len(times) - len(below) <= len(times) // ENOUGH
        return min(clock, below[-1]) if few else clock

    @property
    def arrived_us(self) -> int:
        """How far time has come once nothing more is said: events beyond a jump that nothing has contradicted count,
        a single one that came last does not. `NO_CLOCK` without an event."""
        if len(self.recent) < 2:
            return self.us
        least = max(self.us, min(self.recent[-1], self.recent[-2]))
        return max(time for time in (*self.recent, least) if time <= least + LEAST_JUMP_US)

    def to_state(self) -> dict[str, Any]:
        return {"clock": self.us, "recent": np.array(self.recent, np.int64)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a state; one of an earlier version has no times of the last events."""
        self.us = state["clock"]
        self.recent = deque(np.array(state.get("recent", ()), np.int64).tolist(), RECENT)


def _climbed(clock: int, times: Sequence[int], least: int) -> int:
    """The clock after as many jumps as count; `times` of the last events, rising."""
    beyond = [time for time in times if time > clock + least]
    while 2 * len(beyond) > len(times):
        clock = beyond[0]
        for time in beyond:
            if time > clock + least:
                break
            clock = time
        beyond = [time for time in beyond if time > clock + least]
    return clock
