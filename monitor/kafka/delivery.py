"""Delivers records at once and says of each group of them whether the brokers acknowledged it.

Unlike an `Outbox` it keeps nothing that failed: whoever gave the group learns of it and may give it again. So a group
that was acknowledged is in the topic once, and one that failed may be in it, too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, Final

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.errors import ExternalError, PermanentError, TransientError
from monitor.kafka.connect import connect, running_config, translated_error
from monitor.kafka.group import close_quietly
from monitor.kafka.producer import Message
from monitor.log import get_log
from monitor.settings.kafka import Kafka
from monitor.tenfold import Tenfold

_log = get_log(__name__)

_TOO_LARGE: Final = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
#: errors of one topic or record, after which the producer is as good as before
_OF_TOPIC: Final = (*_TOO_LARGE, kafka_errors.TopicAuthorizationFailedError, kafka_errors.InvalidRecordError,
                    kafka_errors.InvalidTopicError, kafka_errors.UnknownTopicOrPartitionError)  # fmt: skip
#: seconds without an acknowledgement, while groups wait for one, after which new ones are refused at once
SILENT_S: Final = 3.0
#: seconds beyond its time after which a group counts as stuck in the library, and the producer is replaced
_WATCHDOG_MARGIN_S: Final = 5.0
#: so often groups are looked at whose time is over
_TICK_S: Final = 0.25
#: seconds between two attempts to connect
_CONNECT_PAUSE_S: Final = 1.0
#: time-out of `send` while a topic's metadata are missing: those behind it wait as long
_BLOCK_MS: Final = 1_000
#: bytes of a record batch; the library's own 16 KiB are three records of a model with many features
_BATCH_BYTES: Final = 262_144
#: room for keys, headers and the batch beside a body
_HEAD_BYTES: Final = 128 << 10


class TooLargeError(PermanentError):
    """The brokers do not take a record of that size."""


@dataclass(slots=True, eq=False)
class Group:
    """Records of one topic that are acknowledged together: all of one request. `done` is called once, by any thread."""

    topic: str
    messages: Sequence[Message]
    done: Callable[[ExternalError | None], None]
    #: called when the library holds none of it any more, after `done` or within it
    gone: Callable[[], None]
    since: float = 0.0
    left: int = 0
    #: the library has got them, or refused them
    handed: bool = False
    failure: ExternalError | None = None
    answered: bool = False


class Delivery:
    """An idempotent producer (acks=all) with a thread that hands records to it. `submit` never waits."""

    def __init__(
        self,
        settings: Kafka,
        within_s: float,
        record_bytes: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        factory: Callable[..., Any] = KafkaProducer,
    ) -> None:
        """A group fails that is not acknowledged `within_s`. A record's value has at most `record_bytes`."""
        self._settings, self._within_s, self._record_bytes = settings, within_s, record_bytes
        self._monotonic, self._factory = monotonic, factory
        self._changed = threading.Condition()
        self._new: deque[Group] = deque()
        #: groups without a fate, the oldest first
        self._open: dict[Group, None] = {}
        self._producer: Any = None
        self._failures: dict[str, str] = {}
        self._last_acknowledged = monotonic()
        self._replace = False
        self._closing = False
        self._connect_at = monotonic()
        self._logged = Tenfold()
        self._thread = threading.Thread(target=self._run, name="driftd-delivery", daemon=True)

    def start(self) -> None:
        """Connect, and deliver from now on."""
        self._thread.start()

    def refusal(self, topic: str) -> str:
        """Why a group for a topic would fail now, "" if it may well be acknowledged.

        After a failure one group at a time is let through, to see whether the brokers are back.
        """
        with self._changed:
            if self._producer is None:
                return self._failures.get("", "not connected to Kafka yet")
            failure = self._failures.get(topic) or self._failures.get("", "")
            if not self._open:
                return ""
            oldest = next(iter(self._open)).since
            silent = self._monotonic() - max(oldest, self._last_acknowledged)
            if silent > SILENT_S and not failure:
                return f"the brokers have acknowledged nothing for {silent:.0f} s"
            return failure

    def trouble(self) -> str:
        """What is wrong now, "" if all is well: for a probe."""
        with self._changed:
            if self._failures:
                return "; ".join(dict.fromkeys(self._failures.values()))
            if self._producer is None:
                return "not connected to Kafka yet"
            oldest = next(iter(self._open)).since if self._open else self._monotonic()
            silent = self._monotonic() - max(oldest, self._last_acknowledged)
            return f"the brokers have acknowledged nothing for {silent:.0f} s" if silent > SILENT_S else ""

    def submit(self, group: Group) -> None:
        """Deliver the group; its `done` is called within its time, and a little later at the most."""
        group.since, group.left = self._monotonic(), len(group.messages)
        with self._changed:
            self._open[group] = None
            self._new.append(group)
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what was submitted, for at most about `timeout_s`; what is left fails."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(lambda: not self._open, timeout_s)
            self._changed.notify()
        self._thread.join(1.0)
        self._drop_producer()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._new) or (self._closing and not self._open), _TICK_S)
                new = list(self._new)
                self._new.clear()
                if self._closing and not self._open:
                    return
            self._connect_if_due()
            for group in new:
                self._hand_over(group)
            self._expire()

    def _connect_if_due(self) -> None:
        """Replace a producer that failed once nothing is in flight, and connect if there is none."""
        with self._changed:
            replace = self._replace and not any(group.handed for group in self._open)
        if replace:
            self._drop_producer()
        if self._producer is not None or self._monotonic() < self._connect_at:
            return
        try:
            producer = connect(self._factory, self._config())
        except ExternalError as failure:
            self._failed("", failure)
            self._connect_at = self._monotonic() + _CONNECT_PAUSE_S
            return
        with self._changed:
            self._producer, self._replace = producer, False
            self._failures.pop("", None)
            self._last_acknowledged = self._monotonic()

    def _config(self) -> dict[str, Any]:
        config = running_config(self._settings, "bridge")
        delivery_ms = round(1000 * self._within_s)
        return config | {
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "request_timeout_ms": min(config["request_timeout_ms"], max(delivery_ms // 2, 100)),
            "delivery_timeout_ms": delivery_ms,
            "max_block_ms": _BLOCK_MS,
            "max_request_size": self._record_bytes + _HEAD_BYTES,
            "batch_size": _BATCH_BYTES,
            "reconnect_backoff_max_ms": 1_000,
        }

    def _hand_over(self, group: Group) -> None:
        producer, group.handed = self._producer, True
        for topic, key, value, headers in group.messages:
            if producer is None or group.answered:
                self._settle(group, TransientError("not connected to Kafka"))
                continue
            try:
                future = producer.send(topic, key=key, value=value, headers=list(headers))
            except (kafka_errors.KafkaError, ValueError, TypeError) as error:
                self._settle(group, _translated(error, topic))
                continue
            future.add_callback(partial(self._acknowledged, group))
            future.add_errback(partial(self._refused, group))

    def _acknowledged(self, group: Group, _metadata: object) -> None:
        """Called by the library's thread."""
        self._settle(group, None)

    def _refused(self, group: Group, error: Exception) -> None:
        """The same."""
        if not isinstance(error, _OF_TOPIC):
            self._replace = True
        self._settle(group, _translated(error, group.topic))

    def _settle(self, group: Group, failure: ExternalError | None) -> None:
        """One record of a group has its fate."""
        with self._changed:
            group.left -= 1
            group.failure = group.failure or failure
            if failure is None:
                self._last_acknowledged = self._monotonic()
                if self._failures:
                    self._failures.pop(group.topic, None)
                    self._failures.pop("", None)
            if group.left:
                return
            answered, group.answered = group.answered, True
        if group.failure is not None and not isinstance(group.failure, TooLargeError):
            self._failed(group.topic, group.failure)
        if not answered:
            group.done(group.failure)
        self._let_go([group])

    def _failed(self, topic: str, failure: ExternalError) -> None:
        with self._changed:
            self._failures[topic] = str(failure)
        if self._logged.again((topic, str(failure))):
            _log.warning("delivery_failed", topic=topic, failure=str(failure))

    def _expire(self) -> None:
        """Tell of groups whose time is over; let go of those that the library has lost."""
        now = self._monotonic()
        with self._changed:
            late = list(takewhile(lambda group: now - group.since > self._within_s, self._open))
            unanswered = [group for group in late if not group.answered]
            stuck = [group for group in late if now - group.since > self._within_s + _WATCHDOG_MARGIN_S]
            for group in unanswered:
                group.answered = True
        for group in unanswered:
            failure = TransientError(f"the brokers did not acknowledge it within {self._within_s:g} s")
            self._failed(group.topic, failure)
            group.done(failure)
        if stuck:
            _log.warning("producer_replaced", why="a record is older than its time-out")
            self._drop_producer()
            self._let_go(stuck)

    def _let_go(self, groups: Sequence[Group]) -> None:
        with self._changed:
            gone = [group for group in groups if self._open.pop(group, False) is None]
            if not self._open:
                self._changed.notify_all()
        for group in gone:
            group.gone()

    def _drop_producer(self) -> None:
        with self._changed:
            producer, self._producer = self._producer, None
            self._replace = False
        if producer is None:
            return
        close_quietly(lambda: producer.close(timeout=0))
        sender = getattr(producer, "_sender", None)
        if sender is not None and sender.is_alive():
            sender.force_close()


def _translated(error: Exception, topic: str) -> ExternalError:
    if isinstance(error, _TOO_LARGE):
        return TooLargeError(f"a record is too large for the topic {topic}; raise its max.message.bytes")
    return translated_error(error, f"write to {topic}")
