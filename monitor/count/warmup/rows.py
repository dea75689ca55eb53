"""The rows of model versions in their warm-up, kept by pane until stage 2 takes them.

Their panes open, close and reach stage 2 as all panes do; a tally of them has no columns, so the rows go beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.count.columns.aggregator import Aggregator, Aggregators
from monitor.count.columns.pane_rows import Rows
from monitor.count.warmup.lines import lines_of
from monitor.decode.columns import Group, Shape
from monitor.events import ModelKey, Partition
from monitor.reference.blank import WARMUP
from monitor.reference.reference import Reference
from monitor.stats.tallies.tally import Tally

Ints = NDArray[np.int64]

#: bytes of the objects of a chunk, whatever is in it
CHUNK_BYTES: Final = 500


def packed_lines(lines: Sequence[bytes]) -> bytes:
    """Lines as compressed bytes; none of them holds a line end."""
    return zstandard.ZstdCompressor(1).compress(b"\n".join(lines))


def unpacked_lines(packed: bytes) -> list[bytes]:
    """Back from `packed_lines`."""
    text = zstandard.ZstdDecompressor().decompress(packed)
    return text.split(b"\n") if text else []


class Chunk(NamedTuple):
    """Rows (n,) of one batch and pane in the order of their partition: event times, offsets, and their lines."""

    partition: Partition
    ts: Ints
    offset: Ints
    packed: bytes

    @property
    def lines(self) -> list[bytes]:
        return unpacked_lines(self.packed)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.packed) + self.ts.nbytes + self.offset.nbytes + CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class OpenRows:
    """Checkpointed rows of a model version in panes that did not reach stage 2: by the start of the pane."""

    key: ModelKey
    panes: dict[int, list[Chunk]] = field(default_factory=dict)


class WarmupRows:
    """Rows by model version and pane; the tasks of a process share one."""

    def __init__(self, pane_us: int, tags_of: Callable[[str], tuple[str, ...]] = lambda _: ()) -> None:
        """`tags_of` gives by model the names of the tags that are kept."""
        self._pane_us = pane_us
        self.tags_of = tags_of
        self._panes: dict[ModelKey, dict[int, list[Chunk]]] = {}
        self._changes: Counter[ModelKey] = Counter()
        #: bytes that all rows take
        self.size = 0

    def add(self, group: Group, rows: Rows) -> None:
        """Keep the rows of a group; those of a pane stand together."""
        lines = lines_of(group, rows, self.tags_of(group.key.model))
        panes = self._panes.setdefault(group.key, {})
        self._changes[group.key] += 1
        starts = rows.starts.tolist()
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            pane = int(rows.ts[start]) // self._pane_us * self._pane_us
            ts, offset = rows.ts[start:end].copy(), rows.offset[start:end].copy()
            chunk = Chunk(rows.partition, ts, offset, packed_lines(lines[start:end]))
            panes.setdefault(pane, []).append(chunk)
            self.size += chunk.size

    def take(self, key: ModelKey, start_us: int) -> list[bytes]:
        """Remove and return the lines of the pane that begins then, and drop those of earlier panes, which came after
        these were final.

        Sorted by (time, topic, partition, offset, index in the record): a total order, however polls cut the stream.
        """
        panes = self._panes.get(key, {})
        chunks = panes.get(start_us, [])
        for pane in [pane for pane in panes if pane <= start_us]:
            self._drop(panes.pop(pane))
        self._changes[key] += 1
        if not chunks:
            return []
        ranks = {one: rank for rank, one in enumerate(sorted({chunk.partition for chunk in chunks}))}
        rank = np.concatenate([np.full(len(chunk.ts), ranks[chunk.partition]) for chunk in chunks])
        offset, ts = (np.concatenate(part) for part in ([c.offset for c in chunks], [c.ts for c in chunks]))
        lines = [line for chunk in chunks for line in chunk.lines]
        return [lines[at] for at in np.lexsort((offset, rank, ts)).tolist()]

    def keys(self) -> list[ModelKey]:
        """The model versions with rows."""
        return [key for key, panes in self._panes.items() if panes]

    def open(self, key: ModelKey) -> Iterator[tuple[int, Chunk]]:
        """Start of the pane, and rows of it, of all that was not taken."""
        for start_us, chunks in sorted(self._panes.get(key, {}).items()):
            for chunk in chunks:
                yield start_us, chunk

    def forget(self, key: ModelKey) -> None:
        self._changes[key] += 1
        for chunks in self._panes.pop(key, {}).values():
            self._drop(chunks)

    def _drop(self, chunks: list[Chunk]) -> None:
        self.size -= sum(chunk.size for chunk in chunks)

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` would give the same."""
        return self._changes[key]

    def to_state(self, key: ModelKey) -> OpenRows:
        return OpenRows(key, {start: list(chunks) for start, chunks in sorted(self._panes.get(key, {}).items())})

    def restore(self, state: OpenRows) -> None:
        self.forget(state.key)
        self._panes[state.key] = {start: list(chunks) for start, chunks in state.panes.items()}
        self.size += sum(chunk.size for chunks in state.panes.values() for chunk in chunks)


class WarmupAggregator(Aggregator):
    """Counts rows without columns, and keeps them."""

    at_once = True

    def __init__(self, reference: Reference, kept: WarmupRows) -> None:
        super().__init__(reference)
        self._kept = kept
        self.shape = Shape((), reference.positive, raw=True, tags=kept.tags_of(reference.key.model))

    def count(self, group: Group, rows: Rows) -> list[Tally]:
        self._kept.add(group, rows)
        return super().count(group, rows)


class WarmupAggregators(Aggregators):
    """Aggregators that keep the rows of model versions in their warm-up."""

    def __init__(self, kept: WarmupRows) -> None:
        super().__init__()
        self._kept = kept

    def make(self, reference: Reference) -> Aggregator:
        return WarmupAggregator(reference, self._kept) if reference.hash == WARMUP else super().make(reference)
