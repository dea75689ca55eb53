"""One run of `backlog-memory` in a process that holds nothing else; prints one JSON line of figures.

usage: python -m tests.benchmarks.backlog_child CONFIG DAYS MOST {aligned|unaligned}
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from monitor.clock import DAY_US, SECOND_US, ManualClock
from monitor.count.admission.versions import Admission
from monitor.events import Partition
from monitor.judge.fleet import Fleet
from monitor.kafka.allocator import tune_allocator
from monitor.loop.sinks import ReplayOutputs
from monitor.pipeline import Pipeline
from monitor.records import Change, RecordBatch
from monitor.run.reference_files import load_references
from monitor.settings.load import load_settings
from tests.benchmarks.perf_events import START_MS, PerfEvents

GAP_US = SECOND_US
CHUNK = 500
START_US = START_MS * 1000
LATE, *AHEAD = (Partition("perf", number) for number in range(3))
STATM = Path("/proc/self/statm")
#: turns after which memory is first examined: everything was used once
FIRST_TURNS = 20

Figures = dict[str, Any]


class Behind:
    """A source whose first partition begins `days` before the others; everything ends `after` days behind those."""

    def __init__(self, days: float, after: float, *, waits: bool) -> None:
        """`waits` False: partitions are read on although the pipeline wants to wait with them."""
        end = START_US + round((days + after) * DAY_US)
        begins = {LATE: START_US} | dict.fromkeys(AHEAD, START_US + round(days * DAY_US))
        ends = {LATE: end} | dict.fromkeys(AHEAD, end if waits else end + round(days * DAY_US))
        self._begin_us = begins
        self._events = {partition: (ends[partition] - begins[partition]) // GAP_US for partition in begins}
        self._next = dict.fromkeys(begins, 0)
        self._waits = waits
        self._templates = [_template(value) for value in PerfEvents(1_000, seed=7).values()]
        self.read = 0

    def partitions(self) -> list[Partition]:
        return list(self._next)

    def changes(self) -> list[Change]:
        return []

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        waiting = set(paused) if self._waits else set()
        return [self._read(p) for p in self._next if p not in waiting and not self.at_end(p)]

    def _read(self, partition: Partition) -> RecordBatch:
        first = self._next[partition]
        after = min(first + CHUNK, self._events[partition])
        self._next[partition] = after
        self.read += after - first
        offsets = list(range(first, after))
        times_ms = [(self._begin_us[partition] + offset * GAP_US) // 1000 for offset in offsets]
        values: list[bytes | None] = [
            self._templates[offset % len(self._templates)] % (partition.number, offset, time_ms)
            for offset, time_ms in zip(offsets, times_ms, strict=True)
        ]
        return RecordBatch(partition, values, np.array(offsets), np.array(times_ms), after, times_ms[-1] * 1000)

    def at_end(self, partition: Partition) -> bool:
        return self._next[partition] == self._events[partition]

    def ended(self) -> bool:
        return all(map(self.at_end, self._next))


def _template(value: bytes) -> bytes:
    """A value whose id and time are open."""
    event = json.loads(value) | {"id": "%d-%d", "ts": "%d"}
    return json.dumps(event, separators=(",", ":")).replace('"ts":"%d"', '"ts":%d').encode()


def measure(config: Path, days: float, most: int, how: str) -> Figures:
    """Read to the end, or until more than `most` panes are open."""
    tune_allocator()
    settings = load_settings(config, {})
    source = Behind(days, 1, waits=how == "aligned")
    fleet = Fleet(admission := Admission(settings, load_references(settings)), settings)
    pipeline = Pipeline(settings, admission, source, ManualClock(), ReplayOutputs(lambda _: None), stage2=fleet)
    turns, open_panes, first_mb, ended = 0, 0, 0.0, False
    while not ended and open_panes < most:
        ended = source.ended()
        pipeline.turn()
        turns += 1
        open_panes = max(open_panes, sum(task.open_panes for task in pipeline.tasks.values()))
        first_mb = _rss_mb() if turns <= FIRST_TURNS else first_mb
    judged = sum(judge.predictions for judge in fleet.judges.values())
    figures = {"how": how, "events": source.read, "judged": judged, "open": open_panes, "first_mb": first_mb}
    return figures | {"most_mb": _most_mb(), "last_mb": _rss_mb(), "pane_us": settings.windows.pane}


def _most_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _rss_mb() -> float:
    """Memory held now; the most so far where the system does not say."""
    if not STATM.is_file():
        return _most_mb()
    return int(STATM.read_text().split()[1]) * resource.getpagesize() / (1 << 20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("days", type=float)
    parser.add_argument("most", type=int)
    parser.add_argument("how", choices=("aligned", "unaligned"))
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(measure(asked.config, asked.days, asked.most, asked.how)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
