"""A reference prepared for judging: padded arrays, and the variability to expect of a window of any size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.clock import DAY_US
from monitor.findings import Span
from monitor.reference.column import FEATURE, Column
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import (
    ABSENT,
    MISSING,
    NUMERIC,
    OUTSIDE,
    QUALITY_COUNTS,
    TYPE,
    UNSEEN,
    outside_bins,
)
from monitor.stats.variance.equal_runs import ExpectedRuns

Floats = NDArray[np.float64]

#: lengths are compared by events: a window may hold this many times a level's events and still count as that level
LENGTH_TOLERANCE: Final = 1.2
#: ... and a largest distance is used for windows up to this many times the longest one it was learned from
LEARNED_REACH: Final = 1.5
#: a window must be further from the reference than this many times the largest distance inside the reference
DISTANCE_FACTOR: Final = 1.2
#: live traffic so much faster than the reference's has a variance of its own
FASTER: Final = 1.05
MIN_LENGTHS: Final = 64


@dataclass(frozen=True)
class Variability:
    """The variability to expect of W windows, from their sizes alone; looked up on demand."""

    prepared: PreparedReference
    #: events of each window
    events: Sequence[float]

    @cached_property
    def overdispersion(self) -> Floats:
        """(W, C) dispersion of the value bins."""
        return self.prepared.table.overdispersion[self._levels]

    @cached_property
    def quality_overdispersion(self) -> Floats:
        """(W, C, Q) dispersion of each quality count."""
        return self.prepared.table.quality_overdispersion[self._levels]

    @cached_property
    def max_reference_distance(self) -> Floats:
        """(W, C) largest distance such a window had inside the reference; NaN where it was not learned."""
        table = self.prepared.table
        return table.max_reference_distance[[table.learned_level(n) for n in self.events]]

    @cached_property
    def _levels(self) -> list[int]:
        return [self.prepared.table.level(n) for n in self.events]


@dataclass(frozen=True)
class LevelTable:
    """What to expect of windows of each of K lengths."""

    reference: Reference

    @cached_property
    def overdispersion(self) -> Floats:
        """(K, C)."""
        return np.ascontiguousarray(self.reference.variability.overdispersion.T)

    @cached_property
    def quality_overdispersion(self) -> Floats:
        """(K, C, Q)."""
        return np.ascontiguousarray(np.moveaxis(self.reference.variability.quality_overdispersion, 2, 0))

    @cached_property
    def max_reference_distance(self) -> Floats:
        """(K + 1, C); the last row is for windows of which no distance was learned."""
        known = self.reference.variability.max_reference_distance.T
        return np.concatenate((known, np.full((1, len(self.reference.columns)), np.nan)))

    def level(self, events: float) -> int:
        """The shortest level that holds so many events, the last one where none does."""
        return min(bisect_left(self._holds, events), len(self.reference.levels) - 1)

    def learned_level(self, events: float) -> int:
        """The longest learned level the window has the events of, else the shortest; one beyond where none is near."""
        if not self._learned or events > self._reach:
            return len(self.reference.levels)
        fitting = [at for at in self._learned if self.reference.levels[at].events <= LENGTH_TOLERANCE * events]
        return fitting[-1] if fitting else self._learned[0]

    @property
    def longest_learned(self) -> int:
        """The longest learned level, one beyond the last level where none is."""
        return self._learned[-1] if self._learned else len(self.reference.levels)

    @cached_property
    def _learned(self) -> list[int]:
        return [at for at, level in enumerate(self.reference.levels) if level.learned]

    @cached_property
    def _holds(self) -> list[float]:
        """The most events of a window that counts as each level."""
        return [LENGTH_TOLERANCE * level.events for level in self.reference.levels]

    @cached_property
    def _reach(self) -> float:
        """The most events of a window that the last learned level says something of."""
        return LEARNED_REACH * self.reference.levels[self._learned[-1]].events if self._learned else 0.0


@dataclass(frozen=True)
class PreparedReference:
    """C columns, B value bins; see `Reference` for the arrays taken from it."""

    reference: Reference
    columns: tuple[Column, ...]
    subjects: tuple[str, ...]  # (C,) names of the columns in findings, all different
    bins: NDArray[np.int64]  # (C, B)
    quality_counts: Floats  # (C, Q) events of each quality count
    quality_shares: Floats  # (C, Q)
    quality_windows: Floats  # (C, Q) base windows in which it is not 0
    events: Floats  # (C,) events that carried the column
    pooled: NDArray[np.bool_]  # (C,) whether categories share buckets
    outside_bins: NDArray[np.int64]  # (C, Q) 1 for quality counts of events that are in no bin
    modal: Floats  # (C,) share of the most frequent value
    ordered: NDArray[np.bool_]  # (C,)
    expected_runs: ExpectedRuns  # of equal values
    tested_quality: NDArray[np.bool_]  # (C, Q) which quality counts a column can have
    width: int  # B

    @classmethod
    def of(cls, reference: Reference) -> PreparedReference:
        width = reference.width
        bins, quality_counts = reference.counts[:, :width], reference.counts[:, width:].astype(np.float64)
        quality_counts[:, UNSEEN] = reference.variability.unseen_expected
        pooled = np.array([column.bins.buckets > 0 for column in reference.columns], np.bool_)
        outside = outside_bins([column.bins for column in reference.columns])
        events = (bins.sum(1) + (reference.counts[:, width:] * outside).sum(1)).astype(np.float64)
        modal = np.array([column.modal_share for column in reference.columns])
        ordered = np.array([column.bins.kind == NUMERIC for column in reference.columns], np.bool_)
        tested = np.ones((len(reference.columns), len(QUALITY_COUNTS)), np.bool_)
        tested[ordered, UNSEEN] = False
        tested[~ordered, OUTSIDE] = False
        for at, column in enumerate(reference.columns):
            if column.is_presence:  # what is missing is said once, of the vector or text itself
                tested[at, UNSEEN] = False
            elif column.parent:
                tested[at, [MISSING, ABSENT, TYPE]] = False
        return cls(
            reference=reference,
            columns=reference.columns,
            subjects=tuple(column.subject(reference.key.model) for column in reference.columns),
            bins=bins,
            quality_counts=quality_counts,
            quality_shares=quality_counts / np.maximum(events, 1)[:, None],
            quality_windows=reference.variability.quality_windows.astype(np.float64),
            events=events,
            pooled=pooled,
            outside_bins=outside,
            modal=modal,
            expected_runs=ExpectedRuns.of(reference.variability.equal_runs, modal),
            ordered=ordered,
            tested_quality=tested,
            width=width,
        )

    @cached_property
    def column_of(self) -> dict[str, int]:
        """{subject: index of its column}."""
        return {subject: at for at, subject in enumerate(self.subjects)}

    def carried(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Events (..., C) that carried each column, with a value or without; `counts` (..., C, B + Q)."""
        return self.inside(counts) + self.events_in_no_bin(counts)

    def values(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Values (..., C) of each column, in a bin or in none; `counts` (..., C, B + Q)."""
        return self.inside(counts) + self.values_in_no_bin(counts)

    def inside(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Values (..., C) in a bin."""
        return np.asarray(counts[..., : self.width].sum(-1), np.int64)

    def events_in_no_bin(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Events (..., C) that carried each column and are in no bin."""
        return np.asarray(np.einsum("...cq,cq->...c", counts[..., self.width :], self.outside_bins), np.int64)

    def values_in_no_bin(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Values (..., C) that are in no bin: outside the range, or never seen."""
        never_seen = counts[..., self.width + UNSEEN] * self.outside_bins[:, UNSEEN]
        return np.asarray(counts[..., self.width + OUTSIDE] + never_seen, np.int64)

    @cached_property
    def features(self) -> NDArray[np.int64]:
        """Indexes of the columns that are features."""
        return np.flatnonzero([column.role == FEATURE for column in self.columns])

    def longest(self) -> int:
        """Base windows of the longest length: a day of traffic at the reference's rate, at least 64, a power of 2."""
        a_day = DAY_US / max(self.reference.base_us, 1) if self.reference.base_us else 0
        return max(MIN_LENGTHS, 1 << max(0, int(min(a_day, 2**14)).bit_length() - 1))

    def rate(self, span: Span) -> float:
        """Event rate of a window divided by the reference's; 1 where that is not known."""
        levels, base_us = self.reference.levels, self.reference.base_us
        duration = span.end_us - span.start_us
        if not levels or not levels[0].events or not base_us or not duration or not span.events:
            return 1.0
        return span.events / duration * base_us / levels[0].events

    def variability(self, events: Sequence[float]) -> Variability:
        """The variability to expect of windows of these sizes (events), at the reference's rate."""
        return Variability(self, events)

    def overdispersion(self, events: float) -> Floats:
        """Dispersion (C,) of the value bins to expect in a window of this many events."""
        overdispersion: Floats = self.variability([events]).overdispersion[0]
        return overdispersion

    def quality_overdispersion(self, events: float) -> Floats:
        """Dispersion (C, Q) of each quality count."""
        quality_overdispersion: Floats = self.variability([events]).quality_overdispersion[0]
        return quality_overdispersion

    def max_reference_distance(self, events: float) -> Floats:
        """Largest distance (C,) of a window of this many events inside the reference; NaN where it was not learned."""
        max_reference_distance: Floats = self.variability([events]).max_reference_distance[0]
        return max_reference_distance

    @cached_property
    def in_other_units(self) -> dict[int, object]:
        """By column what it would be in other units, kept for who works it out."""
        return {}

    @cached_property
    def kept(self) -> dict[str, object]:
        """What others work out of the whole reference, by a name."""
        return {}

    @cached_property
    def table(self) -> LevelTable:
        """What to expect by length, made once."""
        return LevelTable(self.reference)
