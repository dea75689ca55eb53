"""Splits a change of the mean score into parts that fall on columns, and a rest that no column explains.

All from counts: a column's part is the change of its bins' shares, each times the bin's effect. Parts and rest add up
to the whole change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.reference.column import FEATURE, Column
from monitor.reference.score_effects import (
    ABOVE_RANGE,
    BELOW_RANGE,
    BEYOND,
    NEVER_SEEN,
    NO_VALUE,
    ScoreEffects,
    standardised,
)
from monitor.stats.bins.reference_bins import ABSENT, MISSING, OUTSIDE, QUALITY_COUNTS, TYPE, UNSEEN
from monitor.stats.tallies.tally import BELOW, SUM, UNIT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: least events in a slot that the reference never had, for its mean score to be used
LEAST_NEW: Final = 20
#: ... and the least share of the window's events that must be in other slots
LEAST_OTHERS: Final = 0.2


@dataclass(frozen=True)
class Split:
    """Of W windows and C columns, in standard deviations of the score: `change` (W,) of the mean, `parts` (W, C) of it
    that fall on each column, with their standard errors `errors`; `in_moved_bins` (W, C) by the bins' mean scores (it
    counts twice what columns share); `rest` (W,). Change and rest have a standard error too. `events` (W,) have a
    score.
    """

    change: Floats
    change_error: Floats
    parts: Floats
    errors: Floats
    in_moved_bins: Floats
    rest: Floats
    rest_error: Floats
    events: Floats

    @property
    def z_rest(self) -> Floats:
        return np.asarray(self.rest / np.maximum(self.rest_error, 1e-12), np.float64)


class ScoreSplit:
    """The regression of a reference, prepared for windows. `counts` (C, B + Q) are the reference's."""

    def __init__(self, columns: Sequence[Column], counts: Ints, effects: ScoreEffects) -> None:
        self.effects = effects
        self._width = counts.shape[1] - len(QUALITY_COUNTS)
        self._target = columns[effects.target]
        self._features = np.array([column.role == FEATURE for column in columns], np.bool_)
        self._pooled = np.array([column.bins.buckets > 0 for column in columns], np.bool_)
        bins = self._target.bins
        self._low, self._high = (float(standardised(x, self._target)) for x in (bins.low, bins.high))
        self.shares = self._shares(counts[None], np.zeros((1, len(columns)), np.int64))[0][0]
        self.events = float(counts[effects.target, : self._width].sum() + counts[effects.target, self._width + OUTSIDE])

    def target_sums(self, counts: Ints, sums: Ints) -> tuple[Floats, Floats]:
        """Events (W,) with a score, and the sum of their standardised scores; `counts` (W, C, B + Q)."""
        at = self.effects.target
        inside, outside = counts[:, at, : self._width].sum(1), counts[:, at, self._width + OUTSIDE]
        below = sums[:, at, BELOW]
        total = sums[:, at, SUM] / UNIT + below * self._low + (outside - below) * self._high
        return (inside + outside).astype(np.float64), np.asarray(total, np.float64)

    def split(self, counts: Ints, sums: Ints, new: Ints | None = None) -> Split:
        """Windows of `counts` (W, C, B + Q) and `sums` (W, C, SUMS).

        `new` (W, C, `BEYOND`, 2): events with a score in each slot that the reference never had, and their sum of
        scores in fixed point.
        """
        effects = self.effects
        events, total = self.target_sums(counts, sums)
        shares, carried = self._shares(counts, sums[..., BELOW])
        moved = np.where((carried > 0)[..., None], shares - self.shares, 0.0)
        values, means = np.broadcast_to(effects.effects, moved.shape), np.broadcast_to(effects.means, moved.shape)
        if new is not None and new.any():
            values, means = self._with_new(values, new, events, total), self._with_new(means, new, events, total)
        mean = total / np.maximum(events, 1)
        change = np.where(events > 0, mean - effects.mean, 0.0)
        parts = np.einsum("wcs,wcs->wc", moved, values)
        per_event = 1 / np.maximum(events, 1) + 1 / max(self.events, 1)
        spread = np.einsum("wcs,wcs->wc", moved / 2 + self.shares, values**2)
        errors = np.sqrt(effects.score.ratio * per_event[:, None] * np.maximum(spread, 0))
        return Split(
            change,
            np.sqrt(effects.score.ratio * per_event * effects.variance),
            parts,
            errors,
            np.einsum("wcs,wcs->wc", moved, means),
            change - parts.sum(1),
            np.sqrt(effects.residual.ratio * per_event * effects.residual_variance),
            events,
        )

    def rest_of_known(self, counts: Ints, sums: Ints, carried: Ints) -> tuple[Floats, Floats]:
        """The rest (W,) and its standard error, as `split` has them, if no slot is new; a fraction of the cost.

        `carried` (W, C) events of each column. NaN where a slot that the reference never had holds enough events to
        count.
        """
        by_count, by_below = self._weights
        events, total = self.target_sums(counts, sums)
        summed = np.einsum("wck,ck->wc", counts, by_count) + sums[..., BELOW] * by_below
        parts = np.where(carried > 0, summed / np.maximum(carried, 1) - self._usual, 0.0).sum(1)
        change = np.where(events > 0, total / np.maximum(events, 1) - self.effects.mean, 0.0)
        rest = change - parts
        new = (counts[..., self._width :] * self._unknown).max(initial=0, axis=(1, 2)) >= LEAST_NEW
        per_event = 1 / np.maximum(events, 1) + 1 / max(self.events, 1)
        error = np.sqrt(self.effects.residual.ratio * per_event * self.effects.residual_variance)
        return np.where(new, np.nan, rest), error

    @cached_property
    def _usual(self) -> Floats:
        """(C,) the mean effect of each column in the reference; 0 but for rounding."""
        return np.asarray((self.shares * self.effects.effects).sum(1), np.float64)

    @cached_property
    def _weights(self) -> tuple[Floats, Floats]:
        """The effect (C, B + Q) of each count, and (C,) how much less an event below the range has than one above."""
        effects, width = self.effects.effects, self._width
        beyond = effects[:, width:]
        quality = np.zeros((len(effects), len(QUALITY_COUNTS)))
        for count in (MISSING, ABSENT, TYPE):
            quality[:, count] = beyond[:, NO_VALUE]
        quality[:, OUTSIDE] = beyond[:, ABOVE_RANGE]
        quality[:, UNSEEN] = np.where(self._pooled, 0.0, beyond[:, NEVER_SEEN])
        return np.concatenate([effects[:, :width], quality], axis=1), beyond[:, BELOW_RANGE] - beyond[:, ABOVE_RANGE]

    @cached_property
    def _unknown(self) -> Ints:
        """(C, Q) 1 for quality counts of features whose events may be in a slot that the reference never had."""
        known = self.effects.known
        unknown = np.zeros((len(known), len(QUALITY_COUNTS)), np.int64)
        for count in (MISSING, ABSENT, TYPE):
            unknown[:, count] = ~known[:, NO_VALUE]
        unknown[:, OUTSIDE] = ~(known[:, BELOW_RANGE] & known[:, ABOVE_RANGE])
        unknown[:, UNSEEN] = ~known[:, NEVER_SEEN] & ~self._pooled
        return unknown * self._features[:, None]

    def _shares(self, counts: Ints, below: Ints) -> tuple[Floats, Floats]:
        """The share (W, C, S) of a column's events in each slot, and its events (W, C); 0 of what is no feature."""
        slots = slot_counts(counts, below, self._pooled)
        slots[:, ~self._features] = 0
        carried = slots.sum(2)
        return slots / np.maximum(carried, 1)[..., None], carried

    def _with_new(self, values: Floats, new: Ints, events: Floats, total: Floats) -> Floats:
        """`values` (W, C, S) with what the events in new slots score against the others now."""
        hits, sums = new[..., 0].astype(np.float64), new[..., 1] / UNIT
        valued = (hits >= LEAST_NEW) & ~self.effects.known
        others = events[:, None] - np.where(valued, hits, 0).sum(2)
        valued &= (others >= LEAST_OTHERS * events[:, None])[..., None]
        mean = (total[:, None] - np.where(valued, sums, 0).sum(2)) / np.maximum(others, 1)
        out = values.copy()
        beyond = out[..., self._width :]
        np.copyto(beyond, sums / np.maximum(hits, 1) - mean[..., None], where=valued)
        return out


def slot_counts(counts: Ints, below: Ints, pooled: NDArray[np.bool_]) -> Floats:
    """(W, C, S) events in each slot, from `counts` (W, C, B + Q) and those `below` the range (W, C).

    `pooled` (C,) are columns with bins of several categories, which hold the never-seen ones too.
    """
    width = counts.shape[2] - len(QUALITY_COUNTS)
    quality = counts[..., width:]
    slots = np.zeros((*counts.shape[:2], width + BEYOND))
    slots[..., :width] = counts[..., :width]
    beyond = slots[..., width:]
    beyond[..., NO_VALUE] = quality[..., MISSING] + quality[..., ABSENT] + quality[..., TYPE]
    beyond[..., BELOW_RANGE] = below
    beyond[..., ABOVE_RANGE] = quality[..., OUTSIDE] - below
    beyond[..., NEVER_SEEN] = np.where(pooled, 0, quality[..., UNSEEN])
    return slots
