"""CPU of decoding, counting and judging 25-feature events in memory, stage by stage.

Batches of 500 records of one partition; 1, 10 and 100 models whose events take turns; and one bad field in every event.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.count.admission.versions import Admission
from monitor.count.columns.aggregator import Aggregator
from monitor.count.exchange import Exchange, LabelExchange
from monitor.count.task import Task
from monitor.decode.columns import Limits, Rules, Shape
from monitor.decode.native.decoder import NativeDecoder
from monitor.events import ModelKey, Partition
from monitor.judge.fleet import Fleet
from monitor.records import RecordBatch
from monitor.settings.tree import Settings
from tests.benchmarks.material import say, table
from tests.benchmarks.perf_events import (
    START_MS,
    Fault,
    PerfEvents,
    any_text,
    bad_score,
    one_text,
    perf_admission,
    perf_tree,
    well,
)

PARTITION = Partition("perf", 0)
STAGES = ("decode", "count", "judge")
GAP_MS = 10


@dataclass(frozen=True)
class Case:
    """What is measured."""

    name: str
    models: int = 1
    fault: Fault = well
    #: whether performance is estimated
    labelled: bool = False


CASES = (
    Case("1 model"),
    Case("10 models in turn", models=10),
    Case("100 models in turn", models=100),
    Case("1 model, one bad number, always the same", fault=one_text),
    Case("1 model, one bad number, always another", fault=any_text),
    Case("1 model, every event rejected", fault=bad_score),
    Case("1 model, performance estimated", labelled=True),
)


@dataclass(slots=True)
class Seconds:
    """CPU by stage, and what was judged."""

    by_stage: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    events: int = 0
    panes: int = 0

    def row(self, name: str) -> list[object]:
        per_event = {stage: seconds / max(self.events, 1) * 1e6 for stage, seconds in self.by_stage.items()}
        pane = self.by_stage["judge"] / max(self.panes, 1) * 1e6
        total = sum(per_event.values())
        figures = [f"{figure:.2f}" for figure in [*per_event.values(), total]]
        return [name, *figures, f"{1e6 / total:,.0f}", f"{self.panes:,}", f"{pane:.0f}"]


class Stages:
    """The engine's stages, each timed on its own; no Kafka, no checkpoints."""

    def __init__(self, models: int, *, labelled: bool = False) -> None:
        settings = Settings.model_validate(perf_tree(models))
        self._admission = perf_admission(settings, GAP_MS * models, labelled=labelled)
        limits = settings.limits
        self._decoder = NativeDecoder(
            self._shape,
            Rules(Limits(limits.record_bytes, limits.events_per_record, limits.features), settings.windows.max_skew),
        )
        self._unit = Task(0, self._admission, settings.windows.pane, settings.id_memory)
        self._exchange, self._labels = Exchange(settings.windows.pane), LabelExchange()
        self._fleet = Fleet(self._admission, settings)
        self.seconds = Seconds()

    def _shape(self, key: ModelKey) -> Shape | None:
        return shape_of(self._admission, key)

    def run(self, values: Sequence[bytes], chunk: int) -> None:
        for first in range(0, len(values), chunk):
            part = list(values[first : first + chunk])
            offsets = list(range(first, first + len(part)))
            times_ms = [START_MS + offset * GAP_MS for offset in offsets]
            batch = RecordBatch(
                PARTITION, list(part), np.array(offsets), np.array(times_ms), first + len(part), times_ms[-1] * 1000
            )
            self.turn(batch)
            self.seconds.events += len(part)

    def turn(self, batch: RecordBatch) -> None:
        """One batch through all stages."""
        clock, spent = time.process_time, self.seconds.by_stage
        began = clock()
        events = self._decoder.decode(batch)
        decoded = clock()
        self._unit.take(batch.partition, events, batch.next_offset, 0.0)
        counted = clock()
        clock_us = self._unit.partition_state(batch.partition.topic).clock_us

        def until(model: str) -> float:
            return clock_us - self._admission.lateness_us(model)

        self._exchange.put(self._unit.close(until))
        self._labels.put(self._unit.labels.close(until))
        for pane in self._exchange.ready():
            self._fleet.take_labels(self._labels.ready(pane.pane_key.key, pane.end_us), pane.end_us)
            self._fleet.judge(pane)
            self.seconds.panes += 1
        self._fleet.unsent.clear()
        self._fleet.reported.clear()
        judged = clock()
        for stage, seconds in zip(STAGES, (decoded - began, counted - decoded, judged - counted), strict=True):
            spent[stage] += seconds


def shape_of(admission: Admission, key: ModelKey) -> Shape | None:
    monitored = admission.monitored(key)
    return None if monitored is None else Aggregator(monitored.reference).shape


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="decode-count", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=500)
    parser.add_argument("--case", type=int, action="append", help=f"only these: 0 to {len(CASES) - 1}")
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of the table")
    asked = parser.parse_args(arguments)
    cases = CASES if asked.case is None else [CASES[at] for at in asked.case]
    rows = []
    for case in cases:
        values = PerfEvents(asked.events, case.models, GAP_MS, fault=case.fault).values()
        stages = Stages(case.models, labelled=case.labelled)
        work = _bound(stages, values, asked.chunk)
        if asked.profile:
            say(case.name)
            _profiled(work)
        else:
            work()
            rows.append(stages.seconds.row(case.name))
    if rows:
        table(("µs of CPU per event", *STAGES, "total", "events/s", "panes", "µs per pane judged"), rows)


def _bound(stages: Stages, values: Sequence[bytes], chunk: int) -> Callable[[], None]:
    return lambda: stages.run(values, chunk)


def _profiled(work: Callable[[], None]) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
