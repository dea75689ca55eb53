"""How often events close in time share a bin: an indicator of dependence that needs no order of rows.

Pairs of events in the same pane (or in consecutive panes, until there are a few events) that share a bin are counted.
Compared with all pairs of a base window, they show whether near events are more similar than far ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: least events taken together: a pane with one event has no pair
FEWEST_TOGETHER: Final = 8


@dataclass(slots=True)
class Agreement:
    """Pairs of near events of C columns with B bins in the base window that is filling."""

    columns: int
    bins: int
    #: (C,) pairs that share a bin, and all pairs, each counted in both orders
    same: Ints = field(init=False)
    pairs: Ints = field(init=False)
    _together: Ints = field(init=False)
    _events: int = 0

    def __post_init__(self) -> None:
        self.same, self.pairs = np.zeros(self.columns, np.int64), np.zeros(self.columns, np.int64)
        self._together = np.zeros((self.columns, self.bins), np.int64)

    def add(self, counts: Ints, events: int) -> None:
        """Add a pane's counts (C, B) of value bins and its number of events."""
        self._together += counts
        self._events += events
        if self._events >= FEWEST_TOGETHER:
            self._take()

    def close(self) -> tuple[Ints, Ints]:
        """End the base window; returns (pairs that share a bin, pairs), each (C,)."""
        self._take()
        same, pairs = self.same, self.pairs
        self.same, self.pairs = np.zeros_like(same), np.zeros_like(pairs)
        return same, pairs

    def _take(self) -> None:
        counts = self._together
        values = counts.sum(1)
        self.same += np.einsum("cb,cb->c", counts, counts) - values
        self.pairs += values * (values - 1)
        self._together, self._events = np.zeros_like(counts), 0

    def to_state(self) -> dict[str, Any]:
        arrays = {"same": self.same, "pairs": self.pairs, "together": self._together}
        return {name: array.copy() for name, array in arrays.items()} | {"events": self._events}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Agreement:
        together = np.array(state["together"], np.int64)
        one = cls(*together.shape)
        one.same, one.pairs = np.array(state["same"], np.int64), np.array(state["pairs"], np.int64)
        one._together, one._events = together, int(state["events"])
        return one
