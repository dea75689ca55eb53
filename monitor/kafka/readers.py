"""Chooses what reads the records: `kafka.client`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kafka.structs import TopicPartition

from monitor.errors import UsageError
from monitor.kafka.confluent.config import consumer_config
from monitor.kafka.confluent.reader import ConfluentReader
from monitor.kafka.connect import client_config
from monitor.kafka.reader import LibraryReader, Reader
from monitor.settings.kafka import Kafka

CONFLUENT: Final = "confluent"


def require_client(settings: Kafka) -> None:
    """Require that the library of `kafka.client` is installed.

    Raises:
        UsageError: it is not; with the command that installs it.
    """
    if settings.client == CONFLUENT:
        _library()


def reader_of(
    settings: Kafka,
    careful: LibraryReader,
    more: dict[str, Any],
    committed_end: Callable[[TopicPartition], int | None],
) -> Reader:
    """`careful` itself, or a reader by librdkafka that leaves to `careful` what it cannot read.

    `more` are keywords of kafka-python besides those of `client_config`. `committed_end` is the last stable offset of a
    partition, None if it is not known.

    Raises:
        UsageError: the library is not installed. PermanentError: it does not take the settings.
    """
    if settings.client != CONFLUENT:
        return careful
    config = consumer_config(client_config(settings, "reader") | more, settings.group_id)
    return ConfluentReader(_library(), config, careful, committed_end)


def _library() -> Any:  # noqa: ANN401  # without types
    try:
        import confluent_kafka  # noqa: PLC0415  # it is an extra
    except ImportError:
        raise UsageError(
            "kafka.client: confluent needs confluent-kafka; run: pip install 'driftd[confluent]'"
        ) from None
    return confluent_kafka
