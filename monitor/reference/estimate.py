"""What a reference knows of a model's errors, so that its performance can be estimated before labels come.

An optional part of a reference, learned from its labelled rows. Of a classifier: how often each predicted class is
right by bin of the score, and which class it is where it is wrong. Of a regression: the size of its error by the bins
of the features and of the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import SCORE, Column
from monitor.reference.score_effects import BEYOND

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: name of the counts in a tally's `further`: (K + 1, B) events by predicted class and bin of the score
BY_SCORE: Final = "by_score"


@dataclass(frozen=True)
class ClassEstimate:
    """Of K predicted classes and B bins of the score, which lie between rising `edges` (B - 1,): edge < score <= edge.

    `right` (K, B) is the share of predictions of a class and bin that are right, `wrong` (K, K + 1) which label they
    have where they are not, the last for labels that are no predicted class. `positive` is the place of the positive
    class; None of more than two classes. `rows` of the reference were labelled.
    """

    classes: tuple[str, ...]
    edges: tuple[float, ...]
    right: Floats
    wrong: Floats
    positive: int | None
    rows: int

    @property
    def bins(self) -> int:
        return len(self.edges) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Of the counts: one row for each class, and one for predictions without a class."""
        return len(self.classes) + 1, self.bins

    def to_plain(self) -> dict[str, Any]:
        return {
            "of": "classes",
            "rows": self.rows,
            "classes": list(self.classes),
            "edges": list(self.edges),
            "right": self.right.tolist(),
            "wrong": self.wrong.tolist(),
            **({} if self.positive is None else {"positive": self.positive}),
        }


@dataclass(frozen=True)
class ErrorEstimate:
    """Of C columns and S slots, as in `ScoreEffects`: additive regressions of the absolute and of the squared error.

    `absolute` and `squared` are (C, S) effects, 0 on average over the labelled rows, whose means are `mean_absolute`
    and `mean_squared`. `used` (C,) are the columns with effects. `rows` of the reference were labelled.
    """

    mean_absolute: float
    mean_squared: float
    absolute: Floats
    squared: Floats
    used: tuple[bool, ...]
    rows: int

    def to_plain(self, columns: Sequence[Column]) -> dict[str, Any]:
        width = self.absolute.shape[1] - BEYOND
        used = [(at, column) for at, column in enumerate(columns) if self.used[at]]

        def own(effects: Floats) -> list[list[float]]:
            return [[*effects[at, : column.bins.bins].tolist(), *effects[at, width:].tolist()] for at, column in used]

        return {
            "of": "errors",
            "rows": self.rows,
            "mean_absolute": self.mean_absolute,
            "mean_squared": self.mean_squared,
            "columns": [[column.role, column.name] for _, column in used],
            "absolute": own(self.absolute),
            "squared": own(self.squared),
        }


Estimate = ClassEstimate | ErrorEstimate


def estimate_json(estimate: Estimate, columns: Sequence[Column]) -> dict[str, Any]:
    """Plain values for a file."""
    return estimate.to_plain() if isinstance(estimate, ClassEstimate) else estimate.to_plain(columns)


def estimate_from(plain: dict[str, Any], columns: Sequence[Column], width: int) -> Estimate:
    """Back from `estimate_json`; `width` is the number of bins of the widest column."""
    if plain["of"] == "classes":
        return ClassEstimate(
            tuple(plain["classes"]),
            tuple(map(float, plain["edges"])),
            np.array(plain["right"], np.float64),
            np.array(plain["wrong"], np.float64),
            plain.get("positive"),
            plain["rows"],
        )
    absolute, squared = (np.zeros((len(columns), width + BEYOND)) for _ in range(2))
    rows = {tuple(name): at for at, name in enumerate(plain["columns"])}
    for at, column in enumerate(columns):
        row = rows.get((column.role, column.name))
        if row is not None:
            slots = [*range(column.bins.bins), *range(width, width + BEYOND)]
            absolute[at, slots], squared[at, slots] = plain["absolute"][row], plain["squared"][row]
    return ErrorEstimate(
        float(plain["mean_absolute"]),
        float(plain["mean_squared"]),
        absolute,
        squared,
        tuple((column.role, column.name) in rows for column in columns),
        plain["rows"],
    )


def score_of(columns: Sequence[Column]) -> int | None:
    """The place of the score; None without one."""
    return next((at for at, column in enumerate(columns) if column.role == SCORE), None)
