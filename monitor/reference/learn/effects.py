"""Learns which part of the score each bin explains, from a reference's rows in time order.

Memory is bounded: of a long reference every second, fourth, ... piece of consecutive rows is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, Column
from monitor.reference.score_effects import (
    ABOVE_RANGE,
    BELOW_RANGE,
    BEYOND,
    NO_VALUE,
    ScoreEffects,
    standardised,
    target_of,
)
from monitor.reference.score_split import ScoreSplit
from monitor.stats.additive import NormalEquations
from monitor.stats.bins.reference_bins import NUMERIC, width_of
from monitor.stats.digits import rounded
from monitor.stats.sliding import sliding
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from monitor.stats.variance.series_variance import SeriesVariance, series_variance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: consecutive rows that are kept or dropped together, and the most such pieces that are kept
PIECE: Final = 1 << 12
MOST_PIECES: Final = 32
#: with more bins there is no regression: it would take minutes
MOST_BINS: Final = 3_000
#: a bin with fewer rows has no effect of its own
LEAST_ROWS: Final = 5
#: rows below which nothing is learned
LEAST_LEARNED: Final = 200
#: least windows side by side to learn a largest mean residual
LEAST_WINDOWS: Final = 3


class ScoredRows:
    """Keeps the rows that have a score: the slot of each feature, and the standardised score."""

    def __init__(self, columns: Sequence[Column], no_value: int) -> None:
        """`no_value` is the code of a row without a value."""
        self._no_value = no_value
        self._features = [at for at, column in enumerate(columns) if column.role == FEATURE]
        target = target_of(columns)
        self._widths = [columns[at].bins.bins + 1 for at in self._features]
        self._target = target if self._features and sum(self._widths) <= MOST_BINS else None
        self._column = columns[self._target or 0]
        self._waiting: list[tuple[NDArray[np.uint8], Floats]] = []
        self._held = 0
        self._pieces: list[tuple[NDArray[np.uint8], Floats]] = []
        self._seen, self._every = 0, 1

    def add(self, codes: NDArray[np.uint8], values: NDArray[np.uint64]) -> None:
        """Add the next rows, both (C, n), as `RowStatistics.add` has them."""
        if self._target is None:
            return
        slots = codes[self._features]
        used = (codes[self._target] != self._no_value) & (slots != self._no_value).any(0)
        score = standardised(values[self._target][used].view(np.float64), self._column)
        self._waiting.append((slots[:, used], score))
        self._held += len(score)
        while self._held >= PIECE:
            slots, score = self._join()
            self._keep(slots[:, :PIECE], score[:PIECE])
            self._waiting = [(slots[:, PIECE:], score[PIECE:])]
            self._held -= PIECE

    def _join(self) -> tuple[NDArray[np.uint8], Floats]:
        slots = np.concatenate([one for one, _ in self._waiting], axis=1)
        return slots, np.concatenate([one for _, one in self._waiting])

    def _keep(self, slots: NDArray[np.uint8], score: Floats) -> None:
        if self._seen % self._every == 0:
            self._pieces.append((slots, score))
        self._seen += 1
        if len(self._pieces) > MOST_PIECES:
            self._pieces, self._every = self._pieces[::2], self._every * 2

    def finish(self, columns: Sequence[Column], total: Tally, windows: Sequence[Block]) -> ScoreEffects | None:
        """The regression, None where there is no score or too little of it; `add` may not be called after it.

        `total` is the tally of the whole reference, `windows` its base windows in order.
        """
        if self._held:
            self._keep(*self._join())
            self._waiting, self._held = [], 0
        rows = sum(len(score) for _, score in self._pieces)
        if self._target is None or rows < LEAST_LEARNED:
            return None
        pieces = [(self._coded(slots), score) for slots, score in self._pieces]
        score = np.concatenate([score for _, score in pieces])
        if not score.var():
            return None
        equations = NormalEquations(self._widths)
        for coded, own in pieces:
            equations.add(coded, own)
        found = replace(self._effects(columns, equations, total), variance=rounded(float(score.var())))
        fitted = np.concatenate([self._fitted(coded, found.effects[self._features]) for coded, _ in pieces])
        residual = score - found.mean - fitted
        learned = replace(
            found,
            residual_variance=rounded(float(residual.var()) * rows / max(rows - found.bins, 1)),
            score=series_variance(score),
            residual=series_variance(residual),
        )
        learned = replace(learned, largest_rest=_largest_rest(ScoreSplit(columns, total.counts, learned), windows))
        return learned if learned.is_finite() else None

    def _coded(self, slots: NDArray[np.uint8]) -> Ints:
        """Slots (F, n): a row without a value is in the slot behind the bins."""
        last = np.array(self._widths, np.int64)[:, None] - 1
        return np.where(slots == self._no_value, last, slots.astype(np.int64))

    def _fitted(self, coded: Ints, effects: Floats) -> Floats:
        """The sum of the effects (F, S) of each row's slots."""
        out = np.zeros(coded.shape[1])
        for slots, width, own in zip(coded, self._widths, effects, strict=True):
            out += np.append(own[: width - 1], own[len(own) - BEYOND + NO_VALUE]).take(slots)
        return out

    def _effects(self, columns: Sequence[Column], equations: NormalEquations, total: Tally) -> ScoreEffects:
        """The effects, centred on the shares of the whole reference; nothing is known of the residual yet."""
        fit, width = equations.solve(), width_of([column.bins for column in columns])
        effects, means = (np.zeros((len(columns), width + BEYOND)) for _ in range(2))
        enough = np.zeros(effects.shape, np.bool_)
        for feature, at in enumerate(self._features):
            here = slice(int(equations.first[feature]), int(equations.first[feature + 1]))
            slots = [*range(columns[at].bins.bins), width + NO_VALUE]
            effects[at, slots], enough[at, slots] = fit.effects[here], fit.counts[here] >= LEAST_ROWS
            means[at, slots] = fit.sums[here] / np.maximum(fit.counts[here], 1)
        blank = ScoreEffects(
            target=int(self._target or 0),
            effects=effects,
            means=means,
            known=enough[:, width:],
            mean=0.0,
            variance=0.0,
            residual_variance=0.0,
            rows=equations.rows,
            bins=int((fit.counts > 0).sum()),
            score=SeriesVariance(),
            residual=SeriesVariance(),
            largest_rest=(),
        )
        split = ScoreSplit(columns, total.counts, blank)
        events, score = split.target_sums(total.counts[None], total.sums[None])
        effects, means = (_centred(values, enough, split.shares, columns) for values in (effects, means))
        return replace(blank, effects=effects, means=means, mean=float(score[0] / max(events[0], 1.0)))


def _centred(values: Floats, enough: NDArray[np.bool_], shares: Floats, columns: Sequence[Column]) -> Floats:
    """`values` (C, S) less their mean in the reference; 0 without `enough` rows, the end bins' outside the range."""
    width = values.shape[1] - BEYOND
    out = np.where(enough, values - (shares * np.where(enough, values, 0)).sum(1, keepdims=True), 0.0)
    for at, column in enumerate(columns):
        if column.bins.kind == NUMERIC:
            out[at, width + BELOW_RANGE], out[at, width + ABOVE_RANGE] = out[at, 0], out[at, column.bins.bins - 1]
    return np.asarray([[rounded(x) for x in row] for row in out.tolist()], np.float64).reshape(out.shape)


def _largest_rest(split: ScoreSplit, windows: Sequence[Block]) -> tuple[float, ...]:
    """By length (K,) the largest mean residual of a window; NaN where there are too few windows side by side.

    A window is a part of the reference, so it is compared as if it were not: the difference to the rest is larger.
    """
    counts = np.array([window.tally.counts for window in windows], np.int64)
    sums = np.array([window.tally.sums for window in windows], np.int64)
    out: list[float] = []
    for level in range(max(1, len(windows).bit_length())):
        length = 1 << level
        if len(windows) >> level < LEAST_WINDOWS:
            out.append(float("nan"))
            continue
        rest = np.abs(split.split(sliding(counts, length), sliding(sums, length)).rest)
        out.append(rounded(float(rest.max()) / (1 - length / len(windows))))
    return tuple(out)
