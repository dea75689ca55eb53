"""Transitions of incidents as CloudEvents 1.0 in structured JSON on the alert topic."""

from __future__ import annotations

import json
from typing import Any, Final

from monitor.clock import Clock, rfc3339
from monitor.findings import Transition
from monitor.kafka.producer import MOST_BYTES, Message, Outbox

EVENT_TYPE: Final = "io.driftd.incident"
CONTENT_TYPE: Final = "application/cloudevents+json"


class Alerts:
    """Writes transitions to the alert topic through an outbox; the outbox's `flush` tells when they are safe."""

    def __init__(self, outbox: Outbox, topic: str, group_id: str, clock: Clock) -> None:
        self._outbox = outbox
        self._topic = topic
        self._group_id = group_id
        self._clock = clock

    def send(self, transition: Transition) -> None:
        """Hand the transition to the outbox.

        Raises:
            OutsideTrouble: the outbox is full and the brokers do not take it; the transition was not taken.
        """
        self._outbox.send(alert_message(transition, self._topic, self._group_id, self._clock.now_us()))


def alert_message(transition: Transition, topic: str, group_id: str, sent_us: int) -> Message:
    """The record for a transition; its key is the incident, its CloudEvent id the same in a replay and after a crash.

    A transition with more findings than a message holds loses the last ones, which are the least.
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": transition.id,
        "source": f"driftd/{group_id}",
        "type": EVENT_TYPE,
        "subject": str(transition.key),
        "time": rfc3339(sent_us),
        "datacontenttype": "application/json",
        "data": transition.to_json(),
    }
    value = _encoded(event)
    while len(value) > MOST_BYTES - 10_000 and event["data"]["findings"]:
        findings = event["data"]["findings"]
        event["data"]["findings"] = findings[: len(findings) // 2]
        value = _encoded(event)
    headers = [("content-type", CONTENT_TYPE.encode())]
    return Message(topic, transition.incident.encode("utf-8", "backslashreplace"), value, headers)


def _encoded(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")
