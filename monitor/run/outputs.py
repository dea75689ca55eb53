"""Outputs of the daemon's pipeline: rejects topic, checkpoints, alert topic, committed offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.chain import Head, Told, linked
from monitor.clock import Clock
from monitor.errors import ExternalError
from monitor.events import Partition
from monitor.findings import Rebase, Transition
from monitor.kafka.alerts import Alerts
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.producer import Outbox
from monitor.kafka.rejects import DeadLetters
from monitor.kafka.topics import ClusterDescription
from monitor.log import get_log
from monitor.publish.links import of_incident
from monitor.records import DeadLetter
from monitor.settings.tree import Settings
from monitor.state.directory import StateStore
from monitor.state.parts import Cut, whole_tree

_log = get_log(__name__)

#: seconds one flush may take: usually, after a failed one, and when the process is stopping
FLUSH_SECONDS: Final = 5.0
IMPATIENT_SECONDS: Final = 0.5
HURRIED_SECONDS: Final = 3.0
CLOSE_SECONDS: Final = 1.0


class KafkaOutputs:
    """`monitor.loop.sinks.Outputs` on Kafka and a state store."""

    def __init__(
        self,
        settings: Settings,
        quality_counts: ClusterDescription,
        source: KafkaSource,
        store: StateStore,
        clock: Clock,
        *,
        sequence: int,
    ) -> None:
        """`sequence` of the restored checkpoint, 0 without one."""
        self._settings = settings
        self._facts = quality_counts
        self._source = source
        self._store = store
        self._clock = clock
        self._outbox = Outbox(settings.kafka)
        group = settings.kafka.group_id
        outputs = settings.outputs
        self._letters = DeadLetters(self._outbox, outputs.rejects_topic, group) if outputs.rejects_topic else None
        mode = outputs.cloudevents
        self._alerts = Alerts(self._outbox, outputs.alerts_topic, group, clock, mode) if outputs.alerts_topic else None
        self._commits = settings.state.store != "memory"
        self._sequence = sequence
        self._handed: set[str] = set()
        self._flush_seconds = FLUSH_SECONDS
        self._hurried = False
        self.checkpoint_us: int | None = None
        self.checkpoint_bytes = 0
        self._changed = self.checkpoint_parts = 0

    def reject(self, letter: DeadLetter) -> None:
        if self._letters is not None:
            self._letters.send(letter)

    def flush_rejects(self) -> None:
        self._flush()

    def _flush(self) -> None:
        """Wait for acknowledgements, only briefly while flushes fail. Records in flight stay so until the next try."""
        try:
            self._outbox.flush(HURRIED_SECONDS if self._hurried else self._flush_seconds)
        except ExternalError:
            self._flush_seconds = IMPATIENT_SECONDS
            raise
        self._flush_seconds = FLUSH_SECONDS

    def freeze(self, cut: Cut) -> Cut:
        changed = self._store.changed(cut.parts)
        self._changed = len(changed)
        return cut.frozen(changed)

    def save(self, cut: Cut) -> None:
        topics = {name: topic.topic_id for name, topic in self._facts.topics.items()}
        now_us = self._clock.now_us()
        sequence = self._sequence + 1
        whole = replace(cut.whole, cluster=self._facts.cluster_id, topics=topics, saved_at_us=now_us)
        self.checkpoint_bytes = self._store.save(sequence, whole_tree(whole), cut.parts)
        self._sequence = sequence
        self.checkpoint_us, self.checkpoint_parts = now_us, self._changed

    def publish(self, told: Sequence[Told], head: Head) -> None:
        if self._alerts is not None:
            for one in told:
                link = linked(head, one.id, one.to_json())
                head = link.head
                if one.id not in self._handed:  # an earlier try may have sent it and failed to flush
                    self._alerts.send(_with_links(one, self._settings), link if link.chain else None)
                    self._handed.add(one.id)
            self._flush()
        self._handed.clear()
        for one in told:
            _log_told(one)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit the offsets for lag tools; a failure is harmless, as positions are restored from the state."""
        if not self._commits:
            return
        # a topic that is not an input any more keeps its position in the state; committing for a deleted one times out
        read = {partition: offset for partition, offset in positions.items() if partition.topic in self._facts.topics}
        if read:
            self._source.commit(read)

    def hurry(self) -> None:
        """The process is stopping: wait less for brokers that may hang. Unsent transitions are in the state."""
        self._hurried = True

    def close(self) -> None:
        self._outbox.close(CLOSE_SECONDS)


def _log_told(told: Told) -> None:
    match told:
        case Transition():
            _log.info(
                "incident_" + told.transition,
                incident=told.incident,
                model=told.key.model,
                version=told.key.version,
                severity=told.severity,
                summary=told.summary,
            )
        case Rebase():
            of, (before, after) = told.key, told.reference
            _log.info(
                "reference_changed", model=of.model, version=of.version, before=before, after=after, note=told.note
            )


def _with_links(told: Told, settings: Settings) -> Told:
    return with_links(told, settings) if isinstance(told, Transition) else told


def with_links(transition: Transition, settings: Settings) -> Transition:
    """The transition with the links from the settings; the model's own runbook takes precedence."""
    model = settings.model(transition.key.model)
    runbook = "" if model is None else model.runbook or ""
    return replace(transition, links=of_incident(settings.links, transition.key, transition.severity, runbook))
