"""Blocks of consecutive events, of which windows consist."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.stats.tallies.tally import Tally


@dataclass(frozen=True, slots=True)
class Block:
    """A pane, a base window, or several consecutive base windows, merged: [start, end) in microseconds."""

    start_us: int
    end_us: int
    tally: Tally

    def with_tally(self, tally: Tally) -> Block:
        """The same with another tally; the same object where that is its own."""
        return self if tally is self.tally else Block(self.start_us, self.end_us, tally)

    def copy(self) -> Block:
        """The same with a tally of its own."""
        return Block(self.start_us, self.end_us, self.tally.copy())
