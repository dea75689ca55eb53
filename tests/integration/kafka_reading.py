"""What the tests of `monitor.kafka` share: settings for a broker, a source at its beginning, reading until a point."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.events import Partition
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import describe_cluster
from monitor.records import RecordBatch, Source
from monitor.settings.kafka import Kafka
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

#: The library leaves sockets of connections that failed to the garbage collector. With `sockets_collected` in its
#: module that comes to them within the test, so that none of it shows in another.
LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


@pytest.fixture(autouse=True)
def sockets_collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    caplog.get_records("call").clear()  # they keep exceptions, and these their frames and sockets
    gc.collect()


@pytest.fixture(params=["kafka-python", "confluent"])
def client(request: pytest.FixtureRequest) -> str:
    """Each `kafka.client`."""
    return str(request.param)


def settings_for(bootstrap: str, **more: Any) -> Kafka:  # noqa: ANN401 -- any setting of the tree
    return Kafka.model_validate({"bootstrap_servers": [bootstrap], "request_timeout": "5s", **more})


@contextmanager
def source_on(
    settings: Kafka, *topics: str, positions: Mapping[Partition, int] | None = None, watch_interval_s: float = 30.0
) -> Iterator[KafkaSource]:
    """A source that has begun: at `positions`, else at the beginning of every partition."""
    described = describe_cluster(settings, topics)
    source = KafkaSource(settings, described, SystemClock(), watch_interval_s=watch_interval_s)
    try:
        source.begin(source.resolve_start("earliest") if positions is None else positions)
        yield source
    finally:
        source.close()


def read_until(source: Source, enough: Callable[[list[RecordBatch]], object], what: str) -> list[RecordBatch]:
    """Polls until `enough(batches so far)`."""
    batches: list[RecordBatch] = []

    def poll_once() -> object:
        batches.extend(source.poll(()))
        return enough(batches)

    wait_until(poll_once, what, seconds=40.0)
    return batches


def read_to_end(source: Source) -> list[RecordBatch]:
    """Polls until every partition is at its end."""
    return read_until(source, lambda _: all(map(source.at_end, source.partitions())), "the end of every partition")


def values_of(batches: list[RecordBatch]) -> list[bytes | None]:
    return [value for batch in batches for value in batch.values]


def offsets_of(batches: list[RecordBatch], partition: Partition) -> list[int]:
    return [offset for batch in batches if batch.partition == partition for offset in batch.offsets.tolist()]


def make_compacted(kafka: KafkaBroker, topic: str, number: int, keys: int) -> None:
    """A topic of so many records with a few keys, of which the broker has dropped most."""
    kafka.create_topic(
        topic,
        cleanup_policy="compact",
        delete_retention_ms="100",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="200",
    )
    kafka.produce(topic, [b"%d" % at for at in range(number)], keys=[b"%d" % (at % keys) for at in range(number)])

    def compacted() -> bool:
        kafka.produce(topic, [b"roll"], keys=[b"roll"])
        return 5 * len(kafka.records(topic)) < 2 * number

    wait_until(compacted, "the log is compacted")
