"""When Python's cyclic collector runs: between turns, never in the middle of a batch.

A poll makes thousands of the client's record objects, which the collector looks through again and again for cycles
that are not there: it costs a fifth of the daemon's CPU. Cycles come from exceptions and closed connections, which
are few as a rule. Where they are not, what piles up is bounded: containers that were made and not freed again are
counted, and enough of them call for a collection at once.
"""

from __future__ import annotations

import gc
from typing import Final

from monitor.clock import Clock

#: seconds between collections: while there is nothing to read, and at the latest
IDLE_SECONDS: Final = 10.0
BUSY_SECONDS: Final = 60.0
#: containers (lists, dicts, frames, errors) more than after the last collection that call for the next
MOST_NEW_CONTAINERS: Final = 100_000


class GarbageSchedule:
    """Takes the collector over from `start` to `close`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._collected_at = clock.monotonic()

    def start(self) -> None:
        """Leave what start-up made alone, and collect only when `after_turn` says so."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def after_turn(self, records: int) -> None:
        """Collect when it is due; `records` is what the turn has read."""
        now = self._clock.monotonic()
        waited = now - self._collected_at >= (BUSY_SECONDS if records else IDLE_SECONDS)
        if waited or gc.get_count()[0] > MOST_NEW_CONTAINERS:  # the count goes on while the collector is off
            gc.collect()
            self._collected_at = now

    def close(self) -> None:
        """Give the collector back."""
        gc.enable()
        gc.unfreeze()
