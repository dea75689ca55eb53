"""Blocks of events with a fact about some of them, and the share of these in the newest blocks."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from monitor.judge.promise.budget import TicketBudget
from monitor.stats.testing.fact_share import LONGEST, Excess, FactShare, judged
from monitor.stats.testing.onset import onset

#: the largest alpha of a test: such events come together, which the test does not know
MOST_OF_SHARE: Final = 1e-4


class FactBlock(NamedTuple):
    """`hits` of the `events` (with the hits) of [start, end) microseconds."""

    start_us: int
    end_us: int
    hits: int
    events: int

    @property
    def share(self) -> float:
        return self.hits / max(self.events, 1)


class FactBlocks:
    """The newest blocks of at least `least` events each, and the one that is filling."""

    def __init__(self, least: int, kept: int = LONGEST) -> None:
        self._least, self._kept = least, kept
        #: the newest last
        self.closed: list[FactBlock] = []
        self._open: tuple[int, int, int, int] | None = None

    def add(self, part: tuple[int, int, int, int]) -> bool:
        """Add the next events, as the fields of a block, which may be older; whether a block closes with them."""
        known = self._open
        if known is not None:
            start, end, hits, events = known
            part = (min(start, part[0]), max(end, part[1]), hits + part[2], events + part[3])
        if part[3] < self._least:
            self._open = part
            return False
        self.closed, self._open = [*self.closed, FactBlock(*part)][-self._kept :], None
        return True

    def excess(self, reference: FactShare, least_effect: float) -> Excess | None:
        """The newest blocks that are furthest over; None where none can be judged."""
        if not any(one.hits for one in self.closed):  # as mostly; no share of 0 is too large
            return None
        hits, events = [one.hits for one in self.closed], [one.events for one in self.closed]
        return judged(reference, hits, events, self._alpha(reference), least_effect)

    def _alpha(self, reference: FactShare) -> float:
        """The budget of the time of the newest block, for each length."""
        since = max(self.closed[-1].end_us - self.closed[-1].start_us, 1)
        return TicketBudget(len(reference.largest), MOST_OF_SHARE).alpha(since)

    def newest(self, blocks: int) -> FactBlock | None:
        """The newest blocks as one; None if there are not so many."""
        if not 0 < blocks <= len(self.closed):
            return None
        newest = self.closed[-blocks:]
        hits, events = sum(one.hits for one in newest), sum(one.events for one in newest)
        return FactBlock(min(one.start_us for one in newest), max(one.end_us for one in newest), hits, events)

    def began_us(self, blocks: int, share: float) -> int:
        """When the rise above that share most likely began, in the newest blocks."""
        newest = self.closed[-blocks:]
        hits = np.array([one.hits for one in newest], np.float64)
        events = np.array([one.events for one in newest], np.float64)
        return newest[onset(hits, events, share)].start_us

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        blocks = [*self.closed, *([self._open] if self._open is not None else [])]
        return {"blocks": np.array(blocks, np.int64).reshape(-1, 4), "open": self._open is not None}

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        blocks = [FactBlock(*row) for row in np.array(state["blocks"], np.int64).tolist()]
        self._open = blocks.pop() if state["open"] else None
        self.closed = blocks
