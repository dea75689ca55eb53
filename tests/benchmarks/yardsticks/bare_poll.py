"""The loop that everything is measured by: kafka-python's `poll`, which counts the records and looks at none."""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer, TopicPartition

from tests.benchmarks.yardsticks.meter import Meter, asked

MOST_RECORDS = 5_000


def consumer(bootstrap: str, topic: str) -> Any:  # noqa: ANN401 - the library has no types
    """Reads every partition from its beginning, without a group.

    A fetch that finds nothing is repeated after 10 ms: after 100, as it is by default, the loop would idle.
    """
    made = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, retry_backoff_ms=10)
    partitions = [TopicPartition(topic, number) for number in sorted(made.partitions_for_topic(topic))]
    made.assign(partitions)
    made.seek_to_beginning(*partitions)
    return made


def main() -> None:
    wanted, meter, read = asked(__doc__), Meter(), 0
    source = consumer(wanted.bootstrap, wanted.topic)
    while read < wanted.events:
        polled = source.poll(timeout_ms=1000, max_records=MOST_RECORDS)
        if polled:
            meter.first()
            read += sum(map(len, polled.values()))
    meter.tell("bare poll", read)
    source.close()


if __name__ == "__main__":
    main()
