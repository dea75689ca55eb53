"""Bins of a numeric column, also one with many equal values: mostly zeros, mostly one value, a sentinel for "unknown".

A value with a tenth of the rows is an atom with its own bin; the rest has quantile bins between the atoms. Edges are
midway between two values that occur: with an edge on a value, a tiny change would move all equal values.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.reference_bins import LARGEST, NUMERIC, QUANTILE_BINS, RANGE_MARGIN, ColumnBins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: values within this relative difference are equal
SAME: Final = 1e-9
#: integers below this are exact as floats
EXACT: Final = 2.0**53
#: least margin of the range, relative to its larger end: rounding (float32, 0.1 + 0.2) stays inside
LEAST_MARGIN: Final = 1e-6


def numeric_bins(values: Floats, bins: int = QUANTILE_BINS, *, has_unit: bool = True) -> ColumnBins:
    """At most `bins` bins of finite reference values; `has_unit` as in `range_of`.

    Raises:
        ValueError: no values.
    """
    if len(values) == 0:
        message = "a numeric column without values has no bins"
        raise ValueError(message)
    low, high, counts = distinct(values)
    middle = high[:-1] / 2 + low[1:] / 2
    edges = middle if len(counts) <= bins else middle[_cuts(counts, bins)]
    outside = range_of(float(low[0]), float(high[-1]), has_unit=has_unit)
    return ColumnBins(NUMERIC, tuple(edges.tolist()), low=outside[0], high=outside[1])


def range_of(first: float, last: float, *, has_unit: bool = True) -> tuple[float, float]:
    """Lowest and highest number inside the range of a column whose values are from `first` to `last`.

    Below positive values a margin that would reach 0 ends at a tenth of the least one: no positive number would be
    outside else, so that thousandths of all values would be inside. Autocorrelated columns leave a nearer end. Not of
    what has no unit (`has_unit`), such as a probability, which may be near 0 in any unit.
    """
    least = 0.0 if _is_exact(first) and _is_exact(last) and first < last else LEAST_MARGIN
    margin = max(RANGE_MARGIN * last - RANGE_MARGIN * first, least * max(abs(first), abs(last)))
    low = first - margin
    if has_unit and first > 0 >= low:
        low = first * RANGE_MARGIN
    return max(low, -LARGEST), min(last + margin, LARGEST)


def values_within(low: float, high: float) -> tuple[float, float]:
    """About the lowest and highest value of a column whose range is that of `range_of`, or of an older reference."""
    margin = (high - low) * RANGE_MARGIN / (1 + 2 * RANGE_MARGIN)
    first, last = low + margin, high - margin
    if low > 0:
        least = low / RANGE_MARGIN
        most = (high + RANGE_MARGIN * least) / (1 + RANGE_MARGIN)
        if (1 + RANGE_MARGIN) * least <= RANGE_MARGIN * most:  # the usual margin would have reached 0
            return least, most
    return first, last


def _is_exact(value: float) -> bool:
    """Whether a number is an integer that floats represent exactly."""
    return value.is_integer() and abs(value) < EXACT


def distinct(values: Floats) -> tuple[Floats, Floats, Ints]:
    """Lowest and highest of each group of values that count as equal, and their counts; rising.

    Values are equal within `SAME` times their own magnitude or the median one, whichever is larger: rounding noise
    around 0 counts as 0, and a single huge value does not make all others equal. Integers are exact.
    """
    seen, counts = counted(values if (values[1:] >= values[:-1]).all() else np.sort(values))
    if (seen == np.rint(seen)).all() and np.abs(seen).max() < EXACT:
        return seen, seen, counts
    tolerance = SAME * np.maximum(np.abs(seen), float(np.quantile(np.abs(values), 0.5, method="lower")))
    # halves: the difference of the two largest floats would be infinite
    apart = seen[1:] / 2 - seen[:-1] / 2 > np.maximum(tolerance[1:], tolerance[:-1]) / 2
    first = _split(seen, tolerance, np.flatnonzero(np.concatenate([[True], apart])))
    last = np.append(first[1:], len(seen)) - 1
    return seen[first], seen[last], np.add.reduceat(counts, first)


def counted(ordered: Floats) -> tuple[Floats, Ints]:
    """The different ones of rising values, and how often each occurs; of both zeros the first one stands for them."""
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[begins], np.diff(np.append(begins, len(ordered)))


def _split(seen: Floats, tolerance: Floats, first: Ints) -> Ints:
    """The groups that begin at `first`, split where they are wider than the tolerance."""
    ends = np.append(first[1:], len(seen))
    longer = seen[ends - 1] / 2 > seen[first] / 2 + tolerance[first] / 2
    starts = first[~longer].tolist()
    for start, end in zip(first[longer].tolist(), ends[longer].tolist(), strict=True):
        at = start
        while at < end:
            starts.append(at)
            at += int(np.searchsorted(seen[at:end] / 2, seen[at] / 2 + tolerance[at] / 2, side="right"))
    return np.array(sorted(starts), np.int64)


def _cuts(counts: Ints, bins: int) -> Ints:
    """The distinct values after which a bin ends (rising, without the last)."""
    atoms, stretches = _layout(counts, bins)
    mass = np.array([counts[a:b].sum() for a, b in stretches], np.float64)
    shares = _apportion(mass, bins - len(atoms))
    ends = set(atoms.tolist()) | {at - 1 for at in atoms.tolist()}
    for (a, b), number in zip(stretches, shares, strict=True):
        below = np.cumsum(counts[a:b])
        for j in range(1, number):
            at = int(np.searchsorted(below, below[-1] * j / number))
            ends.add(a + min(at, b - a - 2))
    return np.array(sorted(at for at in ends if 0 <= at < len(counts) - 1), np.int64)


def _layout(counts: Ints, bins: int) -> tuple[Ints, list[tuple[int, int]]]:
    """The atoms, and the ranges [a, b) of values between them, as many as fit into `bins`."""
    atoms = np.flatnonzero(counts * bins >= counts.sum())
    while True:
        borders = [-1, *atoms.tolist(), len(counts)]
        stretches = [(a + 1, b) for a, b in itertools.pairwise(borders) if b - a > 1]
        if len(atoms) + len(stretches) <= bins:
            return atoms, stretches
        atoms = np.delete(atoms, counts[atoms].argmin())


def _apportion(mass: Floats, seats: int) -> list[int]:
    """Bins of each range: one each, the others one by one to the range with the most events per bin."""
    given = np.ones(len(mass))
    for _ in range(seats - len(mass)):
        given[(mass / given).argmax()] += 1
    return given.astype(int).tolist()
