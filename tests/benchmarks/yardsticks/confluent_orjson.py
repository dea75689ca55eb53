"""The quickest reading in Python: confluent-kafka's `consume` and orjson; the events are parsed and dropped."""

from __future__ import annotations

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.benchmarks.yardsticks.meter import Meter, asked

MOST_RECORDS = 5_000


def main() -> None:
    wanted, meter, read = asked(__doc__), Meter(), 0
    settings: dict[str, str | int | bool] = {
        "bootstrap.servers": wanted.bootstrap,
        "group.id": "yardstick",
        "enable.auto.commit": False,
        # by default it fetches no more for a second whenever its queue is full
        "fetch.queue.backoff.ms": 10,
    }
    consumer = Consumer(settings)
    numbers = consumer.list_topics(wanted.topic, timeout=10).topics[wanted.topic].partitions
    consumer.assign([TopicPartition(wanted.topic, number, OFFSET_BEGINNING) for number in numbers])
    while read < wanted.events:
        for message in consumer.consume(MOST_RECORDS, timeout=1.0):
            meter.first()
            value = message.value()
            if message.error() is None and value is not None:
                read += 1
                if not wanted.bare:
                    orjson.loads(value)
    meter.tell("confluent" if wanted.bare else "confluent + orjson", read)
    consumer.close()


if __name__ == "__main__":
    main()
