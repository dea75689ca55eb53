"""CPU of `replay` and `reference build` over files of 25-feature events, against a plain loop that only decodes lines.

Each case is run in turn with that loop, several rounds, and the least of each counts. Events come 100 a second, or one
a pane. Reading, decoding, counting and judging are all in it; starting the program is not.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import csv
import gzip
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Final

import msgspec
import zstandard

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.run.open_source import Given
from monitor.run.reference_build import build_reference
from monitor.run.reference_files import load_references
from monitor.run.replay import replay
from monitor.settings.tree import Settings
from tests.benchmarks.material import say, table
from tests.benchmarks.perf_events import NAMES, REFERENCE_ROWS, PerfEvents, perf_references, perf_tree

#: fields of an event as columns of a table
FIELDS: Final = ("type", "id", "model", "version", "ts", "prediction", "score")
MAP: Final = {name: name for name in FIELDS}
#: milliseconds between two events
DENSE, ONE_A_PANE = 10, 10_000
HEAD: Final = ("what", "events", "µs an event", "of the plain loop", "events/s of CPU")

Event = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What is measured: `replay` (with a reference, or by warm-up) or `build` of a kind of file."""

    name: str
    ending: str
    gap_ms: float = DENSE
    command: str = "replay"
    warmup: bool = False


CASES: Final = (
    Case("replay .jsonl", ".jsonl"),
    Case("replay .jsonl.zst", ".jsonl.zst"),
    Case("replay .jsonl.gz", ".jsonl.gz"),
    Case("replay .parquet", ".parquet"),
    Case("replay .csv", ".csv"),
    Case("replay .jsonl, by warm-up", ".jsonl", warmup=True),
    Case("replay .jsonl, one event a pane", ".jsonl", ONE_A_PANE),
    Case("replay .parquet, one event a pane", ".parquet", ONE_A_PANE),
    Case("replay .jsonl, one event a pane, by warm-up", ".jsonl", ONE_A_PANE, warmup=True),
    Case("reference build .jsonl", ".jsonl", command="build"),
    Case("reference build .parquet", ".parquet", command="build"),
    Case("reference build .jsonl, one event a pane", ".jsonl", ONE_A_PANE, command="build"),
)


def write(path: Path, events: PerfEvents) -> None:
    """The events as a file of the kind that its name says."""
    if path.suffix == ".parquet":
        _write_parquet(path, events)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as out:
            rows = csv.DictWriter(out, [*FIELDS, *NAMES])
            rows.writeheader()
            rows.writerows(map(_row, events))
    else:
        data = b"".join(value + b"\n" for value in events.values())
        packed = {".zst": zstandard.ZstdCompressor().compress, ".gz": gzip.compress}.get(path.suffix)
        path.write_bytes(data if packed is None else packed(data))


def _row(event: Event) -> Event:
    features: Event = event["features"]
    return {name: event[name] for name in FIELDS} | features


def _write_parquet(path: Path, events: PerfEvents) -> None:
    import pyarrow as pa  # noqa: PLC0415  # an extra
    import pyarrow.parquet as pq  # noqa: PLC0415  # an extra

    rows = pa.Table.from_pylist([*map(_row, events)])
    at = rows.schema.get_field_index("ts")
    pq.write_table(rows.set_column(at, "ts", rows["ts"].cast(pa.timestamp("ms", "UTC"))), path)


def plain_loop(path: Path) -> None:
    """The yardstick: every line is read and decoded, and nothing is made of it."""
    with path.open("rb") as lines:
        for line in lines:
            msgspec.json.decode(line)


@dataclass(frozen=True)
class Prepared:
    """A case's settings, reference and file."""

    case: Case
    settings: Settings
    references: References
    path: Path

    @classmethod
    def of(cls, case: Case, events: int, folder: Path) -> Prepared:
        path = folder / f"{case.gap_ms:g}{case.ending}"
        if not path.exists():
            write(path, PerfEvents(events, gap_ms=case.gap_ms))
        tree = perf_tree(1)
        if case.warmup or case.command == "build":
            tree["models"] = [{"name": "perf-0", "reference": {"warmup": REFERENCE_ROWS}}]
        settings = Settings.model_validate(tree)
        learned = case.warmup or case.command == "build"
        return cls(case, settings, load_references(settings) if learned else _references(case.gap_ms), path)

    def run(self) -> None:
        clock, columns = SystemClock(), MAP if self.case.ending in {".parquet", ".csv"} else None
        build = self.case.command == "build"
        given = Given([str(self.path)], self.settings, clock, columns, again=build)
        with contextlib.closing(given):
            if build:
                build_reference(self.settings, ModelKey("perf-0", "1"), given.open, clock, EventRange())
                return
            with contextlib.closing(given.open()) as source:
                done = replay(
                    self.settings, Admission(self.settings, self.references, warms_up=True), source, clock, _drop
                )
            if done.failed:
                raise RuntimeError([done.failed, *done.lost])


@cache
def _references(gap_ms: float) -> References:
    return References(perf_references(Settings.model_validate(perf_tree(1)), gap_ms))


def _drop(_line: Mapping[str, Any]) -> None:
    """What a replay prints."""


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measured(case: Case, events: int, rounds: int, folder: Path) -> list[object]:
    """One row under HEAD."""
    prepared = Prepared.of(case, events, folder)
    lines = folder / f"{case.gap_ms:g}.jsonl"
    if not lines.exists():
        write(lines, PerfEvents(events, gap_ms=case.gap_ms))
    own, loop = [], []
    for _ in range(rounds):
        loop.append(_seconds(lambda: plain_loop(lines)))
        own.append(_seconds(prepared.run))
    least = min(own)
    figures = f"{least / events * 1e6:.2f}", f"{least / min(loop):.2f}", f"{events / least:,.0f}"
    return [case.name, f"{events:,}", *figures]


def _profiled(prepared: Prepared) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(prepared.run)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def _chosen(asked: Sequence[int] | None) -> Iterator[Case]:
    yield from CASES if asked is None else [CASES[at] for at in asked]


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--sparse", type=int, default=50_000, help="events of the cases with one event a pane")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", type=int, action="append", help=f"only these: 0 to {len(CASES) - 1}")
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of the table")
    asked = parser.parse_args(arguments)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "msgspec", "pyarrow"))
    say(f"Python {python_version()}, {libraries}, {sys.platform}")
    rows = []
    with tempfile.TemporaryDirectory(prefix="driftd-replay-") as folder:
        for case in _chosen(asked.case):
            events = asked.events if case.gap_ms == DENSE else asked.sparse
            if asked.profile:
                say(case.name)
                _profiled(Prepared.of(case, events, Path(folder)))
            else:
                rows.append(measured(case, events, asked.rounds, Path(folder)))
    if rows:
        table(HEAD, rows)
