"""A reference made ready for judging: padded arrays, and the unrest to expect of a window of any size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.reference.reference import FEATURE, Column, Reference
from monitor.stats.bins import NUMERIC, OUTSIDE, QUALITY_COUNTS, UNSEEN, beside_bins
from monitor.stats.evidence import Cuts, Pooling

Floats = NDArray[np.float64]

#: lengths are compared by events: a window may hold so many times a level's events and still count as that level
LENGTH_TOLERANCE: Final = 1.2
#: ... and a largest distance is used for windows up to so many times the longest one it was learned from
LEARNED_REACH: Final = 1.5
#: a window must be further from the reference than this many times the largest distance inside the reference
DISTANCE_FACTOR: Final = 1.2
MIN_LENGTHS: Final = 64


@dataclass(frozen=True, slots=True)
class Variability:
    """What to expect of W windows by their sizes alone."""

    overdispersion: Floats  # (W, C) dispersion of the value bins
    quality_overdispersion: Floats  # (W, C, facts) of each fact
    max_reference_distance: (
        Floats  # (W, C) largest distance such a window had inside the reference; NaN where it was not learned
    )


@dataclass(frozen=True)
class PreparedReference:
    """C columns, B value bins; see `Reference` for the arrays taken from it."""

    reference: Reference
    columns: tuple[Column, ...]
    subjects: tuple[str, ...]  # (C,) their names in findings; no two are equal
    bins: NDArray[np.int64]  # (C, B)
    quality_counts: Floats  # (C, facts) events that had each fact
    quality_shares: Floats  # (C, facts)
    events: Floats  # (C,) events that carried the column
    pooled: NDArray[np.bool_]  # (C,) whether categories share buckets
    beside: NDArray[np.int64]  # (C, Q) 1 for quality counts of events that are in no bin
    modal: Floats  # (C,) share of the most frequent value
    ordered: NDArray[np.bool_]  # (C,)
    cuts: NDArray[np.int64]  # (C,) cut points of numeric columns, else 0
    tested_quality: NDArray[np.bool_]  # (C, facts) which facts a column can have
    pooling: Pooling
    cumulated: Cuts
    width: int  # B

    @classmethod
    def of(cls, reference: Reference) -> PreparedReference:
        width = reference.width
        bins, quality_counts = reference.counts[:, :width], reference.counts[:, width:].astype(np.float64)
        pooled = np.array([column.bins.buckets > 0 for column in reference.columns], np.bool_)
        beside = beside_bins([column.bins for column in reference.columns])
        events = (bins.sum(1) + (reference.counts[:, width:] * beside).sum(1)).astype(np.float64)
        ordered = np.array([column.bins.kind == NUMERIC for column in reference.columns], np.bool_)
        tested = np.ones((len(reference.columns), len(QUALITY_COUNTS)), np.bool_)
        tested[ordered, UNSEEN] = False
        tested[~ordered, OUTSIDE] = False
        return cls(
            reference=reference,
            columns=reference.columns,
            subjects=tuple(column.subject(reference.key.model) for column in reference.columns),
            bins=bins,
            quality_counts=quality_counts,
            quality_shares=quality_counts / np.maximum(events, 1)[:, None],
            events=events,
            pooled=pooled,
            beside=beside,
            modal=np.array([column.modal_share for column in reference.columns]),
            ordered=ordered,
            cuts=np.array([len(column.bins.edges) for column in reference.columns], np.int64),
            tested_quality=tested,
            pooling=Pooling.of(bins, np.array([column.bins.bins for column in reference.columns], np.int64)),
            cumulated=Cuts.of(bins),
            width=width,
        )

    @cached_property
    def column_of(self) -> dict[str, int]:
        """{subject: place of its column}."""
        return {subject: at for at, subject in enumerate(self.subjects)}

    def carried(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Events (..., C) that carried each column, with a value or without; `counts` (..., C, B + Q)."""
        inside, beside = counts[..., : self.width].sum(-1), (counts[..., self.width :] * self.beside).sum(-1)
        return np.asarray(inside + beside, np.int64)

    def values(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Values (..., C) of each column, in a bin or in none; `counts` (..., C, B + Q)."""
        inside, outside = counts[..., : self.width].sum(-1), counts[..., self.width + OUTSIDE]
        never_seen = counts[..., self.width + UNSEEN] * self.beside[:, UNSEEN]
        return np.asarray(inside + outside + never_seen, np.int64)

    @cached_property
    def features(self) -> NDArray[np.int64]:
        """Places of the columns that are features."""
        return np.flatnonzero([column.role == FEATURE for column in self.columns])

    def longest(self) -> int:
        """Base windows of the longest length: a day of traffic at the reference's rate, at least 64, a power of 2."""
        a_day = DAY_US / max(self.reference.base_us, 1) if self.reference.base_us else 0
        return max(MIN_LENGTHS, 1 << max(0, int(min(a_day, 2**14)).bit_length() - 1))

    def variability(self, events: Sequence[int]) -> Variability:
        """What to expect of windows of so many events each."""
        levels = [self._level(n) for n in events]
        at = [level for level, _ in levels]
        overdispersion, quality_overdispersion = self._overdispersion[at], self._quality_overdispersion[at]
        for window, (level, beyond) in enumerate(levels):
            if beyond:
                overdispersion[window] *= self._growth**beyond
                own = self._own_quality_overdispersion[level]
                quality_overdispersion[window] = np.where(np.isnan(own), overdispersion[window][:, None], own)
        return Variability(
            overdispersion, quality_overdispersion, self._max_reference_distance[[self._top_level(n) for n in events]]
        )

    def overdispersion(self, events: int) -> Floats:
        """Dispersion (C,) of the value bins to expect in a window of so many events."""
        overdispersion: Floats = self.variability([events]).overdispersion[0]
        return overdispersion

    def quality_overdispersion(self, events: int) -> Floats:
        """Dispersion (C, facts) of each fact; the column's own where the reference has too little of the fact."""
        quality_overdispersion: Floats = self.variability([events]).quality_overdispersion[0]
        return quality_overdispersion

    def max_reference_distance(self, events: int) -> Floats:
        """Largest distance (C,) a window of so many events had inside the reference; NaN where it was not learned."""
        max_reference_distance: Floats = self.variability([events]).max_reference_distance[0]
        return max_reference_distance

    # tables by level, made once

    @cached_property
    def _learned(self) -> list[int]:
        return [at for at, level in enumerate(self.reference.levels) if level.learned]

    @cached_property
    def _overdispersion(self) -> Floats:
        """(K, C)."""
        return np.ascontiguousarray(self.reference.overdispersion.T)

    @cached_property
    def _own_quality_overdispersion(self) -> Floats:
        """(K, C, facts), NaN where the reference has too little of the fact."""
        return np.ascontiguousarray(np.moveaxis(self.reference.quality_overdispersion, 2, 0))

    @cached_property
    def _quality_overdispersion(self) -> Floats:
        """(K, C, facts)."""
        return np.where(
            np.isnan(self._own_quality_overdispersion),
            self._overdispersion[..., None],
            self._own_quality_overdispersion,
        )

    @cached_property
    def _max_reference_distance(self) -> Floats:
        """(K + 1, C); the last row is for windows of which no distance was learned."""
        return np.concatenate((self.reference.max_reference_distance.T, np.full((1, len(self.columns)), np.nan)))

    @cached_property
    def _holds(self) -> list[float]:
        """The most events of a window that counts as each of the learned levels."""
        return [LENGTH_TOLERANCE * self.reference.levels[at].events for at in self._learned]

    @cached_property
    def _reach(self) -> float:
        """The most events of a window that the last learned level says something of."""
        return LEARNED_REACH * self.reference.levels[self._learned[-1]].events if self._learned else 0.0

    @cached_property
    def _growth(self) -> Floats:
        """How much a doubling of the length adds to the dispersion (C,), from the last two measured lengths."""
        measured = [at for at, level in enumerate(self.reference.levels) if level.windows >= 8]
        if len(measured) < 2:
            return np.ones(len(self.columns))
        last, before = measured[-1], measured[-2]
        return np.maximum(1.0, self.reference.overdispersion[:, last] / self.reference.overdispersion[:, before])

    def _level(self, events: int) -> tuple[int, float]:
        """The shortest level that holds so many events, and how many doublings the window lies beyond the last one."""
        if not self._learned:
            return 0, 0.0
        fitting = bisect_left(self._holds, events)
        if fitting < len(self._learned):
            return self._learned[fitting], 0.0
        last = self._learned[-1]
        return last, 0.0 if events <= self._reach else float(np.log2(events / self.reference.levels[last].events))

    def _top_level(self, events: int) -> int:
        """The longest learned level the window has the events of, else the shortest; one beyond where none is near."""
        if not self._learned or events > self._reach:
            return len(self.reference.levels)
        fitting = [at for at in self._learned if self.reference.levels[at].events <= LENGTH_TOLERANCE * events]
        return fitting[-1] if fitting else self._learned[0]
