"""The checkpointed state of the join of one model's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.count.labels.join_tables import Ints
from monitor.events import ModelKey


@dataclass(frozen=True, slots=True)
class JoinState:
    """Checkpointed state of a join: see `model_join.ModelJoin`.

    `late_…` are positions of rows that were not taken though their time is before `until_us`; `rows` the tables of
    predictions, labels and meetings, and of probabilities that are `width` numbers wide, if that is not 0.
    `uncut_before` is that of the tables; None in a state of before outcomes were counted by segment.
    """

    codes: list[ModelKey]
    retired: list[int]
    texts: list[str]
    until_us: int
    tidied_us: int
    late_predictions: Ints
    late_labels: Ints
    panes: dict[int, int]
    kept_from_us: int
    gone: int
    rows: Sequence[Mapping[str, Any]]
    width: int = 0
    uncut_before: int | None = None
