"""Sends what is told to the alert topic as CloudEvents 1.0: transitions of incidents, other references, notices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from monitor.chain import LEFT_OUT, LISTS, Link, Told, rest_hash
from monitor.clock import Clock, rfc3339
from monitor.findings import Rebase, Transition
from monitor.kafka.cloud_events import ACT, INCIDENT, NOTICE, STRUCTURED, event_message
from monitor.kafka.producer import Message, Outbox
from monitor.notices import Notice

#: the subject of what is said of the daemon itself
_SELF: Final = "driftd"


class Alerts:
    """Writes to the alert topic through an outbox; what it wrote is durable when the outbox's `flush` returns."""

    def __init__(self, outbox: Outbox, topic: str, group_id: str, clock: Clock, mode: str = STRUCTURED) -> None:
        """`mode` is the content mode of the events: structured or binary."""
        self._outbox = outbox
        self._topic = topic
        self._group_id = group_id
        self._clock = clock
        self._mode = mode

    def send(self, told: Told, link: Link | None = None) -> None:
        """Hand the line to the outbox, with its place in the chain.

        Raises:
            ExternalError: the outbox is full and the brokers do not accept it; the line was not queued.
        """
        now_us = self._clock.now_us()

        def candidates() -> Iterator[Message]:
            return messages_of(told, self._topic, self._group_id, now_us, link, self._mode)

        self._outbox.send(next(candidates()), smaller=lambda: islice(candidates(), 1, None))


def messages_of(
    told: Told, topic: str, group_id: str, sent_us: int, link: Link | None = None, mode: str = STRUCTURED
) -> Iterator[Message]:
    """Yield the record of a line, then smaller ones for topics that reject it as too large."""
    key, kind, subject, more = _kind_of(told)
    attributes: dict[str, str | int] = {
        "id": told.id,
        "source": source_of(group_id),
        "type": kind,
        "subject": subject,
        "time": rfc3339(sent_us),
        **more,
    }
    if link is not None:
        attributes |= {"chain": link.chain, "chainnumber": link.number, "chainbefore": link.before}
        attributes |= {"chainhash": link.hash}
    yield from _smaller_and_smaller(told.to_json(), topic, key, attributes, mode)


def source_of(group_id: str) -> str:
    """The CloudEvents' source of a daemon."""
    return f"driftd/{group_id}"


def _kind_of(told: Told) -> tuple[str, str, str, dict[str, str | int]]:
    """The record's key, the event's type and subject, and attributes by which a trigger can filter.

    A transition's key is the incident, another reference's the model version, a notice's the notice alone.
    """
    match told:
        case Transition():
            filters: dict[str, str | int] = {"severity": told.severity, "transition": told.transition}
            return told.incident, INCIDENT, str(told.key), filters
        case Rebase():
            return str(told.key), ACT, str(told.key), {}
        case Notice():
            return told.id, NOTICE, _SELF, {}


def _smaller_and_smaller(
    data: dict[str, Any], topic: str, key: str, attributes: dict[str, str | int], mode: str
) -> Iterator[Message]:
    """The record of a line, then those with the first half of the list of the one before, the last with an empty one.

    The findings of a transition are the worst first. `data.findings_left_out` counts those that are missing,
    `chainrest` stands for them in the chain.
    """
    name = next((each for each in LISTS if each in data), None)
    members = [] if name is None else data[name]
    kept = len(members)
    while True:
        if name is not None and kept < len(members):
            data |= {name: members[:kept], name + LEFT_OUT: len(members) - kept}
            attributes |= {"chainrest": rest_hash(members[kept:])} if "chain" in attributes else {}
        yield event_message(topic, key, attributes, data, mode)
        if not kept:
            return
        kept //= 2
