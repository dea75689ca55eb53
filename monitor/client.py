"""Reports what a model sees, says and gets right to Kafka, from the service that runs it.

    from monitor.client import Reporter

    reporter = Reporter("localhost:9092", "model-events", model="credit", version="7")
    id = reporter.prediction({"AGE": 41, "city": "Oslo"}, prediction=True, score=0.81)
    reporter.label(id, False)                       # whenever it is known

A call queues and returns: it never waits for a broker and never raises. What cannot be sent is counted in `dropped` and
logged (`logging.getLogger("monitor.client")`) at most once a minute. See docs/python.md.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from monitor.clock import Clock, SystemClock
from monitor.errors import DriftdError

if TYPE_CHECKING:
    from monitor.kafka.reporting import Sending

_log = logging.getLogger(__name__)

#: seconds between two log lines about events that were not sent
LOG_EVERY_S: Final = 60.0
#: reasons why an event was not sent, beside those of `monitor.kafka.reporting`
INVALID: Final = "invalid"
SETTINGS: Final = "settings"


class Reporter:
    """Sends events of one model version to one topic, from a thread of its own."""

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str],
        topic: str,
        model: str,
        version: str | int = "",
        *,
        security: Mapping[str, object] | None = None,
        feature_names: Sequence[str] | None = None,
        queue_bytes: int = 32 << 20,
        flush_seconds: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Connects when the first event comes. Imports the Kafka client now, so that no request has to wait for that.

        `security` has the names of `kafka.security` in the settings of the daemon (protocol, sasl_mechanism,
        sasl_username, sasl_password_file, ssl_cafile, ...); what it leaves out is taken from the variables
        DRIFTD_KAFKA__SECURITY__... `feature_names` are those of arrays. The queue holds events of at most
        `queue_bytes`; when the interpreter ends, at most `flush_seconds` are spent to send the rest.
        """
        self._of_model = {"model": model, "version": str(version)}
        self._name = f"{model} {version} to {topic}"
        self._feature_names = None if feature_names is None else list(feature_names)
        self._clock = SystemClock() if clock is None else clock
        self._flush_seconds = flush_seconds
        self._losses = _Losses(self._name, self._clock)
        self._new_sending: Callable[[], Sending] | None = None
        self._sending: Sending | None = None
        with _Caught(self._losses, SETTINGS, 0):
            servers = bootstrap_servers if isinstance(bootstrap_servers, str) else ",".join(bootstrap_servers)
            self._new_sending = self._sending_to(servers, topic, security or {}, queue_bytes)
            self._sending = self._new_sending()
        _open.add(self)

    def _sending_to(
        self, servers: str, topic: str, security: Mapping[str, object], queue_bytes: int
    ) -> Callable[[], Sending]:
        from monitor.kafka.library_log import keep_out_of_log  # noqa: PLC0415  # slow, and not for importers
        from monitor.kafka.reporting import CLIENT_ID, Sending, kafka_settings  # noqa: PLC0415  # the same

        keep_out_of_log(CLIENT_ID)
        settings = kafka_settings(servers, security, os.environ)
        return lambda: Sending(settings, topic, queue_bytes, self._losses.add, self._losses.log)  # those of then

    def prediction(
        self,
        features: Any,  # noqa: ANN401  # an object, a frame or an array
        prediction: Any = None,  # noqa: ANN401  # a class or number, or one a row
        *,
        score: Any = None,  # noqa: ANN401
        scores: Mapping[Any, Any] | None = None,
        id: Any = None,  # noqa: A002, ANN401  # the name of the field
        label: Any = None,  # noqa: ANN401
        ts: Any = None,  # noqa: ANN401
        tags: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401  # a text, or a list of them
        """Report one prediction, or one for each row; returns the id, or the list of ids, to be used for labels.

        `features` is an object {name: value} or an array of one dimension: one prediction. A pandas or polars frame, an
        Arrow table, an array of two dimensions, or a list of objects or rows: one prediction a row, and then all other
        arguments but `tags` are lists or arrays too. `score` is the probability of the positive class, `scores` {class:
        probability}. Without an `id` a random one is made; without `ts` (a time, or a number since 1970) it is now.
        """
        fields = {"prediction": prediction, "score": score, "label": label, "id": id, "ts": ts}
        return self._send_features("prediction", features, fields, scores, tags, lambda: str(uuid.uuid4()))

    def features(
        self,
        features: Any,  # noqa: ANN401
        *,
        id: Any = None,  # noqa: A002, ANN401
        ts: Any = None,  # noqa: ANN401
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Report features that were seen without a prediction, or apart from it; arguments as of `prediction`."""
        self._send_features("features", features, {"id": id, "ts": ts}, None, tags, None)

    def label(
        self,
        id: Any,  # noqa: A002, ANN401
        label: Any = None,  # noqa: ANN401
        *,
        value: Any = None,  # noqa: ANN401
        outcomes: Mapping[str, Any] | None = None,
        ts: Any = None,  # noqa: ANN401
    ) -> None:
        """Report what turned out to be right for the prediction of that id, or for a list of them; None takes it back.

        `value` is what the business counts: money, minutes. `outcomes` are further results by name, each one value or
        a column of them; with outcomes alone nothing is said of the label.
        """
        with _Caught(self._losses, INVALID, _size(id)):
            from monitor.frames.events import complete, label_events  # noqa: PLC0415  # loaded with the client

            events = label_events(id, {"label": label, "value": value, "ts": ts}, outcomes or {})
            complete(events, {"type": "label"} | self._of_model, self._clock.now_us(), None)
            self._send(events)

    @property
    def sent(self) -> int:
        """Events of this process that the brokers have acknowledged."""
        return 0 if self._sending is None else self._sending.sent

    @property
    def dropped(self) -> dict[str, int]:
        """Events of this process that were not sent, by reason."""
        return self._losses.counts()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all events up to now are sent or dropped; returns whether they are."""
        return self._sending is None or self._sending.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Send the rest within `timeout` (`flush_seconds`) seconds, and log what was dropped. Later events are too."""
        if self._sending is not None:
            self._sending.close(self._flush_seconds if timeout is None else timeout)
        self._losses.log(last=True)
        _open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: object, _trace: TracebackType | None) -> None:
        self.close()

    def _send_features(
        self,
        kind: str,
        features: Any,  # noqa: ANN401
        fields: Mapping[str, Any],
        scores: Mapping[Any, Any] | None,
        tags: Mapping[str, str] | None,
        new_id: Callable[[], str] | None,
    ) -> str | list[str]:
        """Send an event, or one a row; returns the id or the ids, empty if it cannot be written as events."""
        ids: list[str] = []
        with _Caught(self._losses, INVALID, _size(features)):
            from monitor.frames.events import complete, feature_events  # noqa: PLC0415  # loaded with the client

            events = feature_events(features, self._feature_names, fields, scores, tags)
            ids = complete(events, {"type": kind} | self._of_model, self._clock.now_us(), new_id)
            self._send(events)
        return "".join(ids) if _is_one(features) else ids

    def _send(self, events: list[dict[str, Any]]) -> None:
        from monitor.frames.events import encoded  # noqa: PLC0415  # loaded with the client

        sending = self._sending
        if sending is None:
            self._losses.add(SETTINGS, len(events), "the connection's settings are wrong")
            return
        for event in events:
            with _Caught(self._losses, INVALID, 1):
                sending.put(event["id"].encode() if "id" in event else None, encoded(event))

    def _after_fork(self) -> None:
        """In the child: nothing of the parent is sent, counted or closed here."""
        self._losses = _Losses(self._name, self._clock)
        parents, self._sending = self._sending, None
        if parents is not None and self._new_sending is not None:
            parents.abandon()
            self._sending = self._new_sending()


class _Losses:
    """Counts what was not sent, and logs it at most once a minute. Called by any thread."""

    def __init__(self, name: str, clock: Clock) -> None:
        """`name` of what is reported, for the log."""
        self._name, self._clock = name, clock
        self._lock = threading.RLock()
        self._total: Counter[str] = Counter()
        self._unlogged: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._logged_at: float | None = None

    def add(self, reason: str, events: int, why: str) -> None:
        with self._lock:
            if events:
                self._total[reason] += events
                self._unlogged[reason] += events
            if why:
                self._why[reason] = why
        self.log()

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._total)

    def log(self, *, last: bool = False) -> None:
        """Log what is not logged yet, unless that was done within the last minute; `last`: also then."""
        with self._lock:
            now = self._clock.monotonic()
            early = self._logged_at is not None and now - self._logged_at < LOG_EVERY_S
            if not (self._unlogged or self._why) or (early and not last):
                return
            self._logged_at = now
            lost, why = self._unlogged, self._why
            self._unlogged, self._why = Counter(), {}
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(lost.items()))
        said = [f"events that were not sent: {lost.total():,} ({reasons})"] if lost else []
        _log.warning("%s: %s", self._name, "; ".join([*said, *why.values()]))


class _Caught:
    """Whatever happens inside is counted and logged, and never raised into the service."""

    def __init__(self, losses: _Losses, reason: str, events: int) -> None:
        self._losses, self._reason, self._events = losses, reason, events

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False  # none, or KeyboardInterrupt and the like
        own = isinstance(error, DriftdError)  # others may quote a value
        self._losses.add(self._reason, self._events, str(error) if own else type(error).__name__)
        return True


def _is_one(features: Any) -> bool:  # noqa: ANN401
    """Whether they are of one event: an object of names, or an array of one dimension. As an id: a text, a number."""
    try:
        return isinstance(features, Mapping | str | int) or getattr(features, "ndim", 0) == 1
    except Exception:  # noqa: BLE001  # an object of the caller's
        return True


def _size(features: Any) -> int:  # noqa: ANN401
    """How many events something was meant to be."""
    try:
        return 1 if _is_one(features) else len(features)
    except Exception:  # noqa: BLE001  # the same, or it has no length
        return 1


#: those of this process that are not closed
_open: set[Reporter] = set()


def _close_all() -> None:
    for reporter in list(_open):
        with _Caught(reporter._losses, INVALID, 0):
            reporter.close()


def _after_fork() -> None:
    for reporter in list(_open):
        with _Caught(reporter._losses, INVALID, 0):
            reporter._after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
