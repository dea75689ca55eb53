"""The join's corners: limits, pauses, wrong clocks, versions, a model version that starts afresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.clock import SECOND_US, ManualClock
from monitor.count.exchange import Pane
from monitor.count.labels import model_join
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.labels.join_tables import coded, pack
from monitor.events import ModelKey, Partition
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.stats.performance.label_tally import LabelTally
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
    by_class,
    event,
    numeric,
)
from tests.engine import settings as settings_of

OTHER = ModelKey("credit", "2")
LABELS = Partition("labels", 0)
IDLE_SECONDS = 61


class Steps(StatelessStage2):
    """Stage 2 that records its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[int, int]] = []
        self.panes: list[int] = []

    def judge(self, pane: Pane) -> None:
        self.panes.append(pane.end_us)

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        joined = sum(cohort.tally.total for cohort in cohorts if cohort.joined)
        if joined:
            self.steps.append((until_us, joined))


class Made:
    """A pipeline over records in memory."""

    def __init__(
        self,
        records: Mapping[Partition, Sequence[Event]],
        *,
        live: bool = False,
        model: object = None,
        references: Sequence[Reference] = (),
        **over: object,
    ) -> None:
        tree = settings_of({"versions": ["1", "2"]} | dict(model or {}), **over)  # type: ignore[call-overload]  # a mapping
        self.source = MemorySource(records, 500, live=live)
        self.clock = ManualClock(START_US)
        self.stage2 = Steps()
        blanks = [replace(blank([numeric("x")], key), task="binary") for key in (CREDIT, OTHER)]
        references = references or blanks
        admission = admission_of(tree, *references)
        self.pipeline = Pipeline(tree, admission, self.source, self.clock, Recorded(), stage2=self.stage2, live=live)

    def run(self, turns: int = 4) -> Made:
        for _ in range(turns):
            self.pipeline.turn()
        return self

    def add(self, partition: Partition, *events: Event) -> Made:
        self.source.records[partition] += events
        return self.run(2)

    def tally(self, key: ModelKey = CREDIT) -> LabelTally:
        return by_class(self.pipeline.totals.labels.of(key))

    def fates(self) -> Counter[str]:
        return Counter({fate: count for (_, fate), count in self.pipeline.joins.fates.items()})


def prediction(at: float, name: str, answer: int = 1, **fields: object) -> Event:
    return event(at, type="prediction", id=name, prediction=answer, score=0.5, features={"x": 1}, **fields)


def label(at: float, name: str, answer: object = 1, **fields: object) -> Event:
    return event(at, type="label", id=name, label=answer, **fields)


def test_a_label_without_version_counts_for_each_version_that_scored_its_id() -> None:
    events = [prediction(0, "a", 1), prediction(1, "a", 0, version="2"), label(5, "a", 1, version=...)]
    made = Made({EVENTS: events}).run()
    assert made.tally(CREDIT) == LabelTally(0, {("1", "1"): 1})
    assert made.tally(OTHER) == LabelTally(0, {("1", "0"): 1})
    assert made.tally(ModelKey("credit", "")).total == 0


def test_a_label_of_another_version_meets_nothing() -> None:
    made = Made({EVENTS: [prediction(0, "a"), label(5, "a", version="2")]}).run()
    assert made.tally(CREDIT).total == 0
    assert made.tally(OTHER) == LabelTally(1)
    assert made.fates() == {"expired": 1}


@pytest.mark.parametrize(("delay", "fate"), [(20, "matched"), (20.000001, "expired")])
def test_the_horizon_is_the_last_moment_at_which_a_label_is_joined(delay: float, fate: str) -> None:
    made = Made({EVENTS: [prediction(0, "a"), label(delay, "a")]}, model={"labels": {"horizon": "20s"}}).run()
    assert made.fates() == {fate: 1}


def test_without_a_horizon_labels_are_counted_and_not_joined() -> None:
    made = Made({EVENTS: [prediction(0, "a"), label(5, "a")]}, model={"labels": {"horizon": 0}}).run()
    assert made.tally() == LabelTally(1)
    assert not made.pipeline.joins.models


def test_a_label_of_a_host_with_a_wrong_clock_shifts_no_other_label() -> None:
    labels = [label(10 + at, f"p{at}") for at in range(30)]
    wrong = label(40 * 86_400, "p5", 0)
    made = Made(
        {EVENTS: [prediction(at, f"p{at}") for at in range(30)], LABELS: [*labels[:9], wrong, *labels[9:]]}
    ).run()
    assert made.tally().pairs == {("1", "1"): 30}
    assert made.fates() == {"matched": 30, "expired": 1}


def test_labels_in_a_pause_of_predictions_are_joined_and_nothing_else_is_judged() -> None:
    made = Made({EVENTS: [prediction(at, f"p{at}") for at in range(40)], LABELS: []}, live=True).run()
    made.clock.advance(IDLE_SECONDS)
    made.run()
    panes = list(made.stage2.panes)
    made.add(LABELS, *(label(3_600 + at, f"p{at}") for at in range(40)))
    made.clock.advance(IDLE_SECONDS)
    made.run()
    assert made.stage2.panes == panes
    assert made.tally().pairs == {("1", "1"): 40}
    assert made.stage2.steps == [(START_US + (3_600 + 10 * at) * SECOND_US, 10) for at in range(1, 5)]


def test_labels_far_behind_hold_back_no_pane_and_are_joined_when_they_come() -> None:
    predictions = [prediction(at, f"p{at}") for at in range(0, 4_000, 10)]
    made = Made({EVENTS: predictions, LABELS: []}, live=True).run()
    made.clock.advance(IDLE_SECONDS)
    made.run()
    panes = len(made.stage2.panes)
    made.add(LABELS, *(label(at + 1, f"p{at}") for at in range(0, 2_000, 10)))
    made.add(EVENTS, *(prediction(at, f"p{at}") for at in range(4_000, 5_000, 10)))
    made.clock.advance(IDLE_SECONDS)
    made.run()
    assert len(made.stage2.panes) > panes
    assert made.tally().pairs == {("1", "1"): 200}


def test_above_the_limit_the_oldest_predictions_are_let_go_and_counted() -> None:
    predictions = [prediction(10 * at, f"p{at}") for at in range(40)]
    labels = [label(400 + at / 100, f"p{at}") for at in range(40)]
    model, limits = {"labels": {"horizon": "1000s"}}, {"waiting_predictions": 10}
    made = Made({EVENTS: [*predictions, *labels, prediction(500, "z")]}, model=model, limits=limits)
    made.source.unread.add(EVENTS)
    made.run()
    assert made.tally().pairs == {("1", "1"): 10}
    assert made.pipeline.joins.let_go() == {"credit": 30}
    made.source.unread.clear()
    made.run()
    assert made.fates() == {"matched": 10, "expired": 30}


def test_predictions_whose_labels_are_too_far_behind_to_wait_for_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_join, "SPARE_ROWS", 20)
    made = Made({EVENTS: [prediction(at / 10, f"p{at}") for at in range(600)]}, limits={"waiting_predictions": 100})
    made.source.unread.add(EVENTS)
    made.run()
    assert made.pipeline.joins.predictions_waiting() == {"credit": 100}
    assert made.pipeline.joins.let_go() == {"credit": 500}


def test_labels_of_no_prediction_expire_in_the_order_they_came_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_join, "SPARE_ROWS", 20)
    labels = [label(at / 10, f"p{at}") for at in range(600)]
    made = Made({EVENTS: [*labels, prediction(60, "p0"), prediction(60, "p599")]}, limits={"waiting_predictions": 100})
    made.pipeline.turn()
    assert sum(made.pipeline.joins.waiting().values()) <= 120
    made.run()
    assert made.fates() == {"matched": 1, "expired": 599}


def test_a_model_version_that_starts_afresh_counts_no_label_of_its_predictions_before() -> None:
    made = Made({EVENTS: [prediction(0, "a"), label(1, "a"), label(1, "y"), prediction(100, "b")]})
    made.source.unread.add(EVENTS)
    made.run()
    made.pipeline._forget(CREDIT)  # what another reference does
    assert made.tally().total == 0
    made.source.unread.clear()
    made.add(EVENTS, label(110, "a", 0), label(110, "b"), label(110, "x"), prediction(120, "c"), label(121, "c"))
    assert made.tally().pairs == {("1", "1"): 1}
    assert made.tally().labels == 3
    assert made.fates() == {"matched": 3, "replaced": 1, "expired": 2}


def test_a_label_that_is_replaced_all_the_time_takes_no_more_memory() -> None:
    join = model_join.ModelJoin(500 * SECOND_US, 10 * SECOND_US, 1_000_000)
    code, name, nothing = join.code(CREDIT), np.array([7], np.uint64), np.zeros(100, np.int64)
    join.add_predictions(coded(code, nothing[:1]), name, np.array([START_US]), np.array([0.5]), [1], [None])
    fates, most = Counter[int](), 0
    for at in range(300):
        effect_us = START_US + at * SECOND_US + np.arange(100)
        labels = join.answers.bits([*range(100)])
        join.add_labels(np.repeat(name, 100), effect_us, labels, pack(nothing, nothing, 0, nothing.astype(np.bool_)))
        joined = join.step(START_US + at * SECOND_US)
        fates.update([] if joined is None else joined.met.fate.tolist())
        most = max(most, len(join.tables.meetings))
    assert fates == {0: 1, 1: 28_999}
    assert most < 6_000
    assert join.tables.current(np.array([join.tables.predictions.first]), nothing[:1]).value == join.answers.bits([99])
