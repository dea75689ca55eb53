"""pathway: its Kafka connector and JSON parser, bins by a Python function, counts by window and bin in its engine.

Leaves out: judging, duplicates, persistence (checkpoints), series. It is measured from the start of its engine on,
which reads the topic as it is and ends.
"""

from __future__ import annotations

from typing import Any

import pathway as pw

from tests.benchmarks.peers.tally import WINDOW_MS, bins_of
from tests.benchmarks.yardsticks.meter import Asked, Meter, asked


def codes(features: Any) -> list[str]:  # noqa: ANN401 - the library may not be here
    return [f"{name}={found}" for name, found in bins_of(features.as_dict())]


def counts_of(wanted: Asked) -> Any:  # noqa: ANN401
    """A row for each window, feature and bin."""
    settings = {
        "bootstrap.servers": wanted.bootstrap,
        "group.id": "tally",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": "6000",
    }
    schema = pw.schema_from_types(ts=int, features=pw.Json)
    events = pw.io.kafka.read(settings, topic=wanted.topic, format="json", schema=schema, mode="static")
    coded = events.select(
        window=events.ts // WINDOW_MS, code=pw.apply_with_type(codes, list[str], events.features)
    ).flatten(pw.this.code)
    return coded.groupby(coded.window, coded.code).reduce(coded.window, coded.code, number=pw.reducers.count())


def main() -> None:
    wanted, meter = asked(__doc__), Meter()
    newest: dict[object, tuple[int, int]] = {}

    def changed(key: Any, row: Any, time: int, is_addition: bool) -> None:  # noqa: ANN401
        if is_addition:
            newest[key] = row["window"], row["number"]

    pw.io.subscribe(counts_of(wanted), changed)
    meter.first()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    tallied = sum(number for _, number in newest.values())
    meter.tell("pathway", wanted.events, tallied=tallied, windows=len({window for window, _ in newest.values()}))


if __name__ == "__main__":
    main()
