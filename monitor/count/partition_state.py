"""State of one topic-partition in stage 1: its clock and its event ids, which decide what is late or duplicate.

An event is checked for late first, then for duplicate. The clock is that of the prediction and features events before
it, so the outcome does not depend on how polls cut the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.batch import Admitted
from monitor.count.clocks.ahead_events import AheadEvents, WrongTime
from monitor.count.clocks.event_clock import NO_CLOCK, EventClock
from monitor.count.event_ids import EventIds
from monitor.count.task_state import SavedPartition
from monitor.decode.columns import Events
from monitor.events import PREDICTION, Partition

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Outcomes of the checked events of a batch; masks over all its events.

    `behind_us` (n,) is how far a late event is behind the clock, 0 if it is not late.
    `clock_us` (n,) is the clock just before each event of the batch, in microseconds. `wrong_times` are events, most of
    earlier batches, of which it is known now that the clock has not followed them.
    """

    late: Mask
    behind_us: NDArray[np.int64]
    duplicate: Mask
    clock_us: NDArray[np.int64]
    wrong_times: list[WrongTime]

    @classmethod
    def settled(cls, count: int, clock_us: int) -> Verdicts:
        """Of events that were asked about before: none is late or duplicate."""
        none = np.zeros(count, np.bool_)
        return cls(none, np.zeros(count, np.int64), none, np.full(count, clock_us), [])


class PartitionState:
    """State of one topic-partition."""

    def __init__(self, partition: Partition, id_memory: int) -> None:
        self.partition = partition
        self.clock = EventClock()
        self.ahead = AheadEvents()
        #: the largest event time of any model, known or not: how far reading has come
        self.read_clock_us = NO_CLOCK
        self.next_offset = -1
        #: whether this process read records, and whether it was at the partition's end; not state
        self.has_read = False
        self.was_at_end = False
        self.ids = EventIds(id_memory)
        #: monotonic seconds of the last event; not state
        self.last_event_at = 0.0

    def ask(self, events: Events, admitted: Admitted, now: float) -> Verdicts:
        """Which admitted events are late or duplicate; moves the clocks. Events not admitted are neither."""
        asked, ts, lateness = admitted.rows, events.ts, admitted.lateness_us
        every = bool(asked.all())
        rows = None if every else np.flatnonzero(asked)
        own_ts, own_lateness = (ts, lateness) if rows is None else (ts[rows], lateness[rows])
        clocks, before = self.clock.ask(own_ts, own_lateness)
        self.has_read = True
        of_asked = ts if every else ts[admitted.asked]
        self.read_clock_us = max(self.read_clock_us, int(of_asked.max(initial=NO_CLOCK)))
        if len(own_ts):
            self.last_event_at = now
        behind = before - own_ts
        own_late = (behind > own_lateness) & (before != NO_CLOCK)
        late, behind_us = own_late, np.where(own_late, behind, 0)
        if rows is not None:
            late, behind_us = _spread(own_late, rows, len(ts)), _spread(behind_us, rows, len(ts))
        duplicate = self._duplicates(asked & ~late, events)
        ahead = clocks[1:] < own_ts
        wrong_times: list[WrongTime] = []
        if self.ahead or ahead.any():
            begin = np.flatnonzero(ahead & ~(duplicate if rows is None else duplicate[rows])).tolist()
            at = range(len(ts)) if rows is None else rows.tolist()
            wrong_times = self.ahead.take(lambda one: events.keys[events.key[at[one]]], own_ts, clocks[1:], begin)
        clock_us = clocks[:-1] if rows is None else clocks[np.cumsum(asked) - asked]
        return Verdicts(late, behind_us, duplicate, clock_us, wrong_times)

    def _duplicates(self, accepted: Mask, events: Events) -> Mask:
        """Which of the `accepted` predictions repeat an id; asked about all that have one."""
        remembered = accepted & (events.kind == PREDICTION) & (events.id_key != 0)
        if remembered.all():
            return self.ids.ask(events.id_key)
        duplicate = np.zeros(len(remembered), np.bool_)
        duplicate[remembered] = self.ids.ask(events.id_key[remembered])
        return duplicate

    def ask_times(
        self, ts: NDArray[np.int64], lateness_us: NDArray[np.int64], keys: NDArray[np.uint64], now: float
    ) -> Verdicts:
        """The same for sides of calls (n,), by their times, how late they may be, and hashes of what they are, or 0.

        Their own times are not said to be wrong: whose they are is not known yet.
        """
        clocks, held_against = self.clock.ask(ts, lateness_us)
        self.has_read = True
        self.read_clock_us = max(self.read_clock_us, int(ts.max(initial=NO_CLOCK)))
        self.last_event_at = now
        late = (held_against != NO_CLOCK) & (ts < held_against - lateness_us)
        duplicate = np.zeros(len(ts), np.bool_)
        remembered = ~late & (keys != 0)
        duplicate[remembered] = self.ids.ask(keys[remembered])
        wrong_times = self.ahead.take_others(clocks[1:])
        return Verdicts(late, np.where(late, held_against - ts, 0), duplicate, clocks[:-1], wrong_times)

    @property
    def reached_us(self) -> int:
        """How far reading has come: the clock, or the newest time of any model if no known model had an event."""
        return self.clock_us if self.clock_us != NO_CLOCK else self.read_clock_us

    @property
    def clock_us(self) -> int:
        """The clock by which events are late, microseconds; `NO_CLOCK` before the first event."""
        return self.clock.us

    def to_state(self) -> SavedPartition:
        ids = self.ids.to_state(str(self.partition))
        clock = self.clock.to_state() | {"ahead": self.ahead.to_state()}
        return SavedPartition(self.next_offset, self.read_clock_us, clock, ids)

    def restore(self, state: SavedPartition) -> None:
        self.clock.restore(state.clock)
        self.ahead.restore(state.clock.get("ahead", ()))
        self.read_clock_us = state.read_clock_us
        self.next_offset = state.next_offset
        self.ids.restore(state.ids)


def _spread(of_rows: NDArray[Any], rows: NDArray[np.int64], count: int) -> NDArray[Any]:
    """The values of some of `count` rows, 0 for the others."""
    spread = np.zeros(count, of_rows.dtype)
    spread[rows] = of_rows
    return spread
