"""What an operator says, as records on the alert topic: `driftd accept` writes them, the running daemon reads them.

An act names the incident it is about and takes effect once, whatever comes twice: an incident that was accepted is no
page any more. So no position is kept: a daemon reads the acts since its state was saved, and some before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from monitor.clock import HOUR_US, rfc3339
from monitor.errors import ExternalError
from monitor.kafka.alerts import source_of
from monitor.kafka.cloud_events import ACT, STRUCTURED, event_in, event_message
from monitor.kafka.connect import connect, running_config, translating_errors
from monitor.kafka.group import close_quietly
from monitor.kafka.producer import Message
from monitor.log import get_log
from monitor.settings.kafka import Kafka

_log = get_log(__name__)

ACCEPT: Final = "accept"
#: characters of a note that are kept
MOST_NOTE: Final = 500
#: how far the clock that wrote an act may be behind the one that saved the state
_BEFORE_US: Final = HOUR_US
_POLL_MS: Final = 500
_PAUSE_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0


class Act(NamedTuple):
    """An incident that is accepted, and what was noted with it."""

    incident: str
    note: str


def act_message(act: Act, topic: str, group_id: str, subject: str, now_us: int, mode: str = STRUCTURED) -> Message:
    """The record of an act, a CloudEvent keyed by the incident; `subject` is the model version."""
    attributes = {
        "id": f"{act.incident}/{ACCEPT}",
        "source": source_of(group_id),
        "type": ACT,
        "subject": subject,
        "time": rfc3339(now_us),
    }
    data = {"kind": "act", "act": ACCEPT, "incident": act.incident, "note": act.note}
    return event_message(topic, act.incident, attributes, data, mode)


def act_in(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> Act | None:
    """The act in a record of the alert topic; None if it is not an act that this version knows."""
    known = list(headers)
    if value is None or (ACT.encode() not in value and all(text != ACT.encode() for _, text in known)):
        return None
    event = event_in(value, known)
    try:
        if event is None or event["type"] != ACT or event["data"]["act"] != ACCEPT:
            return None
        return Act(str(event["data"]["incident"]), str(event["data"].get("note", ""))[:MOST_NOTE])
    except (LookupError, TypeError, AttributeError):
        return None


class ActReader:
    """Reads the acts in a separate thread: the loop never waits for them, nor ends when they cannot be read."""

    def __init__(self, settings: Kafka, topic: str, since_us: int | None) -> None:
        """`since_us` is when the state was saved, None where there is none: then only acts from now on count."""
        self._settings = settings
        self._topic = topic
        self._since_us = since_us
        self._next: dict[TopicPartition, int] = {}
        self._acts: deque[Act] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftd-acts", daemon=True)
        self._failure = ""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def taken(self) -> list[Act]:
        """The acts that came since the last call, in their order."""
        acts = []
        while self._acts:
            acts.append(self._acts.popleft())
        return acts

    def close(self) -> None:
        """End the thread; a broker that does not answer is not waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except ExternalError as failure:
                if str(failure) != self._failure:
                    _log.warning("acts_not_read", topic=self._topic, why=str(failure))
                self._failure = str(failure)
            self._stop.wait(_PAUSE_SECONDS)

    def _read(self) -> None:
        """Read until it is to stop.

        Raises:
            ExternalError: the brokers do not answer, or this user may not read the topic.
        """
        config = running_config(self._settings, "acts") | {
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
        }
        consumer: Any = connect(KafkaConsumer, config)
        try:
            with translating_errors(f"read the acts on {self._topic}"):
                self._begin(consumer)
                while not self._stop.is_set():
                    self._take(consumer.poll(timeout_ms=_POLL_MS))
        finally:
            close_quietly(consumer)

    def _begin(self, consumer: Any) -> None:  # noqa: ANN401  # the library has no types
        targets = [TopicPartition(self._topic, number) for number in consumer.partitions_for_topic(self._topic) or ()]
        if not self._next:
            ends = consumer.end_offsets(targets)
            since: dict[TopicPartition, Any] = {}
            if self._since_us is not None:
                since_ms = max(self._since_us - _BEFORE_US, 0) // 1_000
                since = consumer.offsets_for_times(dict.fromkeys(targets, since_ms))
            self._next = {at: ends[at] if since.get(at) is None else since[at].offset for at in targets}
        consumer.assign(targets)
        for target in targets:
            consumer.seek(target, self._next.get(target, 0))

    def _take(self, records: dict[TopicPartition, list[Any]]) -> None:
        for target, several in records.items():
            for record in several:
                act = act_in(record.value, record.headers or ())
                if act is not None:
                    self._acts.append(act)
                self._next[target] = record.offset + 1
        self._failure = ""
