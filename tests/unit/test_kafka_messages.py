"""Dead letters and alerts as messages, before a broker sees them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import ModelKey, Partition
from monitor.findings import TICKET, Finding, FindingKey, Span, Transition
from monitor.kafka.alerts import alert_message
from monitor.kafka.producer import MOST_BYTES
from monitor.kafka.rejects import dead_letter_messages
from monitor.records import DeadLetter

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


def test_a_transition_of_any_size_fits_a_message_and_keeps_its_worst_findings() -> None:
    many = [finding(number) for number in range(5_000)]
    message = alert_message(transition(*many), "alerts", "g", 0)

    assert message.size() <= MOST_BYTES
    kept = json.loads(message.value or b"")["data"]["findings"]
    assert 0 < len(kept) < 5_000
    assert kept == [json.loads(json.dumps(one.to_json())) for one in many[: len(kept)]]


def test_an_alert_is_the_same_but_for_the_time_it_was_sent() -> None:
    first, second = (
        json.loads(alert_message(transition(finding(1)), "alerts", "g", sent).value or b"") for sent in (0, 61_500_000)
    )
    assert first.pop("time") == "1970-01-01T00:00:00Z"
    assert second.pop("time") == "1970-01-01T00:01:01.500Z"
    assert first == second


def test_a_figure_that_is_no_number_is_a_bug_and_never_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        alert_message(transition(replace(finding(1), value=float("nan"))), "alerts", "g", 0)
