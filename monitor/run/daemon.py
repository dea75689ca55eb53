"""Life cycle of the daemon: listen, connect, restore, run turns until stopped, save, exit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar
from uuid import uuid4

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.errors import ExternalError, PermanentError, PositionsLost, UsageError
from monitor.events import Partition
from monitor.exit_codes import BUG, DONE, INTERRUPTED, REFUSED, SIGNALLED
from monitor.judge.fleet import REFERENCE_CHANGED, SETTINGS_CHANGED, Fleet
from monitor.kafka.allocator import FreeMemory, tune_allocator
from monitor.kafka.connect import until_connected
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.stalls import Stall
from monitor.kafka.topics import ClusterDescription
from monitor.log import get_log
from monitor.loop.beside import InThread, Rest
from monitor.loop.time import IDLE, PUBLISH
from monitor.loop.warming import LearningStopped
from monitor.pipeline import Pipeline
from monitor.publish.server import Server
from monitor.publish.snapshot import SnapshotHolder
from monitor.run.accepting import TakenActs
from monitor.run.decoders import decoder_of
from monitor.run.garbage import GarbageSchedule
from monitor.run.kafka_source import described_inputs, source_of
from monitor.run.outputs import KafkaOutputs
from monitor.run.reference_files import beyond_horizon, file_of, unwatched
from monitor.run.restoring import lost_state, restored
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.run.telling import rebased_in, started, stopped
from monitor.run.warmup_learning import learn
from monitor.run.warmup_lines import LEARNED_AGAIN, WarmupLog, ticking
from monitor.settings.tree import Settings
from monitor.state.directory import Loaded, MemoryState, StateDirectory, StateStore

_log = get_log(__name__)
_T = TypeVar("_T")

SNAPSHOT_SECONDS: Final = 0.5
#: of a turn that read records, for the parts of the next snapshot; the last of them begins within it, and one takes up
#: to 4 ms
PART_SECONDS: Final = 0.001
#: or this share of the turn, where that is more: turns may take a second while a backlog is read
PART_SHARE: Final = 0.05
#: seconds between two steps of a promise, which take a few milliseconds each; and while records come, so that
#: reading them is held up for some 3 % of the time only
PROMISE_SECONDS: Final = 0.05
BUSY_PROMISE_SECONDS: Final = 0.2
#: seconds to wait after an external error: doubling from the first to the last
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
#: seconds within which a wait notices a signal
STOP_IS_SEEN_SECONDS: Final = 0.05
#: seconds a stop may take: the last checkpoint, then closing
STOP_SECONDS: Final = 6.0
CLOSE_SECONDS: Final = 1.0
#: seconds to wait for the checkpoint before the first record is read, again and again
FIRST_CHECKPOINT_SECONDS: Final = 5.0


class Daemon:
    """One run of `driftd run`."""

    def __init__(
        self, settings: Settings, admission: Admission, clock: Clock, *, config_file: Path, accept_loss: bool = False
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._clock = clock
        self._config_file = config_file
        self._accept_loss = accept_loss
        self._reached = True
        self._missed = 0
        self._stalled: dict[Partition, str] = {}
        self._signal: int | None = None
        self.snapshots = SnapshotHolder(clock)
        self._fleet = Fleet(admission, settings, chain=uuid4().hex)
        self._beside, self._rest = InThread("driftd-checkpoint"), Rest()

    # life cycle

    def run(self) -> int:
        """Run until a signal; returns the exit code.

        Raises:
            UsageError, PermanentError: the user has to fix something before it can run.
            PositionsLost: the same while it is running.
        """
        tune_allocator()
        with ExitStack() as stack:
            store = self._store()
            store.lock()
            stack.callback(self._release, store)
            http = self._settings.http
            server = Server(self.snapshots, http.host, http.port, series_limit=self._settings.limits.series)
            server.start()
            stack.callback(server.close)
            _log.info("listening", host=http.host, port=server.port)
            self._log_unwatched()
            loaded = None if self._accept_loss else store.load()
            self._log_loaded(loaded)
            described = self._connected(lambda: described_inputs(self._settings, str(self._config_file)))
            source = (
                None
                if described is None
                else self._connected(lambda: source_of(self._settings, described, self._clock))
            )
            if described is None or source is None:
                return self._exit_code()  # stopped while waiting for the brokers
            stack.callback(source.close, CLOSE_SECONDS)
            outputs = KafkaOutputs(
                self._settings, described, source, store, self._clock, sequence=loaded.sequence if loaded else 0
            )
            stack.callback(outputs.close)
            pipeline = Pipeline(
                self._settings, self._admission, source, self._clock, outputs,
                stage2=self._fleet, learn=learn, decoders=decoder_of, beside=self._beside,
            )  # fmt: skip
            begun = self._begin(pipeline, source, described, loaded)
            saved_us = None if loaded is None else loaded.tree["saved_at"]
            loaded = None  # it is as large as the state
            if begun:
                acts = TakenActs(self._settings, self._fleet, saved_us)
                stack.callback(acts.close)
                snapshot_builder = SnapshotBuilder(
                    self._settings, self._admission, pipeline, self._fleet, outputs, self._clock
                )
                try:
                    self._turn_until_stopped(pipeline, source, snapshot_builder, acts, stack)
                except LearningStopped:
                    _log.warning("stopped_while_learning", consequence=LEARNED_AGAIN)
                    return self._exit_code()
                finally:
                    outputs.hurry()
                    self._rest.hurry()
                return self._leave(pipeline) or self._exit_code()
        return self._exit_code()

    def stop(self, number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        """Stop the loop; on the second call the process ends at once."""
        if self._signal is not None:
            os._exit(SIGNALLED + number)
        self._signal = number  # not a threading.Event: the interrupted code could hold its lock

    def _asked_to_stop(self) -> bool:
        return self._signal is not None

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT stop the run cleanly; a second one ends it at once."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def _exit_code(self) -> int:
        return INTERRUPTED if self._signal == signal.SIGINT else DONE

    # start

    def _store(self) -> StateStore:
        if self._settings.state.store == "memory":
            return MemoryState()
        return StateDirectory(self._settings.state.path, self._rest)

    def _release(self, store: StateStore) -> None:
        """Leave the folder to another process: while a checkpoint is still being written, not before this one ends."""
        if not self._beside.is_busy(CLOSE_SECONDS):
            store.close()

    def _log_loaded(self, loaded: Loaded | None) -> None:
        if loaded is None:
            _log.info("no_state", accept_loss=self._accept_loss)
            return
        for path, reason in loaded.damaged:
            _log.error("checkpoint_damaged", path=str(path), why=reason, instead=str(loaded.path))
        _log.info("state_found", path=str(loaded.path), sequence=loaded.sequence)

    def _log_unwatched(self) -> None:
        for fault in unwatched(self._settings, self._admission.references, str(self._config_file)):
            model = self._settings.model(fault.key.model)
            reference = model.file if model is not None else ""
            _log.warning("model_not_watched", model=fault.key.model, reference=reference, why=fault.text)
        for fault in beyond_horizon(self._settings, self._admission.references):
            _log.warning("labels_beyond_horizon", model=fault.key.model, version=fault.key.version, why=fault.text)

    def _connected(self, make: Callable[[], _T]) -> _T | None:
        """The result of `make` once Kafka answers; None if stopped before."""

        def attempt() -> _T:
            self.snapshots.beat()
            try:
                return make()
            except PermanentError:
                raise
            except ExternalError as failure:
                self.snapshots.beat(failure=str(failure))
                raise

        made = until_connected(attempt, self._asked_to_stop, self._wait)
        self.snapshots.beat(failure="")
        return made

    def _wait(self, seconds: float) -> None:
        self.snapshots.beat()
        until = self._clock.monotonic() + seconds
        while not self._asked_to_stop() and (left := until - self._clock.monotonic()) > 0:
            time.sleep(min(left, STOP_IS_SEEN_SECONDS))

    def _begin(
        self, pipeline: Pipeline, source: KafkaSource, described: ClusterDescription, loaded: Loaded | None
    ) -> bool:
        """Restore, or resolve the start positions; these are saved before the first record is read."""
        if loaded is not None:
            reset, rebased = restored(pipeline, loaded, described), rebased_in(self._fleet.unsent)
            for key in reset:
                why = REFERENCE_CHANGED if key in rebased else SETTINGS_CHANGED
                _log.warning("model_state_reset", model=key.model, version=key.version, why=why)
        positions = self._connected(lambda: self._positions(pipeline, source, described, loaded))
        if positions is None:
            return False
        resolved = positions.keys() - pipeline.positions().keys()
        for partition, offset in positions.items():
            pipeline.partition_state(partition).next_offset = offset
        source.begin(positions)
        _log.info(
            "reading", cluster=described.cluster_id, positions={str(p): at for p, at in sorted(positions.items())}
        )
        self.snapshots.beat(assigned=True, restored=True)
        if resolved and self._connected(lambda: self._first_checkpoint(pipeline)) is None:
            return False
        self._fleet.unsent.append(started(self._settings, self._admission, loaded, self._clock.now_us()))
        return True

    def _first_checkpoint(self, pipeline: Pipeline) -> bool:
        pipeline.checkpoint(FIRST_CHECKPOINT_SECONDS)
        return True

    def _positions(
        self, pipeline: Pipeline, source: KafkaSource, described: ClusterDescription, loaded: Loaded | None
    ) -> dict[Partition, int]:
        start = self._settings.kafka.start
        if loaded is None:
            durable = self._settings.state.store != "memory"
            if durable and start != "committed" and not self._accept_loss and source.committed():
                raise UsageError(lost_state(self._settings))
            return source.resolve_start(start)
        known = {p: offset for p, offset in pipeline.positions().items() if p.topic in described.topics}
        missing = [partition for partition in source.partitions() if partition not in known]
        if not missing:
            return known
        # a new partition of a known topic is read from its beginning, a new topic from `kafka.start`
        topics = {partition.topic for partition in known}
        earliest, started = source.resolve_start("earliest"), source.resolve_start(start)
        return known | {p: (earliest if p.topic in topics else started)[p] for p in missing}

    # turns

    def _turn_until_stopped(
        self,
        pipeline: Pipeline,
        source: KafkaSource,
        snapshot_builder: SnapshotBuilder,
        acts: TakenActs,
        stack: ExitStack,
    ) -> None:
        warmups = WarmupLog(pipeline.warming, self._settings)
        pipeline.warming.tick = ticking(self.snapshots.beat, self._asked_to_stop)
        pause, shown_at, caught_up, failure = FIRST_PAUSE, float("-inf"), False, ""
        promised_at, read = float("-inf"), 0
        garbage = GarbageSchedule(self._clock)
        garbage.start()
        memory = FreeMemory(self._clock)
        stack.callback(garbage.close)
        while not self._asked_to_stop():
            acts.take()
            began = self._clock.monotonic()
            try:
                garbage.after_turn(read := pipeline.turn())
                if not caught_up and (caught_up := pipeline.caught_up()):
                    _log.info("caught_up")
            except PositionsLost:
                raise
            except ExternalError as failed:  # also a revoked ACL, which may be granted again
                if str(failed) != failure:
                    _log.warning("turn_failed", why=str(failed), consequence="nothing is read; tried again")
                failure, pause, read = str(failed), min(2 * pause, LAST_PAUSE), 0
                garbage.after_turn(0)
            else:
                failure, pause = "", FIRST_PAUSE
            memory.after_turn(pipeline.saving.made_at)
            stopped = pipeline.rejected_share.in_words()
            reasons = dict.fromkeys(
                [failure or self._reach(source), pipeline.saving.message(reads=pipeline.reads()), stopped]
            )
            self.snapshots.beat(caught_up_once=caught_up, failure="; ".join(filter(None, reasons)))
            while self._fleet.reported:
                self._log_reported()
            warmups.log()
            self._log_missed()
            snapshot_builder.log_losses()
            if self._clock.monotonic() - shown_at >= SNAPSHOT_SECONDS:
                spare = max(PART_SECONDS, PART_SHARE * (self._clock.monotonic() - began))
                if not read or shown_at == float("-inf") or snapshot_builder.advance(spare):
                    shown_at = self._clock.monotonic()
                    self._show(source, snapshot_builder, pipeline.not_read_on())
                pipeline.time.passed(PUBLISH)
            elif self._clock.monotonic() - promised_at >= _promise_pause(read) and snapshot_builder.promise():
                promised_at = self._clock.monotonic()
                pipeline.time.passed(PUBLISH)
            if failure or not pipeline.reads():
                self._wait(pause)
                pipeline.time.passed(IDLE)

    def _reach(self, source: KafkaSource) -> str:
        """The status text while the brokers do not answer; changes are logged."""
        reached = source.reachable()
        if reached != self._reached:
            self._reached = reached
            if reached:
                _log.info("kafka_back")
            else:
                consequence = "nothing is read until the brokers answer; nothing is lost"
                _log.error("kafka_lost", why=source.failure(), consequence=consequence)
        return source.failure()

    def _log_reported(self) -> None:
        reported = self._fleet.reported.popleft()
        key, found = reported.monitored.key, reported.finding
        named = {"model": key.model, "version": key.version, "subject": found.key.subject, "cause": found.key.cause}
        _log.info("finding", **named, severity="info", detail=found.detail)

    def _log_missed(self) -> None:
        """Log versions with events but no reference: each once, only the first ones."""
        for key in self._admission.seen.without_reference[self._missed :]:
            _log.warning(
                "version_without_reference",
                model=key.model,
                version=key.version,
                reference=file_of(self._settings, key),
                consequence="its events are counted as unknown_model and not watched; a new reference is read at start",
            )
        self._missed = len(self._admission.seen.without_reference)

    def _show(self, source: KafkaSource, snapshot_builder: SnapshotBuilder, stopped: set[Partition]) -> None:
        try:
            lags = {p: lag for p in source.partitions() if (lag := source.lag(p)) is not None}
            stalls = source.stalled(stopped)
        except ExternalError:  # reported by the next turn that fails
            lags, stalls = {}, []
        self._log_stalls(stalls)
        self.snapshots.show(snapshot_builder.snapshot(lags, stalls, source.slow_because))

    def _log_stalls(self, stalls: list[Stall]) -> None:
        """Log when a stall begins and when it ends."""
        now = {stall.partition: stall.why for stall in stalls}
        for partition in now.keys() - self._stalled.keys():
            _log.warning("position_stalled", partition=str(partition), why=now[partition])
        for partition in self._stalled.keys() - now.keys():
            _log.info("position_moves_again", partition=str(partition))
        self._stalled = now

    def _leave(self, pipeline: Pipeline) -> int:
        """Try the last checkpoint until the deadline; returns an exit code, not DONE if the state was not saved."""
        self._fleet.unsent.append(stopped(self._clock.now_us()))
        deadline = self._clock.monotonic() + STOP_SECONDS
        while True:
            left = max(deadline - self._clock.monotonic(), 0.0)
            pipeline.saving.attempt(partial(pipeline.checkpoint, left))
            if not pipeline.saving.failure:
                _log.info("stopped", positions={str(p): offset for p, offset in pipeline.positions().items()})
                return DONE
            if self._clock.monotonic() >= deadline:
                return self._log_left_behind(pipeline)
            time.sleep(FIRST_PAUSE)

    def _log_left_behind(self, pipeline: Pipeline) -> int:
        why = pipeline.saving.failure
        if pipeline.saving.is_kept():
            _log.warning("stopped_with_unsent_transitions", why=why, consequence="they are sent after the next start")
            return DONE
        _log.error("last_checkpoint_failed", why=why, consequence="records since the one before are read again")
        return REFUSED if pipeline.saving.refused else BUG


def _promise_pause(read: int) -> float:
    return BUSY_PROMISE_SECONDS if read else PROMISE_SECONDS
