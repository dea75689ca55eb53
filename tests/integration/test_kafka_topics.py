"""Topics of a real cluster: describing and creating them, also over TLS with a password."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.errors import ExternalError, PermanentError
from monitor.kafka.connect import until_connected
from monitor.kafka.producer import Message, Outbox
from monitor.kafka.topics import create_topics, describe_cluster, require_topics
from monitor.settings.kafka import Kafka
from tests.integration import kafka_reading
from tests.integration.kafka_reading import (
    read_to_end,
    settings_for,
    source_on,
    values_of,
)
from tests.real_parts.kafka import CLUSTER_ID, KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected


def test_a_description_has_ids_partitions_rights_and_missing_topics(
    kafka: KafkaBroker, fresh_topic: Callable[[], str]
) -> None:
    there, missing = fresh_topic(), fresh_topic()
    kafka.create_topic(there, partitions=3)

    described = describe_cluster(settings_for(kafka.bootstrap), [there, missing])

    assert described.cluster_id == CLUSTER_ID
    assert described.missing == (missing,)
    assert list(described.topics) == [there]
    assert described.topics[there].partitions == 3
    assert len(described.topics[there].topic_id) == 36
    assert {"READ", "WRITE", "DESCRIBE"} <= described.topics[there].operations
    assert described.topics[there].leaderless == frozenset()


def test_missing_topics_are_refused_with_the_commands_that_make_them(
    kafka: KafkaBroker, fresh_topic: Callable[[], str]
) -> None:
    source, sink = fresh_topic(), fresh_topic()
    settings = settings_for(kafka.bootstrap)
    described = describe_cluster(settings, [source, sink])

    with pytest.raises(PermanentError) as permanent:
        require_topics(described, settings, inputs=[source], outputs=[sink], config_file="d.yaml")

    messages = str(permanent.value)
    assert f"the input topic {source} does not exist" in messages
    assert f"the output topic {sink} does not exist" in messages
    assert "driftd check --config d.yaml --create-topics" in messages
    assert f"kafka-topics.sh --bootstrap-server {kafka.bootstrap} --create --topic {sink}" in messages


def test_topics_are_made_once(kafka: KafkaBroker, fresh_topic: Callable[[], str]) -> None:
    names = sorted((fresh_topic(), fresh_topic()))
    settings = settings_for(kafka.bootstrap)

    assert create_topics(settings, names[:1], partitions=2) == names[:1]
    assert create_topics(settings, names) == names[1:]
    assert create_topics(settings, []) == []

    described = describe_cluster(settings, names)
    require_topics(described, settings, inputs=[], outputs=names, config_file="d.yaml")
    assert [described.topics[name].partitions for name in names] == [2, 1]


def test_a_topic_that_cannot_be_made_is_refused(kafka: KafkaBroker, topic: str) -> None:
    with pytest.raises(PermanentError, match="fewer brokers than replicas"):
        create_topics(settings_for(kafka.bootstrap), [topic], replication=3)


def secured(kafka: KafkaBroker, **changed: object) -> dict[str, object]:
    return {
        "protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": kafka.sasl_user,
        "sasl_password": kafka.sasl_password,
        "ssl_cafile": str(kafka.ca_file),
        **changed,
    }


def test_records_are_read_and_written_over_tls_with_a_password(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    settings = settings_for(kafka.sasl_bootstrap, security=secured(kafka), group_id=topic)
    outbox = Outbox(settings)
    outbox.send(Message(topic, None, b"secret"))
    outbox.flush(15)
    outbox.close()

    with source_on(settings, topic, watch_interval_s=0.2) as source:
        assert values_of(read_to_end(source)) == [b"secret"]
        source.commit({source.partitions()[0]: 1})
        wait_until(lambda: list(source.committed().values()) == [1], "the group's offset")


def connect_until_refused(settings: Kafka) -> None:
    """The library often misses the broker's refusal behind the end of the connection; the next try hears it.

    A try that misses it lasts the whole request timeout."""
    until_connected(lambda: describe_cluster(settings, []), lambda: False, lambda _: None)


def test_a_wrong_password_is_refused_and_not_repeated(kafka: KafkaBroker) -> None:
    wrong = "a-wrong-" + "password"
    security = secured(kafka, sasl_password=wrong)
    settings = settings_for(kafka.sasl_bootstrap, security=security, request_timeout="2s")

    with pytest.raises(PermanentError, match="do not know this user or password") as permanent:
        connect_until_refused(settings)

    assert wrong not in str(permanent.value)
    assert kafka.sasl_password not in str(permanent.value)


def test_a_mechanism_the_brokers_do_not_offer_is_refused(kafka: KafkaBroker) -> None:
    security = secured(kafka, sasl_mechanism="PLAIN")
    settings = settings_for(kafka.sasl_bootstrap, security=security, request_timeout="2s")

    with pytest.raises(PermanentError, match="SASL mechanism"):
        connect_until_refused(settings)


def test_a_certificate_that_is_not_trusted_is_refused(kafka: KafkaBroker) -> None:
    settings = settings_for(kafka.sasl_bootstrap, security=secured(kafka, ssl_cafile=None), request_timeout="2s")

    with pytest.raises(PermanentError, match=r"certificate is not trusted.*ssl_cafile"):
        describe_cluster(settings, [])


def test_no_broker_is_a_transient_error() -> None:
    with pytest.raises(ExternalError, match="cannot connect to Kafka now") as failure:
        describe_cluster(settings_for("127.0.0.1:1", request_timeout="2s"), [])
    assert not isinstance(failure.value, PermanentError)
