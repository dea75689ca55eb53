"""Up to which event time each model is complete, and which partitions are too far ahead and pause.

An input with a `model` setting holds back only that model, any other input holds back every model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from monitor.clock import HOUR_US, SECOND_US, Clock
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.clocks.label_clock import LabelClock
from monitor.count.partition_state import PartitionState
from monitor.events import Partition
from monitor.records import Source
from monitor.settings.tree import Settings

#: a partition this far ahead of the slowest one pauses, so that open panes stay few
MAX_AHEAD_US: Final = HOUR_US
#: above this number of open panes, partitions also wait for one that is at its end and not yet idle
MANY_OPEN_PANES: Final = 5_000


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


@dataclass(frozen=True, slots=True)
class JoinedUntil:
    """Up to when labels are joined with predictions: both are complete up to then.

    `labels` is how far those have come, and `alone` how far the join goes where no partition is waited for, both for
    models named by an input and, under None, for all others.
    """

    until: Until
    labels: Mapping[str | None, float]
    alone: Mapping[str | None, float]

    def __call__(self, model: str) -> float:
        """Microseconds."""
        bound, name = self.until.own.get(model, self.until.common), model if model in self.labels else None
        events = self.until(model) if bound.waits and bound.us < math.inf else math.inf
        slowest = min(events, self.labels[name])
        return slowest if slowest < math.inf else self.alone[name]


@dataclass(slots=True)
class _Group:
    """Progress of the partitions of the same models: the slowest that holds back, and the largest times."""

    slowest: float = math.inf
    clock: int = NO_CLOCK
    arrived: int = NO_CLOCK

    def add(self, clock_us: int, arrived_us: int) -> None:
        self.clock, self.arrived = max(self.clock, clock_us), max(self.arrived, arrived_us)

    def hold_back(self, reached_us: int) -> None:
        self.slowest = min(self.slowest, -math.inf if reached_us == NO_CLOCK else reached_us)

    def combined_with(self, other: _Group) -> _Group:
        """Both as one."""
        slowest, clock = min(self.slowest, other.slowest), max(self.clock, other.clock)
        return _Group(slowest, clock, max(self.arrived, other.arrived))


class Completeness:
    """Computed from the partitions. `live`: a partition at its end may still grow."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        clock: Clock,
        partition_states: Callable[[], Mapping[Partition, PartitionState]],
        lateness_us: Callable[[str], int],
        label_clocks: Callable[[], Mapping[Partition, LabelClock]] = dict,
        *,
        live: bool,
    ) -> None:
        """`partition_states()` gives all partitions of the source, and others from a restored state; `label_clocks()`
        those with labels."""
        self._windows = settings.windows
        self._source = source
        self._clock = clock
        self._partition_states = partition_states
        self._label_clocks = label_clocks
        self._live = live
        self._started = clock.monotonic()
        self._models = {entry.topic: entry.model for entry in settings.inputs}
        self._until = Until(Bound(-math.inf, waits=True), {}, lateness_us)

    def until(self) -> Until:
        """The slowest clock of those that a model waits for; the same object as before if nothing changed.

        A partition that is at its end and idle for `idle_after` is not waited for.
        """
        groups: dict[str | None, _Group] = {None: _Group()}
        read = set(self._source.partitions())
        for partition, partition_state in self._partition_states().items():
            group = groups.setdefault(self._model_of(partition.topic), _Group())
            group.add(partition_state.clock.us, partition_state.clock.arrived_us)
            if partition in read and self._holds_back(partition, partition_state):
                group.hold_back(partition_state.reached_us)
        common = groups.pop(None)
        own = {str(model): self._bound(group.combined_with(common)) for model, group in groups.items()}
        now = Until(self._bound(common), own, self._until.lateness_us)
        if now != self._until:
            self._until = now
        return self._until

    def joined_until(self, until: Until) -> JoinedUntil:
        """Where both events, which have come `until` then, and labels have come to: labels hold back no event, but the
        join waits for both.

        Partitions at their end and idle are not waited for. While no partition of events is, labels go on alone, as
        they do where predictions pause.
        """
        groups: dict[str | None, _Group] = {None: _Group()}
        read = set(self._source.partitions())
        for partition, clock in self._label_clocks().items():
            group = groups.setdefault(self._model_of(partition.topic), _Group())
            group.add(clock.us, clock.clock.arrived_us)
            if partition in read and not (self._source.at_end(partition) and self._are_idle(clock)):
                group.hold_back(max(clock.us, self._partition_states()[partition].clock_us))
        common, labels, alone = groups[None], dict[str | None, float](), dict[str | None, float]()
        for model in {*groups, *until.own}:
            own = groups.get(model, common).combined_with(common)
            bound = until.common if model is None else until.own.get(model, until.common)
            labels[model] = own.slowest
            alone[model] = max(bound.us, self._unawaited(own)) if self._live else math.inf
        return JoinedUntil(until, labels, alone)

    def _are_idle(self, clock: LabelClock) -> bool:
        idle = self._clock.monotonic() - max(clock.last_label_at, self._started)
        return not self._live or idle >= self._windows.idle_after / SECOND_US

    def _model_of(self, topic: str) -> str | None:
        """The model that an input names. With a single input, a recording under any name counts as that input."""
        if topic not in self._models and len(self._models) == 1:
            return next(iter(self._models.values()))
        return self._models.get(topic)

    def _bound(self, group: _Group) -> Bound:
        if group.slowest < math.inf or not self._live:
            return Bound(group.slowest, waits=True)
        return Bound(self._unawaited(group), waits=False)

    def _unawaited(self, group: _Group) -> float:
        """How far a group is complete while none of its partitions is waited for.

        The pane of an event whose time is not confirmed by others stays open, or all panes before it would be final; so
        does the pane of an event ahead of the wall clock.
        """
        pane = self._windows.pane
        return max(group.clock + pane, min(group.arrived + pane, self._clock.now_us()))

    def _holds_back(self, partition: Partition, partition_state: PartitionState) -> bool:
        at_end = self._source.at_end(partition)
        partition_state.was_at_end = partition_state.was_at_end or at_end
        # a partition without a clock may be at its end only now and then
        moves_no_clock = (
            partition_state.has_read and partition_state.was_at_end and partition_state.reached_us == NO_CLOCK
        )
        return not ((at_end or moves_no_clock) and self._is_idle(partition_state))

    def _is_idle(self, partition_state: PartitionState) -> bool:
        if not self._live:
            return True
        idle = self._clock.monotonic() - max(partition_state.last_event_at, self._started)
        return idle >= self._windows.idle_after / SECOND_US

    def too_far_ahead(self, open_panes: int, *, too_large: bool = False) -> set[Partition]:
        """Partitions to pause: more than an hour ahead of the slowest one of the same models with more to read.

        `too_large`: open panes take too many bytes, so that whatever is ahead of the slowest one pauses.

        A partition that was never read may hold the oldest events: the others wait for it. One that was read and has
        no clock (labels only) holds back others only while many panes are open; so does one at its end that may grow.
        """
        many, ahead_us = too_large or open_panes > MANY_OPEN_PANES, 0 if too_large else MAX_AHEAD_US
        partition_states = self._partition_states()
        partitions = {at: partition_states[at] for at in self._source.partitions()}
        slowest: dict[str | None, int] = {}
        for partition, partition_state in partitions.items():
            more = not self._source.at_end(partition) or (many and not self._is_idle(partition_state))
            if more and (partition_state.reached_us != NO_CLOCK or not partition_state.has_read or many):
                model = self._model_of(partition.topic)
                slowest[model] = min(slowest.get(model, partition_state.reached_us), partition_state.reached_us)
        if not slowest:
            return set()
        return {
            at
            for at, partition_state in partitions.items()
            if partition_state.reached_us > self._slowest(at, slowest) + ahead_us
        }

    def _slowest(self, partition: Partition, slowest: Mapping[str | None, int]) -> float:
        model = self._model_of(partition.topic)
        # an input for every model waits for all partitions
        waited_for = slowest.values() if model is None else [slowest[at] for at in (None, model) if at in slowest]
        return min(waited_for, default=math.inf)
