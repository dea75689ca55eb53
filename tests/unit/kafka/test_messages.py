"""Dead letters and alerts as messages, before a broker sees them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import errors as kafka_errors

from monitor.clock import ManualClock
from monitor.errors import PermanentError
from monitor.events import ModelKey, Partition
from monitor.findings import TICKET, Finding, FindingKey, Span, Transition
from monitor.kafka.alerts import Alerts, messages_of
from monitor.kafka.producer import MOST_BYTES, Outbox
from monitor.kafka.rejects import dead_letter_messages
from monitor.records import DeadLetter
from monitor.settings.kafka import Kafka

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=700)  # half surrogates too


@given(
    key=st.none() | st.binary(max_size=2000),
    value=st.none() | st.binary(max_size=50),
    headers=st.lists(st.tuples(ANY_TEXT, st.none() | st.binary(max_size=20)), max_size=4),
    message=ANY_TEXT,
    indices=st.lists(st.integers(0, 10**6), max_size=200),
)
def test_any_record_can_be_a_dead_letter(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    message: str,
    indices: list[int],
) -> None:
    letter = DeadLetter(Partition("t", 7), 99, key, headers, value, "json", message, tuple(indices))
    whole, digest = dead_letter_messages(letter, "rejects", "group")

    assert whole.key == key
    assert whole.value == value or (key is None and value is None and whole.value == b"")
    for one in (whole, digest):
        assert one.key is not None or one.value is not None, "Kafka's client takes nothing else"
        for name, content in one.headers:
            name.encode()
            assert isinstance(content, bytes)
        found = dict(one.headers)
        assert found["__connect.errors.topic"] == b"t"
        assert found["__connect.errors.partition"] == b"7"
        assert found["__connect.errors.offset"] == b"99"
        assert found["driftd.error.code"] == b"json"
        assert len(found["__connect.errors.exception.message"]) <= 500 * 10
        assert ("driftd.error.indices" in found) == bool(indices)
    assert dict(digest.headers)["driftd.error.value.sha256"] == hashlib.sha256(value or b"").hexdigest().encode()
    assert digest.size() < 20_000


def test_a_letter_that_failed_before_shows_its_last_failure_only() -> None:
    first, _ = dead_letter_messages(DeadLetter(Partition("a", 0), 1, b"k", (), b"v", "json", "first"), "b", "g")
    again = DeadLetter(Partition("b", 0), 2, first.key, first.headers, first.value, "ts", "second")
    second, _ = dead_letter_messages(again, "c", "g")

    names = [name for name, _ in second.headers]
    assert len(names) == len(set(names))
    assert dict(second.headers)["driftd.error.code"] == b"ts"
    assert dict(second.headers)["__connect.errors.topic"] == b"b"


def finding(number: int) -> Finding:
    return Finding(
        FindingKey(f"column-{number}", "distribution"),
        TICKET,
        Span(0, 1_000_000, 500),
        1,
        "chi2",
        2.0,
        1.0,
        0.01,
        0.1,
        "share moved",
        2.0,
        detail="d" * 300,
    )


def transition(*findings: Finding) -> Transition:
    key = ModelKey("m", "1")
    return Transition("m/1/ab", 1, "opened", key, TICKET, 0, 1, 0, "r", "s", 0, "summary", findings)


def test_a_transition_comes_in_smaller_forms_that_keep_the_worst_findings_and_count_the_others() -> None:
    many = [finding(number) for number in range(300)]
    messages = list(messages_of(transition(*many), "alerts", "g", 0))
    events = [json.loads(message.value or b"") for message in messages]

    kept = [len(event["data"]["findings"]) for event in events]
    assert kept == [300, 150, 75, 37, 18, 9, 4, 2, 1, 0]
    assert [event["data"].get("findings_left_out", 0) for event in events] == [300 - number for number in kept]
    assert "findings_left_out" not in events[0]["data"]
    whole = events[0]["data"]["findings"]
    for event in events:
        assert event["data"]["findings"] == whole[: len(event["data"]["findings"])]
        rest = {name: value for name, value in event["data"].items() if not name.startswith("findings")}
        assert rest == {name: value for name, value in events[0]["data"].items() if not name.startswith("findings")}
    sizes = [message.size() for message in messages]
    assert sizes == sorted(sizes, reverse=True)
    assert len({message.key for message in messages}) == 1


@dataclass
class Answer:
    """What the library gives for a message, known at once."""

    exception: Exception | None

    def failed(self) -> bool:
        return self.exception is not None

    def succeeded(self) -> bool:
        return self.exception is None

    def get(self, timeout: float) -> None:
        if self.exception is not None:
            raise self.exception


class Refusing:
    """A producer whose topic takes messages up to a size."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: list[bytes] = []

    def send(self, topic: str, *, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> Answer:
        if len(value) > self.most:
            return Answer(kafka_errors.MessageSizeTooLargeError())
        self.taken.append(value)
        return Answer(None)

    def close(self, timeout: float) -> None:
        """Nothing is open."""


def outbox_on(producer: object) -> Outbox:
    outbox = Outbox(Kafka())
    outbox._new_producer = lambda: producer  # type: ignore[method-assign]
    return outbox


@pytest.mark.parametrize("most", [200_000, 20_000, 700])
def test_a_transition_larger_than_its_topic_takes_is_sent_with_fewer_findings(most: int) -> None:
    many = [finding(number) for number in range(300)]
    producer = Refusing(most)
    outbox = outbox_on(producer)
    Alerts(outbox, "alerts", "g", ManualClock()).send(transition(*many))
    outbox.flush(5)

    assert len(outbox) == 0
    (value,) = producer.taken
    data = json.loads(value)["data"]
    assert len(data["findings"]) + data.get("findings_left_out", 0) == 300
    assert bool(data["findings"]) == (most > 700)


def test_a_topic_that_refuses_even_the_smallest_message_is_reported_and_retried() -> None:
    producer = Refusing(10)
    outbox = outbox_on(producer)
    Alerts(outbox, "alerts", "g", ManualClock()).send(transition(finding(1)))
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"too large for the topic alerts; raise its max.message.bytes"):
            outbox.flush(5)
    producer.most = 10_000
    outbox.flush(5)
    assert len(json.loads(producer.taken[0])["data"]["findings"]) == 1, "the topic takes it whole now"


def test_a_transition_beyond_what_any_message_holds_is_made_smaller_at_once() -> None:
    producer = Refusing(1 << 30)
    outbox = outbox_on(producer)
    Alerts(outbox, "alerts", "g", ManualClock()).send(transition(*(finding(number) for number in range(5_000))))
    outbox.flush(5)
    assert 0 < len(producer.taken[0]) <= MOST_BYTES
    assert json.loads(producer.taken[0])["data"]["findings_left_out"] > 0


def test_an_alert_is_the_same_but_for_the_time_it_was_sent() -> None:
    first, second = (
        json.loads(next(messages_of(transition(finding(1)), "alerts", "g", sent)).value or b"")
        for sent in (0, 61_500_000)
    )
    assert first.pop("time") == "1970-01-01T00:00:00Z"
    assert second.pop("time") == "1970-01-01T00:01:01.500Z"
    assert first == second


def test_a_figure_that_is_not_a_number_is_a_bug_and_never_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        next(messages_of(transition(replace(finding(1), value=float("nan"))), "alerts", "g", 0))
