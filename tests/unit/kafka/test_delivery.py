"""Delivery to a producer that fails as a test says: each group gets one fate, whatever happens."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import errors as kafka_errors
from kafka.future import Future

from monitor.errors import ExternalError, PermanentError, TransientError
from monitor.kafka import delivery as module
from monitor.kafka.delivery import SILENT_S, WATCHDOG_MARGIN_S, Delivery, Group, TooLargeError
from monitor.kafka.producer import Message
from monitor.settings.kafka import Kafka
from tests.real_parts.waiting import wait_until

TOPIC = "events"


class Producer:
    """One of the library, as the delivery uses it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.open: list[tuple[bytes, Future]] = []
        self._sender = None
        self._lock = threading.RLock()

    def send(self, _topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> Future:
        del key, headers
        if self.library.at_send is not None:
            raise self.library.at_send
        future = Future()
        with self._lock:
            self.open.append((value, future))
        self.library.sent.append(value)
        return future

    def close(self, timeout: float) -> None:
        del timeout
        self.fail_all(kafka_errors.KafkaConnectionError("closed"))

    def fail_all(self, error: Exception) -> None:
        with self._lock:
            left, self.open = self.open, []
        for _, future in left:
            future.failure(error)

    def acknowledge(self, number: int = 10**9) -> None:
        with self._lock:
            now, self.open = self.open[:number], self.open[number:]
        for value, future in now:
            self.library.on_topic.append(value)
            future.success(None)

    def refuse(self, error: Exception) -> None:
        """The first one fails for good, and with it the producer, as kafka-python's do."""
        with self._lock:
            (_, future), *self.open = self.open
        future.failure(error)
        self.fail_all(error)


class Library:
    """Makes producers; `down` refuses to."""

    def __init__(self) -> None:
        self.producers: list[Producer] = []
        self.sent: list[bytes] = []
        self.on_topic: list[bytes] = []
        self.at_send: Exception | None = None
        self.down: Exception | None = None

    def make(self, **_config: object) -> Producer:
        if self.down is not None:
            raise self.down
        self.producers.append(Producer(self))
        return self.producers[-1]

    @property
    def newest(self) -> Producer:
        return self.producers[-1]


class Told:
    """The delivery, its library, a clock, and what was told."""

    def __init__(self) -> None:
        self.library, self.now = Library(), 1_000.0
        self.fates: list[tuple[str, ExternalError | None]] = []
        self.gone: list[str] = []
        self.delivery = Delivery(Kafka(), 10.0, 1_000, monotonic=lambda: self.now, factory=self.library.make)
        self.delivery.start({})

    def submit(self, name: str, records: int = 1) -> None:
        messages = [Message(TOPIC, b"k", f"{name}-{at}".encode()) for at in range(records)]
        self.delivery.submit(
            Group(TOPIC, messages, lambda failure: self.fates.append((name, failure)), self._leaves(name))
        )

    def _leaves(self, name: str) -> Callable[[], None]:
        return lambda: self.gone.append(name)

    def wait_sent(self, number: int) -> None:
        wait_until(lambda: len(self.library.sent) >= number, f"{number} records are sent")

    def wait_gone(self, number: int) -> None:
        wait_until(lambda: len(self.gone) >= number, f"{number} groups are gone")

    def wait_producers(self, number: int) -> None:
        wait_until(lambda: len(self.library.producers) >= number, f"{number} producers were made")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setattr(module, "_CONNECT_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_TICK_S", 0.02)
    one = Told()
    yield one
    one.delivery.close(0.0)
    assert sorted(one.gone) == sorted(name for name, _ in one.fates)
    assert max(Counter(one.gone).values(), default=1) == 1


def test_a_group_is_done_with_its_last_record(told: Told) -> None:
    told.submit("a", records=3)
    told.wait_sent(3)
    told.library.newest.acknowledge(2)
    assert told.fates == []
    told.library.newest.acknowledge()
    told.wait_gone(1)
    assert told.fates == [("a", None)]


def test_a_passing_failure_is_told_and_the_next_group_is_let_through_alone(told: Told) -> None:
    told.submit("a")
    told.wait_sent(1)
    told.library.newest.refuse(kafka_errors.KafkaTimeoutError("late"))
    told.wait_gone(1)
    ((_, failure),) = told.fates
    assert isinstance(failure, TransientError)
    assert "write to events" in told.delivery.trouble()
    assert told.delivery.refusal(TOPIC) == ""
    told.submit("b")
    assert "write to events" in told.delivery.refusal(TOPIC)
    told.wait_producers(2)  # a doubtful producer is replaced once it holds nothing
    told.wait_sent(2)
    told.library.newest.acknowledge()
    told.wait_gone(2)
    assert (told.delivery.refusal(TOPIC), told.delivery.trouble()) == ("", "")


def test_what_only_shared_a_producer_with_a_refused_record_is_sent_again(told: Told) -> None:
    for name in ("large", "b", "c"):
        told.submit(name, records=2 if name == "c" else 1)
    told.wait_sent(4)
    told.library.newest.refuse(kafka_errors.MessageSizeTooLargeError("large"))
    told.wait_producers(2)
    told.wait_sent(7)
    told.library.newest.acknowledge()
    told.wait_gone(3)
    assert {name: type(failure) for name, failure in told.fates} == {
        "large": TooLargeError,
        "b": type(None),
        "c": type(None),
    }
    assert Counter(told.library.on_topic) == {b"b-0": 1, b"c-0": 1, b"c-1": 1}
    assert told.delivery.trouble() == ""


def test_a_right_that_is_gone_fails_all_of_the_topic_with_a_producer_or_two(told: Told) -> None:
    for number in range(200):
        told.submit(str(number))
    told.wait_sent(200)

    def refused() -> bool:
        """Of whatever a producer holds, as some may be sent again while it is replaced."""
        told.library.newest.fail_all(kafka_errors.TopicAuthorizationFailedError(TOPIC))
        return len(told.gone) == 200

    wait_until(refused, "all are refused")
    assert {type(failure) for _, failure in told.fates} == {PermanentError}
    assert len(told.library.producers) < 10


def test_silence_is_told_before_the_time_is_over(told: Told) -> None:
    told.submit("a")
    told.wait_sent(1)
    assert told.delivery.refusal(TOPIC) == ""
    told.now += SILENT_S + 1
    assert told.delivery.refusal(TOPIC) == told.delivery.trouble() == "the brokers have acknowledged nothing for 4 s"
    told.library.newest.acknowledge()
    told.wait_gone(1)
    assert told.delivery.refusal(TOPIC) == told.delivery.trouble() == ""


def test_a_late_group_is_told_of_once_and_what_the_library_lost_is_let_go(told: Told) -> None:
    told.submit("a")
    told.submit("b")
    told.wait_sent(2)
    told.now += 11
    wait_until(lambda: len(told.fates) == 2, "both are told of")
    assert told.gone == []
    told.library.newest.acknowledge(1)
    told.wait_gone(1)
    told.now += WATCHDOG_MARGIN_S
    told.wait_gone(2)
    assert [type(failure) for _, failure in told.fates] == [TransientError] * 2
    told.submit("c")
    told.wait_producers(2)
    told.wait_sent(3)
    told.library.newest.acknowledge()
    told.wait_gone(3)
    assert told.fates[-1] == ("c", None)


def test_brokers_that_are_away_at_the_start_are_waited_for() -> None:
    library = Library()
    library.down = kafka_errors.KafkaTimeoutError("nobody answers")
    delivery = Delivery(Kafka(), 10.0, 1_000, factory=library.make)
    assert delivery.refusal(TOPIC) == delivery.trouble() == "not connected to Kafka yet"
    delivery.start({})
    wait_until(lambda: "cannot connect" in delivery.trouble(), "it has tried")
    assert "cannot connect" in delivery.refusal(TOPIC)
    library.down = None
    wait_until(lambda: not delivery.trouble(), "it is connected")
    delivery.close(1.0)


def test_a_bug_is_kept_for_the_owner_of_the_process(told: Told) -> None:
    told.wait_producers(1)
    told.library.at_send = ZeroDivisionError("x")
    told.submit("a")
    wait_until(lambda: told.delivery.bug is not None, "the thread has ended")
    assert isinstance(told.delivery.bug, ZeroDivisionError)


def test_an_error_of_the_call_is_a_failure(told: Told) -> None:
    told.library.at_send = kafka_errors.KafkaTimeoutError("no metadata")
    told.submit("a", records=2)
    told.wait_gone(1)
    assert [type(failure) for _, failure in told.fates] == [TransientError]


def test_a_record_over_the_known_size_of_its_topic_is_not_taken() -> None:
    delivery = Delivery(Kafka(), 10.0, 1_000, factory=Library().make)
    delivery._largest = {TOPIC: 500}
    with pytest.raises(TooLargeError, match=r"max\.message\.bytes"):
        delivery.submit(Group(TOPIC, [Message(TOPIC, b"k", b"x" * 600)], print, print))
    assert delivery._open == {}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_each_group_has_one_fate_and_what_was_acknowledged_is_there(told: Told, seed: int) -> None:
    rng = random.Random(seed)
    errors: list[Any] = [
        kafka_errors.KafkaTimeoutError,
        kafka_errors.MessageSizeTooLargeError,
        kafka_errors.TopicAuthorizationFailedError,
        kafka_errors.OutOfOrderSequenceNumberError,
    ]
    stop = threading.Event()

    def brokers() -> None:
        own = random.Random(seed + 100)
        while not stop.wait(0.001):
            producer = told.library.producers[-1] if told.library.producers else None
            if producer is None or not producer.open:
                continue
            if own.random() < 0.1:
                producer.refuse(own.choice(errors)("x"))
            else:
                producer.acknowledge(own.randrange(1, 5))

    thread = threading.Thread(target=brokers)
    thread.start()
    counts = {str(number): rng.randrange(1, 4) for number in range(300)}
    for name, records in counts.items():
        told.submit(name, records)
        if rng.random() < 0.1:
            told.wait_gone(rng.randrange(1, max(int(name) // 2, 2)))
    told.wait_gone(len(counts))
    stop.set()
    thread.join()
    assert Counter(name for name, _ in told.fates) == Counter(counts.keys())
    there = Counter(told.library.on_topic)
    for name, failure in told.fates:
        if failure is None:
            assert all(there[f"{name}-{at}".encode()] >= 1 for at in range(counts[name]))
    assert any(failure is None for _, failure in told.fates)
