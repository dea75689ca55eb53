"""The state of a model version as a tree, and back: its events and its judge; its labels are a part of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from monitor.count.exchange import ExchangeState
from monitor.events import ModelKey
from monitor.findings import FindingKey
from monitor.judge.incidents.incident import TransitionContext
from monitor.judge.judge_state import JudgeState
from monitor.judge.promise.budget import BudgetState
from monitor.judge.traffic_time import Traffic
from monitor.state.finding_trees import book_of, book_tree
from monitor.state.versions import Tree, require_version
from monitor.stats.tallies.later import Later
from monitor.stats.tallies.tally import Tally

#: from 2 on a book has findings that last, and what changed when they opened; from 3 on labels are not in it
VERSION: Final = 3
PREFIX: Final = "model/"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model version.

    `settings` is the hash of those it was counted by, `events` are totals since the state began.
    """

    key: ModelKey
    settings: str = ""
    events: Tally | None = None
    exchange: ExchangeState = field(default_factory=ExchangeState)
    judge: JudgeState | None = None


class _Exchange(msgspec.Struct):
    judged_until: int | None
    unjudged: int


class _Budget(msgspec.Struct):
    last: dict[str, int]
    expected: float


class _Judge(msgspec.Struct):
    settings: str
    reference: str
    predictions: int
    labels: int
    at: int
    recent: Tree
    base: Tree
    pyramid: Tree
    budget: _Budget
    causes: Tree
    book: Tree
    info: list[list[Any]]
    excluded: int = 0
    severities: str = ""
    traffic: tuple[int, int] = (0, 0)
    retired: bool = False


class _Model(msgspec.Struct):
    model: str
    model_version: str
    settings: str
    events: Tree | None
    exchange: _Exchange
    judge: _Judge | None


@lru_cache(4_096)
def name_of(key: ModelKey) -> str:
    """The name of the part; models and versions may contain any character."""
    return PREFIX + json.dumps(key, ensure_ascii=False)


def encode(state: ModelState) -> Tree:
    """The tree."""
    exchange = state.exchange
    return {
        "version": VERSION,
        "model": state.key.model,
        "model_version": state.key.version,
        "settings": state.settings,
        "events": None if state.events is None else state.events.to_state(),
        "exchange": {"judged_until": exchange.judged_until_us, "unjudged": exchange.unjudged},
        "judge": None if state.judge is None else _judge_tree(state.judge),
    }


def _judge_tree(state: JudgeState) -> Tree:
    return {
        "settings": state.context.settings,
        "reference": state.context.reference,
        "predictions": state.context.predictions,
        "labels": state.context.labels,
        "at": state.context.at_us,
        "recent": state.recent,
        "base": state.base,
        "pyramid": state.pyramid,
        "budget": {"last": state.budget.last_us, "expected": state.budget.expected},
        "causes": state.causes,
        "book": Later(lambda: book_tree(state.book)),  # copies of its own, of findings that never change
        "info": [[*key, at] for key, at in state.shown_info.items()],
        "excluded": state.excluded,
        "severities": state.severities,
        "traffic": list(state.traffic),
        "retired": state.retired,
    }


def decode(tree: Tree) -> ModelState:
    """The inverse of `encode`.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError: the tree does not come from `encode`.
    """
    require_version(tree, VERSION)
    read = msgspec.convert(tree, _Model)
    key = ModelKey(read.model, read.model_version)
    return ModelState(
        key,
        read.settings,
        None if read.events is None else Tally.from_state(read.events),
        ExchangeState(read.exchange.judged_until, read.exchange.unjudged),
        None if read.judge is None else _judge_of(key, read.judge),
    )


def _judge_of(key: ModelKey, read: _Judge) -> JudgeState:
    return JudgeState(
        TransitionContext(key, read.at, read.predictions, read.labels, read.reference, read.settings),
        read.recent,
        read.base,
        read.pyramid,
        BudgetState(read.budget.last, read.budget.expected),
        read.causes,
        book_of(read.book),
        {FindingKey(*key): at for *key, at in read.info},
        read.excluded,
        read.severities,
        Traffic(*read.traffic),
        read.retired,
    )
