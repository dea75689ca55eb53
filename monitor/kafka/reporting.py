"""Sends the events of a service from a thread of its own: a bounded queue in front of an outbox.

A process that is forked starts over: it has a queue, a thread and a producer of its own, and leaves those it inherited
untouched, so that nothing is sent twice and no connection of its parent is disturbed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from monitor.errors import ExternalError, PermanentError
from monitor.kafka.producer import MOST_BYTES, Message, Outbox
from monitor.settings.kafka import Kafka
from monitor.settings.load import load_kafka
from monitor.settings.shape import variable

#: what the brokers' logs and quotas call it; part of the names of the library's threads
CLIENT_ID: Final = "driftd-reporter"
#: reasons why an event was not sent
QUEUE_FULL: Final = "queue_full"
TOO_LARGE: Final = "too_large"
REFUSED: Final = "refused"
CLOSED: Final = "closed"
NOT_DELIVERED: Final = "not_delivered"

#: events and bytes that are sent before the next ones are taken
_BATCH_EVENTS: Final = 500
_BATCH_BYTES: Final = 4 << 20
_FLUSH_S: Final = 10.0
#: first and longest pause after a failure, in seconds
_PAUSE_S: Final = (0.5, 10.0)
#: so often an idle thread looks whether drops are to be logged, in seconds
_IDLE_S: Final = 10.0
#: seconds to wait for requests in flight when a connection is closed
_CLOSE_S: Final = 1.0


#: called with a reason, the number of events that were not sent because of it, and more words; without events it is a
#: failure that may pass
Report: TypeAlias = Callable[[str, int, str], object]


def kafka_settings(bootstrap_servers: str, security: Mapping[str, object], environ: Mapping[str, str]) -> Kafka:
    """The connection: `security` has the names of `kafka.security`; what it leaves out may stand in `environ`.

    Raises:
        UsageError: all faults.
    """
    prefix = variable(("kafka", "security"))
    own = {name: value for name, value in environ.items() if name.upper().startswith(f"{prefix}__")}
    given = {variable(("kafka", "security", name)): _text(value) for name, value in security.items()}
    fixed = {"bootstrap_servers": bootstrap_servers, "client_id": CLIENT_ID}
    return load_kafka(own | given | {variable(("kafka", name)): text for name, text in fixed.items()})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


class _Producing(Outbox):
    """An outbox whose producer is closed by us alone, also at the exit of the interpreter."""

    def _new_producer(self) -> Any:  # noqa: ANN401  # the library has no types
        producer = super()._new_producer()
        # else the library closes it at exit, before the last events are handed to it
        producer._unregister_cleanup()
        return producer

    def abandon(self) -> None:
        """Never touch the connections of the parent process, not even when this object is collected."""
        if self._producer is not None:
            self._producer._closed = True


#: outboxes of parent processes: collecting them would close what the parent still uses
_inherited: list[_Producing] = []


class Sending:
    """The queue, the thread and the producer of one process. `put` and `close` may be called by any thread."""

    def __init__(
        self,
        settings: Kafka,
        topic: str,
        most_bytes: int,
        report: Report,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        """`most_bytes` of the queue. `report` and `tick` (now and then) are called by any thread; they do not block."""
        self._settings = settings
        self._topic = topic
        self._most_bytes = most_bytes
        self._report = report
        self._tick = tick
        self._changed = threading.Condition()
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._thread: threading.Thread | None = None
        self._outbox = _Producing(settings)
        #: monotonic time until which the rest is sent; None while open
        self._until: float | None = None
        #: events that the brokers acknowledged
        self.sent = 0

    def put(self, key: bytes | None, value: bytes) -> None:
        """Queue an event, or report why not; returns at once."""
        message = Message(self._topic, key, value)
        if message.size() > MOST_BYTES:
            self._report(TOO_LARGE, 1, "")
            return
        with self._changed:
            refused = CLOSED if self._until is not None else ""
            if not refused and self._bytes + message.size() > self._most_bytes:
                refused = QUEUE_FULL
            if not refused and not self._started():
                refused = CLOSED
            if not refused:
                self._queue.append(message)
                self._bytes += message.size()
                self._changed.notify_all()
        if refused:
            self._report(refused, 1, "")

    def flush(self, timeout_s: float) -> bool:
        """Wait until all events of now are sent or dropped; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._in_flight, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Send the rest, waiting at most about `timeout_s`; what is left is reported."""
        with self._changed:
            if self._until is not None:
                return
            self._until = time.monotonic() + timeout_s
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s + _CLOSE_S)
        with self._changed:
            left = len(self._queue) + self._in_flight
            self._queue.clear()
        if left:
            self._report(NOT_DELIVERED, left, "")

    def abandon(self) -> None:
        """In a forked process: leave the parent's events and connections to the parent."""
        self._outbox.abandon()
        _inherited.append(self._outbox)

    def _started(self) -> bool:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name=CLIENT_ID, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        pause = _PAUSE_S[0]
        while self._next():
            closing = self._until is not None
            well = self._flushed()
            with self._changed:
                left = len(self._outbox)
                self.sent += self._in_flight - left
                self._in_flight = left
                self._changed.notify_all()
                if not well and closing:
                    break
                if not well:
                    self._changed.wait_for(lambda: self._until is not None, pause)
            pause = _PAUSE_S[0] if well else min(2 * pause, _PAUSE_S[1])
            self._tick()
        self._outbox.close(_CLOSE_S)

    def _flushed(self) -> bool:
        """Send what is in flight; False if that failed, and what may never succeed is dropped."""
        try:
            self._outbox.flush(self._flush_seconds())
        except PermanentError as failure:
            self._give_up(REFUSED, str(failure))
        except ExternalError as failure:
            self._report("", 0, str(failure))
        except Exception as bug:  # noqa: BLE001  # a reporter must not end, and its caller must not notice
            at_end = self._until is not None  # Python 3.12 starts no threads then, so no connection can be opened
            remedy = "; call close() before the process ends" if at_end else ""
            self._give_up(NOT_DELIVERED if at_end else REFUSED, f"{type(bug).__name__}: {bug}{remedy}")
        else:
            return True
        return False

    def _flush_seconds(self) -> float:
        return _FLUSH_S if self._until is None else min(_FLUSH_S, max(self._until - time.monotonic(), 0.1))

    def _give_up(self, reason: str, why: str) -> None:
        """Drop the events that cannot be sent, and go on with a new producer."""
        lost, refused = len(self._outbox), self._outbox
        self._outbox = _Producing(self._settings)
        with suppress(Exception):
            refused.close(0)
        with self._changed:
            self._in_flight -= lost
        self._report(reason, lost, why)

    def _next(self) -> bool:
        """Hand the next events to the outbox once it is empty; False when all is done, or there is no more time."""
        while not self._wait():
            self._tick()
        with self._changed:
            if self._until is not None and time.monotonic() > self._until:
                return False
            taken = [] if self._in_flight else self._taken()
            self._in_flight += len(taken)
            todo = self._in_flight
        for message in taken:
            with suppress(ExternalError):  # of a producer that fails: flush meets it too
                self._outbox.send(message)
        return bool(todo)

    def _wait(self) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self._queue or self._in_flight) or self._until is not None, _IDLE_S
            )  # fmt: skip

    def _taken(self) -> list[Message]:
        size, taken = 0, list[Message]()
        while self._queue and len(taken) < _BATCH_EVENTS and size < _BATCH_BYTES:
            taken.append(self._queue.popleft())
            size += taken[-1].size()
        self._bytes -= size
        return taken
