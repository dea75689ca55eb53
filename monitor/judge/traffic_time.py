"""How long the versions of a model have had traffic, in event time: by it a version without events is retired."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

#: a gap between the events of a model counts as at most this part of `retire_after`: a night or a weekend without any
#: traffic retires no version that comes back a little later than another
GAP_PART: Final = 4


class Traffic(NamedTuple):
    """Microseconds: how much traffic time a model had up to the end of some pane, and that end."""

    spent_us: int = 0
    last_us: int = 0


NO_TRAFFIC: Final = Traffic()


class TrafficTime:
    """By model, its traffic time up to its newest pane. Panes of one model come in time order."""

    def __init__(self, retire_after_us: int) -> None:
        self._most_us = max(retire_after_us // GAP_PART, 1)
        self._newest: dict[str, Traffic] = {}

    def add(self, model: str, start_us: int, end_us: int) -> Traffic:
        """Add a pane with events of any version; gives the model's traffic time at its end."""
        spent, last = self._newest.get(model, Traffic(0, start_us))
        self._newest[model] = Traffic(spent + min(max(end_us - last, 0), self._most_us), max(end_us, last))
        return self._newest[model]

    def now(self, model: str) -> Traffic:
        """The model's traffic time so far."""
        return self._newest.get(model, NO_TRAFFIC)

    def restore(self, model: str, of_version: Traffic) -> None:
        """Go on from what a version had at its newest pane; that of the newest of them is the model's.

        A version that has just ended its warm-up had none: the time begins with its next pane, as without a restart.
        """
        if of_version == NO_TRAFFIC:
            return
        self._newest[model] = max(self._newest.get(model, of_version), of_version)

    def forget(self, model: str, others: Iterable[Traffic]) -> None:
        """A version is judged from scratch: the model's time is that of the others, as after a restart."""
        self._newest.pop(model, None)
        for one in others:
            self.restore(model, one)
