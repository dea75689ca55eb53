"""What happens often is said seldom: the first time and at every tenfold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Tenfold:
    """Counts, and says which of the times to tell about."""

    def __init__(self) -> None:
        self._times: Counter[Hashable] = Counter()

    def times(self, what: Hashable) -> int:
        """How often it happened."""
        return self._times[what]

    def again(self, what: Hashable) -> bool:
        """It happened once more: whether this is the 1st, 10th, 100th, ... time."""
        self._times[what] += 1
        digits = str(self._times[what])
        return digits == "1" + "0" * (len(digits) - 1)
