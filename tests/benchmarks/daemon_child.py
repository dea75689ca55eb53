"""The daemon as `driftd run` is, reading a topic to its end; prints one JSON line of figures.

usage: python -m tests.benchmarks.daemon_child CONFIG EVENTS [--client CLIENT] [--stages | --profile]

Wall and CPU seconds of the process from the first record to the last, as the yardsticks take them: with its series,
checkpoints and the page's server. `steps` are the seconds of each step of the loop in that time. With --stages the CPU
of every stage is reported too, and with --profile the share of each of the functions that took the most time; both
cost something themselves.
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
from dataclasses import dataclass, field
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
from monitor.kafka.consumer import KafkaSource
from monitor.log import configure_logging
from monitor.loop.checkpoints import Checkpoints
from monitor.pipeline import Pipeline
from monitor.run.daemon import Daemon
from monitor.run.garbage import GarbageSchedule
from monitor.run.promises import Promises
from monitor.run.reference_files import load_references
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.settings.load import load_settings

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
    "checkpoint": (Checkpoints, "step"),
    "snapshot": (SnapshotBuilder, "snapshot"),
    "promises": (Promises, "step"),
    "garbage": (GarbageSchedule, "after_turn"),
}


class EndReachedError(Exception):
    """Everything was read, and is measured: the daemon need not stop in order."""


def timed(work: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    """The same work, its CPU added to `spent`."""

    def run(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - handed through
        began = time.process_time()
        try:
            return work(*arguments, **more)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - began

    return run


@dataclass
class Reading:
    """Measures the daemon's turns from the first record to the last."""

    events: int
    #: runs from the first record to the last, too
    profiler: cProfile.Profile | None = None
    read: int = 0
    turns: int = 0
    longest_s: float = 0.0
    before: Mapping[str, float] = field(default_factory=dict)
    pipeline: Pipeline | None = None
    #: on the wall, of CPU, and by the clock that all processes of the machine share
    began: tuple[float, float] | None = None
    ended: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def watch(self) -> None:
        """Begin with the first records; end after the last."""
        poll, turn = KafkaSource.poll, Pipeline.turn

        def noted(source: KafkaSource, paused: Any) -> Any:  # noqa: ANN401 - handed through
            batches = poll(source, paused)
            if batches and self.began is None:
                self.began = time.perf_counter(), time.process_time()
                if self.profiler is not None:
                    self.profiler.enable()
            return batches

        def measured(pipeline: Pipeline) -> int:
            if not self.read:
                self.pipeline, self.before = pipeline, dict(pipeline.time.spent)
            began = time.perf_counter()
            got = turn(pipeline)
            self.longest_s = max(self.longest_s, time.perf_counter() - began) if self.read else 0.0
            self.read, self.turns = self.read + got, self.turns + bool(self.read or got)
            if self.read >= self.events:
                if self.profiler is not None:
                    self.profiler.disable()
                self.ended = time.perf_counter(), time.process_time(), time.monotonic()
                raise EndReachedError
            return got

        # only in this process
        KafkaSource.poll = noted  # type: ignore[method-assign, assignment]
        Pipeline.turn = measured  # type: ignore[method-assign, assignment]

    def figures(self) -> dict[str, object]:
        assert self.pipeline is not None
        assert self.began is not None
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        spent, fleet = self.pipeline.time.spent, self.pipeline.fleet
        assert isinstance(fleet, Fleet)
        return {
            "events": self.read,
            "wall_s": round(self.ended[0] - self.began[0], 3),
            "cpu_s": round(self.ended[1] - self.began[1], 3),
            "rss_mb": round(rss),
            "turns": self.turns,
            "longest_turn_ms": round(self.longest_s * 1e3, 1),
            "ended_at": self.ended[2],
            "steps": {step: round(seconds - self.before[step], 4) for step, seconds in spent.items()},
            "base_windows": sum(judge.pyramid.closed for judge in fleet.judges.values()),
        }


def run(config: Path, events: int, client: str | None, profiler: cProfile.Profile | None) -> dict[str, object]:
    """The daemon reads the given number of records without state: a run before may have moved the group's offsets."""
    configure_logging(level="error", form="json")
    settings = load_settings(config, {} if client is None else {"DRIFTD_KAFKA__CLIENT": client})
    admission = Admission(settings, load_references(settings))
    reading = Reading(events, profiler)
    reading.watch()
    daemon = Daemon(settings, admission, SystemClock(), config_file=config, accept_loss=True)
    try:
        daemon.run()
    except EndReachedError:
        pass
    else:
        raise SystemExit(f"the daemon ended after {reading.read} of {events} records")
    return {"name": "driftd"} | reading.figures()


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
    parser.add_argument("--client", help="kafka.client instead of the one that the settings name")
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    spent = _take_apart() if asked.stages else {}
    # by CPU: waiting for Kafka is not the daemon's work
    profiler = cProfile.Profile(time.thread_time) if asked.profile else None
    figures = run(asked.config, asked.events, asked.client, profiler)
    if profiler is not None:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(40)
        figures["profile"] = _shares(profiler)
    if asked.stages:
        figures["stages"] = {name: round(seconds / asked.events * 1e6, 2) for name, seconds in spent.items()}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
