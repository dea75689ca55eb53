"""Delivers records at once and says of each group of them whether the brokers acknowledged it.

Unlike an `Outbox` it keeps nothing that failed: whoever gave the group learns of it and may give it again. So a group
that was acknowledged is in the topic, and one that failed may be in it, too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, Final, NamedTuple

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
#: seconds without an acknowledgement, while groups wait for one, after which new ones are refused at once
SILENT_S: Final = 3.0
#: seconds beyond its time after which a group counts as stuck in the library, and the producer is replaced
WATCHDOG_MARGIN_S: Final = 5.0
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
    #: called once when none of it is held any more, after `done`
    gone: Callable[[], None]
    since: float = 0.0
    left: int = 0
    failure: ExternalError | None = None
    answered: bool = False


class _Broken(NamedTuple):
    """The first failure of a producer for good: the library fails with it all that the producer holds or gets."""

    generation: int
    kind: type[Exception]
    topic: str


class Delivery:
    """An idempotent producer (acks=all) with a thread that hands records to it. `submit` never waits.

    Every error that the library does not call retriable ends its producer. A new one takes its place then, and gets the
    records that only shared the failed one; those that had reached a broker already are there twice.
    """

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
        #: records for the producer
        self._new: deque[tuple[Group, Message]] = deque()
        #: groups that are held, the oldest first
        self._open: dict[Group, None] = {}
        self._producer: Any = None
        self._generation = 0
        #: the newest one
        self._broken: _Broken | None = None
        #: a producer is about to take the place of one that failed
        self._replacing = False
        #: records that the library holds
        self._handed = 0
        self._failures: dict[str, str] = {}
        self._last_acknowledged = monotonic()
        self._doubtful = False
        self._closing = False
        self._connect_at = monotonic()
        self._largest: Mapping[str, int] = {}
        #: what ended the thread, which nothing of the outside may
        self.bug: Exception | None = None
        self._logged = Tenfold()
        self._thread = threading.Thread(target=self._run, name="driftd-delivery", daemon=True)

    def start(self, largest: Mapping[str, int]) -> None:
        """Connect, and deliver from now on. `largest` are the bytes of the largest message of topics, where known."""
        self._largest = largest
        self._thread.start()

    def refusal(self, topic: str) -> str:
        """Why a group for a topic would fail now, "" if it may well be acknowledged.

        After a failure one group at a time is let through, to see whether the brokers are back.
        """
        with self._changed:
            failure = self._failures.get(topic) or self._failures.get("", "")
            if self._producer is None and not self._replacing:
                return failure or "not connected to Kafka yet"
            return (failure or self._silence()) if self._open else ""

    def trouble(self) -> str:
        """What is wrong now, "" if all is well: for a probe."""
        with self._changed:
            if self._failures:
                return "; ".join(dict.fromkeys(self._failures.values()))
            if self._producer is None and not self._replacing:
                return "not connected to Kafka yet"
            return self._silence()

    def _silence(self) -> str:
        """Said when groups wait and nothing is acknowledged."""
        if not self._open:
            return ""
        silent = self._monotonic() - max(next(iter(self._open)).since, self._last_acknowledged)
        return f"the brokers have acknowledged nothing for {silent:.0f} s" if silent > SILENT_S else ""

    def submit(self, group: Group) -> None:
        """Deliver the group; its `done` is called within its time, and a little later at the most.

        Raises:
            TooLargeError: a record is larger than its topic takes; nothing of the group is delivered.
        """
        largest = self._largest.get(group.topic)
        if largest is not None and any(message.size() > largest for message in group.messages):
            raise _too_large(group.topic)
        group.since, group.left = self._monotonic(), len(group.messages)
        with self._changed:
            self._open[group] = None
            self._new.extend((group, message) for message in group.messages)
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what was submitted, for at most about `timeout_s`; what is left fails."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(lambda: not self._open, timeout_s)
            self._changed.notify()
            left = list(self._open)
        if self._thread.ident is not None:
            self._thread.join(2 * _TICK_S)
        self._drop_producer()
        self._give_up(left, TransientError("the bridge ended"))

    def _run(self) -> None:
        try:
            self._deliver()
        except Exception as bug:  # noqa: BLE001  # for the thread that owns the process
            self.bug = bug

    def _deliver(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._new) or self._closing, _TICK_S)
                if self._closing:
                    self._changed.wait_for(lambda: bool(self._new) or not self._open, _TICK_S)
                if self._closing and not self._open:
                    return
            self._connect_if_due()
            with self._changed:
                new = list(self._new)
                self._new.clear()
            for group, message in new:
                self._hand_over(group, message)
            self._expire()

    def _connect_if_due(self) -> None:
        """Replace a producer that failed, and connect if there is none."""
        with self._changed:
            # one that only may have failed is kept until it holds nothing
            replace = self._is_broken() or (self._doubtful and not self._handed)
        if replace:
            self._drop_producer(replacing=True)
        if self._producer is not None or self._monotonic() < self._connect_at:
            return
        try:
            producer = connect(self._factory, self._config())
        except ExternalError as failure:
            self._failed("", failure)
            self._replacing = False
            self._connect_at = self._monotonic() + _CONNECT_PAUSE_S
            return
        with self._changed:
            self._producer, self._doubtful, self._replacing = producer, False, False
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

    def _hand_over(self, group: Group, message: Message) -> None:
        producer, generation = self._producer, self._generation
        if producer is None or group.answered:
            self._settle(group, TransientError("not connected to Kafka"))
            return
        topic, key, value, headers = message
        try:
            future = producer.send(topic, key=key, value=value, headers=list(headers))
        except (kafka_errors.KafkaError, ValueError, TypeError) as error:
            self._settle(group, _translated(error, topic))
            return
        with self._changed:
            self._handed += 1
        future.add_callback(partial(self._acknowledged, group, generation))
        future.add_errback(partial(self._refused, group, message, generation))

    def _left_library(self, generation: int) -> None:
        with self._changed:
            if generation == self._generation:
                self._handed -= 1

    def _acknowledged(self, group: Group, generation: int, _metadata: object) -> None:
        """Called by the library's thread."""
        self._left_library(generation)
        self._settle(group, None)

    def _refused(self, group: Group, message: Message, generation: int, error: Exception) -> None:
        """Called by the library's thread, or by ours when a producer is dropped."""
        self._left_library(generation)
        with self._changed:
            broken = generation != self._generation or self._is_broken()
            alike = self._broken == (generation, type(error), group.topic) and not isinstance(error, _TOO_LARGE)
            is_own = not broken or alike
            if not broken and not isinstance(error, kafka_errors.RetriableError):
                self._broken = _Broken(generation, type(error), group.topic)
            self._doubtful = True
            if not is_own and not group.answered and not self._closing:
                self._new.append((group, message))
                self._changed.notify()
                return
        self._settle(group, _translated(error, group.topic))

    def _is_broken(self) -> bool:
        return self._broken is not None and self._broken.generation == self._generation

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
            if group.left or group not in self._open:
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
        self._answer(late, TransientError(f"the brokers did not acknowledge it within {self._within_s:g} s"))
        stuck = [group for group in late if now - group.since > self._within_s + WATCHDOG_MARGIN_S]
        if stuck:
            _log.warning("producer_replaced", why="a record is older than its time-out")
            self._drop_producer(replacing=True)
            self._let_go(stuck)

    def _give_up(self, groups: Sequence[Group], failure: ExternalError) -> None:
        self._answer(groups, failure)
        self._let_go(groups)

    def _answer(self, groups: Sequence[Group], failure: ExternalError) -> None:
        """Tell of the failure of those that were not told of yet."""
        with self._changed:
            unanswered = [group for group in groups if not group.answered]
            for group in unanswered:
                group.answered = True
        for group in unanswered:
            self._failed(group.topic, failure)
            group.done(failure)

    def _let_go(self, groups: Sequence[Group]) -> None:
        with self._changed:
            gone = [group for group in groups if self._open.pop(group, False) is None]
            if not self._open:
                self._changed.notify_all()
        for group in gone:
            group.gone()

    def _drop_producer(self, *, replacing: bool = False) -> None:
        with self._changed:
            producer, self._producer = self._producer, None
            self._replacing = replacing
            self._generation += 1
            self._handed, self._doubtful = 0, False
        if producer is None:
            return
        close_quietly(lambda: producer.close(timeout=0))
        sender = getattr(producer, "_sender", None)
        if sender is not None and sender.is_alive():
            sender.force_close()


def _too_large(topic: str) -> TooLargeError:
    return TooLargeError(f"a record is too large for the topic {topic}; raise its max.message.bytes")


def _translated(error: Exception, topic: str) -> ExternalError:
    return _too_large(topic) if isinstance(error, _TOO_LARGE) else translated_error(error, f"write to {topic}")
