"""What a reference knows of its score (or numeric prediction): which part of it each bin of each feature explains.

An optional part of a reference: one additive regression of the score on all bins, learned from the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, PREDICTION, SCORE, Column
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.tallies.tally import CLIP_SD
from monitor.stats.variance.series_variance import SeriesVariance

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: places of events in no value bin, behind the value bins: without a value, outside the range, never-seen category
NO_VALUE, BELOW_RANGE, ABOVE_RANGE, NEVER_SEEN = range(4)
BEYOND: Final = 4
#: least share of the score's variance that the bins must explain for shares of a change to mean something
LEAST_EXPLAINED: Final = 0.5
#: least effective rows of the reference for each bin; with fewer the residual is not judged
ROWS_A_BIN: Final = 20


def target_of(columns: Sequence[Column]) -> int | None:
    """The place of the score, else of a numeric prediction; None where there is neither."""
    by_role = {column.role: at for at, column in enumerate(columns) if column.role != FEATURE}
    places = (by_role.get(role) for role in (SCORE, PREDICTION))
    return next((at for at in places if at is not None and columns[at].bins.kind == NUMERIC), None)


def standardised(values: Floats | float, column: Column) -> Floats:
    """Values of the explained column, cut off at its range and, as in a tally's sums, at `CLIP_SD` of its scales."""
    bins = column.bins
    with np.errstate(over="ignore"):
        z = (np.clip(values, bins.low, bins.high) - column.center) / column.scale
    return np.asarray(np.clip(z, -CLIP_SD, CLIP_SD), np.float64)


@dataclass(frozen=True)
class ScoreEffects:
    """The regression: C columns, S = B + `BEYOND` slots (value bins of the widest column, then those behind them).

    `target` is the place of the explained column, whose values are `standardised`: `mean`, `variance`, `effects` (C, S)
    of a slot and `means` (C, S) of the events in a slot less the mean of all. `known` (C, `BEYOND`): such events were
    in the reference; the others are valued when they come. `residual_variance` is that of the score less its effects.
    `rows` were used, with `bins` effects. `score` and `residual` tell how far rows depend on each other. `largest_rest`
    (K,) the largest mean residual of a window of each length (NaN: not learned).
    """

    target: int
    effects: Floats
    means: Floats
    known: Flags
    mean: float
    variance: float
    residual_variance: float
    rows: int
    bins: int
    score: SeriesVariance
    residual: SeriesVariance
    largest_rest: tuple[float, ...]

    @property
    def explained(self) -> float:
        """The share of the score's variance that the bins explain (R squared), at least 0."""
        return max(0.0, 1 - self.residual_variance / self.variance) if self.variance > 0 else 0.0

    @property
    def offers_shares(self) -> bool:
        """Whether the shares of a change that fall on columns mean something."""
        return self.explained >= LEAST_EXPLAINED

    @property
    def may_be_judged(self) -> bool:
        """Whether the residual says more than the score itself, and the effects are known well enough for it."""
        if not self.offers_shares:
            return False
        enough = self.rows >= ROWS_A_BIN * self.bins * max(self.score.ratio, self.residual.ratio)
        return enough and self.residual.settled and self.residual_variance > 0

    def is_finite(self) -> bool:
        """Whether the regression came to an end: without that it says nothing."""
        ratios = (self.score.ratio, self.residual.ratio, self.mean, self.variance, self.residual_variance)
        of_series = (*ratios, 1 / self.score.freedom, 1 / self.residual.freedom)
        return bool(np.isfinite(self.effects).all() and np.isfinite(self.means).all() and np.isfinite(of_series).all())

    def of(self, kept: Sequence[int], width: int, shares: Floats) -> ScoreEffects | None:
        """The effects of some columns, of at most `width` bins; None without the target.

        `shares` (C, S) of the slots: what the columns left out explained is in the residual.
        """
        if self.target not in kept:
            return None
        out = [at for at in range(len(self.effects)) if at not in set(kept)]
        old = self.effects.shape[1] - BEYOND
        slots = [*range(width), *range(old, old + BEYOND)]
        return replace(
            self,
            target=list(kept).index(self.target),
            effects=self.effects[kept][:, slots],
            means=self.means[kept][:, slots],
            known=self.known[kept],
            residual_variance=self.residual_variance + float((shares[out] * self.effects[out] ** 2).sum()),
        )

    def to_plain(self, columns: Sequence[Column]) -> dict[str, Any]:
        """Plain values for a file: by feature its slots, first the value bins it has."""
        width = self.effects.shape[1] - BEYOND
        return {
            "of": columns[self.target].role,
            "mean": self.mean,
            "variance": self.variance,
            "residual_variance": self.residual_variance,
            "rows": self.rows,
            "bins": self.bins,
            "score": self.score.to_plain(),
            "residual": self.residual.to_plain(),
            "largest_rest": [None if np.isnan(x) else x for x in self.largest_rest],
            "features": {
                column.name: {
                    "effects": _own(self.effects[at], column.bins.bins, width),
                    "means": _own(self.means[at], column.bins.bins, width),
                    "known": self.known[at].tolist(),
                }
                for at, column in enumerate(columns)
                if column.role == FEATURE
            },
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any], columns: Sequence[Column], width: int) -> ScoreEffects:
        """Back from `to_plain`."""
        effects, means = (np.zeros((len(columns), width + BEYOND)) for _ in range(2))
        known = np.zeros((len(columns), BEYOND), np.bool_)
        for at, column in enumerate(columns):
            if column.role == FEATURE:
                own = plain["features"][column.name]
                slots = [*range(column.bins.bins), *range(width, width + BEYOND)]
                effects[at, slots], means[at, slots], known[at] = own["effects"], own["means"], own["known"]
        return cls(
            target=next(at for at, column in enumerate(columns) if column.role == plain["of"]),
            effects=effects,
            means=means,
            known=known,
            mean=float(plain["mean"]),
            variance=float(plain["variance"]),
            residual_variance=float(plain["residual_variance"]),
            rows=int(plain["rows"]),
            bins=int(plain["bins"]),
            score=SeriesVariance.from_plain(plain["score"]),
            residual=SeriesVariance.from_plain(plain["residual"]),
            largest_rest=tuple(float("nan") if x is None else float(x) for x in plain["largest_rest"]),
        )


def _own(values: Floats, bins: int, width: int) -> list[float]:
    return [*values[:bins].tolist(), *values[width:].tolist()]
