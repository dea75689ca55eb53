"""Parts of the daemon without Kafka; prints one JSON line of figures.

usage: python -m tests.benchmarks.alone_child judging EVENTS
       python -m tests.benchmarks.alone_child checkpoint MODELS FEATURES
       python -m tests.benchmarks.alone_child join WAITING
       python -m tests.benchmarks.alone_child dirty KIND EVENTS
       python -m tests.benchmarks.alone_child replay CONFIG FILE EVENTS
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np

from monitor.clock import ManualClock
from monitor.loop.beside import Rest
from monitor.pipeline import Pipeline
from monitor.state.directory import StateDirectory
from monitor.state.parts import state_in
from tests.benchmarks.checkpoint import BETWEEN, Running, Stop
from tests.benchmarks.checkpoint import stopped as checkpoint_beside
from tests.benchmarks.decode_count import Stages
from tests.benchmarks.dirty import dirty_values
from tests.benchmarks.join import in_own_process
from tests.benchmarks.judging import judged
from tests.benchmarks.replay import MAP
from tests.benchmarks.side_by_side import Figures
from tests.engine import NOW_US, MemorySource, Recorded

#: checkpoints behind the first
NUMBER = 10
#: records of a piece of a partition
CHUNK = 500


def judging(events: str) -> Figures:
    """CPU of judging, and what a model holds, as `judging` tells them."""
    made = judged("plain", int(events))
    return {
        "window_ms": round(float(np.median(made.evaluations_ms)), 3),
        "worst_ms": round(max(made.evaluations_ms), 3),
        "pane_ms": round(made.pane_ms, 3),
        "held_kb": round(made.held_bytes / 1e3, 1),
    }


def checkpoint(models: str, features: str) -> Figures:
    """The first checkpoint, those after ten seconds of traffic of all models, and going on from the last."""
    running, stops = Running(int(models), int(features)), list[Stop]()
    cut = running.pipeline.to_state
    with tempfile.TemporaryDirectory() as folder, StateDirectory(folder, Rest()) as store:
        first = checkpoint_beside(store, 1, cut, 0)
        for sequence in range(2, NUMBER + 2):
            running.take(running.models, BETWEEN)
            stops.append(checkpoint_beside(store, sequence, cut, 0))
        began = time.perf_counter()
        loaded = store.load()
        assert loaded is not None
        fresh = Pipeline(
            running.settings, running.admission, MemorySource({}), ManualClock(NOW_US), Recorded(), live=False
        )
        fresh.restore(state_in(loaded))
        restored = (time.perf_counter() - began) * 1e3
    return {
        "first_mb": round(first.written / 1e6, 3),
        "written_mb": round(statistics.median(stop.written for stop in stops) / 1e6, 3),
        "stopped_ms": round(statistics.median(stop.cut for stop in stops), 2),
        "longest_ms": round(max(stop.cut for stop in [first, *stops]), 2),
        "restored_ms": round(restored, 1),
    }


def join(waiting: str) -> Figures:
    """Predictions that wait for labels, and labels that find half of them, as `join` tells them."""
    number, rows = int(waiting), {str(what): (str(took), mb) for what, took, mb in in_own_process(int(waiting), 0, 0)}
    added, mb = rows["predictions added"]
    took, _ = rows[f"{number // 2:,} labels joined"]
    saved, _ = rows["checkpoint, first checkpoint"]
    again, _ = rows["checkpoint, 500 new predictions"]
    assert isinstance(mb, float)
    return {
        "add_us": _number(added),
        "label_us": _number(took),
        "waiting_bytes": round(mb * 1e6 / number, 1),
        "first_s": _number(saved),
        "again_s": _number(again),
    }


def _number(text: str) -> float:
    """What the text begins with."""
    return float(text.split(maxsplit=1)[0])


def dirty(kind: str, events: str) -> Figures:
    """CPU of decoding, and of counting: not of judging, nor of reading."""
    stages, values = Stages(1), dirty_values(kind, int(events))
    began = time.perf_counter()
    stages.run(values, CHUNK)
    spent, wall = stages.seconds.by_stage, time.perf_counter() - began
    cpu = spent["decode"] + spent["count"]
    each = {f"{stage}_us": round(spent[stage] / len(values) * 1e6, 3) for stage in ("decode", "count")}
    return {"events": len(values), "wall_s": round(wall, 3), "cpu_s": round(cpu, 4)} | each


def replay(config: str, file: str, events: str) -> Figures:
    """`driftd replay` as a process, with its start."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "monitor", "replay", "--config", config, "--json", file]
    if not file.endswith(".jsonl"):
        command += [f"--map={column}={field}" for column, field in MAP.items()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    return {"events": int(events), "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "rss_mb": used.ru_maxrss // 1024}


CHILDREN: dict[str, Callable[..., Figures]] = {
    "judging": judging,
    "checkpoint": checkpoint,
    "join": join,
    "dirty": dirty,
    "replay": replay,
}


def main(arguments: Sequence[str]) -> int:
    what, *more = arguments
    sys.stdout.write(json.dumps({"name": what, **CHILDREN[what](*more)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
