"""Deduplication of event ids in one topic-partition, over the last `capacity` ids.

The newest few hundred keys are kept in order of arrival. Older ones are in two sorted arrays, each key with its
sequence number: a short array, which is merged into the long one when it is long enough. So an id costs 12 bytes (at
most 14.5, with those about to be dropped), memory grows with the ids seen, and no work is done per single id.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.stats.tallies.growing import Growing

#: newest keys kept unsorted
MOST_LAST: Final = 512
#: the short array is merged into the long one at capacity / this
SHORT_PART: Final = 12
#: dropping old keys takes a pass over all, so it waits until it frees capacity / this
FORGOTTEN_PART: Final = 8

Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class _Row(NamedTuple):
    """Sorted keys, equal ones by time; `numbers` are their sequence numbers, counted from `EventIds._base`."""

    keys: Keys
    numbers: NDArray[np.uint32]

    def last_asked(self, keys: Keys) -> NDArray[np.int64]:
        """The newest sequence number of each of `keys`; -1 for one that is not here."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        at = self.keys.searchsorted(keys, "right") - 1
        found = self.keys[at] == keys  # index -1 gives the last key, which is larger
        return np.where(found, self.numbers[at].astype(np.int64), -1)

    def merged(self, later: _Row) -> _Row:
        """Merged with keys that all came later."""
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
        """Those with sequence number `number` or later, numbered from `base` on."""
        kept = self.numbers >= number
        return _Row(self.keys[kept], self.numbers[kept] - np.uint32(base))


_EMPTY: Final = _Row(np.zeros(0, np.uint64), np.zeros(0, np.uint32))


class EventIds:
    """The last `capacity` 64-bit keys of ids, duplicates included.

    Two different ids share a key with probability n / 2^64: one in 10^14 at the default size.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._most_short = max(MOST_LAST, capacity // SHORT_PART)
        self._long = self._short = _EMPTY
        self._last = _EMPTY.keys
        #: number of keys before the oldest one held
        self._base = 0
        #: number of keys since, that one included
        self._asked = 0

    def __len__(self) -> int:
        return min(self._asked, self.capacity)

    def ask(self, keys: Keys) -> Mask:
        """Add `keys` (n,) in order; True where the same key is among the `capacity` keys just before it."""
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
        """Merge the short array into the long one; drop keys beyond the capacity once they are an eighth of it."""
        first = max(0, self._asked - self.capacity)
        if first >= self.capacity // FORGOTTEN_PART:
            self._long, self._short = self._long.since(first, first), self._short.since(first, first)
            self._asked -= first
            self._base += first
        self._long, self._short = self._long.merged(self._short), _EMPTY

    def to_state(self, name: str = "") -> Growing:
        """The keys, oldest first, with their sequence numbers."""
        base, end = self._base, self._base + self._asked
        between = partial(_between, (self._long, self._short), self._last, base)
        return Growing(name, end - len(self), end, between)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore from a state; only the newest `capacity` ids if it holds more.

        States of earlier versions have no sequence numbers.
        """
        keys = np.array(state["keys"], np.uint64)
        left_out = max(0, len(keys) - self.capacity)
        keys = keys[left_out:]
        order = np.argsort(keys, kind="stable")
        self._long, self._short, self._last = _Row(keys[order], order.astype(np.uint32)), _EMPTY, _EMPTY.keys
        self._base = state.get("first", 0) + left_out
        self._asked = len(keys)


def _between(rows: tuple[_Row, ...], last: Keys, base: int, first: int, end: int) -> Keys:
    """The keys with sequence numbers from `first` to before `end`; numbering starts at `base`."""
    keys, at = np.empty(end - first, np.uint64), base
    for row in rows:
        if first < at + len(row.keys) and at < end:
            wanted = (row.numbers >= max(0, first - base)) & (row.numbers < end - base)
            keys[row.numbers[wanted].astype(np.int64) + (base - first)] = row.keys[wanted]
        at += len(row.keys)
    if end > at:
        keys[max(0, at - first) :] = last[max(0, first - at) : end - at]
    return keys
