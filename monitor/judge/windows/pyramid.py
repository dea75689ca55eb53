"""Windows: panes are merged into base windows, base windows into lengths 1, 2, 4, ... in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.exchange import Pane
from monitor.events import Partition
from monitor.findings import Span
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.further import is_of_sample
from monitor.stats.tallies.later import Later
from monitor.stats.tallies.tally import BELOW, Tally, merged, pack, unpack

Records = dict[Partition, tuple[int, int]]

#: least events of a base window
BASE_EVENTS: Final = 250
#: least events of the newest panes together before their quality counts are tested
RECENT_EVENTS: Final = 50
#: the newest panes are looked at once so many of their events are new, a sixteenth of them at most: where a pane holds
#: one event, every look would be at nearly the same ones
RECENT_STEP: Final = 1 << ((RECENT_EVENTS // 16).bit_length() - 1)
#: blocks kept per level
BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Windows:
    """W windows that are judged together: counts (W, C, B + Q), sums (W, C, SUMS), extremes (W, C).

    `lengths` in base windows (0: a window of panes), `parts` the blocks of each window, newest last.
    """

    lengths: tuple[int, ...]
    spans: tuple[Span, ...]
    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    parts: tuple[tuple[Block, ...], ...]
    #: what was worked out of these windows: others made of them by `replace` begin without it
    _records: dict[int, Records] = field(init=False, default_factory=dict, repr=False, compare=False)
    _further: dict[str, NDArray[np.int64]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def start_us(self, window: int) -> int:
        """Event time at which one window begins."""
        return self.spans[window].start_us

    def further(self, name: str, size: int) -> NDArray[np.int64]:
        """(W, size) the tallies' further counts of that name, added over the blocks of each window: not to be changed.

        They are kept, as several causes ask for them.
        """
        if name not in self._further:
            self._further[name] = self._summed(name, size)
        return self._further[name]

    def _summed(self, name: str, size: int) -> NDArray[np.int64]:
        out = np.zeros((len(self.parts), size), np.int64)
        known: tuple[Block, ...] = ()
        for window, blocks in enumerate(self.parts):
            longer = 0 < len(known) < len(blocks) and blocks[-1] is known[-1] and blocks[-len(known)] is known[0]
            for block in blocks[: -len(known)] if longer else blocks:
                if name in block.tally.further:
                    out[window] += block.tally.further[name]
            if longer:
                out[window] += out[window - 1]
            known = blocks
        out.setflags(write=False)
        return out

    def of_part(self, part: Block, column: int) -> tuple[NDArray[np.int64], int]:
        """Counts (B + Q,) of a column in one of the parts, and how many of its values are below the range."""
        return part.tally.counts[column].astype(np.int64), int(part.tally.sums[column, BELOW])

    def records(self, window: int) -> Records:
        """Offsets [first, last] by partition of the events in one window; its findings share them."""
        if window not in self._records:
            self._records[window] = _records_of(self.parts[window])
        return self._records[window]


def _records_of(parts: tuple[Block, ...]) -> Records:
    spans: Records = {}
    for part in parts:
        for partition, (first, last) in part.tally.records.items():
            known = spans.get(partition, (first, last))
            spans[partition] = (min(first, known[0]), max(last, known[1]))
    return dict(sorted(spans.items()))


class BaseWindow:
    """Collects panes from the first event on, until they hold `BASE_EVENTS`; never closed by time."""

    def __init__(self) -> None:
        self.open: Block | None = None

    def add(self, pane: Pane | Block) -> Block | None:
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
    """The newest panes that hold `RECENT_EVENTS` together, and their running sums: a pane costs what it adds."""

    def __init__(self) -> None:
        self.panes: deque[Block] = deque()
        self._events = 0
        #: rows of the extremes of each pane, in the order of `panes`; unused rows hold nothing
        self._rows: deque[int] = deque()
        self._free: list[int] = []

    def add(self, pane: Pane) -> Windows | None:
        """Add a pane; returns the window of the newest panes once they hold enough events."""
        self.take(Block(pane.start_us, pane.end_us, pane.tally))
        return self.window()

    def take(self, block: Block) -> None:
        """Take the next pane in, and leave out what is not needed any more."""
        self.push(block)
        while self._events - self.panes[0].tally.events >= RECENT_EVENTS:
            self._pop()

    def push(self, block: Block) -> None:
        """Take the next pane in."""
        tally = block.tally
        if not self.panes:
            self._begin(tally)
        self.panes.append(block)
        self._events += tally.events
        self._counts += tally.counts
        self._sums += tally.sums
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._rows.append(row)
        self._lows[row], self._highs[row] = tally.lows, tally.highs

    def _begin(self, first: Tally) -> None:
        self._counts, self._sums = np.zeros_like(first.counts), np.zeros_like(first.sums)
        self._lows, self._highs = np.empty((0, len(first.lows))), np.empty((0, len(first.lows)))
        self._free = []
        # one that is counted among the quality counts makes a sum far too large
        self._in_bins = np.ones(first.counts.shape[1], np.int64)
        self._in_bins[-len(QUALITY_COUNTS) :] = 1 << 40

    def _grow(self) -> None:
        rows, columns = self._lows.shape
        more = max(8, rows)
        self._lows = np.concatenate((self._lows, np.full((more, columns), np.inf)))
        self._highs = np.concatenate((self._highs, np.full((more, columns), -np.inf)))
        self._free = list(range(rows, rows + more))

    def _pop(self) -> None:
        gone, row = self.panes.popleft().tally, self._rows.popleft()
        self._events -= gone.events
        self._counts -= gone.counts
        self._sums -= gone.sums
        self._lows[row], self._highs[row] = np.inf, -np.inf
        self._free.append(row)

    def span(self) -> Span | None:
        """The time and the events of the newest panes, None while they are too few events."""
        if self._events < RECENT_EVENTS:
            return None
        return Span(self.panes[0].start_us, self.panes[-1].end_us, self._events)

    def are_whole(self) -> bool:
        """Whether every event has a value in a bin of every column: in most newest panes it is so."""
        return bool((self._counts @ self._in_bins == self._events).all())

    def window(self) -> Windows | None:
        """The newest panes as one window, None while they are too few events."""
        span = self.span()
        if span is None:
            return None
        panes = tuple(self.panes)
        return Windows(
            (0,),
            (span,),
            self._counts.copy()[None],
            self._sums.copy()[None],
            self._lows.min(0)[None],
            self._highs.max(0)[None],
            (panes,),
        )


class Level:
    """The last 64 blocks of one size, and the running sums of the newest 1, 2, 4, ... of them that are asked for.

    Blocks take most of a process's memory, so their integers are stored narrow.
    Running sums add the new block and subtract the oldest; extremes cannot be subtracted and are computed again.
    """

    def __init__(self, numbers: tuple[int, ...]) -> None:
        """`numbers`: how many of the newest blocks each running sum covers, rising."""
        self._numbers = numbers
        self.blocks: list[Block] = []
        self._events = [0] * len(numbers)

    def add(self, block: Block) -> None:
        """Take the next block in."""
        new = block.tally
        if not self.blocks:
            self._begin(new)
        self.blocks.append(Block(block.start_us, block.end_us, new.narrowed()))
        self._counts += new.counts
        self._sums += new.sums
        for at, number in enumerate(self._numbers):
            self._events[at] += new.events
            if number < len(self.blocks):
                old = self.blocks[-1 - number].tally
                self._events[at] -= old.events
                self._counts[at] -= old.counts
                self._sums[at] -= old.sums
        for extremes, newest in ((self._lows, new.lows), (self._highs, new.highs)):
            extremes[1:] = extremes[:-1]
            extremes[0] = newest
        del self.blocks[:-BLOCKS]

    def _begin(self, first: Tally) -> None:
        lengths, columns = len(self._numbers), len(first.lows)
        self._counts = np.zeros((lengths, *first.counts.shape), np.int64)
        self._sums = np.zeros((lengths, *first.sums.shape), np.int64)
        # the newest block's first
        self._lows = np.full((BLOCKS, columns), np.inf)
        self._highs = np.full((BLOCKS, columns), -np.inf)

    def windows(self, scale: int) -> Windows:
        """One window for each running sum that has all its blocks; each block is `scale` base windows."""
        numbers = [number for number in self._numbers if number <= len(self.blocks)]
        parts = tuple(tuple(self.blocks[-number:]) for number in numbers)
        end_us, last = self.blocks[-1].end_us, [number - 1 for number in numbers]
        return Windows(
            tuple(number * scale for number in numbers),
            tuple(Span(part[0].start_us, end_us, n) for part, n in zip(parts, self._events, strict=False)),
            self._counts[: len(numbers)].copy(),
            self._sums[: len(numbers)].copy(),
            np.minimum.accumulate(self._lows)[last],
            np.maximum.accumulate(self._highs)[last],
            parts,
        )


class WindowPyramid:
    """The last 64 blocks of 1, 2, 4, ... base windows each.

    Lengths 1..64 end at every base window; a length of 64 * 2^j ends whenever a block of 2^j is complete.
    """

    def __init__(self, longest: int) -> None:
        """`longest` length in base windows, a power of two of at least 64."""
        self.longest = longest
        self.lengths = tuple(1 << k for k in range(longest.bit_length()))
        shortest = tuple(length for length in self.lengths if length <= BLOCKS)
        levels = (longest // BLOCKS).bit_length()
        self.levels = [Level(shortest if level == 0 else (BLOCKS,)) for level in range(levels)]
        self.closed = 0

    def add(self, block: Block) -> Windows:
        """Add a closed base window; returns the windows that end with it, shortest first."""
        self.closed += 1
        ending: list[Windows] = []
        for at, level in enumerate(self.levels):
            if self.closed % (1 << at):
                break
            if at:
                first, second = self.levels[at - 1].blocks[-2:]
                block = Block(first.start_us, second.end_us, merged([first.tally, second.tally]))
            level.add(block)
            if at == 0 or len(level.blocks) == BLOCKS:
                ending.append(level.windows(1 << at))
        return ending[0] if len(ending) == 1 else _joined(ending)

    def trailing(self, base_windows: int) -> Windows | None:
        """The newest `base_windows` as one window; None if there are fewer (or their level is not complete)."""
        level = max(0, (base_windows - 1).bit_length() - BLOCKS.bit_length() + 1)
        if level >= len(self.levels) or self.closed % (1 << level):
            return None
        blocks = -(-base_windows // (1 << level))
        if len(self.levels[level].blocks) < blocks:
            return None
        return window_of(base_windows, tuple(self.levels[level].blocks[-blocks:]))

    def counts_between(self, column: int, since_us: int, until_us: int) -> NDArray[np.int64]:
        """(B + Q,) counts of one column in the newest base windows, as far as they lie in a span of time."""
        inside = [one for one in self.levels[0].blocks if one.start_us >= since_us and one.end_us <= until_us]
        rows = [one.tally.counts[column] for one in inside]
        return np.sum(rows, axis=0, dtype=np.int64) if rows else np.zeros(0, np.int64)

    def to_state(self) -> dict[str, Any]:
        return {"closed": self.closed, "levels": [pack_blocks(level.blocks) for level in self.levels]}

    def restore(self, state: dict[str, Any]) -> None:
        self.closed = state["closed"]
        for level, blocks in zip(self.levels, state["levels"], strict=True):
            for block in unpack_blocks(blocks):
                level.add(block)


def _joined(several: list[Windows]) -> Windows:
    """The windows of several objects in one, in their order."""
    return Windows(
        tuple(length for one in several for length in one.lengths),
        tuple(span for one in several for span in one.spans),
        np.concatenate([one.counts for one in several]),
        np.concatenate([one.sums for one in several]),
        np.concatenate([one.lows for one in several]),
        np.concatenate([one.highs for one in several]),
        tuple(part for one in several for part in one.parts),
    )


def for_windows(tally: Tally) -> Tally:
    """The tally without the counts of the sample, which only sequential causes use: they are many."""
    if not tally.further or not any(map(is_of_sample, tally.further)):
        return tally
    return replace(tally, further={name: of for name, of in tally.further.items() if not is_of_sample(name)})


def window_of(length: int, blocks: tuple[Block, ...]) -> Windows:
    """The one window of these blocks."""
    tallies = [block.tally for block in blocks]
    first, several = tallies[0], len(tallies) > 1
    return Windows(
        (length,),
        (Span(blocks[0].start_us, blocks[-1].end_us, sum(tally.events for tally in tallies)),),
        _sum([tally.counts for tally in tallies]),
        _sum([tally.sums for tally in tallies]),
        (np.minimum.reduce([tally.lows for tally in tallies]) if several else first.lows)[None],
        (np.maximum.reduce([tally.highs for tally in tallies]) if several else first.highs)[None],
        (blocks,),
    )


def _sum(several: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(1, ...): the sum of arrays that may be stored narrow, as int64."""
    if len(several) == 1:
        return several[0].astype(np.int64, copy=False)[None]
    total: NDArray[np.int64] = np.add.reduce(several, dtype=np.int64)
    return total[None]


def pack_blocks(blocks: Iterable[Block]) -> Later:
    """Blocks as arrays, for a checkpoint; their tallies must not change any more."""
    return Later(partial(_packed_blocks, tuple(blocks)))


def _packed_blocks(blocks: tuple[Block, ...]) -> dict[str, Any]:
    return {
        "spans": [[block.start_us, block.end_us] for block in blocks],
        "tallies": pack([block.tally for block in blocks]),
    }


def unpack_blocks(state: Mapping[str, Any]) -> list[Block]:
    """Back from `pack_blocks`."""
    tallies = unpack(state["tallies"])
    return [Block(start, end, tally) for (start, end), tally in zip(state["spans"], tallies, strict=True)]
