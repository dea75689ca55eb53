"""Values of records that are cut out of the fetched bytes when they are asked for.

Decoding asks for some hundreds at a time, which are then still in the processor's cache, and drops them again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, overload

import numpy as np

from monitor.records import Ints

#: values cut at a time where all are asked for one after the other
_AT_ONCE: Final = 256


class Cuts(NamedTuple):
    """`data[begins[i]:ends[i]]` is the i-th value; a null ends before it begins."""

    data: bytes
    begins: Ints
    ends: Ints

    def values(self, begin: int, end: int) -> list[bytes | None]:
        data, begins, ends = self.data, self.begins[begin:end], self.ends[begin:end]
        cut: list[bytes | None] = [data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
        for place in np.flatnonzero(ends < begins).tolist():
            cut[place] = None
        return cut


class CutValues(Sequence[bytes | None]):
    """The values of some cuts, one after the other. A slice of them is a list; `part` cuts nothing."""

    def __init__(self, parts: Sequence[Cuts]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(one.begins) for one in parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes | None]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes | None] | None:
        if isinstance(index, slice):
            begin, end, step = index.indices(len(self))
            if step != 1:
                return [self[at] for at in range(begin, end, step)]
            cut: list[bytes | None] = []
            for one, first, last in self._within(begin, end):
                cut += one.values(first, last)
            return cut
        at = range(len(self))[index]
        place = bisect_right(self._ends, at)
        one = self._parts[place]
        at -= self._ends[place] - len(one.begins)
        begin, end = int(one.begins[at]), int(one.ends[at])
        return None if end < begin else one.data[begin:end]

    def __iter__(self) -> Iterator[bytes | None]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self[first : first + _AT_ONCE]

    def part(self, begin: int, end: int) -> CutValues:
        """The values from `begin` to `end`, still uncut."""
        return CutValues(
            [
                Cuts(one.data, one.begins[first:last], one.ends[first:last])
                for one, first, last in self._within(begin, end)
            ]
        )

    def _within(self, begin: int, end: int) -> Iterator[tuple[Cuts, int, int]]:
        """The parts that have values from `begin` to `end`, and which of their own."""
        place = bisect_right(self._ends, begin)
        while begin < end and place < len(self._parts):
            one, last = self._parts[place], self._ends[place]
            before = last - len(one.begins)
            yield one, begin - before, min(end, last) - before
            begin, place = last, place + 1

    @property
    def parts(self) -> Sequence[Cuts]:
        return self._parts


def joined(all_values: Sequence[Sequence[bytes | None]]) -> Sequence[bytes | None]:
    """The values of several sequences as those of one."""
    if len(all_values) == 1:
        return all_values[0]
    uncut = [values for values in all_values if isinstance(values, CutValues)]
    if len(uncut) == len(all_values):
        return CutValues([one for values in uncut for one in values.parts])
    return [value for values in all_values for value in values]
