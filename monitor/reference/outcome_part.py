"""What a reference knows of one named outcome of its predictions, and which of its means are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.performance_part import LEAST_WINDOWS, ErrorVariation, maturity_us
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.performance.outcome_tally import OTHER, OutcomeTally, category_moments, number_moments

Floats = NDArray[np.float64]

#: the figure of an outcome that is numbers; that of a category is the category
MEAN: Final = "mean"


@dataclass(frozen=True, slots=True)
class ReferenceOutcome:
    """One outcome of a reference's predictions, of a `kind`: numeric or categorical.

    `tally` are its values; `windows` base windows of them, of `rows` values and `base_us` microseconds each on average;
    `errors` how its mean varied, or the share of each of its `categories` and of other texts. `came`, `segments` and
    `settled_us` as a reference's performance has them.
    """

    kind: str
    categories: tuple[str, ...]
    tally: OutcomeTally
    windows: int
    rows: float
    base_us: int
    errors: Mapping[str, ErrorVariation]
    came: tuple[tuple[int, float], ...] = ()
    segments: Mapping[int, ReferenceOutcome] = field(default_factory=dict)
    settled_us: int = 0

    def of_segments(self, numbers: Mapping[int, int]) -> ReferenceOutcome:
        """With some of the segments alone, by their new numbers {old: new}."""
        return replace(self, segments={numbers[at]: one for at, one in self.segments.items() if at in numbers})

    @property
    def figures(self) -> tuple[str, ...]:
        """What is compared: the mean, or the share of each category."""
        return figures_of(self.kind, self.categories)

    @property
    def maturity_us(self) -> int | None:
        """The delay after which nearly all values have come, and change no more."""
        return maturity_us(self.came, self.settled_us)

    @property
    def is_judged(self) -> bool:
        """Whether there are enough values to compare with."""
        return self.windows >= LEAST_WINDOWS

    def counted(self, tally: OutcomeTally) -> int:
        """Values of the outcome's kind."""
        return counted(self.kind, tally)

    def moments(self, tally: OutcomeTally) -> Floats:
        """(F, 4) of each of its figures: see `stats.mean_difference`."""
        return moments_of(self.kind, self.figures, tally)

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        segments = [[at, one.to_plain()] for at, one in sorted(self.segments.items())]
        return {
            "kind": self.kind,
            **({"categories": list(self.categories)} if self.kind == CATEGORICAL else {}),
            "tally": self.tally.to_state(),
            "windows": self.windows,
            "rows": self.rows,
            "base_us": self.base_us,
            **({"came": [list(one) for one in self.came]} if self.came else {}),
            **({"settled_us": self.settled_us} if self.settled_us else {}),
            "errors": {name: one.to_plain() for name, one in sorted(self.errors.items())},
            **({"segments": segments} if segments else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ReferenceOutcome:
        """Back from `to_plain`."""
        return cls(
            plain["kind"],
            tuple(plain.get("categories", ())),
            OutcomeTally.from_state(plain["tally"]),
            int(plain["windows"]),
            float(plain["rows"]),
            int(plain["base_us"]),
            {name: ErrorVariation.from_plain(one) for name, one in plain["errors"].items()},
            tuple((int(delay), float(share)) for delay, share in plain.get("came", ())),
            {int(at): cls.from_plain(one) for at, one in plain.get("segments", ())},
            int(plain.get("settled_us", 0)),
        )


def figures_of(kind: str, categories: tuple[str, ...]) -> tuple[str, ...]:
    """The figures of an outcome of that kind."""
    return (MEAN,) if kind == NUMERIC else (*categories, OTHER)


def counted(kind: str, tally: OutcomeTally) -> int:
    """Values of the outcome's kind: texts among numbers are left out."""
    return tally.numbers if kind == NUMERIC else tally.values


def moments_of(kind: str, figures: tuple[str, ...], tally: OutcomeTally) -> Floats:
    """(F, 4) of each of the figures of an outcome of that kind."""
    if kind == NUMERIC:
        return number_moments(tally)[None]
    return np.array([category_moments(tally, figure) for figure in figures])
