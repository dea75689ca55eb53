"""`driftd run` that reads a topic to its end and tells how long each turn of its loop was; one JSON file of figures.

usage: python -m tests.benchmarks.scrape_child CONFIG EVENTS RESULT

From the first record to the last: wall and CPU seconds of the process, and of each turn with all that the loop does
behind it the wall time, and the part of it in which its thread had no processor or not the interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.pipeline import Pipeline
from monitor.run.daemon import Daemon
from monitor.run.reference_files import load_references
from monitor.settings.load import load_settings

#: of turns, the parts of them that are told
QUANTILES = (0.5, 0.99, 1.0)


class Turns:
    """Notes the beginning of each turn; ends the process with the turn behind the last record."""

    def __init__(self, events: int, result: Path) -> None:
        self._events, self._result, self._read = events, result, 0
        #: wall, CPU of the thread, CPU of the process
        self._at: list[tuple[float, float, float]] = []

    def noted(self, turn: Callable[[Pipeline], int]) -> Callable[[Pipeline], int]:
        def run(pipeline: Pipeline) -> int:
            if self._read:
                self._at.append((time.perf_counter(), time.thread_time(), time.process_time()))
            if 0 < self._events <= self._read:
                self._events = 0
                self._write()
                os.kill(os.getpid(), signal.SIGTERM)
            got = turn(pipeline)
            self._read += got
            return got

        return run

    def _write(self) -> None:
        at = np.array(self._at)
        wall, own, _ = np.diff(at, axis=0).T
        figures = {
            "events": self._read,
            "wall_s": float(at[-1, 0] - at[0, 0]),
            "loop_s": float(at[-1, 1] - at[0, 1]),
            "cpu_s": float(at[-1, 2] - at[0, 2]),
            "turns": len(wall),
            "turn_ms": [round(float(np.quantile(wall, q)) * 1e3, 2) for q in QUANTILES],
            "waited_ms": [round(float(np.quantile(wall - own, q)) * 1e3, 2) for q in QUANTILES],
            "waited_s": float((wall - own).sum()),
        }
        self._result.write_text(json.dumps(figures), encoding="utf-8")


def main() -> int:
    config, events, result = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    settings = load_settings(config, {})
    turns: Any = Turns(events, result).noted(Pipeline.turn)
    Pipeline.turn = turns  # type: ignore[method-assign]  # only in this process
    admission = Admission(settings, load_references(settings))
    return Daemon(settings, admission, SystemClock(), config_file=config, accept_loss=True).run()


if __name__ == "__main__":
    sys.exit(main())
