"""How far the partitions of the same models have come, and up to when each model is complete."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from monitor.count.clocks.event_clock import NO_CLOCK


class Bound(NamedTuple):
    """Panes that end at or before it are complete; `lateness` later if a partition is still waited for."""

    us: float
    waits: bool


@dataclass(frozen=True, slots=True)
class Until:
    """Up to when each model is complete: `own` of models named by an input, `common` of all others."""

    common: Bound
    own: Mapping[str, Bound]
    lateness_us: Callable[[str], int]

    def __call__(self, model: str) -> float:
        """The end of the newest panes that are complete, microseconds."""
        bound = self.own.get(model, self.common)
        return bound.us - self.lateness_us(model) if bound.waits else bound.us


@dataclass(slots=True)
class Group:
    """Progress of the partitions of the same models: the slowest that holds back, and the largest times."""

    slowest: float = math.inf
    clock: int = NO_CLOCK
    arrived: int = NO_CLOCK

    def add(self, clock_us: int, arrived_us: int) -> None:
        self.clock, self.arrived = max(self.clock, clock_us), max(self.arrived, arrived_us)

    def hold_back(self, reached_us: int) -> None:
        self.slowest = min(self.slowest, -math.inf if reached_us == NO_CLOCK else reached_us)

    def combined_with(self, other: Group) -> Group:
        """Both as one."""
        slowest, clock = min(self.slowest, other.slowest), max(self.clock, other.clock)
        return Group(slowest, clock, max(self.arrived, other.arrived))

    def unawaited(self, pane_us: int, now_us: int) -> float:
        """How far the group is complete while none of its partitions is waited for.

        The pane of an event whose time is not confirmed by others stays open, or all panes before it would be final; so
        does the pane of an event ahead of the wall clock.
        """
        return max(self.clock + pane_us, min(self.arrived + pane_us, now_us))
