"""An effect of any size for every cause: streams that are the reference's own but for what the effect changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final

import numpy as np

from monitor.clock import ManualClock
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.findings import FindingKey
from monitor.judge.causes.cause import Cause
from monitor.judge.causes.consecutive import Consecutive
from monitor.judge.causes.constant import Constant
from monitor.judge.causes.detectors import Detectors
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.errors import Errors
from monitor.judge.causes.fact_share import ClockSkew, Duplicates
from monitor.judge.causes.fairness import Fairness
from monitor.judge.causes.features_gone import FeaturesGone
from monitor.judge.causes.label_facts import LabelFacts
from monitor.judge.causes.outcome import Outcomes
from monitor.judge.causes.performance import Performance
from monitor.judge.causes.platform_limit import PlatformLimits
from monitor.judge.causes.quality import Quality
from monitor.judge.causes.relation import Relation
from monitor.judge.causes.residual import Residual
from monitor.judge.causes.schema import Schema
from monitor.judge.causes.segment_quality import SegmentQuality
from monitor.judge.causes.segments import Segments
from monitor.judge.causes.tags_gone import TagsGone
from monitor.judge.causes.traffic import TrafficRate
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.imported import Imported, Limit
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.settings.model import Model
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    SECOND,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    build,
    run_to_end,
    settings,
    tied,
)

#: events of the reference's stream that an example replays, and how many of them come before its effect
EVENTS_USED: Final = 2_000
BEFORE: Final = 1_000

#: what a label event says that follows an event
FOLLOWED_BY: Final = "followed_by"

#: changes an event; the two numbers are the effect's size and the event's own lot, both from 0 to 1
Change = Callable[[Event, float, float], None]


@dataclass(frozen=True, slots=True)
class LabelledPane(Block):
    """A pane, and beside it the labels of its predictions."""

    labels: LabelTally


@dataclass(frozen=True)
class Example:
    """An effect and the finding it makes. Of size 0 it changes nothing; a larger one changes more events, or more."""

    key: FindingKey
    change: Change


def feature(name: str, value: object) -> Change:
    """So large a share of the events has this value; `Ellipsis` takes the feature out."""

    def change(made: Event, size: float, lot: float) -> None:
        if lot < size:
            made["features"] = {n: v for n, v in made["features"].items() if n != name}
            if value is not Ellipsis:
                made["features"][name] = value

    return change


def field(name: str, value: object) -> Change:
    """The same of a field of the event itself."""

    def change(made: Event, size: float, lot: float) -> None:
        if lot < size:
            made.pop(name) if value is Ellipsis else made.update({name: value})

    return change


def older(made: Event, size: float, lot: float) -> None:
    if lot < size:
        made["features"] = made["features"] | {"AGE": made["features"]["AGE"] + 8}


def surer(made: Event, size: float, lot: float) -> None:
    if lot < size:
        made["score"] = (1 + made["score"]) / 2


def where(level: str, change: Change) -> Change:
    """The change in one segment of EDU alone."""

    def of_segment(made: Event, size: float, lot: float) -> None:
        if made["features"].get("EDU") == level:
            change(made, size, lot)

    return of_segment


@cache
def bills() -> list[float]:
    return [event["features"]["BILL"] for event in tied(Credit(10_000))]


def of_another(made: Event, size: float, lot: float) -> None:
    """So large a share of the events has the bill of another event."""
    if lot < size:
        number = int(made["id"].partition("-")[2])
        made["features"] = made["features"] | {"BILL": bills()[number * 7_919 % len(bills())]}


def stream(fault: Callable[[Event, float], None] = lambda _made, _lot: None, after: int = 1 << 30) -> Iterator[Event]:
    """The events of all examples: their score is a model's of the features, with little else in it.

    `fault` changes events from number `after` on, with their own lot: the model sees the changed features.
    """
    lots = np.random.default_rng(7).random(10_000).tolist()
    for at, (event, lot) in enumerate(zip(tied(Credit(10_000)), lots, strict=True)):
        noise = event["score"]
        event["score"] = _scored(event, noise)
        if at >= after:
            before = event["features"]
            fault(event, lot)
            if event["features"] != before:
                event["score"] = _scored(event, noise)
        yield event


def _scored(event: Event, noise: float) -> float:
    features = event["features"]
    logit = 0.06 * (features["AGE"] - 35) - 0.5 * math.log(features["LIMIT"] / 60_000) + 0.5 * noise
    return round(1 / (1 + math.exp(1 - logit)), 4)


def worse(made: Event, size: float, lot: float) -> None:
    """One label in ten is not as predicted, and with the effect nearly all."""
    wrong = lot < 0.1 + 0.8 * size
    made["label"] = 1 - made["prediction"] if wrong else made["prediction"]


def defaulting(made: Event, size: float, lot: float) -> None:
    """One label in ten is not as predicted, and with the effect nearly all are positive, whatever the score says."""
    worse(made, 0.0, lot)
    if lot > 1 - 0.9 * size:
        made["label"] = 1


def refused_where_low(made: Event, size: float, lot: float) -> None:
    """Every third prediction is positive, and with the effect none of a group's."""
    made["prediction"] = int(lot * 997 % 3 < 1)
    if made["features"]["EDU"] == "low" and lot < size:
        made["prediction"] = 0


def missed_where_low(made: Event, size: float, lot: float) -> None:
    """All are positive, and a third of them is missed; with the effect all of a group."""
    refused_where_low(made, 0.0, lot)
    made["prediction"], made["label"] = 1 - made["prediction"], 1
    if made["features"]["EDU"] == "low" and lot < size:
        made["prediction"] = 0


def rated(made: Event, size: float, lot: float) -> None:
    """A label event follows: with the effect a judge's score is lower, and the label's value higher."""
    made[FOLLOWED_BY] = {
        "outcomes": {"judge": 0.5 + 0.5 * lot - 0.5 * size},
        "value": (50 + 100 * lot) * (1 + 2 * size),
    }


def with_followers(stream: Iterable[Event]) -> Iterator[Event]:
    """The events, each with the label event that follows it."""
    for made in stream:
        follower = made.pop(FOLLOWED_BY, None)
        yield made
        if follower is not None:
            yield {name: made[name] for name in ("id", "model", "version", "ts")} | {"type": "label"} | follower


#: when the effects begin
_CHANGE_US: Final = [made["ts"] for made, _ in zip(Credit(10_000), range(BEFORE + 1), strict=False)][-1]


def slower(made: Event, size: float, lot: float) -> None:
    """The time between two events is up to twenty times as long."""
    made["ts"] = round(_CHANGE_US + (made["ts"] - _CHANGE_US) * (1 + 19 * size))


def again(made: Event, size: float, lot: float) -> None:
    """Up to eight in ten events repeat one id."""
    if lot < 0.8 * size:
        made["id"] = "again"


def ahead(made: Event, size: float, lot: float) -> None:
    """Up to one event in five is an hour ahead."""
    if lot < 0.2 * size:
        made["ts"] += 3_600 * SECOND


#: about cohorts of hours and labels that come later (tests/unit/judge/test_label_facts.py), and about tags
#: (tests/unit/judge/test_tag_segments.py): no stream here has them
WITHOUT_EXAMPLES: Final = frozenset({LabelFacts, TagsGone})

EXAMPLES: Final[Mapping[type[Cause[Any]], tuple[Example, ...]]] = {
    FeaturesGone: (Example(FindingKey("credit", "absent"), field("features", ...)),),
    Quality: (
        Example(FindingKey("LIMIT", "missing"), feature("LIMIT", None)),
        Example(FindingKey("LIMIT", "absent"), feature("LIMIT", ...)),
        Example(FindingKey("EDU", "unseen"), feature("EDU", "phd")),
        Example(FindingKey("BILL", "outside"), feature("BILL", 9_999_999.0)),
        Example(FindingKey("LIMIT", "type"), feature("LIMIT", "much")),
        Example(FindingKey("score", "absent"), field("score", ...)),
    ),
    Constant: (
        Example(FindingKey("AGE", "constant"), feature("AGE", 35)),
        Example(FindingKey("EDU", "constant"), feature("EDU", "low")),
    ),
    Distribution: (
        Example(FindingKey("AGE", "distribution"), older),
        Example(FindingKey("EDU", "distribution"), feature("EDU", "low")),
        Example(FindingKey("score", "score"), surer),
        Example(FindingKey("prediction", "prediction"), field("prediction", 1)),
    ),
    Segments: (
        Example(FindingKey("AGE", "distribution", "EDU=low"), where("low", older)),
        Example(FindingKey("score", "score", "EDU=low"), where("low", surer)),
        Example(FindingKey("prediction", "prediction", "EDU=high"), where("high", field("prediction", 1))),
    ),
    SegmentQuality: (
        Example(FindingKey("LIMIT", "missing", "EDU=low"), where("low", feature("LIMIT", None))),
        Example(FindingKey("LIMIT", "absent", "EDU=low"), where("low", feature("LIMIT", ...))),
        Example(FindingKey("LIMIT", "type", "EDU=high"), where("high", feature("LIMIT", "much"))),
    ),
    Relation: (Example(FindingKey("BILL~LIMIT", "relation"), of_another),),
    Detectors: (
        Example(FindingKey("credit", "performance", figure="adwin"), worse),
        Example(FindingKey("credit", "performance", figure="hddm_a"), worse),
        Example(FindingKey("AGE", "distribution", figure="page_hinkley"), older),
        Example(FindingKey("score", "score", figure="kswin"), surer),
    ),
    Residual: (Example(FindingKey("score", "score", figure="residual"), surer),),
    Performance: (
        Example(FindingKey("credit", "performance", figure="accuracy"), worse),
        Example(FindingKey("credit", "performance", figure="recall"), worse),
        Example(FindingKey("credit", "performance", figure="precision"), worse),
        Example(FindingKey("credit", "calibration", figure="calibration_error"), defaulting),
        Example(FindingKey("credit", "cost", figure="cost_per_thousand"), worse),
    ),
    Fairness: (
        Example(FindingKey("credit", "fairness", "EDU=low", "disparate_impact"), refused_where_low),
        Example(FindingKey("credit", "fairness", "EDU=low", "equal_opportunity"), missed_where_low),
    ),
    Errors: (Example(FindingKey("credit", "performance", figure="error_rate"), worse),),
    Consecutive: (),  # it compares days: tests/unit/judge/test_consecutive.py
    Outcomes: (
        Example(FindingKey("outcome.judge", "outcome"), rated),
        Example(FindingKey("credit", "cost", figure="value_per_thousand"), rated),
    ),
    Duplicates: (Example(FindingKey("credit", "duplicates"), again),),
    ClockSkew: (Example(FindingKey("credit", "clock"), ahead),),
    PlatformLimits: (
        Example(FindingKey("LIMIT", "schema", figure="completeness"), feature("LIMIT", None)),
        Example(FindingKey("EDU", "schema", figure="infinity_norm"), feature("EDU", "low")),
    ),
    Schema: (Example(FindingKey("CITY", "schema"), feature("CITY", "Graz")),),
    TrafficRate: (Example(FindingKey("credit", "traffic"), slower),),
}


@cache
def reference() -> Reference:
    return build(settings({"segments": ["EDU"]}), list(stream()))


@cache
def prepared() -> PreparedReference:
    """The reference of all examples."""
    return PreparedReference.of(reference())


@cache
def prepared_with_labels() -> PreparedReference:
    """The same reference, each prediction with its label: one in ten is wrong."""
    events = list(stream())
    for event, lot in zip(events, np.random.default_rng(5).random(len(events)).tolist(), strict=True):
        worse(event, 0.0, lot)
    return PreparedReference.of(build(settings(), events))


@cache
def prepared_with_outcomes() -> PreparedReference:
    """The same reference, each prediction with a judge's score and a value."""
    events = list(stream())
    for event, lot in zip(events, np.random.default_rng(6).random(len(events)).tolist(), strict=True):
        rated(event, 0.0, lot)
    source = partial(MemorySource, {EVENTS: list(with_followers(events))})
    tree, rows = settings({"labels": {"horizon": "1h"}}), EventRange(rows=len(events))
    return PreparedReference.of(build_reference(tree, CREDIT, source, ManualClock(NOW_US), rows))


@cache
def prepared_with_limits() -> PreparedReference:
    """The same reference, with limits of a system that it could have been imported from."""
    limits = Limit("LIMIT", "completeness", "missing", 0.05), Limit("EDU", "infinity_norm", "linf", 0.1)
    return PreparedReference.of(replace(reference(), imported=Imported("sagemaker", limits=limits)))


def made(cause: type[Cause[Any]]) -> Cause[Any]:
    """The cause for the model of the examples, as its settings are without saying anything, but for its detectors."""
    detectors = [
        {"kind": "adwin", "on": "error"},
        {"kind": "hddm_a", "on": "error"},
        {"kind": "page_hinkley", "on": "AGE"},
        {"kind": "kswin", "on": "score", "alpha": 1e-4},
    ]
    model = {"name": "credit", "reference": "r.json", "detectors": detectors, "costs": {"false_negative": 5}}
    model |= {"segments": ["EDU"], "fairness": {"by": ["EDU"]}}
    own: dict[type[Cause[Any]], Callable[[], PreparedReference]]
    own = {Performance: prepared_with_labels, Outcomes: prepared_with_outcomes, PlatformLimits: prepared_with_limits}
    known = own.get(cause, prepared)()
    return cause(known, Policy(Model.model_validate(model)))


def panes(example: Example, size: float) -> list[LabelledPane]:
    """The panes of the reference's first events, those after `BEFORE` with an effect of this size."""
    return _counted(_with_effect(example, size))


@cache
def reference_panes() -> list[LabelledPane]:
    """The panes of the whole stream the reference was made of."""
    return _counted(stream())


def _with_effect(example: Example, size: float) -> Iterator[Event]:
    lots = np.random.default_rng(11).random(EVENTS_USED).tolist()
    for at, (event, lot) in enumerate(zip(stream(), lots, strict=False)):
        example.change(event, size if at >= BEFORE else 0.0, lot)
        yield event


def _counted(stream: Iterable[Event]) -> list[LabelledPane]:
    source, counted = MemorySource({EVENTS: list(with_followers(stream))}), _Panes()
    tree = settings()
    admission = admission_of(tree, reference())
    pipeline = Pipeline(tree, admission, source, ManualClock(NOW_US), Recorded(), stage2=counted, live=False)
    run_to_end(pipeline, source)
    return counted.blocks


class _Panes(StatelessStage2):
    """Stage 2 that collects the panes with their labels."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[LabelledPane] = []
        self._labels = LabelTally()

    def judge(self, pane: Pane) -> None:
        self.blocks.append(LabelledPane(pane.start_us, pane.end_us, pane.tally, self._labels))
        self._labels = LabelTally()

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        for cohort in cohorts:
            self._labels.merge(cohort.tally)
