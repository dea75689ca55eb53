"""The daemon's life: listen, connect, restore, turn until told to stop, save, leave."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

from monitor.clock import Clock
from monitor.errors import OutsideRefusal, OutsideTrouble, PositionsLost, UsageError
from monitor.events import ModelKey, Partition
from monitor.judge.fleet import Fleet
from monitor.kafka.allocator import FreeMemory, tune_allocator
from monitor.kafka.connect import until_connected
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.stalls import Stall
from monitor.kafka.topics import ClusterFacts, describe_cluster, require_topics
from monitor.log import get_log
from monitor.loop.time import IDLE, PUBLISH
from monitor.pipeline import Pipeline
from monitor.publish.server import Server
from monitor.publish.snapshot import Showcase
from monitor.reference.catalog import Catalog
from monitor.run.garbage import GarbageSchedule
from monitor.run.outputs import KafkaOutputs
from monitor.run.snapshot_builder import Showing
from monitor.settings.tree import Settings
from monitor.state.directory import Loaded, MemoryState, StateDirectory, StateStore

_log = get_log(__name__)
_T = TypeVar("_T")

BOARD_SECONDS: Final = 0.5
#: pauses after an outside trouble: doubling from the first to the last
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
#: within which a pause sees that it is to end
STOP_IS_SEEN_SECONDS: Final = 0.05
#: what a stop may take: the last checkpoint, then closing
STOP_SECONDS: Final = 6.0
CLOSE_SECONDS: Final = 1.0
#: of a stop that could not save: for a reason that may heal, and where the outside refused for good
EXIT_UNEXPECTED, EXIT_REFUSED = 1, 4


class Daemon:
    """One run of `driftd run`."""

    def __init__(
        self, settings: Settings, catalog: Catalog, clock: Clock, *, config_file: Path, accept_loss: bool = False
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._clock = clock
        self._config_file = config_file
        self._accept_loss = accept_loss
        self._reached = True
        self._missed = 0
        self._stalled: dict[Partition, str] = {}
        self._signal: int | None = None
        self.showcase = Showcase(clock)
        self._fleet = Fleet(catalog, settings)

    # life

    def run(self) -> int:
        """Run until a signal; gives the exit code.

        Raises:
            UsageError, OutsideRefusal: what a person has to mend before it can run.
            PositionsLost: the same while it runs.
        """
        tune_allocator()
        with ExitStack() as stack:
            store = self._store()
            store.lock()
            stack.callback(store.close)
            http = self._settings.http
            server = Server(self.showcase, http.host, http.port, series_limit=self._settings.limits.series)
            server.start()
            stack.callback(server.close)
            _log.info("listening", host=http.host, port=server.port)
            self._say_unwatched()
            loaded = None if self._accept_loss else store.load()
            self._say_loaded(loaded)
            facts = self._connected(self._facts)
            source = None if facts is None else self._connected(lambda: self._source(facts))
            if facts is None or source is None:
                return self._exit_code()  # stopped while nothing answered
            stack.callback(source.close, CLOSE_SECONDS)
            outputs = KafkaOutputs(
                self._settings, facts, source, store, self._clock, sequence=loaded.sequence if loaded else 0
            )
            stack.callback(outputs.close)
            pipeline = Pipeline(self._settings, self._catalog, source, self._clock, outputs, stage2=self._fleet)
            if self._begin(pipeline, source, facts, loaded):
                showing = Showing(self._settings, self._catalog, pipeline, self._fleet, outputs)
                self._turn_until_stopped(pipeline, source, showing, stack)
                outputs.hurry()
                return self._leave(pipeline) or self._exit_code()
        return self._exit_code()

    def stop(self, number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        """Ask the loop to end; asked twice, the process ends at once."""
        if self._signal is not None:
            os._exit(128 + number)
        self._signal = number  # a lock (threading.Event) could be held by what the signal interrupts

    def _told_to_stop(self) -> bool:
        return self._signal is not None

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT end the run in order; a second one ends it at once."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def _exit_code(self) -> int:
        return 130 if self._signal == signal.SIGINT else 0

    # beginning

    def _store(self) -> StateStore:
        if self._settings.state.store == "memory":
            return MemoryState()
        return StateDirectory(self._settings.state.path)

    def _say_loaded(self, loaded: Loaded | None) -> None:
        if loaded is None:
            _log.info("no_state", accept_loss=self._accept_loss)
            return
        for path, reason in loaded.damaged:
            _log.error("checkpoint_damaged", path=str(path), why=reason, instead=str(loaded.path))
        _log.info("state_found", path=str(loaded.path), sequence=loaded.sequence)

    def _say_unwatched(self) -> None:
        for fault in self._catalog.unwatched(str(self._config_file)):
            model = self._settings.model(fault.key.model)
            reference = model.reference if model is not None else ""
            _log.warning("model_not_watched", model=fault.key.model, reference=reference, why=fault.text)

    def _connected(self, make: Callable[[], _T]) -> _T | None:
        """What `make` gives once Kafka answers; None when told to stop before."""

        def attempt() -> _T:
            self.showcase.beat()
            try:
                return make()
            except OutsideRefusal:
                raise
            except OutsideTrouble as trouble:
                self.showcase.beat(trouble=str(trouble))
                raise

        made = until_connected(attempt, self._told_to_stop, self._wait)
        self.showcase.beat(trouble="")
        return made

    def _wait(self, seconds: float) -> None:
        self.showcase.beat()
        until = self._clock.monotonic() + seconds
        while not self._told_to_stop() and (left := until - self._clock.monotonic()) > 0:
            time.sleep(min(left, STOP_IS_SEEN_SECONDS))

    def _facts(self) -> ClusterFacts:
        inputs = [entry.topic for entry in self._settings.inputs]
        outputs = [t for t in (self._settings.outputs.alerts_topic, self._settings.outputs.rejects_topic) if t]
        facts = describe_cluster(self._settings.kafka, [*inputs, *outputs])
        require_topics(facts, self._settings.kafka, inputs=inputs, outputs=outputs, config_file=str(self._config_file))
        return ClusterFacts(facts.cluster_id, {name: facts.topics[name] for name in inputs})

    def _source(self, facts: ClusterFacts) -> KafkaSource:
        limit = self._settings.limits.record_bytes
        return KafkaSource(self._settings.kafka, facts, self._clock, record_bytes=limit, needs_right_clock=True)

    def _begin(self, pipeline: Pipeline, source: KafkaSource, facts: ClusterFacts, loaded: Loaded | None) -> bool:
        """Restore, or resolve where to start; save what was resolved before the first record is read."""
        if loaded is not None:
            for key in restored(pipeline, loaded, facts):
                _log.warning("model_starts_afresh", model=key.model, version=key.version, why="settings changed")
        positions = self._connected(lambda: self._positions(pipeline, source, facts, loaded))
        if positions is None:
            return False
        resolved = positions.keys() - pipeline.positions().keys()
        for partition, offset in positions.items():
            pipeline.lane(partition).next_offset = offset
        source.begin(positions)
        _log.info("reading", cluster=facts.cluster_id, positions={str(p): at for p, at in sorted(positions.items())})
        self.showcase.beat(assigned=True, restored=True)
        return not resolved or self._connected(lambda: self._first_checkpoint(pipeline)) is not None

    def _first_checkpoint(self, pipeline: Pipeline) -> bool:
        pipeline.checkpoint()
        return True

    def _positions(
        self, pipeline: Pipeline, source: KafkaSource, facts: ClusterFacts, loaded: Loaded | None
    ) -> dict[Partition, int]:
        start = self._settings.kafka.start
        if loaded is None:
            durable = self._settings.state.store != "memory"
            if durable and start != "committed" and not self._accept_loss and source.committed():
                raise UsageError(lost_state(self._settings))
            return source.resolve_start(start)
        known = {p: offset for p, offset in pipeline.positions().items() if p.topic in facts.topics}
        missing = [partition for partition in source.partitions() if partition not in known]
        if not missing:
            return known
        # a new partition of a known topic is read from its beginning, a new topic from where the settings say
        topics = {partition.topic for partition in known}
        earliest, started = source.resolve_start("earliest"), source.resolve_start(start)
        return known | {p: (earliest if p.topic in topics else started)[p] for p in missing}

    # turning

    def _turn_until_stopped(self, pipeline: Pipeline, source: KafkaSource, showing: Showing, stack: ExitStack) -> None:
        pause, shown_at, caught_up, trouble = FIRST_PAUSE, float("-inf"), False, ""
        garbage = GarbageSchedule(self._clock)
        garbage.start()
        memory = FreeMemory(self._clock)
        stack.callback(garbage.close)
        while not self._told_to_stop():
            try:
                garbage.after_turn(pipeline.turn())
                caught_up = caught_up or self._has_caught_up(pipeline)
            except PositionsLost:
                raise
            except OutsideTrouble as failed:  # a right that was taken away may be given back
                if str(failed) != trouble:
                    _log.warning("turn_failed", why=str(failed), consequence="nothing is read; tried again")
                trouble, pause = str(failed), min(2 * pause, LAST_PAUSE)
                garbage.after_turn(0)
            else:
                trouble, pause = "", FIRST_PAUSE
            memory.after_turn(pipeline.saving.made_at)
            stopped = pipeline.rejected_share.in_words()
            reasons = dict.fromkeys(
                [trouble or self._reach(source), pipeline.saving.in_words(reads=pipeline.reads()), stopped]
            )
            self.showcase.beat(caught_up_once=caught_up, trouble="; ".join(filter(None, reasons)))
            while self._fleet.told:
                self._log_told()
            self._say_missed()
            showing.tell()
            if self._clock.monotonic() - shown_at >= BOARD_SECONDS:
                shown_at = self._clock.monotonic()
                self._show(source, showing, pipeline.not_read_on())
                pipeline.time.passed(PUBLISH)
            if trouble or not pipeline.reads():
                self._wait(pause)
                pipeline.time.passed(IDLE)

    def _has_caught_up(self, pipeline: Pipeline) -> bool:
        reached = pipeline.caught_up()
        if reached:
            _log.info("caught_up")
        return reached

    def _reach(self, source: KafkaSource) -> str:
        """What to say while the brokers do not answer; the change is logged."""
        reached = source.reachable()
        if reached != self._reached:
            self._reached = reached
            if reached:
                _log.info("kafka_back")
            else:
                consequence = "nothing is read until the brokers answer; nothing is lost"
                _log.error("kafka_lost", why=source.trouble(), consequence=consequence)
        return source.trouble()

    def _log_told(self) -> None:
        told = self._fleet.told.popleft()
        key = told.monitored.key
        _log.info("finding", model=key.model, version=key.version, severity="info", detail=told.finding.detail)

    def _say_missed(self) -> None:
        """The versions that events came of and that have no reference: each once, the first ones alone."""
        for key in self._catalog.without_reference[self._missed :]:
            _log.warning(
                "version_without_reference",
                model=key.model,
                version=key.version,
                reference=self._catalog.file_of(key),
                consequence="its events are counted as unknown_model and not watched; a new reference is read at start",
            )
        self._missed = len(self._catalog.without_reference)

    def _show(self, source: KafkaSource, showing: Showing, stopped: set[Partition]) -> None:
        try:
            lags = {p: lag for p in source.partitions() if (lag := source.lag(p)) is not None}
            stalls = source.stalled(stopped)
        except OutsideTrouble:  # told by the turn that meets it
            lags, stalls = {}, []
        self._say_stalls(stalls)
        self.showcase.show(showing.board(lags, stalls))

    def _say_stalls(self, stalls: list[Stall]) -> None:
        """When one begins and when it ends."""
        now = {stall.partition: stall.why for stall in stalls}
        for partition in now.keys() - self._stalled.keys():
            _log.warning("position_stalled", partition=str(partition), why=now[partition])
        for partition in self._stalled.keys() - now.keys():
            _log.info("position_moves_again", partition=str(partition))
        self._stalled = now

    def _leave(self, pipeline: Pipeline) -> int:
        """The last checkpoint, tried until the deadline; gives the exit code where the state could not be kept."""
        deadline = self._clock.monotonic() + STOP_SECONDS
        while True:
            pipeline.saving.attempt(pipeline.checkpoint)
            if not pipeline.saving.trouble:
                _log.info("stopped", positions={str(p): offset for p, offset in pipeline.positions().items()})
                return 0
            if self._clock.monotonic() >= deadline:
                return self._say_left_behind(pipeline)
            time.sleep(FIRST_PAUSE)

    def _say_left_behind(self, pipeline: Pipeline) -> int:
        why = pipeline.saving.trouble
        if pipeline.saving.is_kept():
            _log.warning("stopped_before_all_was_told", why=why, consequence="it is told after the next start")
            return 0
        _log.error("last_checkpoint_failed", why=why, consequence="records since the one before are read again")
        return EXIT_REFUSED if pipeline.saving.refused else EXIT_UNEXPECTED


def restored(pipeline: Pipeline, loaded: Loaded, facts: ClusterFacts) -> list[ModelKey]:
    """Go on from a checkpoint; gives the model versions that start afresh.

    Raises:
        UsageError: it is of another cluster, another topic or another format, or no state of driftd at all.
    """
    try:
        require_same_cluster(loaded.tree, facts)
        return pipeline.restore(loaded.tree)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"state.path: {loaded.path} is whole and holds no state that this version understands "
            f"({type(error).__name__}); move it away, and the one before it is taken"
        ) from error


def require_same_cluster(tree: Mapping[str, Any], facts: ClusterFacts) -> None:
    """A state belongs to the cluster and topics it was made from.

    Raises:
        UsageError: another cluster, or a topic that was made again.
    """
    remedy = "restore what it was, or remove the state folder (or run with --accept-loss) to begin afresh"
    faults = []
    if tree["cluster"] != facts.cluster_id:
        faults.append(f"the state was made on the cluster {tree['cluster']}, this is {facts.cluster_id}; {remedy}")
    for name, topic in facts.topics.items():
        before = tree["topics"].get(name)
        if before is not None and before != topic.topic_id:
            faults.append(f"the topic {name} was made again (id {before} before, {topic.topic_id} now); {remedy}")
    if faults:
        raise UsageError(faults)


def lost_state(settings: Settings) -> str:
    """What to say when the group has offsets and there is no state."""
    return (
        f"state.path: {settings.state.path} holds no state, but the group {settings.kafka.group_id} has committed "
        "offsets: was the volume lost? Restore it; or set kafka.start: committed to go on from the offsets with empty "
        "statistics; or run once with --accept-loss to begin at kafka.start"
    )
