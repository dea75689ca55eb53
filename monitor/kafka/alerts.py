"""Sends incident transitions to the alert topic as CloudEvents 1.0 in structured JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from monitor.clock import Clock, rfc3339
from monitor.findings import Rebase, Transition
from monitor.kafka.producer import Message, Outbox

EVENT_TYPE: Final = "io.driftd.incident"
#: what an operator did
ACT_TYPE: Final = "io.driftd.act"
CONTENT_TYPE: Final = "application/cloudevents+json"


class Alerts:
    """Writes transitions to the alert topic through an outbox; they are durable when the outbox's `flush` returns."""

    def __init__(self, outbox: Outbox, topic: str, group_id: str, clock: Clock) -> None:
        self._outbox = outbox
        self._topic = topic
        self._group_id = group_id
        self._clock = clock

    def record(self, rebase: Rebase) -> None:
        """Hand the record of a changed reference to the outbox.

        Raises:
            ExternalError: as of `send`.
        """
        self._outbox.send(rebase_message(rebase, self._topic, self._group_id, self._clock.now_us()))

    def send(self, transition: Transition) -> None:
        """Hand the transition to the outbox.

        Raises:
            ExternalError: the outbox is full and the brokers do not accept it; the transition was not queued.
        """
        now_us = self._clock.now_us()

        def candidates() -> Iterator[Message]:
            return alert_messages(transition, self._topic, self._group_id, now_us)

        self._outbox.send(next(candidates()), smaller=lambda: islice(candidates(), 1, None))


def alert_messages(transition: Transition, topic: str, group_id: str, sent_us: int) -> Iterator[Message]:
    """Yield the record of a transition, then smaller ones for topics that reject it as too large.

    The record's key is the incident; the CloudEvent id is the same in a replay and after a crash. Each smaller record
    holds the worst half of the findings of the one before, the last holds none; `data.findings_left_out` counts those
    that are missing.
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
    key = transition.incident.encode("utf-8", "backslashreplace")
    headers = [("content-type", CONTENT_TYPE.encode())]
    findings = event["data"]["findings"]
    kept = len(findings)
    while True:
        if kept < len(findings):
            event["data"] |= {"findings": findings[:kept], "findings_left_out": len(findings) - kept}
        yield Message(topic, key, _encoded(event), headers)
        if not kept:
            return
        kept //= 2


def rebase_message(rebase: Rebase, topic: str, group_id: str, sent_us: int) -> Message:
    """The record of a changed reference, a CloudEvent keyed by the model version."""
    event = {
        "specversion": "1.0",
        "id": rebase.id,
        "source": f"driftd/{group_id}",
        "type": ACT_TYPE,
        "subject": str(rebase.key),
        "time": rfc3339(sent_us),
        "datacontenttype": "application/json",
        "data": rebase.to_json(),
    }
    key = str(rebase.key).encode("utf-8", "backslashreplace")
    return Message(topic, key, _encoded(event), [("content-type", CONTENT_TYPE.encode())])


def _encoded(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")
