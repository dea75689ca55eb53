"""Costs off the path of an event: an idle turn and a checkpoint at 64 partitions and 200 models; short panes.

Times are CPU. The partitions hold open panes of every model, and the memories of ids are full.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.reference.references import References
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from tests.benchmarks.material import say, table
from tests.benchmarks.perf_events import START_MS, PerfEvents, perf_admission, perf_tree
from tests.engine import MemorySource, Recorded, build

TOPIC = "perf"


def wide(partitions: int, models: int, ids: int) -> Pipeline:
    """A live pipeline that has read some events of every model in every partition."""
    settings = Settings.model_validate(perf_tree(models))
    rng = random.Random(1)
    values = PerfEvents(models * 2, models, 10).values()
    records = {Partition(TOPIC, number): rng.sample(values, len(values)) for number in range(partitions)}
    source = MemorySource(records, 100, live=True)
    clock = ManualClock(START_MS * 1000)
    pipeline = Pipeline(settings, perf_admission(settings), source, clock, Recorded())
    while pipeline.turn():
        pass
    keys = np.random.default_rng(1)
    for task in pipeline.tasks.values():
        for partition_state in task.partition_states.values():
            for _ in range(ids // 1_000):
                partition_state.ids.ask(keys.integers(1, 2**63, 1_000, np.uint64))
    return pipeline


def milliseconds(work: Callable[[], object], times: int) -> float:
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e3


def sparse(events: int, features: int) -> list[str]:
    """A replay with an event a pane: every event ends a pane."""
    settings = Settings.model_validate(perf_tree(1))
    stream = list(PerfEvents(events, gap_ms=10_000, seed=2, features=features))
    reference = build(
        settings, list(PerfEvents(5_000, gap_ms=10_000, seed=1, features=features)), ModelKey("perf-0", "1")
    )
    admission = Admission(settings, References({"perf-0": {"1": reference}}))
    source = MemorySource({Partition(TOPIC, 0): stream}, 500)
    pipeline = Pipeline(settings, admission, source, ManualClock(START_MS * 1000), Recorded(), live=False)
    spent = dict.fromkeys(("count", "judge"), 0.0)
    while not source.ended():
        began = time.process_time()
        pipeline.count(source.poll(()))
        counted = time.process_time()
        pipeline.judge()
        pipeline.fleet.unsent.clear()
        spent["count"] += counted - began
        spent["judge"] += time.process_time() - counted
    pane = [seconds / events * 1e6 for seconds in spent.values()]
    return [f"{features}", *[f"{one:.0f}" for one in pane], f"{1e6 / sum(pane):,.0f}"]


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="off-path", description=__doc__)
    parser.add_argument("--partitions", type=int, default=64)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--ids", type=int, default=100_000)
    parser.add_argument("--panes", type=int, default=4_000)
    parser.add_argument("--only", choices=("wide", "sparse"))
    asked = parser.parse_args(arguments)
    if asked.only != "sparse":
        _wide(asked.partitions, asked.models, asked.ids)
    if asked.only != "wide":
        rows = [sparse(asked.panes, features) for features in (1, 5, 25)]
        table(("features", "µs to decode and count an event", "µs to judge its pane", "events/s"), rows)


def _wide(partitions: int, models: int, ids: int) -> None:
    pipeline = wide(partitions, models, ids)
    keys = np.random.default_rng(2)
    idle = milliseconds(pipeline.turn, 20)
    tree = milliseconds(lambda: [part.tree() for part in pipeline.to_state().parts], 3)
    with tempfile.TemporaryDirectory() as folder, StateDirectory(folder) as store:
        sequences = iter(range(1, 100))
        first = store.save(next(sequences), {}, pipeline.to_state().parts)
        written = []

        def save() -> None:
            """A partition brought ten ids since the checkpoint before."""
            for task in pipeline.tasks.values():
                for partition_state in task.partition_states.values():
                    partition_state.ids.ask(keys.integers(1, 2**63, 10, np.uint64))
                    partition_state.next_offset += 10
            written.append(store.save(next(sequences), {}, pipeline.to_state().parts))

        saved = milliseconds(save, 3)
    say(f"{partitions} partitions, {models} models, {pipeline.open_panes():,} open panes, {ids:,} ids a partition")
    table(
        ("", "ms"),
        [["an idle turn", f"{idle:.1f}"], ["the state's tree", f"{tree:.0f}"], ["and saving it", f"{saved:.0f}"]],
    )
    say(f"{first / 1e6:.1f} MB for the first checkpoint, {written[-1] / 1e6:.3f} MB for one after ten ids a partition")
