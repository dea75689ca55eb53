"""What is written to Kafka: kept until the brokers acknowledged it, sent again when they did not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.errors import ExternalError, PermanentError, TransientError
from monitor.kafka.connect import connect, running_config, sorted_error, sorting_errors
from monitor.kafka.group import close_quietly
from monitor.log import get_log
from monitor.settings.tree import Kafka

_log = get_log(__name__)

#: the most bytes of a message: below the brokers' default of 1,048,588 with room for the batch around it
MOST_BYTES: Final = 1_000_000
_MOST_KEPT_BYTES: Final = 32 << 20
_TOO_LARGE: Final = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
_WATCHDOG_MARGIN_S: Final = 5.0
_FULL_FLUSH_S: Final = 2.0
#: the caller waits so long where nothing is known of a topic yet; what was asked for meanwhile is known next time
_BLOCK_MS: Final = 1_000


class Message(NamedTuple):
    """A record to write. A null value needs a key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()

    def size(self) -> int:
        """Bytes on the wire, to within a few."""
        head = sum(len(name.encode()) + len(value) + 10 for name, value in self.headers)
        return head + len(self.key or b"") + len(self.value or b"") + 100


#: gives messages to send in the place of another, each smaller than the one before
Smaller = Callable[[], Iterator[Message]]


def _none_smaller() -> Iterator[Message]:
    return iter(())


@dataclass(slots=True)
class _Kept:
    """A message that is not acknowledged; the next smaller one takes its place where the brokers find it too large."""

    whole: Message
    smaller: Smaller
    since: float
    future: Any = None
    message: Message = field(init=False)
    rest: Iterator[Message] = field(init=False)

    def __post_init__(self) -> None:
        self.restore()

    def restore(self) -> None:
        """As it was: the topic may take more by the time it is tried again."""
        self.message, self.rest = self.whole, self.smaller()


class Outbox:
    """An idempotent producer that waits for all replicas (acks=all), and the messages they did not acknowledge yet.

    Nothing is given up: a message that failed is sent again at the next `flush`, through a new producer, since the
    library's may be broken for good (it is also replaced when a message is older than its time-out). So a message may
    come twice, never not at all.
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

    def __len__(self) -> int:
        """How many messages are not acknowledged."""
        self._forget_acknowledged()
        return len(self._kept)

    def send(self, message: Message, smaller: Smaller = _none_smaller) -> None:
        """Keep the message and hand it to the producer without waiting for an answer.

        Those of `smaller`, each smaller than the one before, are sent in its place while it is found too large.

        Raises:
            ExternalError: more than 32 MiB wait and a flush of 2 s did not help; the message was not taken.
            PermanentError: the message is too large and there is no smaller one; it was not taken.
        """
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self.flush(_FULL_FLUSH_S)
        kept = _Kept(message, smaller, self._monotonic())
        while kept.message.size() > MOST_BYTES:
            self._shrink(kept)
        self._kept.append(kept)
        self._kept_bytes += kept.message.size()
        if self._all_submitted:
            self._all_submitted = self._submit(kept)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged; what failed before is sent again first, what is too large smaller.

        Raises:
            ExternalError: not everything was acknowledged in time; the rest is kept, so flush again later.
            PermanentError: the brokers refuse a message for good (rights, a topic's name, its size).
        """
        if not self._kept:
            return
        deadline = self._monotonic() + timeout_s
        self._replace_when_stuck()
        self._send_until(deadline)
        while self._shrink_too_large() and self._monotonic() < deadline:
            self._send_until(deadline)
        self._settle()

    def _send_until(self, deadline: float) -> None:
        self._submit_all()
        for kept in self._kept:
            left = deadline - self._monotonic()
            if kept.future is None or left <= 0:
                break
            with suppress(kafka_errors.KafkaError):  # what became of it is asked later
                kept.future.get(timeout=left)

    def close(self, timeout_s: float = 5.0) -> None:
        """Close the connection, waiting at most `timeout_s` for what is on its way."""
        producer, self._producer = self._producer, None
        self._all_submitted = False
        if producer is None:
            return
        close_quietly(lambda: producer.close(timeout=timeout_s))
        sender = getattr(producer, "_sender", None)
        if sender is not None and sender.is_alive():  # close gave up on what is under way and left it running
            sender.force_close()

    def _submit_all(self) -> None:
        if self._producer is None:
            self._producer = self._new_producer()
        self._not_taken = ""
        # after one without an answer the others would each wait as long
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
        """Hand it to the library; False when that knows nothing of the topic yet: a later flush tries again."""
        topic, key, value, headers = kept.message
        try:
            with sorting_errors(f"write to {topic}"):
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

    def _forget_acknowledged(self) -> None:
        waiting = [one for one in self._kept if one.future is None or not one.future.succeeded()]
        if len(waiting) != len(self._kept):
            self._kept = deque(waiting)
            self._kept_bytes = sum(one.message.size() for one in waiting)

    def _settle(self) -> None:
        """Forget what was acknowledged; prepare what failed for the next flush, and say that there is some."""
        self._forget_acknowledged()
        if not self._kept:
            return
        failed = [one for one in self._kept if one.future is not None and one.future.failed()]
        if not failed:
            topics = ", ".join(sorted({one.message.topic for one in self._kept}))
            why = f" ({self._not_taken})" if self._not_taken else ""
            message = f"cannot write to {topics} now: {len(self._kept)} messages are not acknowledged{why}"
            raise TransientError(message)
        failure = sorted_error(failed[0].future.exception, f"write to {failed[0].message.topic}")
        self._drop_producer()
        raise failure

    def _shrink_too_large(self) -> bool:
        """Whether there are such, all of them smaller now."""
        failed = [one for one in self._kept if one.future is not None and one.future.failed()]
        too_large = [one for one in failed if isinstance(one.future.exception, _TOO_LARGE)]
        if too_large:
            self._drop_producer()
        for one in too_large:
            self._shrink(one)
        return bool(too_large)

    def _replace_when_stuck(self) -> None:
        """The library's sender can end in a loop it never leaves; a message older than its time-out shows it."""
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
