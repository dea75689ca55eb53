"""bytewax: its Kafka source, tumbling windows of event time, `fold_window`; the events are parsed by orjson.

Leaves out: judging, duplicates, recovery (checkpoints), series. Events out of order are taken for ten minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.testing import TestingSink, run_main

from tests.benchmarks.peers.tally import WINDOW_MS, add, merge, values
from tests.benchmarks.yardsticks.meter import Asked, Meter, asked

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def flow(wanted: Asked, meter: Meter, windows: list[Any]) -> Any:  # noqa: ANN401 - the library may not be here
    def parsed(message: Any) -> tuple[str, Any]:  # noqa: ANN401
        meter.first()
        event = orjson.loads(message.value)
        return event["model"], event

    def event_time(event: Any) -> datetime:  # noqa: ANN401
        return datetime.fromtimestamp(event["ts"] / 1000, UTC)

    made = Dataflow("tally")
    source = KafkaSource([wanted.bootstrap], [wanted.topic], tail=False, batch_size=5_000)
    events = op.map("parse", op.input("kafka", made, source), parsed)
    tallied = windowing.fold_window(
        "tally",
        events,
        EventClock(event_time, wait_for_system_duration=timedelta(minutes=10)),
        TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=EPOCH),
        dict,
        add,
        merge,
        ordered=False,
    )
    op.output("out", tallied.down, TestingSink(windows))
    return made


def main() -> None:
    wanted, meter = asked(__doc__), Meter()
    windows: list[tuple[str, tuple[int, Any]]] = []
    run_main(flow(wanted, meter, windows))
    tallied = sum(values(counts) for _, (_, counts) in windows)
    meter.tell("bytewax", wanted.events, tallied=tallied, windows=len(windows))


if __name__ == "__main__":
    main()
