"""Up to which event time each model is complete, and which partitions are too far ahead and pause.

An input with a `model` setting holds back only that model, any other input holds back every model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from monitor.clock import HOUR_US, SECOND_US, Clock
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.clocks.label_progress import JoinedUntil, LabelProgress, OldestSide
from monitor.count.clocks.progress import Bound, Group, Until
from monitor.count.partition_state import PartitionState
from monitor.events import Partition
from monitor.records import Source
from monitor.settings.tree import Settings

#: a partition this far ahead of the slowest one pauses, so that open panes stay few
MAX_AHEAD_US: Final = HOUR_US
#: above this number of open panes, partitions also wait for one that is at its end and not yet idle
MANY_OPEN_PANES: Final = 5_000


class Completeness:
    """Computed from the partitions. `live`: a partition at its end may still grow."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        clock: Clock,
        partition_states: Callable[[], Mapping[Partition, PartitionState]],
        lateness_us: Callable[[str], int],
        labels: LabelProgress,
        *,
        live: bool,
    ) -> None:
        """`partition_states()` gives all partitions of the source, and others from a restored state."""
        self._windows = settings.windows
        self._source = source
        self._clock = clock
        self._partition_states = partition_states
        self.labels = labels
        self._live = live
        self._started = clock.monotonic()
        self._models = {entry.topic: entry.model for entry in settings.inputs}
        self._until = Until(Bound(-math.inf, waits=True), {}, lateness_us)

    def until(self) -> Until:
        """The slowest clock of those that a model waits for; the same object as before if nothing changed.

        A partition that is at its end and idle for `idle_after` is not waited for.
        """
        groups: dict[str | None, Group] = {None: Group()}
        read = set(self._source.partitions())
        for partition, partition_state in self._partition_states().items():
            group = groups.setdefault(self._model_of(partition.topic), Group())
            group.add(partition_state.clock.us, partition_state.clock.arrived_us)
            if partition in read and self._holds_back(partition, partition_state):
                group.hold_back(partition_state.reached_us)
        common = groups.pop(None)
        own = {str(model): self._bound(group.combined_with(common)) for model, group in groups.items()}
        now = Until(self._bound(common), own, self._until.lateness_us)
        if now != self._until:
            self._until = now
        return self._until

    def joined_until(self, until: Until, oldest_side_us: OldestSide = lambda _: None) -> JoinedUntil:
        """Up to when labels are joined with predictions; events have come `until` then, and sides of calls wait."""
        return self.labels.joined_until(until, oldest_side_us, self._partition_states(), self._model_of)

    def _model_of(self, topic: str) -> str | None:
        """The model that an input names. With a single input, a recording under any name counts as that input."""
        if topic not in self._models and len(self._models) == 1:
            return next(iter(self._models.values()))
        return self._models.get(topic)

    def _bound(self, group: Group) -> Bound:
        if group.slowest < math.inf or not self._live:
            return Bound(group.slowest, waits=True)
        return Bound(group.unawaited(self._windows.pane, self._clock.now_us()), waits=False)

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
