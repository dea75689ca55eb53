"""The harness itself: what the tests on a real Kafka stand on."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.kafka_client import KafkaClient, StoredRecord
from tests.real_parts.waiting import wait_until

YEAR_2001_MS = 1_000_000_000_000


def secured_settings(broker: KafkaBroker, password: str) -> dict[str, str]:
    return {
        "bootstrap.servers": broker.sasl_bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": broker.sasl_user,
        "sasl.password": password,
        "ssl.ca.location": str(broker.ca_file),
    }


def test_what_was_produced_is_read_back_whole(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic, partitions=2)
    offsets = kafka.produce(
        topic,
        [b"one", None],
        partition=1,
        keys=[b"a", b"b"],
        timestamps_ms=[YEAR_2001_MS, YEAR_2001_MS + 1],
        headers=[[("h", b"1")], []],
    )
    assert offsets == [0, 1]
    assert kafka.end_offsets(topic) == {0: 0, 1: 2}
    assert kafka.records(topic) == [
        StoredRecord(1, 0, b"a", b"one", YEAR_2001_MS, (("h", b"1"),)),
        StoredRecord(1, 1, b"b", None, YEAR_2001_MS + 1, ()),
    ]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_arrives(kafka: KafkaBroker, topic: str, codec: str) -> None:
    kafka.create_topic(topic)
    values = [b"%05d" % number for number in range(2_000)]
    kafka.produce(topic, values, compression_type=codec)
    assert [record.value for record in kafka.records(topic)] == values


def test_records_of_the_past_are_kept_by_default_and_deleted_where_a_retention_says_so(
    kafka: KafkaBroker, topic: str
) -> None:
    short_lived = f"{topic}-short"
    kafka.create_topic(topic)
    kafka.create_topic(short_lived, retention_ms="1000", segment_ms="100")
    for name in (topic, short_lived):
        kafka.produce(name, [b"old"], timestamps_ms=[YEAR_2001_MS])
        kafka.produce(name, [b"older"], timestamps_ms=[YEAR_2001_MS])
    wait_until(lambda: not kafka.records(short_lived), "the short-lived topic has been emptied")
    assert len(kafka.records(topic)) == 2


def test_partitions_are_added_and_topics_deleted(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    kafka.add_partitions(topic, 3)
    assert kafka.led_partitions(topic) == [0, 1, 2]
    kafka.delete_topic(topic)
    assert kafka.led_partitions(topic) == []
    kafka.create_topic(topic)
    assert kafka.end_offsets(topic) == {0: 0}


def test_a_user_with_the_right_password_comes_in_over_tls(kafka: KafkaBroker, topic: str) -> None:
    settings = secured_settings(kafka, kafka.sasl_password)
    client = KafkaClient(**{name.replace(".", "_"): value for name, value in settings.items()})
    client.create_topic(topic)
    client.produce(topic, [b"secret"])
    assert [record.value for record in client.records(topic)] == [b"secret"]


def test_a_wrong_password_is_refused_as_such(kafka: KafkaBroker) -> None:
    wrong = kafka.sasl_password[::-1]
    heard: list[KafkaError] = []
    settings: dict[str, Any] = {**secured_settings(kafka, wrong), "log_level": 0, "error_cb": heard.append}
    client = AdminClient(settings)

    def refused() -> bool:
        client.poll(0.1)
        return any(error.code() == KafkaError._AUTHENTICATION for error in heard)

    wait_until(refused, "the broker refuses the password")


def test_the_listener_proves_itself_to_those_who_trust_its_authority_and_to_nobody_else(kafka: KafkaBroker) -> None:
    host, port = kafka.sasl_bootstrap.split(":")

    def shake_hands(trusted: ssl.SSLContext) -> str | None:
        plain = socket.create_connection((host, int(port)), timeout=5)
        with plain, trusted.wrap_socket(plain, server_hostname=host) as wrapped:
            return wrapped.version()

    assert shake_hands(ssl.create_default_context(cafile=kafka.ca_file)) in {"TLSv1.2", "TLSv1.3"}
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ssl.create_default_context())


def test_a_killed_and_a_stopped_broker_come_back_with_their_data(kafka_parts: None) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("kept", partitions=2)
        broker.produce("kept", [b"before"], partition=1)
        address = broker.bootstrap
        broker.kill()
        assert not _listens(address)
        broker.start()
        assert broker.bootstrap == address
        assert broker.produce("kept", [b"after"], partition=1) == [1]
        broker.restart()
        assert [record.value for record in broker.records("kept")] == [b"before", b"after"]


def test_a_closed_broker_leaves_no_process_and_no_folder(kafka_parts: None) -> None:
    with KafkaBroker() as broker:
        pid, folder = broker.pid, broker.folder
        assert pid is not None
        assert os.getsid(pid) == pid, "the broker does not run in a session of its own"
        assert folder.is_dir()
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()


def test_a_broker_that_cannot_start_says_why(kafka_parts: None) -> None:
    broker = KafkaBroker(properties={"num.network.threads": "none"})
    with pytest.raises(RuntimeError, match=r"num\.network\.threads"), broker:
        pytest.fail("a broker with a broken setting has started")
    assert not broker.folder.exists()


def test_classes_that_were_kept_and_are_unreadable_are_passed_over(
    kafka_parts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "classes.jsa"
    kept.write_text("of another Java")
    monkeypatch.setattr("tests.real_parts.kafka.class_archive", lambda: kept)
    with KafkaBroker() as broker:
        broker.create_topic("events")
        assert broker.produce("events", [b"one"]) == [0]


def test_a_broker_that_ends_on_its_own_says_why_at_once(kafka_parts: None) -> None:
    broker = KafkaBroker()
    host, port = broker.bootstrap.split(":")
    with socket.create_server((host, int(port))), pytest.raises(RuntimeError, match="ended") as caught, broker:
        pytest.fail("a broker has started on a port that is taken")
    assert port in str(caught.value)
    assert broker.pid is None
    assert not broker.folder.exists()


def _listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
