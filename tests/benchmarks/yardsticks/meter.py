"""What yardsticks and peers are told, and how they measure: CPU and wall from the first record to the last."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """Where to read, and after how many events to stop."""

    bootstrap: str
    topic: str
    events: int
    bare: bool


def asked(text: str | None) -> Asked:
    """The options of the command line; `--bare` reads without parsing."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--bare", action="store_true", help="count records, parse nothing")
    given = parser.parse_args()
    return Asked(given.bootstrap, given.topic, given.events, given.bare)


class Meter:
    """Begins with `first`, which may be called again and again; `tell` prints the line."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None

    def first(self) -> None:
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()

    def tell(self, name: str, events: int, **more: object) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.first()
        assert self._began is not None
        figures = {
            "name": name,
            "events": events,
            "wall_s": round(wall - self._began[0], 4),
            "cpu_s": round(cpu - self._began[1], 4),
            "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        sys.stdout.write(json.dumps(figures | more) + "\n")
        sys.stdout.flush()
