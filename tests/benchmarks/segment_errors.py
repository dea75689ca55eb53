"""False findings of performance and outcomes by segment and of fairness: nothing changes, all groups are treated alike.

Cohorts of labelled predictions, a minute each, are drawn with their segments and two outcomes, a score (`judge`) and a
category (`topic`), counted and judged as in the product, without decoding. With `--dependent` all come in waves: errors
by odds that follow an autoregression from minute to minute, the score's mean and the odds of a category with it.
The last rows have a real change, in one of eight groups: how many labels pass until it is named.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from monitor.clock import DAY_US, MINUTE_US
from monitor.count.labels.aggregator import LabelAggregator
from monitor.count.labels.answers import Answers
from monitor.count.labels.outcome_counts import OutcomeRows, outcome_tallies
from monitor.count.labels.rows import LabelRows
from monitor.findings import Finding
from monitor.judge.causes.around import Around
from monitor.judge.evaluation import Judge
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import Budget
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.column import PREDICTION
from monitor.reference.learn.outcomes import OutcomeCohort, learn_outcome
from monitor.reference.learn.performance import PerformanceLearner
from monitor.reference.reference import Reference
from monitor.reference.segments import SegmentedBy, blank_segments, counts_name
from monitor.settings.model import Model
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from tests.benchmarks.material import table
from tests.engine import blank, categorical, numeric

PER_MINUTE: Final = 100
GROUPS: Final = (("region", 8), ("sex", 2))
WRONG: Final = 0.2
NAMES: Final = ["judge", "topic"]


def reference_of(minutes: int, rng: np.random.Generator, *, dependent: bool) -> Reference:
    made = replace(
        blank([numeric("x"), categorical("sex", ("0", "1")), categorical("prediction", ("0", "1"), role=PREDICTION)]),
        task="binary",
    )
    by = [SegmentedBy(name, tuple(map(str, range(count))), is_tag=name == "region") for name, count in GROUPS]
    made = replace(made, segments=blank_segments(by, *made.counts.shape), predictions=minutes * PER_MINUTE)
    made = replace(made, outcomes=None)
    learner, values = PerformanceLearner("binary", "1"), {name: list[OutcomeCohort]() for name in NAMES}
    for at, (labels, _) in enumerate(cohorts(made, minutes, rng, dependent=dependent)):
        start_us, end_us = at * MINUTE_US, (at + 1) * MINUTE_US
        learner.add(start_us, end_us, labels)
        for name, own in values.items():
            in_segments = {number: of.outcomes[name] for number, of in labels.segments.items() if name in of.outcomes}
            own.append(OutcomeCohort(start_us, end_us, labels.outcomes[name], in_segments))
    outcomes = {name: one for name, own in values.items() if (one := learn_outcome(own, None, ())) is not None}
    return replace(
        made,
        performance=learner.finish(),
        outcomes=outcomes,
        base_us=round(2.5 * MINUTE_US),
        events=minutes * PER_MINUTE,
    )


def cohorts(
    reference: Reference, minutes: int, rng: np.random.Generator, *, dependent: bool, worse: float = 0.0
) -> Iterator[tuple[LabelTally, Tally]]:
    """Labels of each minute, and the events of it; in region 3 a share `worse` more of them is wrong, the score is
    lower by as much, and as many more are of one category."""
    answers = Answers(all_floats=True)
    aggregator, wave, at_column = LabelAggregator(reference), 0.0, len(reference.columns) - 1
    slots = reference.counts.shape[1]
    for _ in range(minutes):
        wave = 0.9 * wave + rng.normal(0, 0.2) if dependent else 0.0
        rate = 1 / (1 + np.exp(-(np.log(WRONG / (1 - WRONG)) + wave)))
        group = [rng.integers(0, count, PER_MINUTE) for _, count in GROUPS]
        wrong = rng.random(PER_MINUTE) < np.where(group[0] == 3, rate + worse, rate)
        label = (rng.random(PER_MINUTE) < 0.4).astype(np.int64)
        predicted = np.where(wrong, 1 - label, label)
        firsts = np.cumsum([0, *(count + 1 for _, count in GROUPS)])
        segments = np.array([first + own for first, own in zip(firsts, group, strict=False)])
        rows = LabelRows(
            np.zeros(PER_MINUTE, np.int64),
            label.tolist(),
            predicted.tolist(),
            np.clip(0.5 + 0.3 * (2 * predicted - 1) + rng.normal(0, 0.05, PER_MINUTE), 0, 1),
            np.ones(PER_MINUTE, np.int64),
            segments,
        )
        tally = Tally.empty(*(len(reference.columns), reference.width))
        tally.predictions = PER_MINUTE
        for segment in np.unique(segments).tolist():
            own = np.zeros((len(reference.columns), slots), np.int64)
            inside = (segments == segment).any(0)
            own[at_column, :2] = np.bincount(predicted[inside], minlength=2)
            tally.further[counts_name(segment)] = own.ravel()
        labels = aggregator.count(rows)[0]
        less = np.where(group[0] == 3, worse, 0.0)
        score = 0.6 - 0.05 * wave - less + rng.normal(0, 0.15, PER_MINUTE)
        topic = np.where(rng.random(PER_MINUTE) < rate + less, "refund", "praise")
        values = [*map(float, score), *map(str, topic)]
        outcomes = OutcomeRows(
            np.zeros(2 * PER_MINUTE, np.int64),
            np.repeat([1, 2], PER_MINUTE),
            answers.bits(values),
            np.ones(2 * PER_MINUTE, np.int64),
            np.tile(segments, 2),
        )
        labels.merge(outcome_tallies(outcomes, NAMES, answers, reference.outcomes, aggregator.segments)[0])
        yield labels, tally


def judge_of(reference: Reference) -> Judge:
    segments = [name for name, _ in GROUPS]
    settings: dict[str, Any] = {"name": "credit", "reference": "r.json", "segments": segments}
    model = Model.model_validate({**settings, "fairness": {"by": segments}})

    def spend(what: str, start_us: int, end_us: int, _tests: int) -> float:
        return budget.alpha(what, start_us, end_us, 1.0)

    made = Judge(PreparedReference.of(reference), Policy(model), Around(spend=spend))
    budget = Budget.of(1.0, 30 * DAY_US, reference.base_us, made.total_tests(7), reference.events)
    return made


def followed(judge: Judge, labels: LabelTally, tally: Tally, at: int) -> list[Finding]:
    block = Block(at * MINUTE_US, (at + 1) * MINUTE_US, tally)
    causes = judge.performance, judge.outcomes, judge.fairness
    return [found for cause in causes for found in cause.follow(block, labels)]


def named(found: Finding) -> tuple[str, str, str]:
    return (found.key.cause, "segment" if found.key.segment else "all", found.severity)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="segment-errors", description=__doc__)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reference", type=int, default=200, help="minutes, of 100 labels each")
    parser.add_argument("--dependent", action="store_true")
    asked = parser.parse_args(arguments)
    rng = np.random.default_rng(asked.seed)
    reference = reference_of(asked.reference, rng, dependent=asked.dependent)
    judge, found = judge_of(reference), Counter[tuple[str, str, str]]()
    keys: dict[object, int] = {}
    for at, (labels, tally) in enumerate(cohorts(reference, asked.days * 1440, rng, dependent=asked.dependent)):
        for one in followed(judge, labels, tally, at):
            if keys.get(one.key, -10_000) < at - 200:  # as an incident would tell them once
                found[named(one)] += 1
            keys[one.key] = at
    rows = [[*name, f"{count} in {asked.days} days"] for name, count in sorted(found.items())]
    rows = rows or [["none", "", "", f"0 in {asked.days} days"]]
    for worse in (0.1, 0.3):
        judge, first = judge_of(reference), dict[tuple[str, str, str], int]()
        for at, (labels, tally) in enumerate(cohorts(reference, 400, rng, dependent=asked.dependent, worse=worse)):
            for one in followed(judge, labels, tally, at):
                first.setdefault(named(one), (at + 1) * PER_MINUTE)
        rows += [[*name, f"after {labels} labels, {worse} worse in one of 8"] for name, labels in first.items()]
    table(("cause", "of", "severity", "found"), rows)
