"""What a checkpoint keeps of the judge of one model version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.findings import FindingKey
from monitor.judge.incidents.incident import BookState, TransitionContext
from monitor.judge.promise.budget import BudgetState
from monitor.judge.traffic_time import NO_TRAFFIC, Traffic

#: an explicit tree of plain values and arrays
Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JudgeState:
    """Checkpointed state of a judge; each tree is opaque to everything but its owner."""

    context: TransitionContext
    recent: Tree
    base: Tree
    pyramid: dict[str, Any]
    budget: BudgetState
    causes: dict[str, Any]
    book: BookState
    shown_info: dict[FindingKey, int]
    excluded: int = 0
    #: fingerprint of the severities that the findings have; "" in the state of an older version
    severities: str = ""
    traffic: Traffic = NO_TRAFFIC
    retired: bool = False
