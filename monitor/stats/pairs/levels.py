"""Coarse levels of a column's values, for tables of two columns: three of them, and one for values that are missing.

Numbers are cut into three parts of about equal size along whole bins; categories are the two most frequent and the
rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVELS: Final = 3
#: level of an event without a value in the column
NO_LEVEL: Final = 3
#: cells of a table of two columns
CELLS: Final = LEVELS * LEVELS
#: a rest of categories below this share is counted with the second most frequent one
LEAST_REST: Final = 0.02


def number_levels(counts: Sequence[int]) -> tuple[int, ...]:
    """The level of each bin, by the bins' counts in the reference; equal values stay together."""
    if len(counts) <= LEVELS:
        return tuple(range(len(counts)))
    count = np.asarray(counts, np.float64)
    middle = (np.cumsum(count) - count / 2) / max(float(count.sum()), 1.0)
    return tuple(np.minimum((middle * LEVELS).astype(np.int64), LEVELS - 1).tolist())


def category_levels(counts: Sequence[int], named: int) -> tuple[int, ...]:
    """The same of categories, of which the first `named` have bins of their own."""
    count = np.asarray(counts, np.int64)
    common = np.argsort(-count[:named], kind="stable")[: LEVELS - 1]
    levels = np.full(len(count), LEVELS - 1, np.int64)
    levels[common] = np.arange(len(common))
    rest = levels == LEVELS - 1
    if len(common) and count[rest].sum() < LEAST_REST * count.sum():
        levels[rest] = len(common) - 1
    return tuple(levels.tolist())


def cells_of(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cell of the table (3 x the first level + the second) of each event that has a level in both columns."""
    both = (first != NO_LEVEL) & (second != NO_LEVEL)
    return np.asarray(first[both] * np.uint8(LEVELS) + second[both], np.uint8)
