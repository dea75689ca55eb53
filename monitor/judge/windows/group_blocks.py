"""Blocks of predictions, or of labelled ones, of each group: how many there are, and how many have the outcome."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: rows of all groups together that close a block
BLOCK_ROWS: Final = 250
#: blocks that are kept, and the longest window of them
KEPT: Final = 64
LENGTHS: Final = tuple(1 << at for at in range(KEPT.bit_length()))
_SPAN: Final = 2


class GroupBlocks:
    """The newest blocks of S groups, and the one that is filling; `counts` of a block (S, 2) are rows and hits."""

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self.closed = 0
        #: start and end of each kept block, and of the open one (microseconds); the newest last
        self._spans: list[tuple[int, int]] = []
        self._counts: list[Ints] = []
        self._open: tuple[int, int] | None = None
        self._filling = np.zeros((groups, 2), np.int64)
        self._rows = 0

    def add(self, start_us: int, end_us: int, counts: Ints, rows: int) -> bool:
        """Add what came in [start, end), `rows` of each feature's groups together; whether a block closes with it."""
        if not rows:
            return False
        known = self._open or (start_us, end_us)
        self._open = min(known[0], start_us), max(known[1], end_us)
        self._filling = self._filling + counts
        self._rows += rows
        if self._rows < BLOCK_ROWS:
            return False
        self.closed += 1
        self._spans = [*self._spans, self._open][-KEPT:]
        self._counts = [*self._counts, self._filling][-KEPT:]
        self._open, self._filling, self._rows = None, np.zeros((self._groups, 2), np.int64), 0
        return True

    def due(self) -> list[int]:
        """The lengths of the windows side by side that end with the newest block."""
        return [length for length in LENGTHS if self.closed % length == 0 and length <= len(self._counts)]

    def newest(self, blocks: int) -> Ints | None:
        """(S, 2) of the newest blocks; None if there are not so many."""
        if not 0 < blocks <= len(self._counts):
            return None
        return np.asarray(np.sum(self._counts[-blocks:], axis=0), np.int64)

    def span(self, blocks: int) -> tuple[int, int]:
        """Start and end of the newest blocks."""
        spans = self._spans[-blocks:]
        return min(start for start, _ in spans), max(end for _, end in spans)

    @property
    def held(self) -> int:
        """Blocks that are kept."""
        return len(self._counts)

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        spans = [*self._spans, *([] if self._open is None else [self._open])]
        return {
            "closed": self.closed,
            "spans": np.array(spans, np.int64).reshape(-1, _SPAN),
            "counts": np.array([*self._counts, self._filling], np.int64).reshape(-1, 2 * self._groups),
            "rows": self._rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`; of another number of groups it begins anew."""
        counts = np.array(state["counts"], np.int64)
        if counts.shape[1] != 2 * self._groups:
            return
        counts = counts.reshape(-1, self._groups, 2)
        self.closed, self._rows = state["closed"], state["rows"]
        spans = [(start, end) for start, end in np.array(state["spans"], np.int64).tolist()]
        self._counts, self._filling = list(counts[:-1]), counts[-1]
        self._spans = spans[: len(self._counts)]
        self._open = spans[-1] if len(spans) > len(self._counts) else None
