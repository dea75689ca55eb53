"""The interface of a sequential change detector: fed one value after another, its state is plain numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

#: from splitmix64 (Steele, Lea and Flood 2014): an increment, and the multipliers that mix the bits
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


class Detector(ABC):
    """One detector of changes in a sequence. After a change it has to be begun anew (`reset`), as in River.

    Its state is its `numbers`; a detector whose state is of other types overrides both methods.
    """

    #: whether it takes only 0 and 1
    binary: ClassVar[bool] = False
    #: names of the attributes that are its state
    numbers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def update(self, value: float) -> bool:
        """Take the next value; True if a change is detected with it."""

    @abstractmethod
    def reset(self) -> None:
        """Begin anew, as before the first value."""

    def to_state(self) -> dict[str, Any]:
        """Plain numbers, lists and arrays for a checkpoint; `restore` of it changes nothing."""
        return {name: getattr(self, name) for name in self.numbers}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `to_state`."""
        for name in self.numbers:
            setattr(self, name, state[name])


class RunningMean:
    """The mean of a sequence, updated as River updates it, so that both agree to the last digit."""

    __slots__ = ("mean", "n")

    def __init__(self, n: float = 0.0, mean: float = 0.0) -> None:
        self.n = n
        self.mean = mean

    def update(self, value: float) -> None:
        self.n += 1.0
        self.mean += (1.0 / self.n) * (value - self.mean)

    def copy(self) -> RunningMean:
        return RunningMean(self.n, self.mean)

    def pair(self) -> list[float]:
        return [self.n, self.mean]


def error_sequence(n: int, wrong: int, seed: int) -> NDArray[np.bool_]:
    """`n` errors of which `wrong` are True, (n,), in an order that depends on the three numbers alone.

    Counts do not tell the order of the errors. Of independent errors with these counts every order is equally likely,
    and so this one is drawn like a lot: what is known of a detector on independent errors holds for it. Errors that
    depend on each other are mixed within these `n`.
    """
    with np.errstate(over="ignore"):
        lots = np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN + np.uint64(seed % 2**64) * _FIRST
        lots = (lots ^ (lots >> np.uint64(30))) * _FIRST
        lots = (lots ^ (lots >> np.uint64(27))) * _SECOND
        lots ^= lots >> np.uint64(31)
    sequence = np.zeros(n, bool)
    sequence[np.argsort(lots, kind="stable")[:wrong]] = True
    return sequence
