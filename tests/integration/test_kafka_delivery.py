"""Delivery on a real broker: a record that is refused takes no other one with it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from monitor.errors import ExternalError
from monitor.kafka.delivery import Delivery, Group, TooLargeError
from monitor.kafka.producer import Message
from tests.integration import kafka_reading
from tests.integration.kafka_reading import settings_for
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected


class Fates:
    """What was said of groups, by their number."""

    def __init__(self, delivery: Delivery, topic: str) -> None:
        self.delivery, self.topic = delivery, topic
        self.told: list[tuple[int, ExternalError | None]] = []
        self.gone: list[int] = []

    def submit(self, number: int, *values: bytes) -> None:
        messages = [Message(self.topic, f"{number}".encode(), value) for value in values]
        self.delivery.submit(
            Group(self.topic, messages, lambda failure: self.told.append((number, failure)), self._gone(number))
        )

    def _gone(self, number: int) -> Callable[[], None]:
        return lambda: self.gone.append(number)


def test_a_record_too_large_for_the_topic_fails_alone(kafka: KafkaBroker, topic: str) -> None:
    """The library fails with it all that its producer holds, and gets from then on."""
    kafka.create_topic(topic, partitions=2, max_message_bytes="2000")
    delivery = Delivery(settings_for(kafka.bootstrap), 15.0, 10_000)
    fates = Fates(delivery, topic)
    delivery.start({})
    wait_until(lambda: not delivery.trouble(), "it is connected")
    stop = threading.Event()
    large = range(0, 400, 100)

    def submit() -> None:
        for number in range(400):
            fates.submit(number, *([b"x" * 5_000] if number in large else [b"a", b"b"]))
            stop.wait(0.002)

    threads = [threading.Thread(target=submit)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(fates.gone) == 400, "all have their fate", 60)
    delivery.close(5.0)
    assert Counter(number for number, _ in fates.told) == Counter(fates.gone) == Counter(range(400))
    failed = {number: failure for number, failure in fates.told if failure is not None}
    assert {number: type(failure) for number, failure in failed.items()} == dict.fromkeys(large, TooLargeError)
    found = Counter(int(record.key or b"-1") for record in kafka.records(topic))
    assert found.keys() == set(range(400)) - set(large)
    assert min(found.values()) >= 2


def test_what_is_known_to_be_too_large_is_not_tried(kafka: KafkaBroker, topic: str) -> None:
    delivery = Delivery(settings_for(kafka.bootstrap), 15.0, 10_000)
    fates = Fates(delivery, topic)
    delivery.start({topic: 2_000})
    try:
        fates.submit(1, b"x" * 3_000)
    except TooLargeError:
        delivery.close(1.0)
    assert not fates.told
