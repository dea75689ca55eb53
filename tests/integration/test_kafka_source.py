"""Reading from a real broker: every record once, with transactions, compaction and retention in between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition as KafkaPartition

from monitor.errors import PermanentError
from monitor.events import Partition
from monitor.kafka import consumer, reading_path
from monitor.kafka.reading_path import FAST, PUBLIC, TURNED_OFF
from monitor.records import Change, NewPartition, OffsetGap, RecordBatch
from tests.engine import times_in
from tests.integration import kafka_reading
from tests.integration.kafka_reading import (
    make_compacted,
    offsets_of,
    read_to_end,
    read_until,
    settings_for,
    source_on,
    values_of,
)
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

client = kafka_reading.client


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_of_every_codec_come_once_and_in_order(kafka: KafkaBroker, topic: str, codec: str, client: str) -> None:
    kafka.create_topic(topic, partitions=2)
    sent = {number: [f"{number}-{index}-{'x' * (index % 300)}".encode() for index in range(3_000)] for number in (0, 1)}
    for number, values in sent.items():
        assert kafka.produce(topic, values, number, compression_type=codec) == list(range(3_000))

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        batches = read_to_end(source)

        for number, values in sent.items():
            partition = Partition(topic, number)
            assert offsets_of(batches, partition) == list(range(3_000))
            assert values_of([batch for batch in batches if batch.partition == partition]) == values
            assert source.position(partition) == 3_000
            assert source.lag(partition) == 0


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("way", [FAST, TURNED_OFF, PUBLIC])
def test_every_way_of_reading_gives_the_records_of_the_librarys_own_poll(
    kafka: KafkaBroker, topic: str, codec: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.create_topic(topic)
    values = [None if index % 50 == 7 else b"v" * (index % 9_000) for index in range(2_000)]
    kafka.produce(
        topic,
        values,
        keys=[None if index % 3 == 0 else b"k" * (index % 300) for index in range(2_000)],
        timestamps_ms=[1_764_000_000_000 + index * (-1) ** index for index in range(2_000)],
        headers=[[("trace", b"%d" % index), ("ä", b"")] if index % 10 == 0 else [] for index in range(2_000)],
        compression_type=codec,
    )
    expected = [
        (one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in polled(kafka, topic, 2_000)
    ]
    if way == PUBLIC:
        monkeypatch.setattr(reading_path, "_absent", lambda _: "what was there before")

    with source_on(settings_for(kafka.bootstrap, fast_path=way != TURNED_OFF), topic) as source:
        assert source.slow_because == way
        batches = read_to_end(source)

    assert [
        (int(batch.offsets[at]), int(times_in(batch)[at]), batch.envelope(at).key, value, batch.envelope(at).headers)
        for batch in batches
        for at, value in enumerate(batch.values)
    ] == expected


def polled(kafka: KafkaBroker, topic: str, count: int) -> list[ConsumerRecord]:
    """By the library alone."""
    with closing(KafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")) as consumer:
        consumer.assign([KafkaPartition(topic, 0)])
        consumer.seek_to_beginning()
        records: list[ConsumerRecord] = []

        def poll_once() -> bool:
            for part in consumer.poll(200).values():
                records.extend(part)
            return len(records) == count

        wait_until(poll_once, "all records", seconds=40.0)
        return records


def test_a_batch_has_times_keys_headers_and_the_next_offset(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic)
    kafka.produce(
        topic,
        [b"one", b"", None],
        keys=[b"k", None, b"gone"],
        timestamps_ms=[1_000, 2_000, 3_000],
        headers=[[("h", b"1"), ("h", b"2")], [], [("n", b"")]],
    )

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        (batch,) = read_to_end(source)

    assert list(batch.values) == [b"one", b"", None]
    assert times_in(batch) == [1_000, 2_000, 3_000]
    assert batch.next_offset == 3
    assert [batch.envelope(index) for index in range(3)] == [
        (b"k", (("h", b"1"), ("h", b"2"))),
        (None, ()),
        (b"gone", (("n", b""),)),
    ]


def test_reading_begins_at_the_positions_given(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic, partitions=2)
    for number in (0, 1):
        kafka.produce(topic, [b"%d" % index for index in range(50)], number)
    first, second = Partition(topic, 0), Partition(topic, 1)

    with source_on(settings_for(kafka.bootstrap, client=client), topic, positions={first: 7, second: 49}) as source:
        batches = read_to_end(source)

    assert offsets_of(batches, first) == list(range(7, 50))
    assert offsets_of(batches, second) == [49]


def test_positions_have_to_cover_every_partition(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic, partitions=2)

    with (
        pytest.raises(ValueError, match=f"{topic}-1"),
        source_on(settings_for(kafka.bootstrap, client=client), topic, positions={Partition(topic, 0): 0}),
    ):
        pass


def test_a_paused_partition_gives_nothing_until_it_is_resumed(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic, partitions=2)
    for number in (0, 1):
        kafka.produce(topic, [b"x"] * 9_000, number)
    held, free = Partition(topic, 0), Partition(topic, 1)

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        while_paused = []
        while not source.at_end(free):
            while_paused += source.poll({held})
        afterwards = read_to_end(source)

    assert offsets_of(while_paused, held) == []
    assert offsets_of(while_paused, free) == list(range(9_000))
    assert offsets_of(afterwards, held) == list(range(9_000))


def test_records_of_aborted_transactions_are_not_seen_and_control_records_are_passed(
    kafka: KafkaBroker, topic: str, client: str
) -> None:
    kafka.create_topic(topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(20)
    for value, commit in ((b"kept", True), (b"dropped", False), (b"kept too", True), (b"dropped too", False)):
        producer.begin_transaction()
        producer.produce(topic, value)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.flush(20)  # so that the broker holds what is taken back
            producer.abort_transaction(20)

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        batches = read_to_end(source)
        assert values_of(batches) == [b"kept", b"kept too"]
        end = kafka.end_offsets(topic)[0]
        assert end == 8, "four records, each with a control record behind it"
        assert source.position(Partition(topic, 0)) == end


def test_an_offset_that_comes_again_is_not_given_out_again(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic)
    kafka.produce(topic, [b"%d" % index for index in range(10)])

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        first = read_to_end(source)
        source._reader.seek(KafkaPartition(topic, 0), 3)
        kafka.produce(topic, [b"10"])
        second = read_until(source, values_of, "the record behind those that come again")

    assert offsets_of(first, Partition(topic, 0)) == list(range(10))
    assert offsets_of(second, Partition(topic, 0)) == [10]


def test_compacted_offsets_are_gaps_without_loss(kafka: KafkaBroker, topic: str, client: str) -> None:
    make_compacted(kafka, topic, 200, 5)
    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        batches = read_to_end(source)
        position = source.position(Partition(topic, 0))

    offsets = offsets_of(batches, Partition(topic, 0))
    assert offsets == sorted(set(offsets))
    assert {b"195", b"196", b"197", b"198", b"199"} <= set(values_of(batches))
    assert position == kafka.end_offsets(topic)[0]


def test_records_that_retention_took_are_a_gap_and_reading_goes_on_behind_it(
    kafka: KafkaBroker, topic: str, client: str
) -> None:
    kafka.create_topic(topic, partitions=2)
    for number in (0, 1):
        kafka.produce(topic, [b"%d" % index for index in range(100)], number)
    lapsed, whole = Partition(topic, 0), Partition(topic, 1)
    delete_records_before(kafka, lapsed, 60)

    with source_on(settings_for(kafka.bootstrap, client=client), topic, positions={lapsed: 10, whole: 10}) as source:
        batches = read_to_end(source)
        changes = source.changes()
        again = source.changes()

    assert changes == [OffsetGap(lapsed, expected=10, found=60)]
    assert again == []
    assert offsets_of(batches, lapsed) == list(range(60, 100))
    assert offsets_of(batches, whole) == list(range(10, 100))


def test_a_position_beyond_the_end_is_refused_with_the_remedy(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic)
    kafka.produce(topic, [b"x"] * 5)

    with (
        source_on(settings_for(kafka.bootstrap, client=client), topic, positions={Partition(topic, 0): 6}) as source,
        pytest.raises(PermanentError, match=f"beyond the end of {topic}-0.*remove the state folder"),
    ):
        read_until(source, bool, "a record that is not there")


def test_an_added_partition_is_reported_and_read_from_its_beginning(
    kafka: KafkaBroker, topic: str, client: str
) -> None:
    kafka.create_topic(topic)
    kafka.produce(topic, [b"old"])

    with source_on(settings_for(kafka.bootstrap, client=client), topic, watch_interval_s=0.2) as source:
        read_to_end(source)
        kafka.add_partitions(topic, 3)
        for number in (1, 2):
            kafka.produce(topic, [b"new-%d" % number] * 4, number)
        changes: list[Change] = []

        def all_came(batches: list[RecordBatch]) -> bool:
            changes.extend(source.changes())
            return len(values_of(batches)) == 8

        batches = read_until(source, all_came, "the records of the new partitions")

        assert changes == [NewPartition(Partition(topic, 1)), NewPartition(Partition(topic, 2))]
        assert source.partitions() == [Partition(topic, number) for number in range(3)]
        for number in (1, 2):
            assert offsets_of(batches, Partition(topic, number)) == [0, 1, 2, 3]
        assert offsets_of(batches, Partition(topic, 0)) == []


@pytest.mark.parametrize("made_again", [False, True])
def test_a_topic_that_is_gone_or_made_again_is_refused_with_the_remedy(
    kafka: KafkaBroker, topic: str, made_again: bool, client: str
) -> None:
    kafka.create_topic(topic)
    kafka.produce(topic, [b"old"])

    with source_on(settings_for(kafka.bootstrap, client=client), topic, watch_interval_s=0.2) as source:
        read_to_end(source)
        kafka.delete_topic(topic)
        if made_again:
            kafka.create_topic(topic)
            kafka.produce(topic, [b"longer than before"] * 10)
        with pytest.raises(PermanentError, match="state folder") as permanent:
            wait_until(source.changes, "the refusal")
        assert (f"{topic} was recreated (id " if made_again else f"{topic} is gone") in str(permanent.value)


def test_a_start_resolves_to_an_offset_of_every_partition(kafka: KafkaBroker, topic: str, client: str) -> None:
    kafka.create_topic(topic, partitions=3)
    kafka.produce(topic, [b"x"] * 10, 0, timestamps_ms=[1_000 * index for index in range(10)])
    kafka.produce(topic, [b"x"] * 4, 1, timestamps_ms=[100_000] * 4)
    delete_records_before(kafka, Partition(topic, 0), 2)
    parts = [Partition(topic, number) for number in range(3)]

    with source_on(settings_for(kafka.bootstrap, client=client, group_id=topic), topic) as source:
        assert source.resolve_start("earliest") == dict(zip(parts, (2, 0, 0), strict=True))
        assert source.resolve_start("latest") == dict(zip(parts, (10, 4, 0), strict=True))
        assert source.resolve_start(4_500) == dict(zip(parts, (5, 0, 0), strict=True))
        assert source.resolve_start(99_000) == dict(zip(parts, (10, 0, 0), strict=True))
        assert source.committed() == {}
        source.commit({parts[0]: 7, parts[2]: 0})
        wait_until(lambda: source.committed() == {parts[0]: 7, parts[2]: 0}, "the offsets are committed")
        assert source.resolve_start("committed") == dict(zip(parts, (7, 0, 0), strict=True))
    assert kafka.committed(topic, topic) == {0: 7, 2: 0}


def test_several_topics_are_read_together(kafka: KafkaBroker, fresh_topic: Callable[[], str], client: str) -> None:
    names = sorted((fresh_topic(), fresh_topic()))
    for name in names:
        kafka.create_topic(name)
        kafka.produce(name, [name.encode()])

    with source_on(settings_for(kafka.bootstrap, client=client), *names) as source:
        batches = read_to_end(source)

    assert {batch.partition: list(batch.values) for batch in batches} == {Partition(n, 0): [n.encode()] for n in names}


def test_a_record_larger_than_a_fetch_still_comes(kafka: KafkaBroker, topic: str, client: str) -> None:
    size = 12 << 20
    kafka.create_topic(topic, max_message_bytes=str(2 * size))
    kafka.produce(topic, [b"small", b"x" * size, b"small"], message_max_bytes=str(2 * size))

    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        batches = read_to_end(source)

    assert [len(value or b"") for value in values_of(batches)] == [5, size, 5]


def delete_records_before(kafka: KafkaBroker, partition: Partition, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for future in admin.delete_records([TopicPartition(*partition, offset)]).values():
        future.result(10)


@pytest.mark.parametrize("at_once", [50, 500])
def test_no_partition_is_forgotten_after_the_others_waited_for_it(
    kafka: KafkaBroker, topic: str, at_once: int, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """The library parks what it fetched of a paused partition, and takes it up again only when nothing is in line."""
    monkeypatch.setitem(consumer._FETCH, "max_poll_records", at_once)
    kafka.create_topic(topic, 3)
    for number in range(3):
        kafka.produce(topic, [b"x" * 600] * 4_000, number)
    read = {Partition(topic, number): 0 for number in range(3)}
    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:

        def all_read() -> bool:
            begun = {partition for partition, n in read.items() if n}
            for batch in source.poll(begun if len(begun) < len(read) else ()):
                read[batch.partition] += len(batch)
            return set(read.values()) == {4_000}

        wait_until(all_read, "every record of every partition", 20)


def test_an_open_transaction_is_named_while_it_holds_a_partition_and_its_records_come_afterwards(
    kafka: KafkaBroker, topic: str, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setattr("monitor.kafka.stalls.PATIENCE", 1.0)
    monkeypatch.setattr("monitor.kafka.consumer._CHECK_SECONDS", 0.1)
    kafka.create_topic(topic, partitions=2)
    held, free = Partition(topic, 0), Partition(topic, 1)
    for number in (0, 1):
        kafka.produce(topic, [b"before"] * 10, number)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(20)
    with source_on(settings_for(kafka.bootstrap, client=client), topic, watch_interval_s=0.2) as source:
        assert len(values_of(read_to_end(source))) == 20
        producer.begin_transaction()
        producer.produce(topic, b"inside", partition=0)
        producer.flush(20)
        kafka.produce(topic, [b"behind"] * 5, 0)
        kafka.produce(topic, [b"behind"] * 5, 1)
        read_until(source, lambda _: any("an open transaction" in stall.why for stall in source.stalled()), "the stall")
        assert [stall.partition for stall in source.stalled()] == [held]
        assert (source.lag(held), source.lag(free)) == (6, 0), "what nobody may read yet counts as well"
        producer.commit_transaction(20)
        batches = read_to_end(source)
        assert values_of(batches) == [b"inside"] + [b"behind"] * 5
        wait_until(lambda: not source.stalled(), "it moves again")
