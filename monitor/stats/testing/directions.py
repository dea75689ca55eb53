"""Directions: the sets of bins whose share is compared with the reference's, one test each.

An event counts for a direction if its value is in the set. A share needs one variance and no covariance matrix, however
dependent the events are, and the largest of many shares still detects what chi-square detects.

Numeric, B bins: the B - 1 cuts (group 0), then the inner bins one by one and the nested outer sets, the j lowest with
the j highest bins (group 1). Categorical: each bin against the rest (group 0), which is one direction for two bins.
Hash buckets also in groups of two, four, ... neighbours: many rare names have too few events for a test each. A group
has the alpha of one test, divided among its directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: kinds of directions
CUT, BIN, OUTER, CATEGORY, BUCKETS = range(5)
#: least change of a share that can page, by kind
LEAST_MOVE: Final = np.array([0.05, 0.03, 0.05, 0.03, 0.03])
#: shapes of columns whose directions are kept: many columns have the same, and nobody changes them
KEPT: Final = 256
#: group of padding directions
NO_GROUP: Final = -1


@dataclass(frozen=True, slots=True)
class ColumnDirections:
    """The D directions of one column of B bins.

    `sets` (B, D) the bins of each, `kind` (D,), `group` (D,) 0 or 1, `at` (D,): the last bin below a cut, the bin
    itself, the number of bins on each side of an outer set, or the first of a group of buckets.
    """

    sets: Flags
    kind: Ints
    group: Ints
    at: Ints

    @property
    def count(self) -> int:
        return len(self.kind)


@lru_cache(maxsize=KEPT)
def numeric_directions(bins: int) -> ColumnDirections:
    """Cuts, inner bins and outer sets of `bins` bins in order; none for a single bin."""
    each = np.arange(bins)
    cuts = each[:-1]
    inner = each[1:-1]
    outer = np.arange((bins - 1) // 2) if bins > 2 else each[:0]
    sets = np.concatenate(
        [
            each[:, None] <= cuts,
            each[:, None] == inner,
            (each[:, None] <= outer) | (each[:, None] >= bins - 1 - outer),
        ],
        axis=1,
    )
    kind = np.repeat([CUT, BIN, OUTER], [len(cuts), len(inner), len(outer)])
    return ColumnDirections(sets, kind, np.minimum(kind, 1), np.concatenate([cuts, inner, outer]))


@lru_cache(maxsize=KEPT)
def category_directions(names: int, buckets: int = 0) -> ColumnDirections:
    """Each name, each bucket, and groups of 2, 4, ... neighbouring buckets up to all; `buckets` a power of two.

    A column's bins are its names and then its buckets.
    """
    bins = names + buckets
    if bins <= 2 and buckets == 0:
        sets = np.eye(bins, dtype=np.bool_)[:, : max(bins - 1, 0)]
        return ColumnDirections(sets, np.full(sets.shape[1], CATEGORY), *_zeros_and_order(sets.shape[1]))
    first, size = [*range(names)], [1] * names
    run = 1
    while run <= buckets:
        first += range(names, bins, run)
        size += [run] * (buckets // run)
        run *= 2
    starts, sizes = np.array(first, np.int64), np.array(size, np.int64)
    each = np.arange(bins)[:, None]
    sets = (each >= starts) & (each < starts + sizes)
    kind = np.where(starts < names, CATEGORY, BUCKETS)
    return ColumnDirections(sets, kind, np.zeros(len(starts), np.int64), starts)


def _zeros_and_order(count: int) -> tuple[Ints, Ints]:
    return np.zeros(count, np.int64), np.arange(count)


@dataclass(frozen=True, slots=True)
class Directions:
    """The directions of C columns, padded to the widest: B bins and D directions.

    `sets` (C, B, D) as 0 and 1, so that one matrix product counts them; `kind` (C, D), `group` (C, D) with `NO_GROUP`
    for padding, `at` (C, D).
    """

    sets: Floats
    kind: Ints
    group: Ints
    at: Ints

    @classmethod
    def of(cls, columns: Sequence[ColumnDirections], width: int) -> Directions:
        """`width` bins per column, at least those of the widest one."""
        most = max((column.count for column in columns), default=0)
        shape = (len(columns), most)
        sets = np.zeros((len(columns), width, most))
        kind, group, at = np.zeros(shape, np.int64), np.full(shape, NO_GROUP), np.zeros(shape, np.int64)
        for c, column in enumerate(columns):
            here = slice(column.count)
            sets[c, : column.sets.shape[0], here] = column.sets
            kind[c, here], group[c, here], at[c, here] = column.kind, column.group, column.at
        return cls(sets, kind, group, at)

    def hits(self, counts: Ints | Floats) -> Floats:
        """Events in each direction, (W, C, D), of the counts (W, C, B) of value bins."""
        by_column = np.matmul(np.moveaxis(np.asarray(counts, np.float64), 1, 0), self.sets)
        return np.moveaxis(by_column, 0, 1)

    def shares(self, counts: Ints | Floats) -> Floats:
        """The shares of values in each direction; 0 where a column has no values."""
        values = np.maximum(np.asarray(counts, np.float64).sum(2), 1)
        return np.asarray(self.hits(counts) / values[..., None], np.float64)


def group_sizes(group: Ints, counted: Flags) -> Ints:
    """Number of directions that share the alpha of each one's group, (C, D), among those `counted` (C, D)."""
    sizes = np.zeros(group.shape, np.int64)
    for number in range(int(group.max(initial=NO_GROUP)) + 1):
        own = group == number
        sizes += own * (own & counted).sum(1, keepdims=True)
    return sizes
