"""An even, repeatable sample of a stream whose length is not known: every k-th element, k doubling as it fills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Taken(NamedTuple):
    """Elements of a part that are kept; if `is_full`, every second one of all that is kept has to be dropped then, from
    the second on."""

    picked: slice
    is_full: bool


class Thinning:
    """Chooses the elements; whoever calls keeps them. At most `most` (even) are kept, and at least half as many once
    so many came. The choice does not depend on how the stream is cut into parts."""

    __slots__ = ("_kept", "_most", "_seen", "_step")

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._seen = 0
        self._kept = 0

    def take(self, count: int) -> Iterator[Taken]:
        """What to keep of the next `count` elements, in order: slices of them."""
        at = 0
        while at < count:
            first = at + -self._seen % self._step
            room = self._most - self._kept
            fill = first + (room - 1) * self._step + 1
            end = min(count, fill)
            picked = slice(first, end, self._step)
            self._kept += max(-(-(end - first) // self._step), 0)
            self._seen += end - at
            at = end
            is_full = self._kept >= self._most
            if is_full:
                self._step *= 2
                self._kept = self._most // 2
            yield Taken(picked, is_full)
