"""Rows of a group that are counted, and the panes they fall into."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition


@dataclass(slots=True)
class Rows:
    """The rows of a group that are counted, sorted by pane; rows of one pane are in the order in which they came.

    `picked` (n,) positions in the group, `starts` (P,) where each pane's rows begin among them, `slots` (n,) the
    pane's number 0..P-1, `is_prediction`, `ts` (microseconds of Unix time) and `offset` (n,).
    """

    partition: Partition
    picked: NDArray[np.int64]
    starts: NDArray[np.int64]
    slots: NDArray[np.int64]
    is_prediction: NDArray[np.bool_]
    ts: NDArray[np.int64]
    offset: NDArray[np.int64]
    _all: bool | None = field(default=None, init=False, repr=False, compare=False)

    def are_all(self, rows: int) -> bool:
        """True where every one of the group's `rows` is picked, in its own order; looked at once."""
        if self._all is None:
            self._all = len(self.picked) == rows and bool((self.picked[:-1] < self.picked[1:]).all())
        return self._all

    def of(self, values: list[object]) -> list[object]:
        """Those of the group's values that are picked."""
        return values if self.are_all(len(values)) else [values[i] for i in self.picked.tolist()]
