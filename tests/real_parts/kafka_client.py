"""What the tests do to a Kafka from outside, through another client (librdkafka) than the one under test."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.real_parts.waiting import wait_until

ANSWER_SECONDS = 10.0
QUIET = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
# A record is sent once and in order, or the test hears of it. (An idempotent producer could try again, but takes half a
# second to get its id; for outages a test asks for it: enable_idempotence="true", retries="100".)
ONCE = {"acks": "all", "retries": 0, "max.in.flight": 1, "linger.ms": 5}
Headers = Sequence[tuple[str, bytes]]
T = TypeVar("T")


@dataclass(frozen=True)
class StoredRecord:
    """One record as it lies in the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...]


class KafkaClient:
    """Topics, records and offsets of the cluster at `bootstrap_servers`; every method returns when its work is done."""

    def __init__(self, bootstrap_servers: str, **security: str) -> None:
        """`security` are librdkafka's settings with `_` for `.`: security_protocol="SASL_SSL", ..."""
        self._settings: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, **QUIET}
        self._settings |= {name.replace("_", "."): value for name, value in security.items()}
        self._admin = AdminClient(self._settings)

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Keeps records of any age unless told otherwise; configs with `_` for `.`: cleanup_policy="compact"."""
        settings = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in configs.items()}}
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        self._admin.create_topics([new])[name].result(ANSWER_SECONDS)
        self._await_partitions(name, partitions)

    def delete_topic(self, name: str) -> None:
        self._admin.delete_topics([name])[name].result(ANSWER_SECONDS)
        wait_until(lambda: not self.led_partitions(name), f"topic {name} is gone")

    def add_partitions(self, name: str, total: int) -> None:
        """`total` is the number of partitions afterwards."""
        self._admin.create_partitions([NewPartitions(name, total)])[name].result(ANSWER_SECONDS)
        self._await_partitions(name, total)

    def led_partitions(self, name: str) -> list[int]:
        """The partitions that have a leader; none where there is no such topic."""
        topic = self._admin.list_topics(timeout=ANSWER_SECONDS).topics.get(name)
        return [] if topic is None else sorted(number for number, part in topic.partitions.items() if part.leader >= 0)

    def brokers_ready(self, seconds: float) -> bool:
        """One metadata request: a broker that may lead is there, and every partition of every topic has a leader."""
        try:
            metadata = self._admin.list_topics(timeout=seconds)
        except KafkaException:
            return False
        parts = [part for topic in metadata.topics.values() for part in topic.partitions.values()]
        return bool(metadata.brokers) and all(part.leader in metadata.brokers for part in parts)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """{partition: offset of the next record to come}."""
        consumer = self._consumer()
        try:
            ends = {}
            for number in self.led_partitions(topic):
                _, ends[number] = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_SECONDS)
            return ends
        finally:
            consumer.close()

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """{partition: position committed by the group}; only partitions that have one."""
        consumer = self._consumer(group)
        try:
            asked = [TopicPartition(topic, number) for number in self.led_partitions(topic)]
            answers = consumer.committed(asked, timeout=ANSWER_SECONDS)
            return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}
        finally:
            consumer.close()

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        partition: int = 0,
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps_ms: Sequence[int] | None = None,
        headers: Sequence[Headers] | None = None,
        **settings: str,
    ) -> list[int]:
        """All values into one partition, in order; returns their offsets.

        Args:
            keys, timestamps_ms, headers: one entry a value, where given.
            settings: of the producer, with `_` for `.`: compression_type="zstd".

        Raises:
            AssertionError: a record was not acknowledged.
        """
        own = {key.replace("_", "."): value for key, value in settings.items()}
        producer = Producer({**self._settings, **ONCE, **own})
        offsets: list[int] = []
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
            else:
                offsets.append(_known(message.offset()))

        for index, value in enumerate(values):
            extra: dict[str, Any] = {"key": keys[index]} if keys is not None else {}
            if timestamps_ms is not None:
                extra["timestamp"] = timestamps_ms[index]
            if headers is not None:
                extra["headers"] = list(headers[index])
            _send(producer, topic, value, partition=partition, on_delivery=delivered, **extra)
        if producer.flush(60.0) or failures:
            message = f"not every record reached {topic}: {failures[:1] or 'no answer within 60 s'}"
            raise AssertionError(message)
        return sorted(offsets)

    def records(self, topic: str, seconds: float = 30.0) -> list[StoredRecord]:
        """Every committed record of the topic as it is now, by partition and offset."""
        consumer = self._consumer()
        numbers = self.led_partitions(topic)
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        found: list[StoredRecord] = []
        ended: set[int] = set()
        deadline = time.monotonic() + seconds
        try:
            while len(ended) < len(numbers):
                assert time.monotonic() < deadline, f"{topic} was not read to its end within {seconds:g} s"
                for message in consumer.consume(10_000, timeout=0.1):
                    if (error := message.error()) is None:
                        found.append(_stored(message))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ended.add(_known(message.partition()))
        finally:
            consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def _consumer(self, group: str = "recount") -> Consumer:
        own = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        own |= {"isolation.level": "read_committed", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
        return Consumer({**self._settings, **own})

    def _await_partitions(self, name: str, total: int) -> None:
        wait_until(lambda: len(self.led_partitions(name)) == total, f"{total} partitions of {name} have a leader")


def _send(producer: Producer, topic: str, value: bytes | None, **how: Any) -> None:  # noqa: ANN401 -- librdkafka's own arguments, handed through
    while True:
        try:
            producer.produce(topic, value, **how)
        except BufferError:  # the client's queue is full: let it empty
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def _stored(message: Message) -> StoredRecord:
    headers = message.headers() or []
    assert isinstance(headers, list), "librdkafka gives the headers it read as pairs"
    pairs = tuple((name, value if isinstance(value, bytes) else b"") for name, value in headers)
    number, offset = _known(message.partition()), _known(message.offset())
    return StoredRecord(number, offset, message.key(), message.value(), message.timestamp()[1], pairs)


def _known(value: T | None) -> T:
    assert value is not None, "librdkafka left a field of a delivered message empty"
    return value
