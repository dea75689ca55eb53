"""Up to when labels are joined with predictions: the join waits for both, and for calls that are not whole yet.

Labels hold back no event. A partition of labels that is at its end and idle is not waited for while others bring
labels. While none does, live, the join stands where labels have come to: a batch that comes once a night belongs behind
that, and a replay of it joins it there too. It stands no further behind the events than `PAUSE` horizons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.clock import SECOND_US, Clock
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.clocks.label_clock import LabelClock
from monitor.count.clocks.progress import Group, Until
from monitor.count.partition_state import PartitionState
from monitor.events import Partition
from monitor.records import Source
from monitor.settings.tree import Settings

#: horizons by which the join may be behind the events while no labels come
PAUSE: Final = 2

#: the time of the oldest side of a call of a model that waits for its other side; None if none does
OldestSide = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class JoinedUntil:
    """Up to when labels are joined with predictions.

    For models named by an input and, under None, for all others: `labels` is how far those have come, `alone` how far
    the join goes where no partition is waited for, and `paused` where it stands while no labels come (infinite: they
    do, or nothing tells that they may come late).
    """

    until: Until
    labels: Mapping[str | None, float]
    alone: Mapping[str | None, float]
    paused: Mapping[str | None, float]
    horizon_us: Callable[[str], int]
    oldest_side_us: OldestSide

    def __call__(self, model: str) -> float:
        """Microseconds."""
        bound, name = self.until.own.get(model, self.until.common), model if model in self.labels else None
        events = self.until(model) if bound.waits and bound.us < math.inf else math.inf
        slowest = min(events, self.labels[name])
        us = slowest if slowest < math.inf else self.alone[name]
        if self.paused[name] < us:
            us = max(self.paused[name], us - PAUSE * self.horizon_us(model))
        oldest = self.oldest_side_us(model)
        return us if oldest is None else min(us, oldest)


class LabelProgress:
    """Computed from the partitions that brought labels. `live`: a partition at its end may still grow."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        clock: Clock,
        clocks: Callable[[], Mapping[Partition, LabelClock]],
        horizon_us: Callable[[str], int],
        *,
        live: bool,
    ) -> None:
        """`clocks()` gives the partitions with labels, `horizon_us` how long a model's labels are waited for."""
        self._windows = settings.windows
        self._source = source
        self._clock = clock
        self._clocks = clocks
        self._horizon_us = horizon_us
        self._live = live
        started = clock.monotonic()
        #: by group: monotonic seconds of its last label, and since when labels come without a pause
        self._coming: dict[str | None, tuple[float, float]] = {}
        self._begun = started, started
        #: by group, the partition that holds the join back and how far it has come
        self.slowest: dict[str | None, tuple[Partition, float]] = {}

    def joined_until(
        self,
        until: Until,
        oldest_side_us: OldestSide,
        partition_states: Mapping[Partition, PartitionState],
        model_of: Callable[[str], str | None],
    ) -> JoinedUntil:
        """Where both events, which have come `until` then, and labels have come to.

        `model_of` gives the model that the input of a topic names. While no partition of events is waited for, labels
        go on alone, as they do where predictions pause.
        """
        by_group: dict[str | None, dict[Partition, LabelClock]] = {}
        for partition, clock in self._clocks().items():
            by_group.setdefault(model_of(partition.topic), {})[partition] = clock
        groups: dict[str | None, Group] = {None: Group()}
        pauses: dict[str | None, bool] = {}
        self.slowest = {}
        for name, of_group in by_group.items():
            groups[name] = self._group(name, of_group, partition_states)
            pauses[name] = any(partition_states[one].clock_us == NO_CLOCK for one in of_group)
        labels, alone, paused = dict[str | None, float](), dict[str | None, float](), dict[str | None, float]()
        for name in {*groups, *until.own}:
            own = groups.get(name, groups[None]).combined_with(groups[None])
            bound = until.common if name is None else until.own.get(name, until.common)
            come = own.unawaited(self._windows.pane, self._clock.now_us())
            labels[name] = own.slowest
            alone[name] = max(bound.us, come) if self._live else math.inf
            stands = self._live and own.slowest == math.inf and (pauses.get(name) or pauses.get(None))
            paused[name] = come if stands else math.inf
        return JoinedUntil(until, labels, alone, paused, self._horizon_us, oldest_side_us)

    def _group(
        self, name: str | None, clocks: Mapping[Partition, LabelClock], states: Mapping[Partition, PartitionState]
    ) -> Group:
        """Progress of the partitions of labels of the same models."""
        group, read = Group(), set(self._source.partitions())
        begun_at = self._begun_at(name, max(clock.last_label_at for clock in clocks.values()))
        for partition, clock in clocks.items():
            group.add(max(clock.us, clock.read_us), clock.clock.arrived_us)
            if partition in read and not (self._source.at_end(partition) and self._is_idle(clock, begun_at)):
                reached_us = max(clock.reached_us, states[partition].clock_us)
                if reached_us < group.slowest:
                    self.slowest[name] = partition, reached_us
                group.hold_back(reached_us)
        return group

    def _begun_at(self, name: str | None, last_label_at: float) -> float:
        """Since when labels come without a pause: then other partitions are waited for again, as a batch may be in
        all of them."""
        last, begun = self._coming.get(name, self._begun)
        if last_label_at > last + self._windows.idle_after / SECOND_US:
            begun = last_label_at
        self._coming[name] = max(last, last_label_at), begun
        return begun

    def _is_idle(self, clock: LabelClock, begun_at: float) -> bool:
        idle = self._clock.monotonic() - max(clock.last_label_at, begun_at)
        return not self._live or idle >= self._windows.idle_after / SECOND_US
