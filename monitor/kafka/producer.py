"""Writes messages to Kafka: each is kept until the brokers have acknowledged it, and sent again if they did not."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.errors import ExternalError, PermanentError, TransientError
from monitor.kafka.connect import connect, running_config, translated_error, translating_errors
from monitor.kafka.group import close_quietly
from monitor.log import get_log
from monitor.settings.kafka import Kafka

_log = get_log(__name__)

#: the most bytes of a message: the brokers' default message.max.bytes of 1,048,588 less room for the batch header
MOST_BYTES: Final = 1_000_000
_MOST_KEPT_BYTES: Final = 32 << 20
_TOO_LARGE: Final = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
#: seconds beyond its delivery time-out after which an unacknowledged message counts as stuck
_WATCHDOG_MARGIN_S: Final = 5.0
#: time-out of the flush when the outbox is full, in seconds
_FULL_FLUSH_S: Final = 2.0
#: time-out of `send` while a topic's metadata is missing; the metadata request goes on, so a later flush succeeds
_BLOCK_MS: Final = 1_000


class Message(NamedTuple):
    """A record to write. A null value needs a key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()

    def size(self) -> int:
        """Approximate bytes on the wire."""
        head = sum(len(name.encode()) + len(value) + 10 for name, value in self.headers)
        return head + len(self.key or b"") + len(self.value or b"") + 100


#: returns messages to send instead of one that is too large, each smaller than the one before
Smaller = Callable[[], Iterator[Message]]


def _none_smaller() -> Iterator[Message]:
    return iter(())


@dataclass(slots=True)
class _Kept:
    """An unacknowledged message; it is replaced by the next smaller one if the brokers reject it as too large."""

    whole: Message
    smaller: Smaller
    since: float
    future: Any = None
    message: Message = field(init=False)
    rest: Iterator[Message] = field(init=False)

    def __post_init__(self) -> None:
        self.restore()

    def restore(self) -> None:
        """Go back to the whole message: the topic's size limit may be higher at the next attempt."""
        self.message, self.rest = self.whole, self.smaller()


class Outbox:
    """An idempotent producer (acks=all) and the messages that are not acknowledged yet.

    Delivery is at least once: a failed message is sent again at the next `flush`, with a new producer, because the
    library's may never recover. The producer is also replaced when a message is older than its delivery time-out.
    A thread may send while another one flushes: a flush is about the messages that were sent before it.
    """

    def __init__(self, settings: Kafka, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._producer: Any = None
        self._all_submitted = False
        self._delivery_s = 0.0
        self._not_taken = ""
        #: held while the messages or the producer change, never while acknowledgements are waited for
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """How many messages are not acknowledged."""
        with self._lock:
            self._drop_acknowledged()
            return len(self._kept)

    def send(self, message: Message, smaller: Smaller = _none_smaller) -> None:
        """Queue the message and hand it to the producer without waiting for the acknowledgement.

        While it is too large, the next message of `smaller` takes its place.

        Raises:
            ExternalError: more than 32 MiB are queued and a flush of 2 s did not help; the message was not queued.
            PermanentError: the message is too large and there is no smaller one; it was not queued.
        """
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self.flush(_FULL_FLUSH_S)
        kept = _Kept(message, smaller, self._monotonic())
        while kept.message.size() > MOST_BYTES:
            self._shrink(kept)
        with self._lock:
            self._kept.append(kept)
            self._kept_bytes += kept.message.size()
            if self._all_submitted:
                self._all_submitted = self._submit(kept)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged; sends failed messages again first, too large ones smaller.

        Raises:
            ExternalError: not everything was acknowledged in time; the rest stays queued for the next flush.
            PermanentError: the brokers refuse a message for good (rights, the topic's name, its size).
        """
        with self._lock:
            self._drop_acknowledged()
            asked = list(self._kept)
            if not asked:
                return
            self._replace_when_stuck()
        deadline = self._monotonic() + timeout_s
        self._send_until(asked, deadline)
        while self._any_too_large(asked) and self._monotonic() < deadline:
            self._send_until(asked, deadline)
        with self._lock:
            self._require_none(asked)

    def _send_until(self, asked: Sequence[_Kept], deadline: float) -> None:
        with self._lock:
            self._submit_all()
        for kept in asked:
            future, left = kept.future, deadline - self._monotonic()
            if future is None or left <= 0:
                break
            with suppress(kafka_errors.KafkaError):  # the future keeps the error
                future.get(timeout=left)

    def close(self, timeout_s: float = 5.0) -> None:
        """Close the connection, waiting at most `timeout_s` for requests in flight."""
        with self._lock:
            producer, self._producer = self._producer, None
            self._all_submitted = False
        if producer is None:
            return
        close_quietly(lambda: producer.close(timeout=timeout_s))
        sender = getattr(producer, "_sender", None)
        if sender is not None and sender.is_alive():  # close timed out and left the thread running
            sender.force_close()

    def _submit_all(self) -> None:
        if self._producer is None:
            self._producer = self._new_producer()
        self._not_taken = ""
        # `all` stops at the first failure: each of the others would wait for the metadata as long
        self._all_submitted = all(kept.future is not None or self._submit(kept) for kept in self._kept)

    def _new_producer(self) -> Any:  # noqa: ANN401  # the library has no types
        config = running_config(self._settings, "outbox")
        delivery_ms = 2 * config["request_timeout_ms"]
        self._delivery_s = delivery_ms / 1000
        return connect(
            KafkaProducer,
            config
            | {
                "acks": "all",
                "enable_idempotence": True,
                "allow_auto_create_topics": False,
                "delivery_timeout_ms": delivery_ms,
                "max_block_ms": _BLOCK_MS,
                "max_request_size": MOST_BYTES + (64 << 10),
                "linger_ms": 5,
            },
        )

    def _submit(self, kept: _Kept) -> bool:
        """Hand the message to the library; False if the topic's metadata is missing: a later flush tries again."""
        topic, key, value, headers = kept.message
        try:
            with translating_errors(f"write to {topic}"):
                kept.future = self._producer.send(topic, key=key, value=value, headers=list(headers))
        except PermanentError:
            raise
        except ExternalError as failure:
            self._not_taken = f"{failure}: was the topic deleted, or the right to DESCRIBE it taken away?"
            return False
        return True

    def _shrink(self, kept: _Kept) -> None:
        smaller = next(kept.rest, None)
        if smaller is None:
            size = kept.message.size()
            kept.restore()
            message = (
                f"a message of {size} bytes is too large for the topic {kept.message.topic}; raise its "
                "max.message.bytes"
            )
            raise PermanentError(message)
        kept.message = smaller

    def _drop_acknowledged(self) -> None:
        waiting = [one for one in self._kept if one.future is None or not one.future.succeeded()]
        if len(waiting) != len(self._kept):
            self._kept = deque(waiting)
            self._kept_bytes = sum(one.message.size() for one in waiting)

    def _require_none(self, asked: Sequence[_Kept]) -> None:
        """Drop what was acknowledged, and prepare what failed for the next flush.

        Raises:
            ExternalError, PermanentError: messages of those are left.
        """
        left = [one for one in asked if one.future is None or not one.future.succeeded()]
        self._drop_acknowledged()
        if not left:
            return
        failed = [one for one in left if one.future is not None and one.future.failed()]
        if not failed:
            topics = ", ".join(sorted({one.message.topic for one in left}))
            why = f" ({self._not_taken})" if self._not_taken else ""
            message = f"cannot write to {topics} now: {len(left)} messages are not acknowledged{why}"
            raise TransientError(message)
        failure = translated_error(failed[0].future.exception, f"write to {failed[0].message.topic}")
        self._drop_producer()
        raise failure

    def _any_too_large(self, asked: Sequence[_Kept]) -> bool:
        """Replace the messages that were rejected as too large by smaller ones; returns whether there were any."""
        with self._lock:
            failed = [one for one in asked if one.future is not None and one.future.failed()]
            too_large = [one for one in failed if isinstance(one.future.exception, _TOO_LARGE)]
            if too_large:
                self._drop_producer()
            for one in too_large:
                self._shrink(one)
            return bool(too_large)

    def _replace_when_stuck(self) -> None:
        """Drop the producer if a message is older than its time-out: the library's sender can loop for ever."""
        if self._producer is None:
            return
        if self._monotonic() - self._kept[0].since > self._delivery_s + _WATCHDOG_MARGIN_S:
            _log.warning("producer_replaced", why="a message is older than its time-out")
            self._drop_producer()

    def _drop_producer(self) -> None:
        now = self._monotonic()
        for one in self._kept:
            one.future, one.since = None, now
        self.close(0)
