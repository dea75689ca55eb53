"""Deduplication of event ids in one topic-partition, over the last `capacity` ids.

Keys are kept in order of arrival. A table of slots finds them again: each slot has the place of the newest key whose
hash falls there, and each key that of the one before it in the same slot. So an id costs 12 bytes, the slots at most 3
more, memory grows with the ids seen, and no work is done per single id.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.tallies.growing import Growing

#: room for keys behind the last `capacity`, as a share of it and at least; old ones are dropped when it is full
ROOM_PART: Final = 16
LEAST_ROOM: Final = 512
#: how much larger a full memory becomes while it grows, and slots for each key
_GROWTH: Final = 1.25
_SLOTS: Final = 0.8
#: keys of one slot that are compared; where one has more, all keys are searched
MOST_STEPS: Final = 32

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class EventIds:
    """The last `capacity` 64-bit keys of ids, duplicates included.

    Two different ids share a key with probability n / 2^64: one in 10^14 at the default size.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._keys: Keys
        self._before: NDArray[np.uint32]
        self._newest: NDArray[np.uint32]
        self._held: int
        self._room = max(LEAST_ROOM, capacity // ROOM_PART)
        #: number of keys before the first one held
        self._base = 0
        self._begin(np.empty(0, np.uint64), 1, 0)

    def __len__(self) -> int:
        return min(self._held, self.capacity)

    def ask(self, keys: Keys) -> Mask:
        """Add `keys` (n,) in order; True where the same key is among the `capacity` keys just before it."""
        if self.capacity == 0 or len(keys) == 0:
            return np.zeros(len(keys), np.bool_)
        if len(keys) <= self._room:
            return self._ask_some(keys)
        return np.concatenate([self._ask_some(keys[at : at + self._room]) for at in range(0, len(keys), self._room)])

    def _ask_some(self, keys: Keys) -> Mask:
        self._make_room(len(keys))
        first = self._held
        return self._known(first, keys, self._append(keys))

    def _append(self, keys: Keys) -> Ints:
        """Add keys; returns the places (n,) of those before them in their slots."""
        first, end = self._held, self._held + len(keys)
        self._keys[first:end] = keys
        slots = self._slots_of(keys)
        places = np.arange(first + 1, end + 1)
        before = self._newest.take(slots).astype(np.int64)
        self._newest[slots] = places  # of several in one slot the last one stays
        newest = self._newest.take(slots)
        others = np.flatnonzero(newest != places)
        if len(others):
            slot = slots[others] << 32
            shared = np.sort(np.concatenate((slot | others, slot | (newest[others] - (first + 1)))))
            shared = shared[np.flatnonzero(np.diff(shared, prepend=-1))]  # np.unique is three times as slow
            follows = np.flatnonzero(shared[1:] >> 32 == shared[:-1] >> 32)
            rows = shared & 0xFFFFFFFF
            before[rows[follows + 1]] = rows[follows] + (first + 1)
        self._before[first:end] = before
        self._held = end
        return before

    def _slots_of(self, keys: Keys) -> Ints:
        bits = len(self._newest).bit_length() - 1
        if bits == 0:
            return np.zeros(len(keys), np.int64)
        return (keys * _MULTIPLIER >> np.uint64(64 - bits)).view(np.int64)

    def _known(self, first: int, keys: Keys, before: Ints) -> Mask:
        """Which of the keys from place `first` on are among those just before them."""
        known = np.zeros(len(keys), np.bool_)
        # none is before place 1; of each row the oldest that counts is one further
        oldest = first + 1 - self.capacity
        rows = np.flatnonzero(before >= max(1, oldest))
        places = before[rows]
        if oldest + len(keys) > 1:
            counts = places >= oldest + rows
            rows, places = rows[counts], places[counts]
        for _ in range(MOST_STEPS):
            if not len(rows):
                return known
            same = self._keys[places - 1] == keys[rows]
            known[rows[same]] = True
            places = self._before[places - 1].astype(np.int64)
            goes_on = ~same & (places >= np.maximum(oldest + rows, 1))
            rows, places = rows[goes_on], places[goes_on]
        for row in rows.tolist():
            known[row] = (self._keys[max(oldest + row, 1) - 1 : first + row] == keys[row]).any()
        return known

    def _make_room(self, count: int) -> None:
        """Have room for more keys, `_room` of them at most; the oldest are dropped where there are enough others."""
        if self._held + count <= len(self._keys):
            return
        dropped = max(0, self._held - self.capacity)
        held = self._held - dropped
        size = min(max(LEAST_ROOM, int(_GROWTH * (held + count))), self.capacity + self._room)
        keys = np.empty(size, np.uint64)
        keys[:held] = self._keys[dropped : self._held]
        self._base += dropped
        slots = 1 << max(0, int(size * _SLOTS).bit_length() - 1)
        if slots != len(self._newest):
            self._begin(keys, slots, held)
            return
        before = np.empty(size, np.uint32)
        before[:held] = _earlier(self._before[dropped : self._held], dropped)
        self._keys, self._before, self._newest = keys, before, _earlier(self._newest, dropped)
        self._held = held

    def _begin(self, keys: Keys, slots: int, held: int) -> None:
        """Begin with so many slots, and the first `held` of `keys`."""
        #: a key is never changed where it is: a state may still be read while more keys come
        self._keys = keys
        #: places count from 1, 0 is none: of the key before in the same slot, and of the newest key of each slot
        self._before = np.empty(len(keys), np.uint32)
        self._newest = np.zeros(slots, np.uint32)
        #: keys held, at most `_room` more than count
        self._held = 0
        self._append(keys[:held])

    def to_state(self, name: str = "") -> Growing:
        """The keys, oldest first, with their sequence numbers."""
        end = self._base + self._held
        return Growing(name, end - len(self), end, partial(_between, self._keys, self._base))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore from a state; only the newest `capacity` ids if it holds more.

        States of earlier versions have no sequence numbers.
        """
        keys = np.array(state["keys"], np.uint64)
        left_out = max(0, len(keys) - self.capacity)
        self._begin(np.empty(0, np.uint64), 1, 0)
        self._base = state.get("first", 0) + left_out
        for at in range(left_out, len(keys), self._room):
            part = keys[at : at + self._room]
            self._make_room(len(part))
            self._append(part)


def _earlier(places: NDArray[np.uint32], dropped: int) -> NDArray[np.uint32]:
    """Places once so many of the first keys are dropped; 0 for those of dropped ones."""
    kept = np.maximum(places, np.uint32(dropped))
    kept -= np.uint32(dropped)
    return kept


def _between(keys: Keys, base: int, first: int, end: int) -> Keys:
    """The keys with sequence numbers from `first` to before `end`; numbering starts at `base`."""
    return keys[first - base : end - base].copy()
