"""A row of 64-bit numbers that new ones join at its end and old ones leave at its beginning, as a state holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]


class Growing(Mapping[str, Any]):
    """`first` and `keys` of such a row at one moment.

    Places are counted from the first number that ever joined: the row holds those from `first` to before `end`. The
    number at a place never changes, so a store that has some of them asks for the others alone. `keys` is made when it
    is asked for.
    """

    def __init__(self, name: str, first: int, end: int, between: Callable[[int, int], Numbers]) -> None:
        """`name` tells the rows of a state apart; "" for one that is kept with the rest of the state."""
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
