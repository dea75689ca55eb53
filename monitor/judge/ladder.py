"""Windows: panes become base windows, base windows become a ladder of lengths 1, 2, 4, ... in constant memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.exchange import Pane
from monitor.events import Partition
from monitor.findings import Span
from monitor.stats.tally import Tally, merged, pack, unpack

#: events a base window holds at least
BASE_EVENTS: Final = 250
#: events the newest panes hold together when quality facts are looked at
RECENT_EVENTS: Final = 50
#: blocks kept of each level
BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Some base windows in a row, merged."""

    start_us: int
    end_us: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Windows:
    """W windows that are judged together: counts (W, C, B + facts), sums (W, C, SUMS), extremes (W, C).

    `lengths` are base windows (0: a window of panes), `parts` what each is made of, newest last.
    """

    lengths: tuple[int, ...]
    spans: tuple[Span, ...]
    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    parts: tuple[tuple[Block, ...], ...]

    def records(self, window: int) -> dict[Partition, tuple[int, int]]:
        """Offsets [first, last] by partition of the events in one window."""
        spans = [(partition, span) for part in self.parts[window] for partition, span in part.tally.records.items()]
        partitions = sorted({partition for partition, _ in spans})
        return {
            partition: (
                min(first for p, (first, _) in spans if p == partition),
                max(last for p, (_, last) in spans if p == partition),
            )
            for partition in partitions
        }


class BaseWindow:
    """Collects panes from the first event on, until they hold `BASE_EVENTS`; never closed by time."""

    def __init__(self) -> None:
        self.open: Block | None = None

    def add(self, pane: Pane) -> Block | None:
        """The base window this pane completes, if it does."""
        if self.open is None:
            self.open = Block(pane.start_us, pane.end_us, pane.tally.copy())
        else:
            self.open.tally.merge(pane.tally)
            self.open = Block(self.open.start_us, pane.end_us, self.open.tally)
        if self.open.tally.events < BASE_EVENTS:
            return None
        closed, self.open = self.open, None
        return closed


class RecentPanes:
    """The newest panes that hold `RECENT_EVENTS` together."""

    def __init__(self) -> None:
        self.panes: deque[Block] = deque()

    def add(self, pane: Pane) -> Windows | None:
        self.panes.append(Block(pane.start_us, pane.end_us, pane.tally))
        events = sum(block.tally.events for block in self.panes)
        while events - self.panes[0].tally.events >= RECENT_EVENTS:
            events -= self.panes.popleft().tally.events
        return windows_of([(0, tuple(self.panes))]) if events >= RECENT_EVENTS else None


class Ladder:
    """The last 64 blocks of 1, 2, 4, ... base windows each.

    Lengths 1..64 end at every base window; a length of 64 * 2^j ends whenever a block of 2^j is complete.
    """

    def __init__(self, longest: int) -> None:
        """`longest` length in base windows, a power of two of at least 64."""
        self.longest = longest
        self.lengths = tuple(1 << k for k in range(longest.bit_length()))
        self.levels: list[list[Block]] = [[] for _ in range((longest // BLOCKS).bit_length())]
        self.closed = 0

    def add(self, block: Block) -> Windows:
        """Take a closed base window; gives the windows that end with it, shortest first."""
        self.closed += 1
        chosen: list[tuple[int, tuple[Block, ...]]] = []
        for level, blocks in enumerate(self.levels):
            if level:
                if self.closed % (1 << level):
                    break
                below = self.levels[level - 1]
                block = Block(below[-2].start_us, below[-1].end_us, merged([below[-2].tally, below[-1].tally]))
            blocks.append(block)
            del blocks[:-BLOCKS]
            if level:
                if len(blocks) == BLOCKS:
                    chosen.append((BLOCKS << level, tuple(blocks)))
            else:
                chosen += [(n, tuple(blocks[-n:])) for n in self.lengths if n <= len(blocks)]
        return windows_of(chosen)

    def trailing(self, base_windows: int) -> Windows | None:
        """The newest so many base windows as one; None while they are not there (or not complete on their level)."""
        level = max(0, (base_windows - 1).bit_length() - BLOCKS.bit_length() + 1)
        if level >= len(self.levels) or self.closed % (1 << level):
            return None
        blocks = -(-base_windows // (1 << level))
        if len(self.levels[level]) < blocks:
            return None
        return windows_of([(base_windows, tuple(self.levels[level][-blocks:]))])

    def to_state(self) -> dict[str, Any]:
        return {"closed": self.closed, "levels": [pack_blocks(blocks) for blocks in self.levels]}

    def restore(self, state: dict[str, Any]) -> None:
        self.closed = state["closed"]
        self.levels = [unpack_blocks(blocks) for blocks in state["levels"]]


def windows_of(chosen: list[tuple[int, tuple[Block, ...]]]) -> Windows:
    """Sum the blocks of each window; the windows share their newest blocks, so sums run backwards from the end."""
    totals = [_total(blocks) for _, blocks in chosen]
    spans = [
        Span(blocks[0].start_us, blocks[-1].end_us, sum(block.tally.events for block in blocks)) for _, blocks in chosen
    ]
    return Windows(
        tuple(length for length, _ in chosen),
        tuple(spans),
        np.stack([total[0] for total in totals]),
        np.stack([total[1] for total in totals]),
        np.stack([total[2] for total in totals]),
        np.stack([total[3] for total in totals]),
        tuple(blocks for _, blocks in chosen),
    )


_Total = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _total(blocks: tuple[Block, ...]) -> _Total:
    tallies = [block.tally for block in blocks]
    if len(tallies) == 1:
        return tallies[0].counts, tallies[0].sums, tallies[0].lows, tallies[0].highs
    return (
        np.add.reduce([tally.counts for tally in tallies]),
        np.add.reduce([tally.sums for tally in tallies]),
        np.minimum.reduce([tally.lows for tally in tallies]),
        np.maximum.reduce([tally.highs for tally in tallies]),
    )


def pack_blocks(blocks: list[Block]) -> dict[str, Any]:
    """Blocks as arrays, for a checkpoint."""
    return {
        "spans": [[block.start_us, block.end_us] for block in blocks],
        "tallies": pack([block.tally for block in blocks]),
    }


def unpack_blocks(state: dict[str, Any]) -> list[Block]:
    tallies = unpack(state["tallies"])
    return [Block(start, end, tally) for (start, end), tally in zip(state["spans"], tallies, strict=True)]
