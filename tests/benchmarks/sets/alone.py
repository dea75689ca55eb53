"""Parts of the daemon without Kafka: judging, checkpoints, the join of labels, replay of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.dirty import KINDS
from tests.benchmarks.perf_events import PerfEvents
from tests.benchmarks.replay import ONE_A_PANE, write
from tests.benchmarks.sets.place import GAP_MS, Place, Set, Stream
from tests.benchmarks.side_by_side import Program

CHILD: Final = (sys.executable, "-m", "tests.benchmarks.alone_child")


def judging(_place: Place) -> Iterator[Program]:
    """Fewer events have no window of every length."""
    yield Program("a model of 25 features", [*CHILD, "judging", "18000"])


def checkpoints(place: Place) -> Iterator[Program]:
    models = 20 if place.quick else 100
    yield Program(f"{models} models of 25 features", [*CHILD, "checkpoint", str(models), "25"])


def join(place: Place) -> Iterator[Program]:
    waiting = place.events(1_000_000)
    yield Program(f"{waiting:,} predictions that wait", [*CHILD, "join", str(waiting)])


def dirt_alone(place: Place) -> Iterator[Program]:
    for kind in KINDS:
        command = [*CHILD, "dirty", kind, str(place.events(40_000))]
        yield Program(kind, command, "" if kind == "clean" else "clean")


#: name of a file -> its ending, how many events, and how many ms of event time apart
FILES: Final = {
    "lines": (".jsonl", 200_000, GAP_MS),
    "Parquet": (".parquet", 100_000, GAP_MS),
    "lines, one event a pane": (".jsonl", 20_000, ONE_A_PANE),
}
SHORT: Final = "a short file of "
SHORT_EVENTS: Final = 1_000


def replay(place: Place) -> Iterator[Program]:
    """Two lengths of each: the shorter one tells what the start costs."""
    for name, (ending, number, gap_ms) in FILES.items():
        for length, events in ((SHORT, SHORT_EVENTS), ("", place.events(number))):
            config = place.config(length + name, ["file"], Stream("file", events, gap_ms=gap_ms))
            file = config.with_name("events" + ending)
            write(file, PerfEvents(events, gap_ms=gap_ms))
            yield Program(length + name, [*CHILD, "replay", str(config), str(file), str(events)])


SETS: Final = (
    Set(
        "judging",
        "CPU of one complete window, judged at all lengths with findings and incidents; what a model holds in memory",
        judging,
        {
            "window_ms": "ms a window",
            "worst_ms": "longest ms",
            "pane_ms": "ms a pane between",
            "held_kb": "kB a model",
        },
        most_rounds=3,
    ),
    Set(
        "checkpoints",
        "all models have traffic, ten seconds of it between two checkpoints; reading stands still meanwhile",
        checkpoints,
        {
            "first_mb": "MB of the first",
            "written_mb": "MB of the others",
            "stopped_ms": "ms, median",
            "longest_ms": "ms, longest",
            "restored_ms": "ms to go on from it",
        },
        most_rounds=3,
    ),
    Set(
        "join",
        "labels come for half of them; one checkpoint of all, and one after 500 more",
        join,
        {
            "add_us": "µs to add one",
            "label_us": "µs a label",
            "waiting_bytes": "bytes each",
            "first_s": "s of the first checkpoint",
            "again_s": "s of the next",
        },
        most_rounds=3,
    ),
    Set(
        "dirty-alone",
        "decoding and counting in memory, without broker and judging; ratios to the clean stream",
        dirt_alone,
        {"decode_us": "µs of decoding", "count_us": "µs of counting"},
    ),
    Set("replay", "`driftd replay` of a file as a process; its start is in all of them", replay, weight=1.5),
)
