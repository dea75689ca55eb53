"""Sides of calls that wait for their other side, over all partitions.

Both sides are looked for by the pair that they name, and belong together if their times are at most `within_us` apart.
Of a side that is not late where it was read, the other one, if it is not late either, is met before both are given up:
so which events come of them does not depend on the order in which partitions are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from heapq import heappop, heappush

from monitor.decode.formats.call import WHOLE
from monitor.decode.half import Half, Pair, alone, joined


class PairsWaiting:
    """The waiting sides. Not thread-safe."""

    def __init__(self, within_us: int, most: int) -> None:
        """At most `most` sides wait: of more, the oldest ones are given up."""
        self.within_us = within_us
        self._most = most
        self._waiting: dict[tuple[str, str], Half] = {}
        #: by model, heaps of (time, key); those that no longer wait stay in until they are at the top
        self._by_time: dict[str, list[tuple[int, tuple[str, str]]]] = {}
        self._changes = 0
        #: sides that were given up since the process began, by topic and side
        self.given_up: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def by_topic(self) -> dict[str, int]:
        """How many sides of each topic wait."""
        return dict(Counter(half.partition.topic for half in self._waiting.values()))

    def holds(self, half: Half) -> bool:
        """Whether the same side of the same pair waits already."""
        return half.key in self._waiting

    def add(self, half: Half) -> Pair | None:
        """The call, if the other side waits or none is waited for; else the side begins to wait.

        Call it for a side that is not held.
        """
        if half.call.side == WHOLE:
            return alone(half)
        self._changes += 1
        other = self._waiting.get(half.other_key)
        if other is not None and abs(other.ts_us - half.ts_us) <= self.within_us:
            del self._waiting[half.other_key]
            return joined(other, half)
        self._waiting[half.key] = half
        heappush(self._by_time.setdefault(half.model, []), (half.ts_us, half.key))
        return None

    def oldest_us(self, model: str) -> int | None:
        """The time of the oldest side of a model, or of an unnamed one; None if none waits."""
        times = [time for name in {model, ""} if (time := self._first(name)) is not None]
        return min(times, default=None)

    def _first(self, model: str) -> int | None:
        heap = self._by_time.get(model)
        while heap:
            time, key = heap[0]
            waiting = self._waiting.get(key)
            if waiting is not None and waiting.ts_us == time and waiting.model == model:
                return time
            heappop(heap)
        return None

    def due(self, past_us: Callable[[str], float]) -> list[Pair]:
        """Give up the sides of a model whose time is before `past_us(model)`, and the oldest ones beyond the limit."""
        found = []
        for model in list(self._by_time):
            past = past_us(model)
            while (time := self._first(model)) is not None and time < past:
                found.append(self._give_up(model))
            if not self._by_time[model]:
                del self._by_time[model]
        while len(self._waiting) > self._most:
            found.append(self._give_up(min(self._by_time, key=self._first_or_last)))
        return found

    def _first_or_last(self, model: str) -> float:
        time = self._first(model)
        return float("inf") if time is None else time

    def _give_up(self, model: str) -> Pair:
        _, key = heappop(self._by_time[model])
        half = self._waiting.pop(key)
        self._changes += 1
        self.given_up[half.partition.topic, half.call.side] += 1
        return alone(half)

    def mark(self) -> Hashable:
        """Changes whenever `halves` would."""
        return self._changes

    def halves(self) -> list[Half]:
        """What waits, by time."""
        return sorted(self._waiting.values(), key=lambda half: (half.ts_us, half.key))

    def restore(self, halves: Iterable[Half]) -> None:
        """Continue with the sides of a saved state."""
        for half in halves:
            self._waiting[half.key] = half
            heappush(self._by_time.setdefault(half.model, []), (half.ts_us, half.key))
        self._changes += bool(self._waiting)
