"""What a checkpoint writes and costs where one of 20 models of 50 features has traffic, and where all have.

Times are CPU of the process; the folder is a temporary one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import with_hash
from monitor.reference.references import References
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.parts import whole_tree
from tests.benchmarks.material import say, table
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


def save(store: StateDirectory, sequence: int, pipeline: Pipeline) -> int:
    cut = pipeline.to_state()
    return store.save(sequence, whole_tree(cut.whole), cut.parts)


def checkpoints(running: Running, busy: Sequence[str], number: int) -> list[str]:
    """The median of `number` checkpoints, each after ten seconds of traffic of the busy models; and the first."""
    written, cpu = [], []
    with tempfile.TemporaryDirectory() as folder, StateDirectory(folder) as store:
        first = save(store, 1, running.pipeline)
        for sequence in range(2, number + 2):
            running.take(busy, BETWEEN)
            began = time.process_time()
            written.append(save(store, sequence, running.pipeline))
            cpu.append(time.process_time() - began)
    median, mean = statistics.median(written) / 1e3, statistics.mean(written) / 1e3
    return [
        f"{len(busy)}",
        f"{first / 1e3:,.0f}",
        f"{median:,.1f}",
        f"{mean:,.1f}",
        f"{statistics.median(cpu) * 1e3:.1f}",
    ]


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="checkpoint", description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--number", type=int, default=20)
    asked = parser.parse_args(arguments)
    running = Running(asked.models, asked.features)
    rows = [checkpoints(running, busy, asked.number) for busy in (running.models[:1], running.models)]
    say(f"{asked.models} models of {asked.features} features, checkpoints every ten seconds")
    table(("models with traffic", "kB of the first", "kB, median", "kB, mean", "ms CPU, median"), rows)
