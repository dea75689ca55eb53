"""Positions of rows that are taken once their time has come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_NEVER = 1 << 62


class Pending:
    """Positions with a time each; those before a time are given out, in order of position."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints]] = []
        self.first_us = _NEVER

    def add(self, positions: Ints, times_us: Ints) -> None:
        if len(positions):
            self._parts.append((positions, times_us))
            self.first_us = min(self.first_us, int(times_us.min()))

    def before(self, until_us: int) -> Ints:
        """The positions whose time is before `until_us`, which stay."""
        if self.first_us >= until_us:
            return np.empty(0, np.int64)
        positions, times_us = self._all()
        return positions[times_us < until_us]

    def take(self, until_us: int) -> Ints:
        """The same, and remove them."""
        taken = self.before(until_us)
        if len(taken):
            positions, times_us = self._all()
            rest = times_us >= until_us
            self._parts, self.first_us = [], _NEVER
            self.add(positions[rest], times_us[rest])
        return taken

    def drop_before(self, first: int) -> None:
        """The rows before `first` are gone: they were let go before their time came."""
        if not self._parts:
            return
        positions, times_us = self._all()
        if (held := positions >= first).all():
            return
        self._parts, self.first_us = [], _NEVER
        self.add(positions[held], times_us[held])

    def move(self, first: int, positions: Ints) -> None:
        """The rows from `first` on have new `positions` (n,); -1 for one that is gone."""
        if not self._parts:
            return
        old, times_us = self._all()
        held = old >= first
        new, times_us = positions[old[held] - first], times_us[held]
        self._parts, self.first_us = [], _NEVER
        self.add(new[new >= 0], times_us[new >= 0])

    def _all(self) -> tuple[Ints, Ints]:
        if len(self._parts) > 1:
            positions, times_us = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(positions), np.concatenate(times_us))]
        return self._parts[0]

    def __len__(self) -> int:
        return sum(len(positions) for positions, _ in self._parts)
