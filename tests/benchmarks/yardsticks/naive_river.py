"""A drift daemon as one writes it in an afternoon: json, River's mean and ADWIN for each number, gauges.

Names are counted in a dict. The gauges are set every 1,000 events.
"""

from __future__ import annotations

import json
from collections import Counter as Counts
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter, Gauge
from river.drift import ADWIN
from river.stats import Mean

from tests.benchmarks.yardsticks.bare_poll import consumer
from tests.benchmarks.yardsticks.meter import Meter, asked

SHOWN_EVERY = 1_000
EVENTS = Counter("naive_events", "events read")
MEAN = Gauge("naive_mean", "mean of a feature", ["feature"])
DRIFTS = Counter("naive_drifts", "changes that ADWIN found", ["feature"])


@dataclass
class Column:
    """What is known of one feature."""

    mean: Any = field(default_factory=Mean)
    detector: Any = field(default_factory=ADWIN)
    names: Counts[str] = field(default_factory=Counts)

    def add(self, name: str, value: object) -> None:
        if isinstance(value, str):
            self.names[value] += 1
        elif isinstance(value, float):
            self.mean.update(value)
            self.detector.update(value)
            if self.detector.drift_detected:
                DRIFTS.labels(name).inc()


def main() -> None:
    wanted, meter, read = asked(__doc__), Meter(), 0
    source, columns = consumer(wanted.bootstrap, wanted.topic), dict[str, Column]()
    while read < wanted.events:
        for records in source.poll(timeout_ms=1000).values():
            meter.first()
            for record in records:
                for name, value in json.loads(record.value)["features"].items():
                    if name not in columns:
                        columns[name] = Column()
                    columns[name].add(name, value)
                EVENTS.inc()
                read += 1
                if read % SHOWN_EVERY == 0:
                    for name, column in columns.items():
                        MEAN.labels(name).set(column.mean.get())
    meter.tell("naive River daemon", read)
    source.close()


if __name__ == "__main__":
    main()
