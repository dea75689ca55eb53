"""The whole path, top to bottom: records are decoded, counted, judged; state is saved before anything is published.

turn:        count what was polled → changes → judge what is complete → cut a checkpoint when due
count:       per topic-partition: decode, dead-letter what was rejected, add the rest to open panes
judge:       panes that every partition has passed, in time order → windows → findings → incidents
checkpoint:  beside the loop: rejects acknowledged → state saved, with the transitions not sent yet → transitions sent →
             committed (`loop/checkpoints.py`)
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Sequence
from functools import partial

from monitor.clock import SECOND_US, Clock
from monitor.count.admission.versions import Admission
from monitor.count.clocks.completeness import Completeness
from monitor.count.clocks.label_clock import LabelClock
from monitor.count.clocks.label_progress import LabelProgress
from monitor.count.columns.aggregator import Aggregators
from monitor.count.columns.sample import sample_of
from monitor.count.exchange import Exchange, LabelExchange
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.joins import Joins
from monitor.count.losses import Losses
from monitor.count.partition_state import PartitionState
from monitor.count.rejected_share import RejectedShare
from monitor.count.task import Shared, Taken, Task
from monitor.count.totals import Totals
from monitor.count.warmup.rows import WarmupAggregators
from monitor.decode.columns import Events
from monitor.decode.decoder import decoder_for
from monitor.errors import ExternalError, PositionsLost
from monitor.events import OVER_LIMIT, ModelKey, Partition
from monitor.judge.fleet import Fleet
from monitor.judge.warmup import Warmup
from monitor.log import get_log
from monitor.loop.arrivals import Arrivals
from monitor.loop.beside import AtOnce, Beside
from monitor.loop.checkpoints import Checkpoints
from monitor.loop.decoders import Decoders, Make
from monitor.loop.letters import letter_of_unreadable, letters_of, notice_of_gap
from monitor.loop.pairing import Pairing
from monitor.loop.saving import Saving
from monitor.loop.sinks import Outputs
from monitor.loop.stage2 import Stage2
from monitor.loop.time import CHECKPOINT, COUNT, DECODE, IDLE, JUDGE, POLL, LoopTime
from monitor.loop.warming import Learn, Warming
from monitor.records import Change, DeadLetter, OffsetGap, RecordBatch, Source, UnreadableRecords
from monitor.settings.tree import Settings
from monitor.state import parts
from monitor.state.model_part import ModelState
from monitor.state.parts import Cut, State, Whole
from monitor.tenfold import Tenfold

_log = get_log(__name__)


class Pipeline:
    """One process's path. All calls are made by one thread."""

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        source: Source,
        clock: Clock,
        outputs: Outputs,
        *,
        stage2: Stage2 | None = None,
        aggregators: Aggregators | None = None,
        decoders: Make = decoder_for,
        learn: Learn | None = None,
        live: bool = True,
        beside: Beside | None = None,
    ) -> None:
        """`beside` does the writing of checkpoints; without it the loop waits for each.

        `live`: a partition at its end may still grow, so it holds others back until it has been idle for a while.

        `learn` gives model versions without a reference one at the end of their warm-up; without it there are none.
        """
        self._settings = settings
        self._admission = admission
        self._source = source
        self._clock = clock
        self._outputs = outputs
        self.warming = Warming(settings, admission, learn, clock)
        counting = WarmupAggregators(self.warming.rows) if aggregators is None else aggregators
        label_aggregators, self.totals = LabelAggregators(), Totals()
        self.joins = Joins(settings, admission, label_aggregators, self.totals, self.warming.taken_until_us)
        self._shared = Shared(counting, label_aggregators, self.totals, self.joins)
        self.tasks: dict[int, Task] = {}
        self.exchange, self.label_exchange = Exchange(settings.windows.pane), LabelExchange()
        self.fleet: Stage2 = Fleet(admission, settings) if stage2 is None else stage2
        self.fleet.meet(self.joins.until_us)
        self.gaps: Counter[Partition] = Counter()
        #: records read since the process started, for series
        self.records: Counter[Partition] = Counter()
        self.unreadable: Counter[tuple[Partition, str]] = Counter()
        self.accepted: Counter[tuple[ModelKey, str]] = Counter()
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        self.losses = Losses([model.name for model in settings.models])
        #: a recording is always read to its end: its records can be read again
        self.rejected_share = RejectedShare(self.losses, settings.limits.rejected_share if live else 1)
        self._passed, self.dead_letters = Tenfold(), 0
        self._arrivals = Arrivals(clock, live=live)
        self._letters, self._over_limit = deque[DeadLetter](), False
        self.decoders = Decoders(settings, admission, counting, decoders)
        labels = LabelProgress(settings, source, clock, self._label_clocks, admission.horizon_us, live=live)
        self.completeness = Completeness(
            settings, source, clock, self.partition_states, admission.lateness_us, labels, live=live
        )
        self.saving = Saving(clock, settings.state.every / SECOND_US)
        beside = AtOnce() if beside is None else beside
        self.checkpoints = Checkpoints(outputs, self.fleet, self.saving, clock, beside, self._cut)
        self.time = LoopTime(clock)
        self.pairing = Pairing(admission, clock, self.decoders.of, self.task, self._counted, self.losses, self.outcomes)
        admission.when_replaced(self._replaced)

    # the path

    def turn(self) -> int:
        """One turn of the loop; returns the number of records read.

        While the state or the outputs cannot be written, it keeps reading within bounds: see `loop/saving.py`.

        Raises:
            ExternalError: the source failed; the turn may be made again.
        """
        read, failed = self._read_some()
        self.saving.read(read)
        for change in self._source.changes():  # after the records that came before them
            self._apply(change)
        self.judge()
        if failed is None and self._arrivals.due() and self.caught_up():
            self._arrivals.pass_time(self.fleet, self.tasks.values())
        self.time.passed(JUDGE)
        if self.checkpoints.step():
            self.time.passed(CHECKPOINT)
        if failed is not None:
            raise failed
        return read

    def reads(self) -> bool:
        """Whether the next turn reads: not while too much would have to be repeated after a restart."""
        return not (self._letters and self.saving.failure) and not self.saving.must_pause_reading()

    def _read_some(self) -> tuple[int, ExternalError | None]:
        """The number of records read, and the error if reading failed: judging and saving go on without new records."""
        if not self._letters_are_out() or self.saving.must_pause_reading():
            return 0, None
        try:
            batches = self._polled()
        except PositionsLost:
            raise
        except ExternalError as failure:
            return 0, failure
        return self.count(batches), None

    def _polled(self) -> list[RecordBatch]:
        ahead = self.completeness.too_far_ahead(self.open_panes(), too_large=self.warming.open_too_large())
        batches = self._source.poll(ahead | self.not_read_on())
        self.time.passed(POLL if batches else IDLE)
        return batches

    def count(self, batches: Sequence[RecordBatch]) -> int:
        """Stage 1."""
        for piece in self.decoders.pieces(batches):
            decoder = self.decoders.of(piece.partition.topic)
            events = decoder.decode(piece)
            self.time.passed(DECODE)
            again = sample_of(piece, decoder)
            task = self.task(piece.partition.number)
            taken = task.take(piece.partition, events, piece.next_offset, self._clock.monotonic(), again)
            self.records[piece.partition] += len(piece)
            self._counted(piece, events, taken)
            self.pairing.take(piece)
            self.time.passed(COUNT)
        return sum(len(batch) for batch in batches)

    def _counted(self, batch: RecordBatch, events: Events, taken: Taken) -> None:
        self._letters += letters_of(batch, events, taken, unknown=self._settings.unknown_models == "reject")
        self.losses.add(batch.partition, events, taken.lost)
        if self.rejected_share.stops(batch.partition.topic):
            _log.error("reading_stopped", why=self.rejected_share.stopped[batch.partition.topic])
        self._note(batch, taken)

    def judge(self) -> None:
        """Stage 2: judge the panes that are complete over all partitions of their model."""
        until = self.pairing.until(complete := self.completeness.until())
        for task in self.tasks.values():
            self.exchange.put(task.close(until))
            self.label_exchange.put(task.labels.close(until))
        joined, warming = self.completeness.joined_until(complete, self.pairing.oldest_us), self.warming.models()
        self.label_exchange.put_joined(
            self.joins.step(joined, [one for one in self.joins.models if one not in warming])
        )
        for pane in self.exchange.ready():
            key, end_us = pane.pane_key.key, pane.end_us
            if key.model in warming:  # labels before the pane with which a reference is learned are counted without it
                self.label_exchange.put_joined(self.joins.step(joined, [key.model], end_us))
            labels = self.label_exchange.ready(key, end_us)
            if not self.warming.holds(key):
                self.label_exchange.hand_joined_on(self.fleet.take_labels, [key], end_us)
                self.fleet.take_labels(labels, end_us)
                self.fleet.judge(pane)
            elif (learned := self.warming.take(pane, labels)) is not None:
                self._begin_judging(learned)
        self.label_exchange.put_joined(self.joins.step(joined, warming))
        self.label_exchange.hand_joined_on(self.fleet.take_labels)

    def checkpoint(self, timeout_s: float | None = None) -> None:
        """Make a checkpoint of this moment and wait for it: see `loop/checkpoints.py`.

        Raises:
            ExternalError: it failed, or is not done in time.
        """
        self.checkpoints.make(timeout_s)

    def _cut(self) -> tuple[Cut, dict[Partition, int]]:
        self._send_letters()
        return self.to_state(), self.positions()

    def _begin_judging(self, warmup: Warmup) -> None:
        """A model version has learned its reference: panes from the next one on are counted by it and judged."""
        known = warmup.state
        self.warming.recount(warmup, self._shared, self.tasks.values(), self.exchange, self.label_exchange)
        self.decoders.drop_shape(known.key)
        self.fleet.begin(known.key, known.events, known.labels, known.at_us)

    # tasks and partitions

    def task(self, number: int) -> Task:
        if number not in self.tasks:
            pane_us, id_memory = self._settings.windows.pane, self._settings.id_memory
            self.tasks[number] = Task(number, self._admission, pane_us, id_memory, self._shared)
        return self.tasks[number]

    def partition_state(self, partition: Partition) -> PartitionState:
        return self.task(partition.number).partition_state(partition.topic)

    def partition_states(self) -> dict[Partition, PartitionState]:
        """The state of every partition of the source, and of those restored from a checkpoint."""
        for partition in self._source.partitions():
            self.partition_state(partition)
        return {
            Partition(topic, number): partition_state
            for number, task in self.tasks.items()
            for topic, partition_state in task.partition_states.items()
        }

    def positions(self) -> dict[Partition, int]:
        """The next offset to read, for every partition that has one."""
        return {
            partition: partition_state.next_offset
            for partition, partition_state in self.partition_states().items()
            if partition_state.next_offset >= 0
        }

    def not_read_on(self) -> set[Partition]:
        """Partitions of topics that are stopped because too many of their events were rejected."""
        return self.rejected_share.of_stopped(self._source.partitions())

    def _label_clocks(self) -> dict[Partition, LabelClock]:
        tasks = self.tasks.items()
        return {
            Partition(topic, number): clock for number, task in tasks for topic, clock in task.labels.clocks.items()
        }

    def open_panes(self) -> int:
        return sum(task.open_panes for task in self.tasks.values())

    def caught_up(self) -> bool:
        return all(self._source.at_end(partition) for partition in self._source.partitions())

    def _apply(self, change: Change) -> None:
        partition_state = self.partition_state(change.partition)
        if isinstance(change, OffsetGap):
            self.gaps[change.partition] += max(change.found - change.expected, 0)
            self.fleet.unsent.append(notice_of_gap(change, self._clock.now_us()))
            partition_state.next_offset = max(partition_state.next_offset, change.found)
            _log.error("records_gone", partition=str(change.partition), first=change.expected, next=change.found)
        elif isinstance(change, UnreadableRecords):
            self._pass_unreadable(change)
            partition_state.next_offset = max(partition_state.next_offset, change.next)
        else:
            partition_state.next_offset = max(partition_state.next_offset, 0)
            _log.info("partition_added", partition=str(change.partition))

    def _pass_unreadable(self, lost: UnreadableRecords) -> None:
        name, letter = (lost.partition, lost.reason), letter_of_unreadable(lost)
        self.unreadable[name] += lost.records
        self._letters.append(letter)
        if self._passed.again(name):
            place, so_far = f"{lost.partition}@{lost.first}", self.unreadable[name]
            _log.error("records_unreadable", place=place, next=lost.next, why=letter.message, so_far=so_far)

    def _letters_are_out(self) -> bool:
        """Counting never waits for the rejects topic; reading does."""
        if self._letters and not self.saving.failure:
            try:
                self._send_letters()
            except ExternalError as failure:
                self.saving.failed(failure)
        return not self._letters

    def _send_letters(self) -> None:
        while self._letters:
            self._outputs.reject(self._letters[0])
            self._letters.popleft()
            self.dead_letters += 1

    def _note(self, batch: RecordBatch, taken: Taken) -> None:
        self.accepted.update(taken.accepted)
        self._arrivals.note(key for key, _ in taken.accepted)
        for (outcome, reason), count in taken.outcomes.items():
            if outcome == OVER_LIMIT and not self._over_limit:
                self._over_limit = True
                _log.error("over_limit", limit=f"limits.{reason}", consequence="further ones are counted, not watched")
            self.outcomes[batch.partition.topic, outcome, reason] += count

    # state

    def to_state(self) -> Cut:
        """Both stages and the unsent transitions, cut at one moment; it is frozen before the next batch is counted."""
        tasks = [part for _, task in sorted(self.tasks.items()) for part in parts.of_task(task)]
        hashes = {key: self._settings_hash(key) for key in self._admission.seen}
        models = [
            parts.model(key, self._model_mark(key, settings), partial(self._model_state, key, settings))
            for key, settings in {**dict.fromkeys(self._known(), ""), **hashes}.items()
        ]
        labels = parts.of_labels(self.totals.labels, self.label_exchange, self.joins)
        warmups = parts.of_warmups(self.warming.begun(), self.warming.rows)
        whole = Whole(seen=list(hashes), gaps=dict(self.gaps), formats=dict(self.decoders.formats))
        rest = [*warmups, *self.pairing.parts(), parts.outbox(self.fleet.unsent, self.fleet.head)]
        return Cut(whole, [*tasks, *models, *labels, *rest])

    def _known(self) -> list[ModelKey]:
        """Every model version that events came of: those with a judge first, in the order in which they came."""
        counted = [*self.totals.keys(), *self.exchange.keys()]
        return list(dict.fromkeys([*self.fleet.judged(), *self._admission.seen, *counted]))

    def _model_mark(self, key: ModelKey, settings: str) -> Hashable:
        return settings, self.totals.mark(key), self.exchange.mark(key), self.fleet.mark(key)

    def _model_state(self, key: ModelKey, settings: str) -> ModelState:
        events, exchange = self.totals.events.get(key), self.exchange.to_state(key)
        return ModelState(key, settings, events, exchange, self.fleet.to_state(key))

    def restore(self, state: State) -> list[ModelKey]:
        """Continue from a saved state; the pipeline owns (and changes) that object from now on.

        Returns the model versions that start from scratch because their settings changed.
        """
        self.warming.restore(state.warmups, state.warmup_rows)
        self._admission.restore(state.whole.seen, parts.retired(state))
        for task in state.tasks:
            self.task(task.number).restore(task)
        for of_task in state.task_labels:
            self.task(of_task.number).labels.restore(of_task)
        for model in state.models:
            self.totals.restore(model.key, model.events)
            self.exchange.restore(model.key, model.exchange)
        for of_model in state.model_labels:
            self.totals.labels.restore(of_model.key, of_model.totals)
            self.label_exchange.restore(of_model.key, of_model.exchange)
        self.joins.restore(state.joins)
        self.decoders.restore(state.whole.formats)
        self.pairing.waiting.restore(state.halves)
        self.gaps = Counter(state.whole.gaps)
        judges = [model.judge for model in state.models if model.judge is not None]
        reset = self.fleet.restore(judges, state.outbox.unsent, state.outbox.head)
        # the counts of a model depend on its settings even before its first pane is judged
        before = {model.key: model.settings for model in state.models}
        reset += [key for key in state.whole.seen if key not in reset and before[key] != self._settings_hash(key)]
        for key in reset:
            self._forget(key)
        return reset

    def _replaced(self, key: ModelKey) -> None:
        self.fleet.forget(key)
        self._forget(key)

    def _forget(self, key: ModelKey) -> None:
        """Drop the counts made with a reference that the model version no longer has."""
        self.warming.forget(key)
        self.exchange.forget(key)
        self.label_exchange.forget(key)
        self.joins.retire(key)
        self.totals.forget(key)
        for task in self.tasks.values():
            task.forget(key)
        self.decoders.drop_shape(key)

    def _settings_hash(self, key: ModelKey) -> str:
        monitored = self._admission.monitored(key)
        return "" if monitored is None else monitored.settings_hash
