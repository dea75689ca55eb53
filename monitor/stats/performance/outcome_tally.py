"""The tally of one named outcome: a judge's score, a rating, a refund, as numbers, booleans (0 and 1) or texts.

Numbers are counted on a grid of 128 steps for each power of two, and added exactly: the mean is that of the values
themselves, their spread and quantiles are those of the grid, at most 0.4 % from a value. Whole numbers up to 256 are on
the grid. The grid needs no reference, is the same everywhere, and its counts can be taken back.

Of segments, which are many, no grid is kept: the numbers are summed with their squares and cubes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: steps of the grid in one power of two
STEPS: Final = 128
#: sums are exact to 2^-24
UNIT: Final = 1 << 24
#: numbers further out are not counted: third powers of them might be no floats
FURTHEST: Final = 2.0**128
#: smaller numbers are 0
NEAREST: Final = 2.0**-24
_OCTAVES_BELOW_ONE: Final = 24
#: exact sums are added as two halves, the lower one of so many bits
_HALF: Final = 31
#: bits of the integer that a float is a multiple of a power of 2 of
_MANTISSA: Final = 53
#: a spread is not taken for smaller than this part of the mean: floats could not tell it from powers of the numbers
LEAST_SPREAD: Final = 2.0**-12
#: counts texts that are no category of the reference, and texts among numbers
OTHER: Final = "(other)"
#: the `value` of labels is counted as the outcome without a name
LABEL_VALUE: Final = ""
#: what a value is counted under: its place on the grid, or the text of a category
Cell = int | str


@dataclass(slots=True)
class OutcomeTally:
    """`counts` of values by cell, and the fixed-point `total` of the numbers.

    Of a segment how many numbers are `summed`, with their `squares` and `cubes`: these may be in no cell.
    A change of such a tally is one too, with negative counts.
    """

    counts: dict[Cell, int] = field(default_factory=dict)
    total: int = 0
    summed: int = 0
    squares: int = 0
    cubes: int = 0

    def merge(self, other: OutcomeTally) -> None:
        """Add another tally to this one; counts of 0 are dropped."""
        counts = self.counts
        for cell, count in other.counts.items():
            summed = counts.get(cell, 0) + count
            if summed:
                counts[cell] = summed
            else:
                counts.pop(cell, None)
        self.total += other.total
        self.summed += other.summed
        self.squares += other.squares
        self.cubes += other.cubes

    def copy(self) -> OutcomeTally:
        return OutcomeTally(self.counts.copy(), self.total, self.summed, self.squares, self.cubes)

    def __bool__(self) -> bool:
        return bool(self.counts or self.total or self.summed or self.squares or self.cubes)

    @property
    def values(self) -> int:
        """All values."""
        return self.numbers + sum(self.texts().values())

    @property
    def numbers(self) -> int:
        """Values that are numbers."""
        return sum(self.counts[cell] for cell in cells) if (cells := self.cells()) else self.summed

    def cells(self) -> list[int]:
        """The places of its numbers on the grid, rising."""
        return sorted(cell for cell in self.counts if not isinstance(cell, str))

    @property
    def mean(self) -> float | None:
        """The mean of the numbers; None without any."""
        numbers = self.numbers
        return self.total / UNIT / numbers if numbers else None

    def texts(self) -> dict[str, int]:
        """Counts of the categories."""
        return {cell: self.counts[cell] for cell in sorted(cell for cell in self.counts if isinstance(cell, str))}

    def quantile(self, share: float) -> float | None:
        """The number below which this share of the numbers lies, on the grid; None without any."""
        cells = self.cells()
        if not cells:
            return None
        reached = np.cumsum([self.counts[cell] for cell in cells])
        return float(number_at(np.array(cells, np.int64))[np.searchsorted(reached, share * reached[-1])])

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values, whatever the order of counting; sums as text, as they may have many bits."""
        sums = {"summed": self.summed, "squares": str(self.squares), "cubes": str(self.cubes)}
        return {
            "numbers": [[cell, self.counts[cell]] for cell in self.cells()],
            "texts": [list(one) for one in self.texts().items()],
            "total": str(self.total),
            **(sums if any((self.summed, self.squares, self.cubes)) else {}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> OutcomeTally:
        sums = state.get("summed", 0), int(state.get("squares", 0)), int(state.get("cubes", 0))
        return cls(dict((*state["numbers"], *state["texts"])), int(state["total"]), *sums)


def place_of(numbers: Floats) -> Ints:
    """The places (n,) of numbers up to FURTHEST on the grid: 0 is 0, others count from it in their direction."""
    sizes = np.abs(numbers)
    mantissa, exponent = np.frexp(np.maximum(sizes, NEAREST))
    step = np.rint((2 * mantissa - 1) * STEPS).astype(np.int64)
    places = 1 + (exponent.astype(np.int64) - 1 + _OCTAVES_BELOW_ONE) * STEPS + step
    return np.where(sizes < NEAREST, 0, np.where(numbers < 0, -places, places))


def number_at(places: Ints) -> Floats:
    """The numbers (n,) at places of the grid."""
    octave, step = np.divmod(np.abs(places) - 1, STEPS)
    sizes = np.ldexp(1 + step / STEPS, octave - _OCTAVES_BELOW_ONE)
    return np.asarray(np.where(places == 0, 0.0, np.sign(places) * sizes), np.float64)


def step_at(places: Ints) -> Floats:
    """By how much a number at each of these places (n,) may be away from it, at most."""
    sizes = np.abs(number_at(places))
    return np.asarray(np.where(places == 0, NEAREST, sizes / (2 * STEPS)), np.float64)


def fixed_sums(slots: Ints, count: int, numbers: Floats, sign: Ints) -> list[int]:
    """Exact sums by slot of n numbers up to FURTHEST, each rounded once to a multiple of 1 / UNIT."""
    return _exact_sums(slots, count, np.rint(numbers * UNIT), sign)


def power_sums(slots: Ints, count: int, numbers: Floats, sign: Ints) -> tuple[list[int], list[int]]:
    """Exact sums by slot of the squares and cubes of such numbers, in multiples of 1 / UNIT to that power."""
    whole = np.rint(numbers * UNIT)
    squares, cubes = (_exact_sums(slots, count, whole**power, sign) for power in (2, 3))
    return squares, cubes


def _exact_sums(slots: Ints, count: int, whole: Floats, sign: Ints) -> list[int]:
    """Sums by slot of n whole numbers of any size."""
    mantissa, exponent = np.frexp(whole)
    fixed = (mantissa * 2.0**_MANTISSA).astype(np.int64)
    totals = [0] * count
    for power in np.unique(exponent).tolist():
        at = np.flatnonzero(exponent == power)
        sums = np.zeros((2, count), np.int64)
        np.add.at(sums[0], slots[at], (fixed[at] >> _HALF) * sign[at])
        np.add.at(sums[1], slots[at], (fixed[at] & ((1 << _HALF) - 1)) * sign[at])
        for slot in np.flatnonzero(sums.any(0)).tolist():
            scaled = (int(sums[0, slot]) << _HALF) + int(sums[1, slot])
            totals[slot] += scaled << power - _MANTISSA if power >= _MANTISSA else scaled >> _MANTISSA - power
    return totals


def number_moments(tally: OutcomeTally) -> Floats:
    """(4,) how many numbers, and sums of their first three powers: see `stats.mean_difference`.

    The first power is exact. On a grid the spread is that of the grid, with the largest error of its steps: it is never
    taken for smaller than it is.
    """
    cells = np.array(tally.cells(), np.int64)
    counts = np.array([tally.counts[cell] for cell in cells.tolist()], np.float64)
    rows = float(counts.sum()) or float(tally.summed)
    if not rows:
        return np.zeros(4)
    mean = tally.total / UNIT / rows
    if len(cells):
        on_grid = number_at(cells)
        away = on_grid - float(counts @ on_grid) / rows
        spread = float(counts @ (away**2 + step_at(cells) ** 2)) / rows
        third = float(counts @ away**3) / rows
    else:
        spread, third = _central(tally)
    powers = mean, spread + mean**2, third + 3 * mean * spread + mean**3
    return rows * np.array([1.0, *powers])


def _central(tally: OutcomeTally) -> tuple[float, float]:
    """The second and third central moment of numbers that are summed, from integers: nothing cancels."""
    n, first, second, third = tally.summed, tally.total, tally.squares, tally.cubes
    spread = max(n * second - first**2, 0) / (n**2 * UNIT**2)
    cubed = (n**2 * third - 3 * n * first * second + 2 * first**3) / (n**3 * UNIT**3)
    return max(spread, (LEAST_SPREAD * first / (n * UNIT)) ** 2), cubed


def category_moments(tally: OutcomeTally, category: str) -> Floats:
    """(4,) the same of a category's share of all values."""
    hits = tally.counts.get(category, 0)
    return np.array([tally.values, hits, hits, hits], np.float64)


def add_outcomes(into: dict[str, OutcomeTally], others: Mapping[str, OutcomeTally]) -> None:
    """Add tallies by name; those that hold nothing are dropped."""
    for name, other in others.items():
        add_outcome(into, name, other)


def add_outcome(into: dict[str, OutcomeTally], name: str, other: OutcomeTally) -> None:
    """Add the tally of one of them."""
    known = into.get(name)
    if known is None:
        into[name] = other.copy()
        return
    known.merge(other)
    if not known:
        del into[name]


def merged_outcomes(tallies: Iterable[OutcomeTally]) -> OutcomeTally:
    """One tally of all the given ones; none of them is changed."""
    total = OutcomeTally()
    for tally in tallies:
        total.merge(tally)
    return total
