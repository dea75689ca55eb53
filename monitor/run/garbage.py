"""Schedule of Python's cyclic garbage collector: between turns, never in the middle of a batch.

A poll creates thousands of the client's record objects, which the collector would scan again and again for cycles that
they do not have: a fifth of the daemon's CPU. Cycles come from exceptions and closed connections, usually few. If they
are many, memory stays bounded: a collection also runs when enough containers were created and not freed.
"""

from __future__ import annotations

import gc
from typing import Final

from monitor.clock import Clock

#: seconds between collections: while idle, and at most
IDLE_SECONDS: Final = 10.0
BUSY_SECONDS: Final = 60.0
#: new containers (lists, dicts, frames, errors) since the last collection that trigger the next
MOST_NEW_CONTAINERS: Final = 100_000


class GarbageSchedule:
    """Controls the collector from `start` to `close`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._collected_at = clock.monotonic()

    def start(self) -> None:
        """Exclude the objects of start-up, and collect only in `after_turn`."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def after_turn(self, records: int) -> None:
        """Collect if it is due; `records` is the number the turn has read."""
        now = self._clock.monotonic()
        waited = now - self._collected_at >= (BUSY_SECONDS if records else IDLE_SECONDS)
        if waited or gc.get_count()[0] > MOST_NEW_CONTAINERS:  # the count goes on while the collector is off
            gc.collect()
            self._collected_at = now

    def close(self) -> None:
        """Restore the automatic collector."""
        gc.enable()
        gc.unfreeze()
