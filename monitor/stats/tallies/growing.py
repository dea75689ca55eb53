"""An append-only row of 64-bit numbers whose oldest numbers are dropped, as part of a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]


class Growing(Mapping[str, Any]):
    """`first` and `keys` of such a row at one moment.

    Positions are counted from the first number ever appended: the row holds those from `first` to before `end`. The
    number at a position never changes, so a store only needs the numbers it does not have yet. `keys` is computed on
    demand.
    """

    def __init__(self, name: str, first: int, end: int, between: Callable[[int, int], Numbers]) -> None:
        """`name` identifies the row within a state; "" for one that is stored with the rest of the state."""
        self.name = name
        self.first = first
        self.end = end
        self.between = between

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a number or an array
        if key == "first":
            return self.first
        if key == "keys":
            return self.between(self.first, self.end)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("first", "keys"))

    def __len__(self) -> int:
        return 2
