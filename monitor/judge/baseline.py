"""A reference made ready for judging: padded arrays, and the unrest to expect of a window of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.reference.reference import Column, Reference
from monitor.stats.bins import CATEGORICAL, FACTS, NUMERIC, OUTSIDE, UNSEEN
from monitor.stats.evidence import Pooling

Floats = NDArray[np.float64]

#: lengths are compared by events: a window may hold so many times a level's events and still count as that level
LENGTH_TOLERANCE: Final = 1.2
#: ... and a largest distance is used for windows up to so many times the longest one it was learned from
LEARNED_REACH: Final = 1.5
#: a window must be further from the reference than this many times the largest distance inside the reference
DISTANCE_FACTOR: Final = 1.2
MIN_LENGTHS: Final = 64


@dataclass(frozen=True)
class Baseline:
    """C columns, B value bins; see `Reference` for the arrays taken from it."""

    reference: Reference
    columns: tuple[Column, ...]
    bins: NDArray[np.int64]  # (C, B)
    facts: NDArray[np.int64]  # (C, facts)
    events: Floats  # (C,) events that carried the column
    ordered: NDArray[np.bool_]  # (C,)
    cuts: NDArray[np.int64]  # (C,) cut points of numeric columns, else 0
    tested_facts: NDArray[np.bool_]  # (C, facts) which facts a column can have
    pooling: Pooling
    width: int  # B

    @classmethod
    def of(cls, reference: Reference) -> Baseline:
        width = reference.width
        bins, facts = reference.counts[:, :width], reference.counts[:, width:]
        ordered = np.array([column.bins.kind == NUMERIC for column in reference.columns], np.bool_)
        cuts = np.array([len(column.bins.edges) for column in reference.columns], np.int64)
        tested = np.ones((len(reference.columns), len(FACTS)), np.bool_)
        tested[ordered, UNSEEN] = False
        tested[~ordered, OUTSIDE] = False
        return cls(
            reference,
            reference.columns,
            bins,
            facts,
            reference.counts.sum(1).astype(np.float64),
            ordered,
            cuts,
            tested,
            Pooling.of(bins, np.array([column.bins.bins for column in reference.columns], np.int64)),
            width,
        )

    def longest(self) -> int:
        """Base windows of the longest length: a day of traffic at the reference's rate, at least 64, a power of 2."""
        a_day = DAY_US / max(self.reference.base_us, 1) if self.reference.base_us else 0
        return max(MIN_LENGTHS, 1 << max(0, int(min(a_day, 2**14)).bit_length() - 1))

    def phi(self, events: int) -> Floats:
        """Dispersion (C,) of the value bins to expect in a window of so many events."""
        at, beyond = self._level(events)
        measured = self.reference.phi[:, at]
        return measured * self._growth() ** beyond if beyond else measured

    def fact_phi(self, events: int) -> Floats:
        """Dispersion (C, facts) of each fact; the column's own where the reference has too little of the fact."""
        at, _ = self._level(events)
        own = self.reference.fact_phi[:, :, at]
        return np.where(np.isnan(own), self.phi(events)[:, None], own)

    def top(self, events: int) -> Floats:
        """Largest distance (C,) a window of so many events had inside the reference; NaN where it was not learned."""
        learned = [at for at, level in enumerate(self.reference.levels) if level.learned]
        if not learned or events > LEARNED_REACH * self.reference.levels[learned[-1]].events:
            return np.full(len(self.columns), np.nan)
        fitting = [at for at in learned if self.reference.levels[at].events <= LENGTH_TOLERANCE * events]
        return self.reference.top[:, fitting[-1] if fitting else 0]

    def _level(self, events: int) -> tuple[int, float]:
        """The shortest level that holds so many events, and how many doublings the window lies beyond the last one."""
        levels = self.reference.levels
        for at, level in enumerate(levels):
            if level.learned and events <= LENGTH_TOLERANCE * level.events:
                return at, 0.0
        learned = [at for at, level in enumerate(levels) if level.learned]
        if not learned:
            return 0, 0.0
        last = learned[-1]
        if events <= LEARNED_REACH * levels[last].events:
            return last, 0.0
        return last, float(np.log2(events / levels[last].events))

    def _growth(self) -> Floats:
        """How much a doubling of the length adds to the dispersion (C,), from the last two measured lengths."""
        measured = [at for at, level in enumerate(self.reference.levels) if level.windows >= 8]
        if len(measured) < 2:
            return np.ones(len(self.columns))
        last, before = measured[-1], measured[-2]
        return np.maximum(1.0, self.reference.phi[:, last] / self.reference.phi[:, before])

    def commonest(self) -> Floats:
        """Share (C,) of each column's most frequent value."""
        return np.array([column.commonest_share for column in self.columns])


def is_category(column: Column) -> bool:
    return column.bins.kind == CATEGORICAL
