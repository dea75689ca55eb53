"""The mock Kafka broker inside the confluent-kafka wheel: in memory, the oldest records are dropped beyond 5 MiB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from monitor.demo.flights import INSTALL
from monitor.errors import TransientError, UsageError
from monitor.kafka.cloud_events import NOTICE

#: its protocol version, which kafka-python cannot detect
API_VERSION: Final = "2.3"
#: partitions it creates per topic
PARTITIONS: Final = 4
_SECONDS: Final = 10.0


class DemoBroker:
    """A broker that runs as long as this object, with its clients: a producer, and readers of offsets and alerts.

    Every call raises ExternalError when a request fails.
    """

    def __init__(self, group: str, alerts_topic: str) -> None:
        """Raises UsageError: the wheel is not installed."""
        try:
            from confluent_kafka import (  # noqa: PLC0415  # belongs to an extra
                Consumer,
                KafkaException,
                Producer,
                TopicPartition,
            )
        except ImportError:
            raise UsageError(INSTALL) from None
        self._place = TopicPartition
        self._failures: tuple[type[Exception], ...] = (KafkaException, BufferError)
        self._producer: Any = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 20})
        with self._asked("give its address"):
            brokers = self._producer.list_topics(timeout=_SECONDS).brokers
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
        client = {"bootstrap.servers": self.address, "log_level": 0}
        self._group: Any = Consumer({**client, "group.id": group})
        self._alerts: Any = Consumer({**client, "group.id": f"{group}-alerts"})
        self._alerts.assign([TopicPartition(alerts_topic, number, 0) for number in range(PARTITIONS)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alerts.close()
        self._group.close()
        self._producer.purge()
        self._producer.flush(_SECONDS)

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._failures as failure:
            message = f"the embedded broker did not {what}: {failure}"
            raise TransientError(message) from failure

    def make(self, *topics: str) -> None:
        """Create topics, by requesting their metadata as a producer."""
        for topic in topics:
            with self._asked(f"make the topic {topic}"):
                asked = [self._producer.list_topics(topic, timeout=_SECONDS).topics[topic] for _ in range(2)]
            if asked[-1].error is not None or len(asked[-1].partitions) != PARTITIONS:
                raise TransientError(f"the embedded broker did not create topic {topic} with {PARTITIONS} partitions")

    def send(self, topic: str, number: int, value: bytes, time_us: int) -> None:
        """Send a record with its timestamp."""
        with self._asked("take a record"):
            self._producer.produce(topic, value, partition=number % PARTITIONS, timestamp=time_us // 1000)
        self._producer.poll(0)  # processes acknowledgements, which would fill its queue

    def sent(self) -> None:
        """Wait until the broker has acknowledged all records."""
        self._producer.flush(_SECONDS)

    def committed(self, topic: str) -> int:
        """How many records the group has committed."""
        places = [self._place(topic, number) for number in range(PARTITIONS)]
        with self._asked("give the group's offsets"):
            return sum(max(place.offset, 0) for place in self._group.committed(places, timeout=_SECONDS))

    def transitions(self, wait_seconds: float) -> list[dict[str, Any]]:
        """The transitions on the alert topic since the last call: the `data` of its CloudEvents."""
        messages = self._alerts.consume(100, timeout=wait_seconds)
        events = [json.loads(message.value()) for message in messages if message.error() is None]
        return [event["data"] for event in events if event.get("type") != NOTICE]
