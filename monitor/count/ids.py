"""The memory of event ids of one topic-partition: which of the last `capacity` asked ones were the same."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_NONE: Final = np.zeros(0, np.uint64)


class IdMemory:
    """A ring of the last `capacity` 64-bit id keys that were asked for, duplicates among them included.

    About 80 bytes an id. Two different ids share a key with probability n / 2^64: one in 10^14 at the default size.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._ring = np.zeros(capacity, np.uint64)
        self._asked = 0
        self._known: set[int] = set()
        self._repeats: dict[int, int] = {}

    def __len__(self) -> int:
        return min(self._asked, self.capacity)

    def ask(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Remember `keys` (n,) in order; True where the same key is among the `capacity` asked just before it."""
        if self.capacity == 0 or len(keys) == 0:
            return np.zeros(len(keys), np.bool_)
        if len(keys) <= self.capacity:
            new = keys.tolist()
            before = len(self._known)
            self._known.update(new)
            if len(self._known) == before + len(new):
                self._evict(self._write(keys))
                return np.zeros(len(keys), np.bool_)
            self._known.difference_update(new)
            self._known.update(self._ring_keys(new))
        return np.array([self._ask_one(int(key)) for key in keys], np.bool_)

    def _ring_keys(self, wanted: list[int]) -> set[int]:
        """Those of the wanted keys that the ring holds now."""
        held = self._ring[: len(self)]
        return set(held[np.isin(held, np.array(wanted, np.uint64))].tolist())

    def _ask_one(self, key: int) -> bool:
        known = key in self._known
        if known:
            self._repeats[key] = self._repeats.get(key, 1) + 1
        else:
            self._known.add(key)
        self._evict(self._write(np.array([key], np.uint64)))
        return known

    def _write(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Put keys into the ring; gives the ones that fell out."""
        places = (self._asked + np.arange(len(keys))) % self.capacity
        full = self._asked + np.arange(len(keys)) >= self.capacity
        out = self._ring[places[full]].copy() if full.any() else _NONE
        self._ring[places] = keys
        self._asked += len(keys)
        return out

    def _evict(self, fallen: NDArray[np.uint64]) -> None:
        if len(fallen) == 0:
            return
        if not self._repeats:
            self._known.difference_update(fallen.tolist())
            return
        for key in fallen.tolist():
            left = self._repeats.get(key, 1) - 1
            if left > 1:
                self._repeats[key] = left
            elif left == 1:
                del self._repeats[key]
            else:
                self._known.discard(key)

    def to_state(self) -> dict[str, Any]:
        """Oldest first."""
        held = len(self)
        start = self._asked % self.capacity if held == self.capacity and held else 0
        return {"keys": np.roll(self._ring[:held], -start)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the ids of a state; the newest `capacity` of them where it holds more."""
        keys = np.array(state["keys"], np.uint64)[-self.capacity :] if self.capacity else _NONE
        self._ring[: len(keys)] = keys
        self._asked = len(keys)
        known, times = np.unique(keys, return_counts=True)
        self._known = set(known.tolist())
        repeated = times > 1
        self._repeats = dict(zip(known[repeated].tolist(), times[repeated].tolist(), strict=True))
