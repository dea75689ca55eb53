"""The whole path, top to bottom: records are decoded, counted, judged; what is known is saved before it is told.

turn:        changes → count what was polled → judge what is complete → checkpoint when due
count:       per topic-partition: decode, dead-letter what was rejected, add the rest to open panes
judge:       panes that every partition has passed, in time order → windows → findings → incidents
checkpoint:  rejects acknowledged → state saved, with the transitions not sent yet → transitions sent → committed
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from monitor.clock import HOUR_US, SECOND_US, Clock
from monitor.count.exchange import Exchange, Pane
from monitor.count.kernel import Kernels
from monitor.count.lane import NO_CLOCK, Lane
from monitor.count.losses import Losses
from monitor.count.rejected_share import RejectedShare
from monitor.count.unit import Taken, Unit
from monitor.decode.columns import Events, Limits, Shape
from monitor.decode.native import NativeDecoder
from monitor.errors import UsageError
from monitor.events import OVER_LIMIT, ModelKey, Partition
from monitor.findings import Transition
from monitor.judge.fleet import Fleet
from monitor.log import get_log
from monitor.records import DeadLetter, NewPartition, OffsetGap, RecordBatch, Source
from monitor.reference.catalog import Catalog
from monitor.settings import Settings

_log = get_log(__name__)

STATE_FORMAT: Final = 1
#: a partition this far ahead of the slowest one is not read on, so that open panes stay few
MAX_AHEAD_US: Final = HOUR_US
#: open panes beyond which reading ahead of a partition that is at its end waits until that is silent, too
MANY_OPEN_PANES: Final = 5_000


class Outputs(Protocol):
    """Where the pipeline writes to. Each call raises OutsideTrouble when what it was given is not safe yet."""

    def reject(self, letter: DeadLetter) -> None:
        """Take a dead letter."""

    def rejects_safe(self) -> None:
        """Come back when all dead letters are acknowledged."""

    def save(self, tree: dict[str, Any]) -> None:
        """Keep the state."""

    def tell(self, transitions: Sequence[Transition]) -> None:
        """Send transitions, in order; come back when they are acknowledged."""

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Mirror the positions to the consumer group."""


class Stage2(Protocol):
    """What complete panes go to: the fleet, or what collects them for a reference."""

    unsent: deque[Transition]

    def judge(self, pane: Pane) -> None:
        """Take a pane; those of one model version come in time order."""

    def sent(self, transitions: Iterable[Transition]) -> None:
        """These were acknowledged, oldest first."""

    def to_state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""

    def restore(self, state: dict[str, Any]) -> list[ModelKey]:
        """Go on from it; gives the model versions that start afresh."""


class Pipeline:
    """One process's path. All calls are made by one thread."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        source: Source,
        clock: Clock,
        outputs: Outputs,
        *,
        stage2: Stage2 | None = None,
        live: bool = True,
    ) -> None:
        """`live`: more may come to a partition that is at its end, so it holds back until it was silent for a while."""
        self._settings = settings
        self._catalog = catalog
        self._source = source
        self._clock = clock
        self._outputs = outputs
        self._kernels = Kernels()
        self.units: dict[int, Unit] = {}
        self.exchange = Exchange(settings.windows.pane)
        self.fleet: Stage2 = Fleet(catalog, settings) if stage2 is None else stage2
        self.gaps: Counter[Partition] = Counter()
        #: since the process began, for series
        self.records: Counter[Partition] = Counter()
        self.accepted: Counter[tuple[ModelKey, str]] = Counter()
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        self.losses = Losses([model.name for model in settings.models])
        #: a recorded stream is read to its end: nothing is lost for good there
        self.rejected_share = RejectedShare(self.losses, settings.limits.rejected_share if live else 1)
        self.dead_letters = 0
        self._letters: deque[DeadLetter] = deque()
        self._over_limit = False
        self._shapes: dict[ModelKey, Shape | None] = {}
        self._decoders: dict[str, NativeDecoder] = {}
        self._live = live
        self._started = clock.monotonic()
        self._saved_at = clock.monotonic()

    # the path

    def turn(self) -> int:
        """One turn of the loop; gives the number of records it read.

        Raises:
            OutsideTrouble: something outside failed; the turn may be made again.
        """
        self._send_letters()
        for change in self._source.changes():
            self._apply(change)
        read = self.count(self._source.poll(self.too_far_ahead() | self.not_read_on()))
        self.judge()
        if self.fleet.unsent or self._clock.monotonic() - self._saved_at >= self._settings.state.every / SECOND_US:
            self.checkpoint()
        return read

    def count(self, batches: Sequence[RecordBatch]) -> int:
        """Stage 1."""
        for batch in batches:
            unit = self.unit(batch.partition.number)
            events = self._decoder(batch.partition.topic).decode(batch)
            taken = unit.take(batch.partition, events, batch.next_offset, self._clock.monotonic())
            self._reject(batch, events, taken)
            self.losses.add(batch.partition, events, taken.lost)
            if self.rejected_share.stops(batch.partition.topic):
                _log.error("reading_stopped", why=self.rejected_share.stopped[batch.partition.topic])
            self._note(batch, taken)
        return sum(len(batch) for batch in batches)

    def judge(self) -> None:
        """Stage 2: everything that is complete over all partitions."""
        clock = self.complete_clock()
        for unit in self.units.values():
            self.exchange.put(unit.close(lambda key: clock - self._catalog.lateness_us(key.model)))
        for pane in self.exchange.ready():
            self.fleet.judge(pane)

    def checkpoint(self) -> None:
        """Save what is known, then tell it.

        1. Rejects are acknowledged: a position behind them may be saved.
        2. The state is saved, with the transitions that are not sent yet.
        3. The transitions are sent and acknowledged: never known to others before the state knows them.
        4. The group's offsets follow, as a mirror for others.
        """
        self._send_letters()
        self._outputs.rejects_safe()  # 1
        self._outputs.save(self.to_state())  # 2
        unsent = list(self.fleet.unsent)
        if unsent:
            self._outputs.tell(unsent)  # 3
            self.fleet.sent(unsent)
        self._outputs.commit(self.positions())  # 4
        self._saved_at = self._clock.monotonic()

    # what the path is made of

    def unit(self, number: int) -> Unit:
        if number not in self.units:
            pane_us, id_memory = self._settings.windows.pane, self._settings.id_memory
            self.units[number] = Unit(number, self._catalog, pane_us, id_memory, self._kernels)
        return self.units[number]

    def lane(self, partition: Partition) -> Lane:
        return self.unit(partition.number).lane(partition.topic)

    def positions(self) -> dict[Partition, int]:
        """Where reading goes on, for every partition that has a position."""
        return {
            Partition(topic, unit.number): lane.next_offset
            for unit in self.units.values()
            for topic, lane in unit.lanes.items()
            if lane.next_offset >= 0
        }

    def complete_clock(self) -> float:
        """The event time up to which every partition was read: the slowest clock.

        A partition that is at its end and was silent for `idle_after` does not hold back; infinite when none does.
        """
        clocks: list[float] = []
        for partition in self._source.partitions():
            lane = self.lane(partition)
            at_end = self._source.at_end(partition)
            lane.was_at_end = lane.was_at_end or at_end
            # what moves no clock may be at its end only now and then
            labels_alone = lane.has_read and lane.was_at_end and lane.reached_us == NO_CLOCK
            if (at_end or labels_alone) and self._is_silent(lane):
                continue
            if lane.reached_us == NO_CLOCK:
                return -math.inf
            clocks.append(lane.reached_us)
        return min(clocks, default=math.inf)

    def _is_silent(self, lane: Lane) -> bool:
        if not self._live:
            return True
        idle = self._clock.monotonic() - max(lane.moved_at, self._started)
        return idle >= self._settings.windows.idle_after / SECOND_US

    def too_far_ahead(self) -> set[Partition]:
        """Partitions to wait with: their clock is more than an hour ahead of the slowest that has more to read.

        A partition that was not read from yet may hold the oldest events of all: the others wait for it. One that was
        read from and holds nothing that moves a clock (labels alone) holds nobody up, unless many panes are open.
        """
        lanes = {partition: self.lane(partition) for partition in self._source.partitions()}
        clocks = {partition: lane.reached_us for partition, lane in lanes.items()}
        many = self.open_panes() > MANY_OPEN_PANES
        behind = [
            clocks[partition]
            for partition, lane in lanes.items()
            if self._holds_up(partition, lane) and (clocks[partition] != NO_CLOCK or not lane.has_read or many)
        ]
        if not behind:
            return set()
        limit = min(behind) + MAX_AHEAD_US
        return {partition for partition, clock in clocks.items() if clock > limit}

    def not_read_on(self) -> set[Partition]:
        """Partitions of topics that are stopped, as too many of their events are rejected."""
        stopped = self.rejected_share.stopped
        return (
            {partition for partition in self._source.partitions() if partition.topic in stopped} if stopped else set()
        )

    def _holds_up(self, partition: Partition, lane: Lane) -> bool:
        """A partition with more to read; with many open panes also one at its end that may still bring something."""
        if not self._source.at_end(partition):
            return True
        return self.open_panes() > MANY_OPEN_PANES and not self._is_silent(lane)

    def open_panes(self) -> int:
        return sum(unit.open_panes for unit in self.units.values())

    def caught_up(self) -> bool:
        return all(self._source.at_end(partition) for partition in self._source.partitions())

    def _apply(self, change: NewPartition | OffsetGap) -> None:
        lane = self.lane(change.partition)
        if isinstance(change, OffsetGap):
            self.gaps[change.partition] += max(change.found - change.expected, 0)
            lane.next_offset = max(lane.next_offset, change.found)
            _log.error("records_gone", partition=str(change.partition), first=change.expected, next=change.found)
        else:
            lane.next_offset = max(lane.next_offset, 0)
            _log.info("partition_added", partition=str(change.partition))

    def _decoder(self, topic: str) -> NativeDecoder:
        if topic not in self._decoders:
            limits, entry = self._settings.limits, self._settings.input_of(topic)
            self._decoders[topic] = NativeDecoder(
                self._shape,
                Limits(limits.record_bytes, limits.events_per_record, limits.features),
                self._settings.windows.max_skew,
                entry.model if entry else None,
                entry.version if entry else None,
            )
        return self._decoders[topic]

    def _shape(self, key: ModelKey) -> Shape | None:
        if key not in self._shapes:
            monitored = self._catalog.monitored(key)
            if monitored is None:
                return None
            self._shapes[key] = self._kernels.of(monitored).shape
        return self._shapes[key]

    def _reject(self, batch: RecordBatch, events: Events, taken: Taken) -> None:
        letters = [
            self._letter(batch, rejected.index, rejected.reason, rejected.message, rejected.indices)
            for rejected in events.rejected
        ]
        if taken.unknown_offsets and self._settings.unknown_models == "reject":
            places = {offset: index for index, offset in enumerate(batch.offsets)}
            message = "no model of the settings, or no reference for its version"
            letters += [
                self._letter(batch, places[offset], "unknown_model", message, ()) for offset in taken.unknown_offsets
            ]
        self._letters.extend(letters)

    def _send_letters(self) -> None:
        """Counting never waits for the rejects topic; reading on does."""
        while self._letters:
            self._outputs.reject(self._letters[0])
            self._letters.popleft()
            self.dead_letters += 1

    def _letter(
        self, batch: RecordBatch, index: int, reason: str, message: str, indices: tuple[int, ...]
    ) -> DeadLetter:
        envelope = batch.envelope(index)
        return DeadLetter(
            batch.partition,
            batch.offsets[index],
            envelope.key,
            envelope.headers,
            batch.values[index],
            reason,
            message,
            indices,
        )

    def _note(self, batch: RecordBatch, taken: Taken) -> None:
        self.records[batch.partition] += len(batch)
        self.accepted.update(taken.accepted)
        for (outcome, reason), count in taken.outcomes.items():
            if outcome == OVER_LIMIT and not self._over_limit:
                self._over_limit = True
                _log.error("over_limit", limit=f"limits.{reason}", consequence="further ones are counted, not watched")
            self.outcomes[batch.partition.topic, outcome, reason] += count

    # state

    def to_state(self) -> dict[str, Any]:
        """Both stages and the unsent transitions, cut at one moment."""
        return {
            "format": STATE_FORMAT,
            "units": [unit.to_state() for _, unit in sorted(self.units.items())],
            "exchange": self.exchange.to_state(),
            "fleet": self.fleet.to_state(),
            "met": [[*key, self._settings_hash(key)] for key in self._catalog.met()],
            "gaps": [[*partition, count] for partition, count in self.gaps.items()],
        }

    def restore(self, tree: Mapping[str, Any]) -> list[ModelKey]:
        """Go on from a state; gives the model versions that start afresh because their settings changed.

        Raises:
            UsageError: the state is of another format.
        """
        if tree.get("format") != STATE_FORMAT:
            raise UsageError(f"the state has format {tree.get('format')!r}, this version reads {STATE_FORMAT}")
        met = {ModelKey(model, version): settings for model, version, settings in tree["met"]}
        self._catalog.restore(met)
        for state in tree["units"]:
            self.unit(state["unit"]).restore(state)
        self.exchange.restore(tree["exchange"])
        self.gaps = Counter({Partition(topic, number): count for topic, number, count in tree["gaps"]})
        afresh = self.fleet.restore(tree["fleet"])
        # a model none of whose panes was judged yet has counts that its settings gave their meaning all the same
        afresh += [key for key, settings in met.items() if key not in afresh and settings != self._settings_hash(key)]
        for key in afresh:
            self.exchange.forget(key)
            for unit in self.units.values():
                unit.forget(key)
        return afresh

    def _settings_hash(self, key: ModelKey) -> str:
        monitored = self._catalog.monitored(key)
        return "" if monitored is None else monitored.settings_hash


class ToNowhere:
    """Outputs of a replay: transitions go to a callable, the rest is dropped."""

    def __init__(self, tell: Callable[[Transition], object]) -> None:
        self._tell = tell

    def reject(self, letter: DeadLetter) -> None:
        """Drop it: it is counted."""

    def rejects_safe(self) -> None:
        """Nothing is kept."""

    def save(self, tree: dict[str, Any]) -> None:
        """Nothing is kept."""

    def tell(self, transitions: Sequence[Transition]) -> None:
        for transition in transitions:
            self._tell(transition)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """There is no group."""
