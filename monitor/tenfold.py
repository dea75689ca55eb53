"""Limits repeated log lines to the 1st, 10th, 100th, ... occurrence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Tenfold:
    """Counts occurrences by key, and decides which ones to log."""

    def __init__(self) -> None:
        self._times: Counter[Hashable] = Counter()

    def times(self, what: Hashable) -> int:
        """How often it occurred."""
        return self._times[what]

    def again(self, what: Hashable) -> bool:
        """Count one more occurrence; returns whether it is the 1st, 10th, 100th, ... one, which is to be logged."""
        self._times[what] += 1
        digits = str(self._times[what])
        return digits == "1" + "0" * (len(digits) - 1)
