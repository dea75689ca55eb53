"""Rows of a group that are counted, and the panes they fall into."""

from __future__ import annotations

from dataclasses import dataclass

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


def is_all(picked: NDArray[np.int64], rows: int) -> bool:
    """True where every row is picked, in its own order."""
    return len(picked) == rows and bool((picked[:-1] < picked[1:]).all())


def picked_of(values: list[object], picked: NDArray[np.int64]) -> list[object]:
    """The values at these positions."""
    return values if is_all(picked, len(values)) else [values[i] for i in picked.tolist()]
