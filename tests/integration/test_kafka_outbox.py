"""Writing to a real broker: dead letters and alerts arrive in their topics, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from monitor.clock import ManualClock
from monitor.errors import ExternalError, PermanentError
from monitor.events import ModelKey, Partition
from monitor.findings import PAGE, Finding, FindingKey, Span, Transition
from monitor.kafka.alerts import Alerts
from monitor.kafka.producer import Message, Outbox
from monitor.kafka.rejects import DeadLetters
from monitor.records import DeadLetter
from tests.integration import kafka_reading
from tests.integration.kafka_reading import settings_for
from tests.real_parts.kafka import KafkaBroker

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected


def test_a_dead_letter_keeps_the_record_and_has_the_reason(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    letter = DeadLetter(
        Partition("events", 3), 41, b"key", (("own", b"1"), ("empty", None)), b"\xff{", "encoding", "not UTF-8", (0, 2)
    )
    outbox = Outbox(settings_for(kafka.bootstrap))
    DeadLetters(outbox, topic, "group").send(letter)
    outbox.flush(10)
    assert len(outbox) == 0
    outbox.close()

    (record,) = kafka.records(topic)
    assert (record.key, record.value) == (b"key", b"\xff{")
    headers = dict(record.headers)
    assert headers["own"] == b"1"
    assert headers["__connect.errors.topic"] == b"events"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"41"
    assert headers["__connect.errors.exception.message"] == b"not UTF-8"
    assert headers["driftd.error.code"] == b"encoding"
    assert headers["driftd.error.indices"] == b"0,2"


@pytest.mark.parametrize(
    ("size", "largest"), [(3_000_000, 1_000_000), (50_000, 20_000)], ids=["for-us", "for-the-topic"]
)
def test_a_dead_letter_that_is_too_large_goes_as_a_digest(
    kafka: KafkaBroker, topic: str, size: int, largest: int
) -> None:
    kafka.create_topic(topic, max_message_bytes=str(largest))
    value = b"x" * size
    outbox = Outbox(settings_for(kafka.bootstrap))
    DeadLetters(outbox, topic, "group").send(
        DeadLetter(Partition("events", 0), 1, b"k", (), value, "too_large", "larger than it may be")
    )
    try:
        outbox.flush(10)
    except ExternalError:  # the broker said so only now
        outbox.flush(10)
    outbox.close()

    (record,) = kafka.records(topic)
    assert record.value == b""
    assert dict(record.headers)["driftd.error.value.sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert dict(record.headers)["driftd.error.value.bytes"] == str(size).encode()


def test_a_tombstone_without_key_can_be_a_dead_letter(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    outbox = Outbox(settings_for(kafka.bootstrap))
    DeadLetters(outbox, topic, "group").send(DeadLetter(Partition("t", 0), 1, None, (), None, "empty", "no bytes"))
    outbox.flush(10)
    outbox.close()
    assert [record.value for record in kafka.records(topic)] == [b""]


def test_a_transition_is_a_cloud_event_under_its_incident(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    clock = ManualClock(1_763_805_600_000_000)
    transition = a_transition()
    outbox = Outbox(settings_for(kafka.bootstrap))
    Alerts(outbox, topic, "group", clock).send(transition)
    outbox.flush(10)
    outbox.close()

    (record,) = kafka.records(topic)
    assert record.key == transition.incident.encode()
    assert dict(record.headers) == {"content-type": b"application/cloudevents+json"}
    assert json.loads(record.value or b"") == {
        "specversion": "1.0",
        "id": f"{transition.incident}/2",
        "source": "driftd/group",
        "subject": "crédit/1",
        "severity": transition.severity,
        "transition": transition.transition,
        "type": "io.driftd.incident",
        "time": "2025-11-22T10:00:00Z",
        "datacontenttype": "application/json",
        "data": json.loads(json.dumps(transition.to_json())),
    }


def test_an_outage_delays_messages_and_loses_none(kafka_parts: None) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("out")
        outbox = Outbox(settings_for(broker.bootstrap, request_timeout="2s"))
        outbox.send(Message("out", None, b"before"))
        outbox.flush(10)
        broker.kill()
        for number in range(20):
            outbox.send(Message("out", None, b"%d" % number))
        with pytest.raises(ExternalError):
            outbox.flush(0.5)
        assert len(outbox) == 20
        broker.start()
        for _ in range(20):
            try:
                outbox.flush(5)
            except ExternalError:
                continue
            break
        assert len(outbox) == 0
        outbox.close()
        values = [record.value for record in broker.records("out")]

    assert set(values) == {b"before", *(b"%d" % number for number in range(20))}


def test_an_outbox_filled_before_any_broker_answers_empties_itself_later(kafka_parts: None) -> None:
    with KafkaBroker() as broker:
        broker.create_topic("out")
        broker.stop()
        outbox = Outbox(settings_for(broker.bootstrap, request_timeout="2s"))
        outbox.send(Message("out", b"k", b"v"))
        with pytest.raises(ExternalError):
            outbox.flush(0.5)
        broker.start()
        outbox.flush(20)
        outbox.close()
        assert [(record.key, record.value) for record in broker.records("out")] == [(b"k", b"v")]


def test_a_stuck_producer_is_replaced_and_its_messages_are_sent(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    clock = ManualClock()
    outbox = Outbox(settings_for(kafka.bootstrap), monotonic=clock.monotonic)
    outbox.send(Message(topic, None, b"first"))
    outbox.flush(10)
    stuck = outbox._producer
    stuck._sender.force_close()
    stuck._sender.join(10)
    outbox.send(Message(topic, None, b"second"))
    clock.advance(1_000)
    outbox.flush(10)
    assert outbox._producer is not stuck
    outbox.close()
    assert [record.value for record in kafka.records(topic)] == [b"first", b"second"]


def test_a_message_that_cannot_be_made_smaller_is_refused(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic, max_message_bytes="1000")
    outbox = Outbox(settings_for(kafka.bootstrap))
    outbox.send(Message(topic, None, b"x" * 5_000))
    with pytest.raises(PermanentError, match=r"too large.*max\.message\.bytes"):
        outbox.flush(10)
    outbox.close()


def test_a_message_above_the_client_s_limit_is_refused_at_once(kafka: KafkaBroker, topic: str) -> None:
    outbox = Outbox(settings_for(kafka.bootstrap))
    with pytest.raises(PermanentError, match="too large"):
        outbox.send(Message(topic, None, b"x" * 1_000_001))
    assert len(outbox) == 0


def test_a_compacted_topic_refuses_a_message_without_key(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic, cleanup_policy="compact")
    outbox = Outbox(settings_for(kafka.bootstrap))
    outbox.send(Message(topic, None, b"x"))
    with pytest.raises(PermanentError, match="wants keys"):
        outbox.flush(10)
    outbox.close()


def test_messages_to_a_missing_topic_wait_and_raise_a_transient_error(kafka: KafkaBroker, topic: str) -> None:
    outbox = Outbox(settings_for(kafka.bootstrap, request_timeout="2s"))
    for number in range(3):
        outbox.send(Message(topic, None, b"%d" % number))
    began = time.monotonic()
    with pytest.raises(ExternalError, match="3 messages"):
        outbox.flush(1)
    assert time.monotonic() - began < 5, "one message waits for the topic, not each"
    kafka.create_topic(topic)
    outbox.flush(10)
    outbox.close()
    assert [record.value for record in kafka.records(topic)] == [b"0", b"1", b"2"]


def a_transition() -> Transition:
    finding = Finding(
        key=FindingKey("AGE", "distribution", "SEX=2"),
        severity=PAGE,
        window=Span(1_763_805_000_000_000, 1_763_805_600_000_000, 500),
        base_windows=2,
        statistic="chi2",
        value=71.2,
        threshold=44.1,
        p=3e-11,
        effect=0.12,
        effect_unit="share moved",
        exceedance=2.0,
        direction="up",
        records={Partition("events", 0): (120, 371)},
    )
    return Transition(
        incident="crédit/1/0d3f",
        number=2,
        transition="escalated",
        key=ModelKey("crédit", "1"),
        severity=PAGE,
        at_us=1_763_805_600_000_000,
        predictions=25_250,
        labels=0,
        reference="sha256:00",
        settings="sha256:11",
        since_us=1_763_805_000_000_000,
        summary="AGE moved up by 0.3 sd",
        findings=(finding,),
    )
