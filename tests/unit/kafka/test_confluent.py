"""The second client: its configuration, its partitions, its columns, and what is said where it is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka
import numpy as np
import pytest
from kafka.errors import OffsetOutOfRangeError
from kafka.structs import TopicPartition
from pydantic import ValidationError

from monitor.errors import PermanentError, UsageError
from monitor.kafka.confluent.columns import chunks_of
from monitor.kafka.confluent.config import TABLE, consumer_config, files_of
from monitor.kafka.confluent.partition import Reading
from monitor.kafka.confluent.reader import ConfluentReader
from monitor.kafka.connect import client_config
from monitor.kafka.readers import require_client
from monitor.kafka.record_batch import Chunk
from monitor.records import Envelope
from monitor.settings.kafka import Kafka

SASL = {"sasl_username": "reader", "sasl_password": "hidden"}
SECURITIES: list[dict[str, Any]] = [
    {"protocol": "PLAINTEXT"},
    {"protocol": "SSL", "ssl_check_hostname": False},
    *(
        {"protocol": protocol, "sasl_mechanism": mechanism, **SASL}
        for protocol in ("SASL_PLAINTEXT", "SASL_SSL")
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    ),
]


def settings(**more: Any) -> Kafka:  # noqa: ANN401  # any setting of the tree
    return Kafka.model_validate({"client": "confluent", **more})


@pytest.mark.parametrize("security", SECURITIES)
def test_every_keyword_of_the_other_client_has_a_translation_that_the_library_takes(security: dict[str, Any]) -> None:
    given = client_config(settings(security=security, api_version="2.3"), "source")
    assert set(given) <= set(TABLE)
    config = consumer_config(given, "driftd")
    assert config["bootstrap.servers"] == "localhost:9092"
    assert config["broker.version.fallback"] == "2.3.0"
    assert config["security.protocol"] == security["protocol"]
    assert config.get("sasl.mechanism") == security.get("sasl_mechanism")
    assert config.get("sasl.password") == security.get("sasl_password")
    confluent_kafka.Consumer(config).close()


def test_the_check_of_the_host_name_is_on_unless_it_is_turned_off() -> None:
    for wanted, translated in ((True, "https"), (False, "none")):
        given = client_config(settings(security={"protocol": "SSL", "ssl_check_hostname": wanted}), "source")
        assert consumer_config(given, "driftd")["ssl.endpoint.identification.algorithm"] == translated


def test_a_certificate_without_a_file_of_its_key_holds_the_key_itself() -> None:
    given = {"security_protocol": "SSL", "ssl_certfile": "both.pem", "ssl_cafile": "ca.pem", "ssl_keyfile": None}
    config = consumer_config(given, "driftd")
    assert (config["ssl.key.location"], config["ssl.ca.location"]) == ("both.pem", "ca.pem")


def test_a_keyword_without_a_translation_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"sasl_oauth_token_provider; use kafka\.client: kafka-python"):
        consumer_config({"security_protocol": "SASL_SSL", "sasl_oauth_token_provider": object()}, "driftd")


def test_a_replaced_certificate_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    config = {"ssl.ca.location": str(file), "ssl.key.location": "probe"}
    assert not files_of(config)
    file.write_text("one")
    before = files_of(config)
    (tmp_path / "new").write_text("another")
    (tmp_path / "new").rename(file)
    assert files_of(config) != before
    assert len(before) == 1


def test_a_configuration_that_the_library_refuses_is_named() -> None:
    with pytest.raises(PermanentError, match="does not take these settings"):
        ConfluentReader(confluent_kafka, {"group.id": "x", "fetch.max.bytes": -5}, None, lambda _: None)  # type: ignore[arg-type]


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    require_client(Kafka())
    with pytest.raises(UsageError, match=r"confluent needs .* pip install 'driftd\[confluent\]'"):
        require_client(settings())


def test_a_way_of_unpacking_means_nothing_with_this_client() -> None:
    with pytest.raises(ValidationError, match="means nothing with client: confluent"):
        settings(fast_path=False)
    assert settings().fast_path


class Message:
    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self._place = topic, partition, offset

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def value(self) -> bytes:
        return b"%d" % self._place[2]

    def key(self) -> bytes:
        return b"k%d" % self._place[2]

    def headers(self) -> None:
        return None

    def error(self) -> Any:  # noqa: ANN401  # of the library
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000 + self._place[2]


def test_runs_of_partitions_and_topics_become_chunks() -> None:
    places = [("a", 0, 4), ("a", 0, 5), ("a", 1, 6), ("b", 1, 7), ("b", 1, 9), ("a", 0, 10)]
    found = list(chunks_of([Message(*place) for place in places], one_topic=False))
    assert [(target, chunk.offsets.tolist()) for target, chunk in found] == [
        (TopicPartition("a", 0), [4, 5]),
        (TopicPartition("a", 1), [6]),
        (TopicPartition("b", 1), [7, 9]),
        (TopicPartition("a", 0), [10]),
    ]
    for _, chunk in found:
        for at, offset in enumerate(chunk.offsets.tolist()):
            assert chunk.values[at] == b"%d" % offset
            assert chunk.times_ms[at] == 1_000 + offset
            assert chunk.envelope(at) == Envelope(b"k%d" % offset, ())
    assert not list(chunks_of([], one_topic=True))


class Broken(Message):
    """A header's name is not UTF-8."""

    asked = 0

    def headers(self) -> None:
        self.asked += 1
        assert self.asked == 1, "the library's second answer ends the process"
        raise SystemError


def test_a_record_with_a_broken_header_is_read_without_its_headers() -> None:
    [(_, found)] = chunks_of([Message("a", 0, 1), Broken("a", 0, 2), Message("a", 0, 3)], one_topic=True)
    for _ in range(2):
        assert [found.envelope(at).key for at in range(3)] == [b"k1", b"k2", b"k3"]
        assert found.part(1, 2).envelope(0) == Envelope(b"k2", ())


class Busy:
    """A library whose consumer always has a record of partition 0, and an error of partition 1."""

    class KafkaError:
        _PARTITION_EOF, _LOG_TRUNCATION = -191, 0

        def __init__(self, code: int) -> None:
            self._code = code

        def code(self) -> int:
            return self._code

        def str(self) -> str:
            return f"error {self._code}"

    class KafkaException(Exception): ...

    class TopicPartition(NamedTuple):
        topic: str
        partition: int
        offset: int

    class Failed(Message):
        def error(self) -> Any:  # noqa: ANN401  # of the library
            return Busy.KafkaError(1)

    class Consumer:
        def __init__(self, _config: object) -> None:
            self._waiting: list[Message] = [Busy.Failed("a", 1, 0)]
            self._offset = 0

        def incremental_assign(self, _places: object) -> None: ...
        def incremental_unassign(self, _places: object) -> None: ...

        def consume(self, _count: int, _wait_s: float) -> list[Message]:
            some, self._waiting = self._waiting, []
            self._offset += 1
            return [*some, Message("a", 0, self._offset)]


class Careful:
    """A client whose partition lies before the beginning of the log."""

    assigned: frozenset[TopicPartition] = frozenset()

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        self.assigned = frozenset(positions)

    def pause(self, _wanted: set[TopicPartition]) -> None: ...

    def position(self, _target: TopicPartition) -> int:
        return 0

    def fetch(self, _wait_ms: int) -> dict[TopicPartition, list[Chunk]]:
        raise OffsetOutOfRangeError(dict.fromkeys(self.assigned, 0))


def test_a_partition_whose_records_are_gone_is_told_of_while_another_one_is_never_at_rest() -> None:
    first, gone = TopicPartition("a", 0), TopicPartition("a", 1)
    reader = ConfluentReader(Busy, {}, Careful(), lambda _: None)  # type: ignore[arg-type]  # what is called of them
    reader.assign({first: 0, gone: 0})
    came, told = 0, list[set[TopicPartition]]()
    for _ in range(20):
        try:
            came += sum(len(chunk) for chunk in reader.fetch().get(first, ()))
        except OffsetOutOfRangeError as error:
            told.append(set(error.args[0]))
    assert told
    assert told == [{gone}] * len(told)
    assert came == reader.position(first) - 1 >= 10, "nothing that came is lost with it"


def chunk(*offsets: int) -> Chunk:
    values: list[bytes | None] = [b"v"] * len(offsets)
    return Chunk(values, np.array(offsets), np.array(offsets), lambda _: Envelope(None, ()))


def test_what_is_held_keeps_the_position_until_it_is_returned() -> None:
    reading = Reading(5)
    reading.came(chunk(5, 6))
    reading.came(chunk(9))
    reading.came_to_end(12)
    assert (reading.position, reading.taken, reading.holds) == (5, 12, True)
    assert [one.offsets.tolist() for one in reading.release()] == [[5, 6], [9]]
    assert (reading.position, reading.holds) == (12, False)


@pytest.mark.parametrize("offsets", [(4,), (5, 5), (6, 5), (7, 9, 8)])
def test_offsets_that_do_not_rise_do_not_fit(offsets: tuple[int, ...]) -> None:
    assert not Reading(5).fits(chunk(*offsets))


def test_a_partition_is_stuck_when_nothing_comes_of_it_and_it_may_have_more() -> None:
    reading = Reading(5)
    assert not reading.is_stuck(0.0, None)
    assert reading.is_stuck(4.0, None), "its end was never seen"
    reading.came_to_end(5)
    assert not reading.is_stuck(8.0, 5)
    assert not reading.is_stuck(9.0, 6)
    assert reading.is_stuck(13.0, 6), "the brokers say that there is more"
    reading.came(chunk(5))
    assert not reading.is_stuck(14.0, 6)


def test_a_partition_stays_longer_with_the_other_client_while_nothing_comes_in_between() -> None:
    reading = Reading(5)
    stays = []
    for _ in range(6):
        reading.hand_over(100.0)
        stays.append(reading.hand_back - 100.0)
        reading.handed_at = None
    assert stays == [0.0, 5.0, 10.0, 20.0, 40.0, 60.0]
    reading.came(chunk(5))
    reading.hand_over(100.0)
    assert reading.hand_back == 100.0
