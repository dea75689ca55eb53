"""Brokers that are missing, die while they are read, or hold records that cannot be decoded."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from monitor.clock import SystemClock
from monitor.errors import ExternalError
from monitor.events import Partition
from monitor.kafka.connect import until_connected
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import describe_cluster
from monitor.records import RecordBatch, UnreadableRecords
from tests.integration import kafka_reading
from tests.integration.kafka_reading import (
    offsets_of,
    read_to_end,
    read_until,
    settings_for,
    source_on,
    values_of,
)
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

PARTITION = Partition("events", 0)
pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected
client = kafka_reading.client


def test_a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing(kafka_parts: None, client: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("events", partitions=2)
        for number in (0, 1):
            broker.produce("events", [b"%d" % index for index in range(20_000)], number)
        settings = settings_for(broker.bootstrap, client=client, request_timeout="2s")
        with source_on(settings, "events", watch_interval_s=0.3) as source:
            batches = read_until(source, lambda got: len(values_of(got)) >= 5_000, "some records")
            broker.kill()
            longest = 0.0
            until = time.monotonic() + 3
            while time.monotonic() < until:
                began = time.monotonic()
                batches += polled_through_trouble(source)
                longest = max(longest, time.monotonic() - began)
            assert longest < 2.0, "a poll returns though no broker answers"
            wait_until(lambda: not source.reachable(), "the watch notices", seconds=20)
            assert not source.at_end(PARTITION), "nobody knows where the end is"
            began = time.monotonic()
            source.commit({PARTITION: 1})
            assert time.monotonic() - began < 0.5, "nobody waits for the group's coordinator"
            broker.start()
            for number in (0, 1):
                broker.produce("events", [b"after"], number)

            def all_came() -> bool:
                batches.extend(polled_through_trouble(source))
                return len(values_of(batches)) >= 40_002

            wait_until(all_came, "the rest of the records", seconds=60)
            for number in (0, 1):
                assert offsets_of(batches, Partition("events", number)) == list(range(20_001))
            wait_until(source.reachable, "the watch sees the broker again")
            assert source.changes() == []


def test_a_start_before_the_brokers_waits_for_them(kafka_parts: None) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("events")
        broker.stop()
        settings = settings_for(broker.bootstrap, request_timeout="2s")
        waits: list[float] = []
        threads = threading.active_count()

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                assert threading.active_count() == threads, "a client that was not made leaves no thread"
                broker.start()

        described = until_connected(lambda: describe_cluster(settings, ["events"]), lambda: False, wait)

        assert described is not None
        assert described.topics["events"].partitions == 1
        assert len(waits) >= 2


def test_a_start_before_the_brokers_can_be_ended() -> None:
    settings = settings_for("127.0.0.1:1", request_timeout="2s")
    stop = threading.Event()

    assert until_connected(lambda: describe_cluster(settings, []), stop.is_set, lambda _: stop.set()) is None


def test_a_batch_with_a_broken_checksum_is_passed_whole_and_the_others_come(kafka_parts: None, client: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("events", partitions=2)
        for batch in range(3):
            broker.produce("events", [b"<%d-%d>" % (batch, index) for index in range(10)])
        broker.produce("events", [b"whole"] * 10, 1)
        broker.stop()
        break_bytes(broker.folder, b"<1-5>")
        broker.start()
        with source_on(settings_for(broker.bootstrap, client=client), "events") as source:
            batches = read_to_end(source)
            changes = source.changes()

        (lost,) = [change for change in changes if isinstance(change, UnreadableRecords)]
        assert (lost.partition, lost.first, lost.next, lost.records) == (PARTITION, 10, 20, 10)
        assert lost.reason == "checksum"
        assert b"<1-" in lost.value
        assert changes == [lost]
        assert offsets_of(batches, PARTITION) == [*range(10), *range(20, 30)]
        assert offsets_of(batches, Partition("events", 1)) == list(range(10))


def test_the_source_closes_quickly_without_a_broker(kafka_parts: None, client: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("events")
        settings = settings_for(broker.bootstrap, client=client)
        source = KafkaSource(settings, describe_cluster(settings, ["events"]), SystemClock(), watch_interval_s=0.1)
        source.begin({PARTITION: 0})
        source.commit({PARTITION: 0})
        broker.kill()
        began = time.monotonic()
        source.close(timeout_s=2.0)
        assert time.monotonic() - began < 8.0


def polled_through_trouble(source: KafkaSource) -> list[RecordBatch]:
    try:
        return source.poll(())
    except ExternalError:
        return []


def break_bytes(folder: Path, record: bytes) -> None:
    """Changes one byte of a record in the broker's log, whose checksum is wrong from then on."""
    (segment,) = [path for path in folder.glob("data/events-0/*.log") if record in path.read_bytes()]
    with segment.open("r+b") as file:
        file.seek(segment.read_bytes().index(record))
        file.write(b"[")
        file.flush()
        os.fsync(file.fileno())
