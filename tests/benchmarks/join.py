"""Late labels: CPU per event with and without them, and what a million waiting predictions cost.

Throughput: predictions of 25 features, and as many labels on a second topic that come ten minutes later, through the
whole engine in memory; the least of some rounds, as other processes only add to it. Memory: a million predictions of
one model wait, for half of which a label came, with values of named outcomes; RSS of the process, the time of a lookup,
and the bytes and seconds of checkpoints in a folder. With `--classes` the probability of each of so many classes is
kept beside each prediction, and all are cut by a feature of eight segments and one of two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.clock import ManualClock
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.join_tables import coded
from monitor.count.labels.joins import Joins, LabelColumns
from monitor.count.labels.model_join import ModelJoin
from monitor.count.totals import Totals
from monitor.decode.columns import Outcomes
from monitor.events import ModelKey, Partition
from monitor.kafka.allocator import FreeMemory, tune_allocator
from monitor.pipeline import Pipeline
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.join_part import parts_of
from tests.benchmarks.material import table
from tests.benchmarks.perf_events import START_MS, PerfEvents, perf_admission, perf_tree
from tests.engine import MemorySource, Recorded

GAP_MS = 10
DELAY_MS = 600_000
EVENTS, LABELS = Partition("perf", 0), Partition("labels", 0)
BATCH = 500
KEY = ModelKey("perf-0", "1")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="join", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="for the throughput; 0: leave it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--outcomes", default="0,2,16", help="numbers of named outcomes, between commas")
    parser.add_argument("--classes", type=int, default=0, help="that have a probability; 0: no probabilities")
    asked = parser.parse_args(arguments)
    if asked.events:
        _throughput(asked.events, asked.rounds)
    for outcomes in map(int, asked.outcomes.split(",")) if asked.waiting else ():
        rows = in_own_process(asked.waiting, outcomes, asked.classes)
        head = f"{asked.waiting:,} predictions, labels of half with {outcomes} outcomes each"
        head += f", {asked.classes} classes in segments" if asked.classes else ""
        table((head, "", "MB of RSS more"), [[a, b, f"{c:.0f}"] for a, b, c in rows])


def _throughput(events: int, rounds: int) -> None:
    values = PerfEvents(events, gap_ms=GAP_MS).values()
    labels = [
        json.dumps(
            {
                "type": "label",
                "id": f"p-{at:09d}",
                "model": "perf-0",
                "version": "1",
                "ts": START_MS + GAP_MS * at + DELAY_MS,
                "label": at % 3 // 2,
            }
        ).encode()
        for at in range(events)
    ]
    cases = {
        "no join (labels.horizon: 0)": ({EVENTS: values}, "0s"),
        "join, no labels": ({EVENTS: values}, "24h"),
        "as many labels, not joined": ({EVENTS: values, LABELS: labels}, "0s"),
        "as many labels, joined": ({EVENTS: values, LABELS: labels}, "24h"),
    }
    every = [{name: _seconds(*case) for name, case in cases.items()} for _ in range(rounds)]
    seconds = {name: min(one[name] for one in every) for name in cases}
    least = seconds["join, no labels"]
    rows = [[name, f"{1e6 * took / events:.2f}", f"{took / least:.2f}"] for name, took in seconds.items()]
    table(("engine in memory", "µs of CPU per prediction", "ratio"), rows)


def _seconds(records: dict[Partition, list[bytes]], horizon: str) -> float:
    tree = perf_tree(1)
    tree["models"][0]["labels"] = {"horizon": horizon}  # type: ignore[index]  # a list
    settings = Settings.model_validate(tree)
    source = MemorySource(records, BATCH)
    made = Pipeline(
        settings, perf_admission(settings, GAP_MS), source, ManualClock(START_MS * 1000), Recorded(), live=False
    )
    began = time.process_time()
    while not source.ended():
        made.turn()
    made.turn()
    took = time.process_time() - began
    if LABELS in records and horizon != "0s":
        assert made.totals.labels.of(KEY).paired == len(records[LABELS])
    return took


def in_own_process(waiting: int, outcomes: int, classes: int) -> list[list[object]]:
    """Memory that others needed before is in no figure."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_waiting, waiting, outcomes, classes).result()


def _waiting(waiting: int, outcomes: int, classes: int) -> list[list[object]]:
    """Rows of the table: what waits and costs with so many named outcomes."""
    tune_allocator()
    settings = Settings.model_validate(perf_tree(1))
    admission = perf_admission(settings, GAP_MS)
    joins = Joins(settings, admission, LabelAggregators(), Totals())
    admission.of(KEY)
    rng = np.random.default_rng(1)
    ids = rng.integers(1, 1 << 63, waiting).astype(np.uint64)
    times = START_MS * 1000 + np.arange(waiting) * 50_000
    before = _rss_mb()
    join = joins.of(KEY.model).join  # type: ignore[union-attr]  # its labels are joined
    adding = add(join, ids, times, classes)
    rows: list[list[object]] = [["predictions added", f"{1e6 * adding / waiting:.2f} µs each", _rss_mb() - before]]
    joins.step(until(int(times[-1]) + 1))
    chosen = rng.permutation(waiting)[: waiting // 2]
    effects = int(times[-1]) + GAP_MS * 1000 * np.arange(1, 1 + len(chosen))
    joining = join_labels(joins, ids[chosen[:BATCH]], effects[:BATCH], outcomes)
    rows.append([f"{BATCH} labels joined", f"{1e6 * joining / BATCH:.2f} µs each", _rss_mb() - before])
    joining = join_labels(joins, ids[chosen[BATCH:]], effects[BATCH:], outcomes)
    each = f"{1e6 * joining / (len(chosen) - BATCH):.2f} µs each"
    rows.append([f"{len(chosen):,} labels joined", each, _rss_mb() - before])
    assert sum(joins.fates.values()) > 0.99 * len(chosen)
    assert sum(joins.outcome_fates.values()) >= 0.99 * len(chosen) * outcomes
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        rows += _checkpoints(Path(name), joins, join, ids[:BATCH], int(effects[-1]), (outcomes, classes), before)
    return rows


def join_labels(joins: Joins, ids: NDArray[np.uint64], effects: NDArray[np.int64], outcomes: int) -> float:
    """Labels (n,) take effect, each with a value of every outcome; seconds of CPU."""
    began = time.process_time()
    names = [f"outcome_{at}" for at in range(outcomes)]
    for at in range(0, len(ids), BATCH):
        some, effect_us = ids[at : at + BATCH], effects[at : at + BATCH]
        values = np.arange(len(some) * outcomes) % 100 / 4
        label, name = np.divmod(np.arange(len(values)), max(outcomes, 1))
        labels: list[object] = [1] * len(some)
        of = Outcomes(label, name, names, values.tolist())
        columns = LabelColumns(some, effect_us, labels, np.zeros(len(some), np.int32), [KEY], [KEY], of)
        joins.add_labels(LABELS, columns)
        joins.step(until(int(effect_us[-1]) + 1))
    return time.process_time() - began


def until(us: int) -> Callable[[str], float]:
    return lambda _model: us


def add(join: ModelJoin, ids: NDArray[np.uint64], times: NDArray[np.int64], classes: int) -> float:
    rng = np.random.default_rng(2)
    every = rng.dirichlet(np.ones(classes), BATCH).astype(np.float32) if classes else None
    segments = rng.integers(0, 8, BATCH) | rng.integers(9, 11, BATCH) << 8 if classes else np.zeros(BATCH, np.int64)
    code, began = join.code(KEY), time.process_time()
    for at in range(0, len(ids), BATCH):
        some = slice(at, at + BATCH)
        count = len(ids[some])
        join.add_predictions(
            coded(code, segments[:count]),
            ids[some],
            times[some],
            np.full(count, 0.5),
            [at % 2] * count,
            [None] * count,
            None if every is None else every[:count],
        )
    return time.process_time() - began


def _checkpoints(
    folder: Path,
    joins: Joins,
    join: ModelJoin,
    ids: NDArray[np.uint64],
    at_us: int,
    kept: tuple[int, int],
    before: float,
) -> list[list[object]]:
    rows, store, at = list[list[object]](), StateDirectory(folder), at_us + GAP_MS * 1000 * np.arange(1, 1 + len(ids))
    store.lock()
    outcomes, classes = kept
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("first checkpoint", lambda: None),
        ("nothing new", lambda: None),
        (f"{BATCH} new predictions", lambda: add(join, np.arange(1, BATCH + 1).astype(np.uint64), at, classes)),
        (f"{BATCH} new labels", lambda: join_labels(joins, ids, at, outcomes)),
    )
    for number, (what, change) in enumerate(steps, 1):
        change()
        began, cpu = time.perf_counter(), time.process_time()
        written = store.save(number, {}, parts_of(joins))
        took = f"{time.perf_counter() - began:.3f} s, {time.process_time() - cpu:.3f} s of CPU, {written:,} bytes"
        rows.append([f"checkpoint, {what}", took, _rss_mb() - before])
    return rows


def _rss_mb() -> float:
    """As the daemon has it after a checkpoint, when free memory goes back to the kernel."""
    FreeMemory(ManualClock(START_MS * 1000)).after_turn(0.0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
