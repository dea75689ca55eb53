"""aiokafka's `getmany`, whose records are parsed in Cython, and orjson; the events are parsed and dropped."""

from __future__ import annotations

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer

from tests.benchmarks.yardsticks.meter import Asked, Meter, asked

MOST_RECORDS = 5_000


async def read_all(wanted: Asked) -> None:
    meter, read = Meter(), 0
    consumer = AIOKafkaConsumer(
        wanted.topic, bootstrap_servers=wanted.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        while read < wanted.events:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=MOST_RECORDS)).values():
                meter.first()
                read += len(records)
                if not wanted.bare:
                    for record in records:
                        orjson.loads(record.value)
        meter.tell("aiokafka" if wanted.bare else "aiokafka + orjson", read)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(read_all(asked(__doc__)))
