"""Where the daemon's pipeline writes to: rejects topic, checkpoints, alert topic, the group's offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from monitor.clock import Clock
from monitor.errors import OutsideTrouble, UsageError
from monitor.events import Partition
from monitor.files.directory import StateStore
from monitor.findings import Transition
from monitor.kafka.alerts import Alerts
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.producer import Outbox
from monitor.kafka.rejects import DeadLetters
from monitor.kafka.topics import ClusterFacts
from monitor.links import of_incident
from monitor.log import get_log
from monitor.records import DeadLetter
from monitor.settings import Settings

_log = get_log(__name__)

FLUSH_SECONDS: Final = 10.0
HURRIED_SECONDS: Final = 3.0
COMMIT_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 1.0


class KafkaOutputs:
    """`monitor.pipeline.Outputs` on Kafka and a state store."""

    def __init__(
        self,
        settings: Settings,
        facts: ClusterFacts,
        source: KafkaSource,
        store: StateStore,
        clock: Clock,
        *,
        sequence: int,
    ) -> None:
        """`sequence` is that of the checkpoint that was restored, 0 without one."""
        self._settings = settings
        self._facts = facts
        self._source = source
        self._store = store
        self._clock = clock
        self._outbox = Outbox(settings.kafka)
        group = settings.kafka.group_id
        outputs = settings.outputs
        self._letters = DeadLetters(self._outbox, outputs.rejects_topic, group) if outputs.rejects_topic else None
        self._alerts = Alerts(self._outbox, outputs.alerts_topic, group, clock) if outputs.alerts_topic else None
        self._commits = settings.state.store != "memory"
        self._sequence = sequence
        self._handed: set[str] = set()
        #: seconds one flush may take; less when the process is asked to end
        self.flush_seconds = FLUSH_SECONDS
        self.checkpoint_us: int | None = None
        self.checkpoint_bytes = 0

    def reject(self, letter: DeadLetter) -> None:
        if self._letters is not None:
            self._letters.send(letter)

    def rejects_safe(self) -> None:
        self._outbox.flush(self.flush_seconds)

    def save(self, tree: dict[str, Any]) -> None:
        topics = {name: topic.topic_id for name, topic in self._facts.topics.items()}
        now_us = self._clock.now_us()
        sequence = self._sequence + 1
        kept = {**tree, "cluster": self._facts.cluster_id, "topics": topics, "saved_at": now_us}
        self.checkpoint_bytes = self._store.save(sequence, kept)
        self._sequence = sequence
        self.checkpoint_us = now_us

    def tell(self, transitions: Sequence[Transition]) -> None:
        if self._alerts is not None:
            for transition in transitions:
                if transition.id not in self._handed:  # a former try may have handed it over and failed to flush
                    self._alerts.send(linked(transition, self._settings))
                    self._handed.add(transition.id)
            self._outbox.flush(self.flush_seconds)
        self._handed.clear()
        for transition in transitions:
            _log.info(
                "incident_" + transition.transition,
                incident=transition.incident,
                model=transition.key.model,
                version=transition.key.version,
                severity=transition.severity,
                summary=transition.summary,
            )

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """A mirror: nothing depends on it, so a failure is said and passed over."""
        if not self._commits:
            return
        # a topic that is no input any more keeps its place in the state; committing one that was deleted times out
        read = {partition: offset for partition, offset in positions.items() if partition.topic in self._facts.topics}
        try:
            self._source.commit(read, min(self.flush_seconds, COMMIT_SECONDS))
        except (OutsideTrouble, UsageError) as trouble:  # usage: a certificate that is being replaced
            _log.warning("offsets_not_committed", why=str(trouble))

    def hurry(self) -> None:
        """The process is to end: wait less for brokers that may hang. What is not sent is in the state."""
        self.flush_seconds = HURRIED_SECONDS

    def close(self) -> None:
        self._outbox.close(CLOSE_SECONDS)


def linked(transition: Transition, settings: Settings) -> Transition:
    """With the addresses that the settings know; the model's own runbook wins."""
    model = settings.model(transition.key.model)
    runbook = "" if model is None else model.runbook or ""
    return replace(transition, links=of_incident(settings.links, transition.key, transition.severity, runbook))
