"""Both values of `kafka.client` give the same: records, times, keys, headers, gaps, losses and positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from monitor.events import Partition
from monitor.records import Change, UnreadableRecords
from tests.engine import times_in
from tests.integration import kafka_reading
from tests.integration.kafka_reading import make_compacted, read_to_end, settings_for, source_on
from tests.integration.test_kafka_outage import break_bytes
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected
client = kafka_reading.client

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
TIME_MS: Final = 1_764_000_000_000
#: what a source says of a topic: its records by partition, changes, and positions at the end
Told = tuple[dict[Partition, list[Any]], list[Change], dict[Partition, int]]


def told(kafka: KafkaBroker, topic: str, client: str, positions: Mapping[Partition, int] | None = None) -> Told:
    with source_on(settings_for(kafka.bootstrap, client=client), topic, positions=positions) as source:
        assert source.slow_because == ""
        batches = read_to_end(source)
        records: dict[Partition, list[Any]] = {}
        for batch in batches:
            assert len(batch.values) == len(batch.offsets)
            assert batch.next_offset > batch.offsets[-1]
            rows = zip(batch.offsets.tolist(), times_in(batch), batch.values, strict=True)
            records.setdefault(batch.partition, []).extend((*row, *batch.envelope(at)) for at, row in enumerate(rows))
        return records, source.changes(), {part: source.position(part) for part in source.partitions()}


def same(kafka: KafkaBroker, topic: str, positions: Mapping[Partition, int] | None = None) -> Told:
    """What both say, after it was compared."""
    one, other = (told(kafka, topic, client, positions) for client in ("kafka-python", "confluent"))
    assert one == other
    return other


def produce_odd(kafka: KafkaBroker, topic: str, count: int, number: int = 0, **settings: str) -> None:
    """Null and empty values, keys and headers, long ones, and times that fall."""
    kafka.produce(
        topic,
        [None if index % 50 == 7 else b"v" * (index % 9_000) for index in range(count)],
        number,
        keys=[None if index % 3 == 0 else b"k" * (index % 300) for index in range(count)],
        timestamps_ms=[TIME_MS + index * (-1) ** index for index in range(count)],
        headers=[[("trace", b"%d" % index), ("ä", b"")] if index % 10 == 0 else [] for index in range(count)],
        **settings,
    )


@pytest.mark.parametrize("codec", CODECS)
def test_records_of_every_codec(kafka: KafkaBroker, topic: str, codec: str) -> None:
    """Of three partitions, one of them empty."""
    kafka.create_topic(topic, partitions=3)
    for number in (0, 2):
        produce_odd(kafka, topic, 1_500, number, compression_type=codec)
    records, changes, positions = same(kafka, topic)
    assert [len(of) for _, of in sorted(records.items())] == [1_500, 1_500]
    assert not changes
    assert positions == {Partition(topic, 0): 1_500, Partition(topic, 1): 0, Partition(topic, 2): 1_500}


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_times_that_the_broker_gives(kafka: KafkaBroker, topic: str, codec: str) -> None:
    kafka.create_topic(topic, message_timestamp_type="LogAppendTime")
    produce_odd(kafka, topic, 300, compression_type=codec)
    records, _, _ = same(kafka, topic)
    assert all(time_ms > TIME_MS + 1_000 for _, time_ms, *_ in records[Partition(topic, 0)])


def test_a_compacted_log(kafka: KafkaBroker, topic: str) -> None:
    make_compacted(kafka, topic, 500, 7)
    settled: list[int] = []

    def unchanged() -> bool:
        settled.append(len(kafka.records(topic)))
        return len(settled) > 3 and len(set(settled[-3:])) == 1

    wait_until(unchanged, "the cleaner is done")
    _, changes, positions = same(kafka, topic)
    assert not changes
    assert positions == {Partition(topic, 0): kafka.end_offsets(topic)[0]}


def test_aborted_transactions_and_an_open_one(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(20)
    for turn in range(12):
        producer.begin_transaction()
        for index in range(40):
            producer.produce(topic, b"%d-%d" % (turn, index))
        producer.flush(20)
        if turn % 3 == 0:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    records, _, positions = same(kafka, topic)
    assert len(records[Partition(topic, 0)]) == 4 * 40
    assert positions == {Partition(topic, 0): 12 * 41}


@pytest.mark.parametrize("first", [0, 3, 61])
def test_a_log_whose_beginning_was_deleted(kafka: KafkaBroker, topic: str, first: int) -> None:
    kafka.create_topic(topic, partitions=2)
    for number in (0, 1):
        produce_odd(kafka, topic, 200, number)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for future in admin.delete_records([TopicPartition(topic, 0, 60)]).values():
        future.result(10)
    begins = {Partition(topic, 0): first, Partition(topic, 1): first}
    records, changes, _ = same(kafka, topic, begins)
    assert len(changes) == (first < 60)
    assert records[Partition(topic, 0)][0][0] == max(first, 60)


def test_a_position_inside_a_batch(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    produce_odd(kafka, topic, 900, compression_type="lz4")
    records, _, _ = same(kafka, topic, {Partition(topic, 0): 450})
    assert records[Partition(topic, 0)][0][0] == 450


@pytest.mark.parametrize("damaged", [(0,), (2,), (1, 2), (0, 1, 2, 3)])
def test_damaged_batches(kafka_parts: None, damaged: Sequence[int]) -> None:
    """What is lost, and the bytes of it, come from both."""
    with KafkaBroker() as broker:
        broker.create_topic("events", partitions=2)
        for batch in range(4):
            broker.produce("events", [b"<%d-%d>" % (batch, index) for index in range(10)])
        broker.produce("events", [b"whole"] * 10, 1)
        broker.stop()
        for batch in damaged:
            break_bytes(broker.folder, b"<%d-5>" % batch)
        broker.start()
        records, changes, _ = same(broker, "events")
        assert [loss.first for loss in changes if isinstance(loss, UnreadableRecords)] == [10 * at for at in damaged]
        assert len(records.get(Partition("events", 0), [])) == 10 * (4 - len(damaged))


class NotUtf8(str):
    """A header name that no text is."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"\xff\xfe\x80"


def test_a_header_name_that_is_no_text_ends_nothing(kafka: KafkaBroker, topic: str, client: str) -> None:
    """kafka-python cannot say what such a record holds; librdkafka gives it, and the headers are left out."""
    kafka.create_topic(topic)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    for value, name in ((b"before", "x"), (b"broken", NotUtf8("x")), (b"after", "x")):
        producer.send(topic, value, key=b"k", headers=[(name, b"1")])
    producer.flush(10)
    producer.close(5)
    with source_on(settings_for(kafka.bootstrap, client=client), topic) as source:
        found = [
            (value, batch.envelope(at).headers)
            for batch in read_to_end(source)
            for _ in range(2)  # it may be asked again
            for at, value in enumerate(batch.values)
        ]
        lost = [change.first for change in source.changes() if isinstance(change, UnreadableRecords)]
        assert source.position(Partition(topic, 0)) == 3
    header: tuple[tuple[str, bytes | None], ...] = (("x", b"1"),)
    whole = {(b"before", header), (b"after", header)}
    assert (set(found), lost) == ((whole, [1]) if client == "kafka-python" else ({*whole, (b"broken", ())}, []))


def test_several_topics(kafka: KafkaBroker, fresh_topic: Callable[[], str]) -> None:
    names = sorted((fresh_topic(), fresh_topic()))
    for name in names:
        kafka.create_topic(name, partitions=2)
        for number in (0, 1):
            produce_odd(kafka, name, 300, number)

    def read(client: str) -> dict[Partition, list[int]]:
        with source_on(settings_for(kafka.bootstrap, client=client), *names) as source:
            found: dict[Partition, list[int]] = {}
            for batch in read_to_end(source):
                found.setdefault(batch.partition, []).extend(batch.offsets.tolist())
            return found

    assert read("kafka-python") == read("confluent")
    assert read("confluent") == {Partition(name, number): list(range(300)) for name in names for number in (0, 1)}
