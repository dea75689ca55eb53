"""Encodes and decodes the label parts of a state: a task's open labels, and those of a model version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from monitor.count.exchange import LabelExchangeState
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.task_state import OpenLabels, TaskLabelsState
from monitor.events import ModelKey
from monitor.state.versions import Tree, require_version
from monitor.stats.performance.class_scores import ClassScores
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import OutcomeTally

#: from 2 on the labels of a topic have a clock; before, it was the newest of their times
TASK_VERSION: Final = 2
TASK_PREFIX: Final = "task_labels/"
MODEL_VERSION: Final = 1
MODEL_PREFIX: Final = "model_labels/"

_Pairs = list[tuple[str, str, int]]
#: a sum of squares or cubes
_Power = Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,160}$")]


@dataclass(frozen=True, slots=True)
class ModelLabels:
    """The labels of one model version: totals since the state began, and what the exchange holds."""

    key: ModelKey
    totals: LabelTally = field(default_factory=LabelTally)
    exchange: LabelExchangeState = field(default_factory=LabelExchangeState)


class _Outcome(msgspec.Struct):
    numbers: list[tuple[int, int]]
    texts: list[tuple[str, int]]
    total: Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,60}$")]
    summed: int = 0
    squares: _Power = "0"
    cubes: _Power = "0"


class _ClassScores(msgspec.Struct):
    classes: list[str]
    places: list[int]
    counts: list[int]


class _Tally(msgspec.Struct):
    labels: int
    pairs: _Pairs
    score_counts: list[tuple[int, int]] = msgspec.field(default_factory=list)
    label_sums: dict[str, int] = msgspec.field(default_factory=dict)
    outcomes: dict[str, _Outcome] = msgspec.field(default_factory=dict)
    segments: list[tuple[int, _Tally]] = msgspec.field(default_factory=list)
    class_scores: _ClassScores | None = None


class _OpenCohort(_Tally, kw_only=True):
    model: str
    model_version: str
    cohort: int


class _Task(msgspec.Struct):
    number: int
    waiting: list[_OpenCohort]
    inline: list[_OpenCohort]
    newest: dict[str, int] = {}
    clocks: dict[str, Tree] = {}


class _Waiting(_Tally, kw_only=True):
    start: int


class _Model(msgspec.Struct):
    model: str
    model_version: str
    totals: _Tally
    handed_on_until: int | None
    waiting: list[_Waiting]


def task_name(number: int) -> str:
    """The name of the part of a task's labels."""
    return f"{TASK_PREFIX}{number}"


@lru_cache(4_096)
def model_name(key: ModelKey) -> str:
    """The name of the part of a model version's labels; models and versions may hold any character."""
    return MODEL_PREFIX + json.dumps(key, ensure_ascii=False)


def encode_task(state: TaskLabelsState) -> Tree:
    """The tree."""
    return {
        "version": TASK_VERSION,
        "number": state.number,
        "clocks": dict(state.clocks),
        "waiting": _open_trees(state.waiting),
        "inline": _open_trees(state.inline),
    }


def _open_trees(labels: Iterable[OpenLabels]) -> list[dict[str, Any]]:
    return [
        {"model": key.model, "model_version": key.version, "cohort": cohort, **tally.to_state()}
        for key, cohort, tally in labels
    ]


def decode_task(tree: Tree) -> TaskLabelsState:
    """The inverse of `encode_task`.

    Raises:
        msgspec.ValidationError: the tree was not made by `encode_task`.
    """
    require_version(tree, TASK_VERSION)
    read = msgspec.convert(tree, _Task)
    clocks = {topic: {"us": newest, "clock": newest} for topic, newest in read.newest.items()} | read.clocks
    return TaskLabelsState(read.number, clocks, _open_labels(read.waiting), _open_labels(read.inline))


def _open_labels(cohorts: Iterable[_OpenCohort]) -> list[OpenLabels]:
    return [OpenLabels(ModelKey(one.model, one.model_version), one.cohort, _tally(one)) for one in cohorts]


def _tally(read: _Tally) -> LabelTally:
    return LabelTally(
        read.labels,
        {(label, predicted): n for label, predicted, n in read.pairs},
        dict(read.score_counts),
        read.label_sums,
        {name: OutcomeTally.from_state(msgspec.structs.asdict(of)) for name, of in read.outcomes.items()},
        {segment: _tally(of) for segment, of in read.segments},
        ClassScores.from_state(msgspec.structs.asdict(read.class_scores)) if read.class_scores else ClassScores(),
    )


def encode_model(state: ModelLabels) -> Tree:
    """The tree."""
    return {
        "version": MODEL_VERSION,
        "model": state.key.model,
        "model_version": state.key.version,
        "totals": state.totals.to_state(),
        "handed_on_until": state.exchange.handed_on_until_us,
        "waiting": [{"start": cohort.start_us, **cohort.tally.to_state()} for cohort in state.exchange.waiting],
    }


def decode_model(tree: Tree) -> ModelLabels:
    """The inverse of `encode_model`.

    Raises:
        msgspec.ValidationError: the tree was not made by `encode_model`.
    """
    require_version(tree, MODEL_VERSION)
    read = msgspec.convert(tree, _Model)
    key = ModelKey(read.model, read.model_version)
    waiting = [LabelCohort(key, one.start, _tally(one)) for one in read.waiting]
    return ModelLabels(key, _tally(read.totals), LabelExchangeState(read.handed_on_until, waiting))
