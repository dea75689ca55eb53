"""Events in a row: what windows are made of."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.stats.tally import Tally


@dataclass(frozen=True, slots=True)
class Block:
    """A pane, a base window, or some base windows in a row, merged: [start, end) in microseconds."""

    start_us: int
    end_us: int
    tally: Tally
