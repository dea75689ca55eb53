"""No framework: confluent-kafka, orjson, and the tally in a loop, a dict for each window that is never dropped.

Leaves out: judging, duplicates, lateness, checkpoints, series.
"""

from __future__ import annotations

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.benchmarks.peers.tally import WINDOW_MS, Counts, add, values
from tests.benchmarks.yardsticks.meter import Meter, asked


def main() -> None:
    wanted, meter, read = asked(__doc__), Meter(), 0
    consumer = Consumer({"bootstrap.servers": wanted.bootstrap, "group.id": "tally", "fetch.queue.backoff.ms": 10})
    numbers = consumer.list_topics(wanted.topic, timeout=10).topics[wanted.topic].partitions
    consumer.assign([TopicPartition(wanted.topic, number, OFFSET_BEGINNING) for number in numbers])
    windows = dict[int, Counts]()
    while read < wanted.events:
        for message in consumer.consume(5_000, timeout=1.0):
            meter.first()
            event = orjson.loads(message.value() or b"null")
            add(windows.setdefault(event["ts"] // WINDOW_MS, {}), event)
            read += 1
    meter.tell("confluent + orjson + tally", read, tallied=sum(map(values, windows.values())), windows=len(windows))
    consumer.close()


if __name__ == "__main__":
    main()
