"""The daemon's parts, put together as `driftd run` does, reading a topic to its end; prints one JSON line of figures.

usage: python -m tests.benchmarks.daemon_child CONFIG EVENTS [--client CLIENT] [--stages | --profile]

Wall and CPU seconds of the process from the first record to the last, as the yardsticks take them. `checkpoint_s` is
the CPU of one more checkpoint after the last record, `steps` the seconds of each step of the loop, `promises_s` the CPU
of what is computed once for each model version. With
--stages the CPU of every stage is reported too, and with --profile the share of each of the functions that took the
most time; both cost something themselves.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Exchange
from monitor.count.task import Task
from monitor.decode.native.decoder import NativeDecoder
from monitor.judge.fleet import Fleet
from monitor.judge.incidents.book import IncidentBook
from monitor.judge.model import ModelJudge
from monitor.judge.newest_panes import NewestPanes
from monitor.kafka.allocator import tune_allocator
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import describe_cluster
from monitor.loop.time import PUBLISH
from monitor.pipeline import Pipeline
from monitor.publish.snapshot import SnapshotHolder
from monitor.run.daemon import BUSY_PROMISE_SECONDS, SNAPSHOT_SECONDS
from monitor.run.garbage import GarbageSchedule
from monitor.run.outputs import KafkaOutputs
from monitor.run.promises import Promises
from monitor.run.reference_files import load_references
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.settings.load import load_settings
from monitor.state.directory import StateDirectory

#: what --stages takes apart: each is measured with all it calls
STAGES: dict[str, tuple[type, str]] = {
    "poll": (KafkaSource, "poll"),
    "at_end": (KafkaSource, "at_end"),
    "decode": (NativeDecoder, "decode"),
    "count": (Task, "take"),
    "close": (Task, "close"),
    "exchange": (Exchange, "ready"),
    "judge": (ModelJudge, "add"),
    "judge: newest panes": (NewestPanes, "found"),
    "judge: base windows": (ModelJudge, "_evaluate_base"),
    "judge: rechecks": (ModelJudge, "now"),
    "judge: incidents": (IncidentBook, "step"),
    "checkpoint": (Pipeline, "checkpoint"),
    "snapshot": (SnapshotBuilder, "snapshot"),
    "promises": (Promises, "step"),
    "garbage": (GarbageSchedule, "after_turn"),
}


class Meter:
    """Wall and CPU from the first record on."""

    def __init__(self) -> None:
        self.wall = self.cpu = -1.0

    def first(self) -> None:
        if self.wall < 0:
            self.wall, self.cpu = time.perf_counter(), time.process_time()

    def spent(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def timed(work: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    """The same work, its CPU added to `spent`."""

    def run(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - handed through
        began = time.process_time()
        try:
            return work(*arguments, **more)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - began

    return run


def run(config: Path, events: int, client: str, meter: Meter) -> dict[str, object]:
    """Read the given number of records, count and judge them, and measure."""
    tune_allocator()
    settings, clock = load_settings(config, {"DRIFTD_KAFKA__CLIENT": client}), SystemClock()
    admission = Admission(settings, load_references(settings))
    described = describe_cluster(settings.kafka, [entry.topic for entry in settings.inputs])
    source = KafkaSource(settings.kafka, described, clock)
    with StateDirectory(settings.state.path) as store:
        outputs = KafkaOutputs(settings, described, source, store, clock, sequence=0)
        fleet, snapshots = Fleet(admission, settings), SnapshotHolder(clock)
        pipeline = Pipeline(settings, admission, source, clock, outputs, stage2=fleet)
        positions = source.resolve_start("earliest")
        for partition, offset in positions.items():
            pipeline.partition_state(partition).next_offset = offset
        source.begin(positions)
        pipeline.checkpoint()
        _first_record(source, meter)
        snapshot_builder = SnapshotBuilder(settings, admission, pipeline, fleet, outputs)
        shown_at, promised_at, read, turns, longest = clock.monotonic(), clock.monotonic(), 0, 0, 0.0
        waited: Mapping[str, float] = {}
        garbage = GarbageSchedule(clock)
        garbage.start()
        while read < events:
            began, waited = clock.monotonic(), waited if read else dict(pipeline.time.spent)
            got = pipeline.turn()
            longest = max(longest, clock.monotonic() - began) if read else 0.0
            garbage.after_turn(got)
            read, turns = read + got, turns + 1
            snapshots.beat(caught_up_once=pipeline.caught_up(), failure="")
            if clock.monotonic() - shown_at >= SNAPSHOT_SECONDS:
                shown_at = clock.monotonic()
                lags = {p: lag for p in source.partitions() if (lag := source.lag(p)) is not None}
                snapshots.show(snapshot_builder.snapshot(lags))
                pipeline.time.passed(PUBLISH)
            elif clock.monotonic() - promised_at >= BUSY_PROMISE_SECONDS and snapshot_builder.promise():
                promised_at = clock.monotonic()
                pipeline.time.passed(PUBLISH)
        wall, cpu = meter.spent()
        pipeline.checkpoint()
        figures = _figures(read, wall, cpu) | {"turns": turns, "checkpoint_s": round(meter.spent()[1] - cpu, 3)}
        figures["name"] = "driftd" if client == "kafka-python" else f"driftd, {client}"
        figures |= {"longest_turn_ms": round(longest * 1e3, 1), "ended_at": time.monotonic()}
        figures["steps"] = {step: round(spent - waited[step], 4) for step, spent in pipeline.time.spent.items()}
        figures["panes"] = sum(judge.pyramid.closed for judge in fleet.judges.values())
        outputs.close()
        source.close()
    return figures


def _first_record(source: KafkaSource, meter: Meter) -> None:
    """Start the meter when the first records are there."""
    poll = source.poll

    def noted(paused: Any) -> Any:  # noqa: ANN401 - handed through
        batches = poll(paused)
        if batches:
            meter.first()
        return batches

    source.poll = noted  # type: ignore[method-assign]  # only in this process


def _figures(events: int, wall: float, cpu: float) -> dict[str, object]:
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"name": "driftd", "events": events, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "rss_mb": round(rss)}


def _take_apart() -> Mapping[str, float]:
    spent: dict[str, float] = {}
    for name, (owner, method) in STAGES.items():
        setattr(owner, method, timed(getattr(owner, method), spent, name))
    return spent


def _shares(profiler: cProfile.Profile, number: int = 25) -> dict[str, float]:
    """The functions in which the most time was spent themselves, with their share of all of it."""
    own = {entry.code: entry.inlinetime for entry in profiler.getstats()}
    every = sum(own.values())
    most = sorted(own, key=lambda code: -own[code])[:number]
    shares: dict[str, float] = {}
    for code in most:
        shares[_named(code)] = round(shares.get(_named(code), 0.0) + own[code] / every, 4)
    return shares


def _named(code: Any) -> str:  # noqa: ANN401 - a code object, or the text of a built-in
    """`count/task.py: take`, without what is before the package or the library."""
    if isinstance(code, str):
        return code.strip("<>")
    parts = Path(code.co_filename).parts[-3:]
    kept = parts[parts.index("monitor") + 1 :] if "monitor" in parts else parts[-2:]
    return f"{'/'.join(kept)}: {code.co_name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("events", type=int)
    parser.add_argument("--client", default="kafka-python")
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    spent, promises = _take_apart() if asked.stages else {}, dict[str, float]()
    Promises.renew = timed(Promises.renew, promises, "s")  # type: ignore[method-assign]  # only in this process
    profiler = cProfile.Profile()
    if asked.profile:
        profiler.enable()
    figures = run(asked.config, asked.events, asked.client, Meter())
    if asked.profile:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(40)
        figures["profile"] = _shares(profiler)
    figures["promises_s"] = round(promises.get("s", 0.0), 3)
    if asked.stages:
        figures["stages"] = {name: round(seconds / asked.events * 1e6, 2) for name, seconds in spent.items()}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
