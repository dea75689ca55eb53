"""The daemon's connection to Kafka: its topics, and the source that reads them."""

from __future__ import annotations

from functools import partial

from monitor.clock import Clock
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import ClusterDescription, describe_cluster, require_topics
from monitor.run.decoders import require_schemas_of
from monitor.settings.tree import Settings


def described_inputs(settings: Settings, config_file: str) -> ClusterDescription:
    """The cluster with the input topics.

    Raises:
        ExternalError: no broker answers; PermanentError: a topic is missing, or a right to one.
    """
    inputs = [entry.topic for entry in settings.inputs]
    outputs = [topic for topic in (settings.outputs.alerts_topic, settings.outputs.rejects_topic) if topic]
    described = describe_cluster(settings.kafka, [*inputs, *outputs])
    require_topics(described, settings.kafka, inputs=inputs, outputs=outputs, config_file=config_file)
    return ClusterDescription(described.cluster_id, {name: described.topics[name] for name in inputs})


def source_of(settings: Settings, described: ClusterDescription, clock: Clock) -> KafkaSource:
    """The daemon's source: a partition waits while a schema of its records cannot be had.

    Raises:
        ExternalError: no broker answers, or they refuse.
    """
    return KafkaSource(
        settings.kafka,
        described,
        clock,
        record_bytes=settings.limits.record_bytes,
        needs_right_clock=True,
        prepare=partial(require_schemas_of, settings),
    )
