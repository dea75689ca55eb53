"""Acts of operators as records: what is understood, and that nothing else is."""

from __future__ import annotations

import json

import pytest

from monitor.events import ModelKey
from monitor.findings import TICKET, Transition
from monitor.kafka.acts import MOST_NOTE, Act, act_in, act_message
from monitor.kafka.alerts import messages_of

INCIDENT = "credit/1/0d3f5a0d3f5a0d3f"


def test_an_act_comes_back_from_its_record_which_is_keyed_by_the_incident() -> None:
    act = Act(INCIDENT, 'new customers, said "on purpose"')
    message = act_message(act, "alerts", "g", "credit/1", 0)
    assert message.key == INCIDENT.encode()
    assert act_in(message.value) == act
    event = json.loads(message.value or b"")
    assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "driftd/g", "credit/1")
    assert event["time"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"io.driftd.act",
        b'"io.driftd.act"',
        b'{"type": "io.driftd.act"}',
        b'{"type": "io.driftd.act", "data": []}',
        b'{"type": "io.driftd.act", "data": {"act": "mute", "incident": "i"}}',
        b'{"type": "io.driftd.act", "data": {"act": "accept"}}',
        b'{"type": "other", "data": {"act": "accept", "incident": "io.driftd.act"}}',
        b'{"type": "io.driftd.act", "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
)
def test_anything_else_is_not_an_act(value: bytes | None) -> None:
    assert act_in(value) is None


def test_a_transition_is_not_an_act_whatever_its_words_are() -> None:
    words = "accepted (io.driftd.act)"
    key = ModelKey("credit", "1")
    lasting = Transition(INCIDENT, 2, "lasting", key, TICKET, 0, 1, 0, "r", "s", 0, words, ())
    assert act_in(next(messages_of(lasting, "alerts", "g", 0)).value) is None


def test_a_note_of_another_writer_is_cut() -> None:
    act = act_in(act_message(Act(INCIDENT, "n" * 10_000), "alerts", "g", "credit/1", 0).value)
    assert act is not None
    assert len(act.note) == MOST_NOTE
