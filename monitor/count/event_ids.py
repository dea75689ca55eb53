"""The memory of event ids of one topic-partition: which of the last `capacity` asked ones were the same.

The last few hundred keys lie in the order in which they came. Before them are two rows of sorted keys, with the number
of asking beside every key: a short one, and a long one that takes the short one in when that is long enough. So an id
costs 12 bytes (14.5 at the most, with what is about to be forgotten), memory grows with the ids that came, and nothing
is done for a single id.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.stats.growing import Growing

#: keys that came last, before they are sorted in
MOST_LAST: Final = 512
#: the short row is merged into the long one when it is this part of the capacity
SHORT_PART: Final = 12
#: forgetting takes a pass over all: it waits until it frees this part of the capacity
FORGOTTEN_PART: Final = 8

Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class _Row(NamedTuple):
    """Keys rising, and of equal keys the later asked behind; `numbers` of asking, counted from `EventIds._base`."""

    keys: Keys
    numbers: NDArray[np.uint32]

    def last_asked(self, keys: Keys) -> NDArray[np.int64]:
        """The number under which each of `keys` was asked last; -1 for one that is not here."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        at = self.keys.searchsorted(keys, "right") - 1
        found = self.keys[at] == keys  # before the first one it is the last one, which is larger
        return np.where(found, self.numbers[at].astype(np.int64), -1)

    def merged(self, later: _Row) -> _Row:
        """With keys that were all asked later than these."""
        if not len(self.keys):
            return later
        places = self.keys.searchsorted(later.keys, "right") + np.arange(len(later.keys))
        own = np.ones(len(self.keys) + len(later.keys), np.bool_)
        own[places] = False
        keys, numbers = np.empty(len(own), np.uint64), np.empty(len(own), np.uint32)
        keys[places], numbers[places] = later
        keys[own], numbers[own] = self
        return _Row(keys, numbers)

    def since(self, number: int, base: int) -> _Row:
        """Those asked under `number` or later, counted from `base` on."""
        kept = self.numbers >= number
        return _Row(self.keys[kept], self.numbers[kept] - np.uint32(base))


_EMPTY: Final = _Row(np.zeros(0, np.uint64), np.zeros(0, np.uint32))


class EventIds:
    """The last `capacity` 64-bit id keys that were asked for, duplicates among them included.

    Two different ids share a key with probability n / 2^64: one in 10^14 at the default size.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._most_short = max(MOST_LAST, capacity // SHORT_PART)
        self._long = self._short = _EMPTY
        self._last = _EMPTY.keys
        #: keys that were asked before the oldest one held
        self._base = 0
        #: keys that were asked since, and it
        self._asked = 0

    def __len__(self) -> int:
        return min(self._asked, self.capacity)

    def ask(self, keys: Keys) -> Mask:
        """Remember `keys` (n,) in order; True where the same key is among the `capacity` asked just before it."""
        if self.capacity == 0 or len(keys) == 0:
            return np.zeros(len(keys), np.bool_)
        parts = [keys[at : at + self._most_short] for at in range(0, len(keys), self._most_short)]
        return np.concatenate([self._ask_some(part) for part in parts])

    def _ask_some(self, keys: Keys) -> Mask:
        came_before = len(self._last)
        self._last = np.concatenate((self._last, keys))
        order = np.argsort(self._last, kind="stable")
        row = _Row(self._last[order], (self._asked - came_before + order).astype(np.uint32))
        previous = np.full(len(order), -1)
        again = np.flatnonzero(row.keys[1:] == row.keys[:-1])
        previous[again + 1] = row.numbers[again]
        new = order >= came_before
        asked = row.keys[new]
        previous = np.maximum(previous[new], np.maximum(self._short.last_asked(asked), self._long.last_asked(asked)))
        known = np.empty(len(keys), np.bool_)
        known[order[new] - came_before] = (previous >= 0) & (
            previous >= row.numbers[new].astype(np.int64) - self.capacity
        )
        self._asked += len(keys)
        if len(order) >= MOST_LAST:
            self._short, self._last = self._short.merged(row), _EMPTY.keys
            if len(self._short.keys) >= self._most_short:
                self._lengthen()
        return known

    def _lengthen(self) -> None:
        """Merge the short row into the long one; forget what is beyond the capacity once it is an eighth of it."""
        first = max(0, self._asked - self.capacity)
        if first >= self.capacity // FORGOTTEN_PART:
            self._long, self._short = self._long.since(first, first), self._short.since(first, first)
            self._asked -= first
            self._base += first
        self._long, self._short = self._long.merged(self._short), _EMPTY

    def to_state(self, name: str = "") -> Growing:
        """The keys, oldest first, by the number under which they were asked since the memory was new."""
        base, end = self._base, self._base + self._asked
        between = partial(_between, (self._long, self._short), self._last, base)
        return Growing(name, end - len(self), end, between)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the ids of a state; the newest `capacity` of them where it holds more.

        A state of before held no number of asking.
        """
        keys = np.array(state["keys"], np.uint64)
        left_out = max(0, len(keys) - self.capacity)
        keys = keys[left_out:]
        order = np.argsort(keys, kind="stable")
        self._long, self._short, self._last = _Row(keys[order], order.astype(np.uint32)), _EMPTY, _EMPTY.keys
        self._base = state.get("first", 0) + left_out
        self._asked = len(keys)


def _between(rows: tuple[_Row, ...], last: Keys, base: int, first: int, end: int) -> Keys:
    """The keys of the places `first` to before `end`; rows and last ones follow each other from `base` on."""
    keys, at = np.empty(end - first, np.uint64), base
    for row in rows:
        if first < at + len(row.keys) and at < end:
            wanted = (row.numbers >= max(0, first - base)) & (row.numbers < end - base)
            keys[row.numbers[wanted].astype(np.int64) + (base - first)] = row.keys[wanted]
        at += len(row.keys)
    if end > at:
        keys[max(0, at - first) :] = last[max(0, first - at) : end - at]
    return keys
