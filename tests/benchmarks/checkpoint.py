"""How long checkpoints stop the loop, and what they write: of many models, of many partitions, of waiting labels.

The cut is what the loop does itself. Then the thread writes, and the loop works on in small pieces, as long as a call
of NumPy that lets other threads run: the longest piece is shown, and the same without a checkpoint. A disk that needs
200 ms for a sync is a folder that waits so long three times. CPU is that of the process, less the pieces.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.joins import Joins
from monitor.count.totals import Totals
from monitor.events import ModelKey, Partition
from monitor.loop.beside import InThread, Rest
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import with_hash
from monitor.reference.references import References
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.join_part import parts_of
from monitor.state.parts import OUTBOX, Cut, Whole, state_in, whole_tree
from tests.benchmarks.join import BATCH, GAP_MS, KEY, add, join_labels, until
from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.off_path import wide
from tests.benchmarks.perf_events import START_MS, perf_admission, perf_tree
from tests.engine import NOW_US, Event, MemorySource, Recorded, build, event, settings

PARTITION: Final = Partition("events", 0)
#: rows of the reference, and events of each model before the first checkpoint
ROWS: Final = 5_000
BEFORE: Final = 6_000
#: seconds between two events of a model, and events of ten seconds
GAP: Final = 0.6
BETWEEN: Final = 17


def events(features: int, number: int, seed: int, begin: float = 0.0) -> list[Event]:
    """Events of one model; no two models have the same values."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(100, 20, (number, features)), 2).tolist()
    scores = np.round(rng.beta(2, 5, number), 4).tolist()
    return [
        event(
            begin + GAP * at,
            id=f"{seed}-{begin}-{at}",
            features={f"x{name}": value for name, value in enumerate(row)},
            score=score,
            prediction=int(score > 0.5),
        )
        for at, (row, score) in enumerate(zip(values, scores, strict=True))
    ]


class Running:
    """A pipeline that has judged some thousand events of every model, and gives out more."""

    def __init__(self, models: int, features: int) -> None:
        keys = [ModelKey(f"credit-{at}", "1") for at in range(models)]
        tree = settings(models=[{"name": key.model, "versions": ["1"], "reference": "r.json"} for key in keys])
        usual = build(settings(), events(features, ROWS, 1_000))
        references = {key.model: {key.version: with_hash(replace(usual, key=key))} for key in keys}
        self.models = [key.model for key in keys]
        self.settings, self.admission = tree, Admission(tree, References(references))
        self.pipeline, self._features = _pipeline(self.settings, self.admission), features
        self._at = 0.0
        for _ in range(BEFORE // 500):
            self.take(self.models, 500)

    def take(self, models: Sequence[str], number: int) -> None:
        """Count and judge the given number of events of each of the models."""
        streams = [events(self._features, number, self.models.index(model), self._at) for model in models]
        records: list[Event] = [
            made | {"model": model} for model, stream in zip(models, streams, strict=True) for made in stream
        ]
        records.sort(key=lambda made: int(made["ts"]))
        source = MemorySource({PARTITION: records}, 1_000)
        while not source.ended():
            self.pipeline.count(source.poll(()))
        self.pipeline.judge()
        self.pipeline.fleet.unsent.clear()
        self._at += GAP * number


def _pipeline(tree: Settings, admission: Admission) -> Pipeline:
    return Pipeline(tree, admission, MemorySource({PARTITION: []}), ManualClock(NOW_US), Recorded(), live=False)


class Stop(NamedTuple):
    """Of one checkpoint: milliseconds of the cut, CPU and wall, of the longest piece of work while it was written, of
    the writing, and of CPU; bytes and parts that were written."""

    cut_cpu: float
    cut: float
    longest: float
    writing: float
    cpu: float
    written: int
    parts: int


def piece(numbers: NDArray[np.int64]) -> float:
    """About half a millisecond of the loop's work; the milliseconds that it took."""
    began = time.perf_counter()
    for _ in range(20):
        np.sort(numbers)
    return (time.perf_counter() - began) * 1e3


def pieces_until(ended: Callable[[], bool]) -> list[float]:
    numbers, took = np.random.default_rng(1).permutation(2_000), [0.0]
    while not ended():
        took.append(piece(numbers))
    return took


def stopped(store: StateDirectory, sequence: int, cut: Callable[[], Cut], disk_s: float) -> Stop:
    """Make a checkpoint in a thread, as the daemon does."""
    thread, written = InThread("checkpoint"), list[int]()
    process, cpu, began = time.process_time(), time.thread_time(), time.perf_counter()
    known = cut()
    changed = store.changed(known.parts)
    frozen = known.frozen(changed)

    def write() -> None:
        written.append(store.save(sequence, whole_tree(frozen.whole), frozen.parts))
        time.sleep(3 * disk_s)

    thread.start(write)
    cut_ms, cut_cpu_ms = (time.perf_counter() - began) * 1e3, (time.thread_time() - cpu) * 1e3
    cpu, began = time.thread_time(), time.perf_counter()
    longest = max(pieces_until(lambda: thread.ended(0)))
    writing, own = (time.perf_counter() - began) * 1e3, time.thread_time() - cpu
    return Stop(
        cut_cpu_ms, cut_ms, longest, writing, (time.process_time() - process - own) * 1e3, written[0], len(changed)
    )


def checkpoints(
    name: str, cut: Callable[[], Cut], change: Callable[[], object], number: int, disk_s: float = 0
) -> None:
    """Make a first checkpoint and `number` further ones, each after a change, and print a line of each kind."""
    gc.collect()
    gc.disable()  # as the daemon has it while its loop turns
    with tempfile.TemporaryDirectory() as folder, StateDirectory(folder, Rest()) as store:
        first, later = stopped(store, 1, cut, disk_s), list[Stop]()
        for sequence in range(2, number + 2):
            change()
            later.append(stopped(store, sequence, cut, disk_s))
        rows = [_row("the first", [first]), _row("later ones", later)]
        took = time.process_time()
        found = store.load()
        assert found is not None
        if OUTBOX in found.parts:
            state_in(found)
        read = (time.process_time() - took) * 1e3
    gc.enable()
    heads = ("cut: CPU", "cut: longest", "longest piece", "writing", "CPU", "kB", "parts")
    table((name, *heads), rows)
    say(f"read again: {read:,.0f} ms of CPU\n")


def _row(name: str, stops: Sequence[Stop]) -> list[str]:
    cut_cpu, cut, longest, writing, cpu, written, parts = zip(*stops, strict=True)
    return [
        name,
        f"{statistics.median(cut_cpu):.1f}",
        f"{max(cut):.1f}",
        f"{max(longest):.1f}",
        f"{statistics.median(writing):,.0f}",
        f"{statistics.median(cpu):,.0f}",
        f"{statistics.median(written) / 1e3:,.1f}",
        f"{statistics.median(parts):,.0f}",
    ]


def of_models(models: int, features: int, number: int) -> None:
    running = Running(models, features)
    names, cut = running.models, running.pipeline.to_state
    for what, busy in (("one", names[:1]), ("all", names)):
        named = f"{models} models of {features} features, {what} with traffic"
        checkpoints(named, cut, lambda busy=busy: running.take(busy, BETWEEN), number)  # type: ignore[misc]  # a default
    checkpoints("the same, all, on a slow disk", cut, lambda: running.take(names, BETWEEN), 2, 0.2)


def of_partitions(partitions: int, models: int, number: int) -> None:
    pipeline, keys = wide(partitions, models, 100_000), np.random.default_rng(2)

    def change() -> None:
        for task in pipeline.tasks.values():
            for partition_state in task.partition_states.values():
                partition_state.ids.ask(keys.integers(1, 2**63, 10, np.uint64))
                partition_state.next_offset += 10

    named = f"{partitions} partitions, {models} models, {pipeline.open_panes():,} open panes"
    checkpoints(named, pipeline.to_state, change, number)


def of_waiting(waiting: int, labels: int, number: int) -> None:
    """Of the labels half are of predictions that wait."""
    settings = Settings.model_validate(perf_tree(1))
    admission = perf_admission(settings, GAP_MS)
    joins = Joins(settings, admission, LabelAggregators(), Totals())
    admission.of(KEY)
    known = joins.of(KEY.model)
    assert known is not None
    ids = np.random.default_rng(1).integers(1, 1 << 63, waiting + number * labels).astype(np.uint64)
    times = START_MS * 1000 + np.arange(len(ids)) * 50_000
    add(known.join, ids[:waiting], times[:waiting], 0)
    joins.step(until(int(times[waiting - 1]) + 1))
    at = waiting

    def change() -> None:
        nonlocal at
        half = labels // 2
        add(known.join, ids[at : at + half], times[at : at + half], 0)
        join_labels(joins, ids[at - half : at], times[at : at + half] + BATCH, 0)
        at += half

    named = f"{waiting:,} predictions wait, {labels:,} changes"
    checkpoints(named, lambda: Cut(Whole(), parts_of(joins)), change, number)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="checkpoint", description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--features", type=int, default=25)
    parser.add_argument("--partitions", type=int, default=64)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--number", type=int, default=10)
    asked = parser.parse_args(arguments)
    alone = pieces_until(iter([False] * 500 + [True]).__next__)
    usual, longest = statistics.median(alone), max(alone)
    say(f"Milliseconds. Without a checkpoint a piece of work takes {usual:.1f}, at most {longest:.1f}.\n")
    of_models(asked.models, asked.features, asked.number)
    try:
        of_partitions(asked.partitions, 10, asked.number)
        of_waiting(asked.waiting, 4_000, asked.number)
    except MissingError as missing:
        say(str(missing))
