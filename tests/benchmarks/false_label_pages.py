"""Pages where nothing drifts, with labels and outcomes: months of 25 real columns whose labels come late.

Each column is drawn on its own with replacement. Labels are as frequent as scores say: the model is calibrated. Nine
tenths of the predictions get a label, a number (`minutes`) and a category (`review`), each after a time of its own, or
all those of a day in the next night. One label in fifty is replaced, one in a hundred taken back. Labels go through the
daemon's own join; panes are counted and judged by its own code.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, ManualClock
from monitor.count.columns.segment_codes import SegmentCodes
from monitor.count.exchange import LabelExchange
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.labels.join_tables import coded
from monitor.count.labels.joins import Joins, LabelColumns
from monitor.count.totals import Totals
from monitor.decode.columns import ABSENT_VALUE, Outcomes
from monitor.events import Partition
from monitor.findings import PAGE, Transition
from monitor.judge.model import ModelJudge
from monitor.reference.column import PREDICTION, SCORE
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.settings.tree import Settings
from tests.benchmarks.material import in_processes, poisson_interval, say, table
from tests.benchmarks.real_columns import CATEGORIES, Draws, real_columns
from tests.engine import CREDIT, EVENTS, NOW_US, START_US, MemorySource, admission_of, settings
from tests.simulated import Simulation
from tests.traffic_kinds import Values

Ints = NDArray[np.int64]

LABELS: Final = Partition("labels", 0)
NAMES: Final = ["minutes", "review"]
REVIEWS: Final = np.array(["none", "short", "long"], object)
#: the night's batch comes at 2:00 of the next day
BATCH_US: Final = 26 * HOUR_US
#: how long most labels take, where each comes by itself
DELAY_US: Final = 20 * MINUTE_US
HORIZON: Final = {"each": "24h", "batches": "48h"}


@dataclass(frozen=True)
class Plan:
    """What is simulated; `gap_us` between two predictions on average."""

    way: str
    gap_us: int
    pane_us: int
    rows: int
    days: float
    segments: tuple[str, ...]


class Labels(NamedTuple):
    """Labels or outcomes (n,) by their prediction: when they take effect, and the value; `name` -1 is the label's."""

    prediction: Ints
    effect_us: Ints
    name: Ints
    value: NDArray[np.object_]


@dataclass(slots=True)
class Month:
    """What came of one month; `found` counts (severity, subject, cause, figure) of findings that opened or changed an
    incident, `pages` are those of them that paged."""

    number: int
    pages: list[tuple[str, ...]] = field(default_factory=list)
    found: Counter[tuple[str, ...]] = field(default_factory=Counter)
    tickets: int = 0
    events: int = 0
    labels: int = 0
    windows: int = 0
    expected: float = 0.0
    seconds: float = 0.0


@cache
def _columns() -> dict[str, NDArray[np.float64]]:
    """The same for every month: the model behind them is fitted once."""
    return real_columns()


class Stream:
    """Predictions at random times and their labels, an hour or a day at once; a prediction's number is its id."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._rng = np.random.default_rng([2_027, number])
        self._draws = Draws(_columns(), self._rng)
        self._number = 0
        self._waiting: list[tuple[Ints, Labels]] = []

    def take(self, start_us: int, end_us: int) -> tuple[Ints, dict[str, Values], Ints]:
        """Ids and columns of the predictions in [start, end), and their times."""
        count = int(self._rng.poisson((end_us - start_us) / self._plan.gap_us))
        times = np.sort(self._rng.integers(start_us, end_us, count))
        ids = np.arange(self._number + 1, self._number + count + 1)
        self._number += count
        columns: dict[str, Values] = dict(self._draws.take(count))
        columns[PREDICTION] = (columns[SCORE] > 0.5).astype(np.int64)
        self._later(ids, times, columns[SCORE].astype(np.float64))
        return ids, columns, times

    def labels(self, end_us: float) -> tuple[Ints, Labels]:
        """Ids, and what takes effect before `end_us`, in that order, each once."""
        ids = np.concatenate([one for one, _ in self._waiting])
        parts = [np.concatenate(part) for part in zip(*(of for _, of in self._waiting), strict=True)]
        now = parts[1] < end_us
        rest = Labels(*(part[~now] for part in parts))
        self._waiting = [(ids[~now], rest)]
        order = np.argsort(parts[1][now], kind="stable")
        return ids[now][order], Labels(*(part[now][order] for part in parts))

    def _later(self, ids: Ints, times: Ints, score: NDArray[np.float64]) -> None:
        """Draw what comes later for these predictions."""
        rng, count = self._rng, len(ids)
        truth = (rng.random(count) < score).astype(np.int64)
        with_label, again = rng.random(count) < 0.9, rng.random(count)
        minutes = np.round(rng.lognormal(3 + score, 0.8), 1)
        review = rng.choice(3, count, p=(0.6, 0.3, 0.1))
        came = self._delayed(times)
        replaced, taken_back = again < 0.02, again > 0.99
        parts = [
            (with_label, came, -1, truth.astype(object)),
            (with_label & replaced, came + DELAY_US, -1, (1 - truth).astype(object)),
            (with_label & replaced, came + 2 * DELAY_US, -1, truth.astype(object)),
            (with_label & taken_back, came + DELAY_US, -1, np.full(count, None, object)),
            (rng.random(count) < 0.9, self._delayed(times), 0, minutes.astype(object)),
            (rng.random(count) < 0.9, self._delayed(times), 1, REVIEWS[review]),
        ]
        for wanted, effect, name, value in parts:
            at = np.flatnonzero(wanted)
            self._waiting.append((ids[at], Labels(ids[at], effect[at], np.full(len(at), name), value[at])))

    def _delayed(self, times: Ints) -> Ints:
        """When what belongs to predictions at these times (n,) takes effect."""
        if self._plan.way == "batches":
            return times // DAY_US * DAY_US + BATCH_US + self._rng.integers(0, HOUR_US, len(times))
        delay = self._rng.exponential(DELAY_US, len(times)) + self._rng.exponential(DELAY_US, len(times))
        return times + delay.astype(np.int64)


def tree_of(plan: Plan) -> Settings:
    kinds = {name: {"kind": "categorical"} for name in CATEGORIES}
    model = {
        "features": kinds,
        "segments": plan.segments,
        "labels": {"horizon": HORIZON[plan.way]},
        "outcomes": {"minutes": {"kind": "numeric"}, "review": {"kind": "categorical"}},
    }
    return settings(model, windows={"pane": plan.pane_us})


def reference_of(plan: Plan, stream: Stream, tree: Settings) -> Reference:
    """The reference of the first rows, and of all their labels."""
    end_us = START_US + plan.rows * plan.gap_us
    ids, columns, times = stream.take(START_US, end_us)
    head: dict[str, Any] = {"model": CREDIT.model, "version": CREDIT.version}
    plain = {name: (v.astype(np.int64) if name in CATEGORIES else v).tolist() for name, v in columns.items()}
    features = [name for name in plain if name not in {SCORE, PREDICTION}]
    events = [
        (
            int(times[at]),
            {
                **head,
                "type": "prediction",
                "id": str(ids[at]),
                "features": {name: plain[name][at] for name in features},
                "score": plain[SCORE][at],
                "prediction": plain[PREDICTION][at],
            },
        )
        for at in range(len(ids))
    ]
    of, labels = stream.labels(np.inf)
    for one, effect, name, value in zip(of.tolist(), labels.effect_us.tolist(), labels.name, labels.value, strict=True):
        said = {"label": value} if name < 0 else {"outcomes": {NAMES[name]: value}}
        events.append((effect, {**head, "type": "label", "id": str(one), **said}))
    events.sort(key=lambda one: one[0])
    records = [event | {"ts": at} for at, event in events]
    rows = EventRange(rows=len(ids))
    return build_reference(tree, CREDIT, lambda: MemorySource({EVENTS: records}), ManualClock(NOW_US), rows)


class Live:
    """A judge and the join of its labels."""

    def __init__(self, plan: Plan, tree: Settings, reference: Reference, month: Month) -> None:
        self._plan, self._month = plan, month
        admission = admission_of(tree, reference)
        monitored = admission.monitored(CREDIT)
        assert monitored is not None, "the settings name this model"
        admission.of(CREDIT)
        self._codes = SegmentCodes(monitored.reference)
        self._simulation = Simulation(reference, pane_us=plan.pane_us)
        self._joins = Joins(tree, admission, LabelAggregators(), Totals())
        self._exchange = LabelExchange()
        self.judge = ModelJudge(
            monitored,
            tree.budget.pages,
            tree.budget.per,
            show_values=True,
            pane_us=plan.pane_us,
            joined_us=lambda: self._joins.until_us(CREDIT.model),
        )

    def take(self, stream: Stream, start_us: int, end_us: int) -> None:
        """Judge what happens in [start, end), whole panes."""
        ids, columns, times = stream.take(start_us, end_us)
        join = self._joins.of(CREDIT.model)
        assert join is not None, "the labels of this model are joined"
        answers = columns[PREDICTION].tolist()
        score = columns[SCORE].astype(np.float64)
        own: list[object] = [None] * len(ids)
        codes = coded(join.join.code(CREDIT), self._segments(columns, len(ids)))
        join.join.add_predictions(codes, ids.astype(np.uint64), times, score, answers, own)
        self._add_labels(*stream.labels(end_us))
        self._exchange.put_joined(self._joins.step(lambda _: end_us))
        for pane in self._simulation.panes(columns, iter([times])):
            self._exchange.hand_joined_on(self._take_labels, [CREDIT], pane.end_us)
            self._note(self.judge.add(pane, 1.0)[1])
        self._exchange.hand_joined_on(self._take_labels)

    def _segments(self, columns: Mapping[str, Values], count: int) -> Ints:
        """What is kept of the segments of predictions (n,)."""
        segments, first = self.judge.monitored.reference.segments, 0
        found = np.zeros((0 if segments is None else len(segments.by), count), np.int64)
        for at, one in enumerate(() if segments is None else segments.by):
            places = {value: place for place, value in enumerate(one.values)}
            values = columns[one.feature].astype(np.int64).tolist()
            found[at] = [first + places.get(str(value), len(places)) for value in values]
            first += len(places) + 1
        return self._codes.packed(found)

    def _add_labels(self, ids: Ints, labels: Labels) -> None:
        """Each as a label event of its own."""
        if not len(ids):
            return
        is_outcome = np.flatnonzero(labels.name >= 0)
        values = labels.value.copy()
        values[is_outcome] = ABSENT_VALUE
        outcomes = Outcomes(is_outcome, labels.name[is_outcome], NAMES, labels.value[is_outcome].tolist())
        key = np.zeros(len(ids), np.int32)
        columns = LabelColumns(
            ids.astype(np.uint64), labels.effect_us, values.tolist(), key, [CREDIT], [CREDIT], outcomes
        )
        self._month.labels += len(ids)
        self._joins.add_labels(LABELS, columns)

    def _take_labels(self, cohorts: list[LabelCohort], until_us: int) -> None:
        """As `judge.fleet` does."""
        for cohort in cohorts:
            self.judge.take_labels(cohort, until_us)
        if any(cohort.joined for cohort in cohorts):
            self._note(self.judge.judge_late(until_us, 1.0)[1])

    def _note(self, transitions: Sequence[Transition]) -> None:
        for one in transitions:
            for finding in one.findings:
                place = finding.key.subject, finding.key.cause + finding.key.segment, finding.key.figure
                self._month.found[one.severity, *place] += 1
        if self.judge.book.pages > len(self._month.pages):
            worst = next(one for one in transitions if one.severity == PAGE).findings[0]
            at = f"{self.judge.predictions:,}"
            self._month.pages.append((worst.key.subject, worst.key.cause, worst.key.figure, worst.key.segment, at))


def simulate(plan: Plan, number: int) -> Month:
    """One month with a reference of its own, from its own seed."""
    began, month = time.process_time(), Month(number)
    tree, stream = tree_of(plan), Stream(plan, number)
    live = Live(plan, tree, reference_of(plan, stream, tree), month)
    at_us = START_US // DAY_US * DAY_US + 30 * DAY_US
    for _ in range(round(plan.days * 24)):
        live.take(stream, at_us, at_us + HOUR_US)
        at_us += HOUR_US
    judge = live.judge
    month.events, month.tickets, month.expected = judge.predictions, judge.book.tickets, judge.budget.expected
    month.windows = judge.judge.performance.errors.windows.closed
    month.seconds = time.process_time() - began
    return month


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="false-label-pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--first", type=int, default=1, help="number of the first month: the seed")
    parser.add_argument("--days", type=float, default=30, help="of a month, for a quick look")
    parser.add_argument("--way", choices=sorted(HORIZON), default="each", help="labels come each by itself, or nightly")
    parser.add_argument("--gap", type=float, default=1.0, help="seconds between two predictions on average")
    parser.add_argument("--pane", type=int, default=60, help="seconds")
    parser.add_argument("--reference-rows", type=int, default=10_000)
    parser.add_argument("--segments", default="", help="names of columns")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args(arguments)
    segments = tuple(asked.segments.split(",")) if asked.segments else ()
    gap_us, pane_us = round(asked.gap * SECOND_US), asked.pane * SECOND_US
    plan = Plan(asked.way, gap_us, pane_us, asked.reference_rows, asked.days, segments)
    months = []
    for month in in_processes(simulate, plan, range(asked.first, asked.first + asked.months), asked.processes):
        months.append(month)
        say(
            f"month {month.number}: {month.events:,} events, {month.labels:,} labels and outcomes, "
            f"{month.windows:,} base windows of labels, {len(month.pages)} pages {month.pages}, "
            f"{month.tickets} tickets, {month.expected:.3f} expected, {month.seconds:.0f} s of CPU"
        )
        for what, count in month.found.most_common():
            say(f"    {count} x {' '.join(word for word in what if word)}")
    _show(months, plan)


def _show(months: Sequence[Month], plan: Plan) -> None:
    length = len(months) * plan.days / 30
    pages, tickets = sum(len(month.pages) for month in months), sum(month.tickets for month in months)
    low, high = poisson_interval(pages)
    head = ("months", "events", "labels and outcomes", "pages", "a month", "95 % interval", "expected", "tickets")
    row = (
        f"{length:g}",
        f"{sum(month.events for month in months):,}",
        f"{sum(month.labels for month in months):,}",
        pages,
        f"{pages / length:.2f}",
        f"{low / length:.2f} to {high / length:.2f}",
        f"{sum(month.expected for month in months) / length:.3f}",
        tickets,
    )
    say()
    table(head, [row])
