"""Events far ahead of the clock of their topic-partition, until it is known whether the clock follows them.

After a pause the first events are ahead of a clock that follows them a few events later. The time of an event is wrong
only where the clock has not come there with the next 20 events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.clocks.event_clock import RECENT
from monitor.events import ModelKey

Ints = NDArray[np.int64]


class _Waiting(NamedTuple):
    """An event at `ts`, which is decided after so many more events of the partition."""

    key: ModelKey
    ts: int
    more: int


class WrongTime(NamedTuple):
    """An event at `ts` that the clock has not followed; it stood at `clock_us` when that was known."""

    key: ModelKey
    ts: int
    clock_us: int


class AheadEvents:
    """Those of one topic-partition that wait, at most as many as decide."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def take(self, keys: Callable[[int], ModelKey], ts: Ints, clocks: Ints, ahead: Sequence[int]) -> list[WrongTime]:
        """The next n events of the partition, and what is known with them.

        `keys` gives the model version of one of them, `ts` (n,) are their times, `clocks` (n,) the clock after each,
        and `ahead` those that begin to wait.
        """
        return self._follow([(keys(at), int(ts[at]), at + RECENT) for at in ahead], clocks)

    def take_others(self, clocks: Ints) -> list[WrongTime]:
        """The same of next events none of which begins to wait."""
        return self._follow([], clocks)

    def _follow(self, begin: list[tuple[ModelKey, int, int]], clocks: Ints) -> list[WrongTime]:
        """`begin` also say after which of the next events they are decided."""
        asked = [*((one.key, one.ts, one.more - 1) for one in self._waiting), *begin]
        self._waiting = [_Waiting(key, time, at - len(clocks) + 1) for key, time, at in asked if at >= len(clocks)]
        decided = ((key, time, int(clocks[at])) for key, time, at in asked if at < len(clocks))
        return [WrongTime(key, time, clock) for key, time, clock in decided if clock < time]

    def decide(self, arrived_us: int, clock_us: int, closes: Callable[[ModelKey, int], bool]) -> list[WrongTime]:
        """Decide those whose pane closes before the clock could follow: by what the last events say.

        `closes` says of a model version and a time whether its pane closes.
        """
        closing = [one for one in self._waiting if closes(one.key, one.ts)]
        if closing:
            self._waiting = [one for one in self._waiting if one not in closing]
        return [WrongTime(one.key, one.ts, clock_us) for one in closing if one.ts > arrived_us]

    def forget(self, key: ModelKey) -> None:
        self._waiting = [one for one in self._waiting if one.key != key]

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def to_state(self) -> list[list[Any]]:
        return [[*one.key, one.ts, one.more] for one in self._waiting]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        self._waiting = [_Waiting(ModelKey(model, version), ts, more) for model, version, ts, more in state]
