"""The segments of a reference: the counts of its events by the values of some features and tags.

An optional part of a reference. A segment is a value of one of these, or the rest of its values together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.reference_bins import QUALITY_COUNTS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: counts by segment of a model (segments, columns, bins and quality counts) at the most: its windows keep some 320
#: times as many numbers of one or two bytes, and a checkpoint holds them once or twice more while it is written
MOST_COUNTS: Final = 100_000
#: cells of the confusion matrices of all segments at the most: above it performance is not cut, and above as many of
#: named outcomes, of which each has so many in a segment and one for each of its figures, these are not
MOST_CELLS: Final = 20_000
CELLS_OF_OUTCOME: Final = 10
#: the segment of all values of a feature that are no segment of their own, of none and of never-seen ones
OTHER: Final = "other"
#: values of a feature that are segments of their own at the most ...
MOST_VALUES: Final = 20
#: ... and how many events of the reference they have at least
LEAST_EVENTS: Final = 250


def counts_name(segment: int) -> str:
    """The name in a tally's `further` of the counts (C, B + Q) of a segment, which most panes have no event of."""
    return f"segment:{segment}"


def below_name(segment: int) -> str:
    """... and of how many (C,) of its numbers outside the range lie below it."""
    return f"segment_below:{segment}"


@dataclass(frozen=True, slots=True)
class SegmentedBy:
    """A feature, or a tag, whose `values` (canonical text) are segments; one more has the rest."""

    feature: str
    values: tuple[str, ...]
    is_tag: bool = False


@dataclass(frozen=True)
class Segments:
    """S segments: those of each of `by`, in its order, with the rest of each behind its values.

    `counts` (S, C, B + Q) and `below` (S, C), as a tally has them. `largest` (S, C, K): the largest change of a
    direction's share in a window of each length, beyond the change of the other events (NaN: not learned).
    """

    by: tuple[SegmentedBy, ...]
    counts: Ints
    below: Ints
    largest: Floats

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """(S,) feature or tag, and value, of each segment."""
        return tuple((one.feature, value) for one in self.by for value in (*one.values, OTHER))

    @property
    def whole(self) -> Ints:
        """(S,) for each segment the place in `by` of its feature."""
        return np.repeat(np.arange(len(self.by)), [len(one.values) + 1 for one in self.by])

    def event_shares(self, width: int) -> Floats:
        """(S,) the share of the events, by what their fullest column holds; those of one feature add up to 1.

        `width` bins of the widest column. A segment without events has what one event would have.
        """
        events = np.maximum(self.counts[:, :, :width].sum(2).max(1, initial=0), 1).astype(np.float64)
        return np.asarray(events / np.bincount(self.whole, events)[self.whole], np.float64)

    @property
    def size_fault(self) -> str:
        """Why a model cannot be cut by so many segments, "" if it can."""
        segments, columns, slots = self.counts.shape
        if segments * columns * slots <= MOST_COUNTS:
            return ""
        return (
            f"{segments} segments of {columns} columns with up to {slots} bins and quality counts are"
            f" {segments * columns * slots:,} counts, and {MOST_COUNTS:,} fit in memory; name fewer features, or ignore"
            " columns"
        )

    def numbers(self, features: Sequence[str]) -> dict[int, int]:
        """{number of a segment: its number among those of some features and tags}."""
        kept = np.flatnonzero(np.array([one.feature in features for one in self.by], np.bool_)[self.whole])
        return {old: new for new, old in enumerate(kept.tolist())}

    def of(self, features: Sequence[str], kept: Sequence[int], width: int) -> Segments | None:
        """Those of some features and tags, with the counts of some columns, at most `width` bins; None without any."""
        by = [one.feature in features for one in self.by]
        if not any(by):
            return None
        rows = np.flatnonzero(np.array(by)[self.whole])
        old = self.counts.shape[2] - len(QUALITY_COUNTS)
        slots = [*range(width), *range(old, self.counts.shape[2])]
        return replace(
            self,
            by=tuple(one for one, wanted in zip(self.by, by, strict=True) if wanted),
            counts=self.counts[rows][:, kept][:, :, slots],
            below=self.below[rows][:, kept],
            largest=self.largest[rows][:, kept],
        )

    def to_plain(self, bins: Sequence[int]) -> list[dict[str, Any]]:
        """Plain values for a file; `bins` (C,) of each column. By feature its segments, the rest last."""
        width, at = self.counts.shape[2] - len(QUALITY_COUNTS), 0
        out: list[dict[str, Any]] = []
        for one in self.by:
            here = range(at, at + len(one.values) + 1)
            at = here.stop
            out.append(
                {
                    "feature": one.feature,
                    "values": list(one.values),
                    **({"tag": True} if one.is_tag else {}),
                    "counts": [
                        [
                            [*row[:own].tolist(), *row[width:].tolist()]
                            for own, row in zip(bins, self.counts[segment], strict=True)
                        ]
                        for segment in here
                    ],
                    "below": [self.below[segment].tolist() for segment in here],
                    "largest_distance": [
                        [[None if np.isnan(x) else x for x in row] for row in self.largest[segment].tolist()]
                        for segment in here
                    ],
                }
            )
        return out

    @classmethod
    def from_plain(cls, plain: Sequence[Mapping[str, Any]], width: int, levels: int) -> Segments:
        """Back from `to_plain`; `width` bins of the widest column."""
        quality = len(QUALITY_COUNTS)
        segments = [row for one in plain for row in one["counts"]]
        columns = len(segments[0]) if segments else 0
        counts = np.zeros((len(segments), columns, width + quality), np.int64)
        for segment, rows in enumerate(segments):
            for column, row in enumerate(rows):
                counts[segment, column, : len(row) - quality] = row[:-quality]
                counts[segment, column, width:] = row[-quality:]
        largest = [
            [np.nan if x is None else x for x in row] for one in plain for of in one["largest_distance"] for row in of
        ]
        return cls(
            tuple(SegmentedBy(one["feature"], tuple(one["values"]), one.get("tag", False)) for one in plain),
            counts,
            np.array([row for one in plain for row in one["below"]], np.int64).reshape(len(segments), columns),
            np.array(largest, np.float64).reshape(len(segments), columns, levels),
        )


def blank_segments(by: Sequence[SegmentedBy], columns: int, slots: int) -> Segments | None:
    """Segments without counts; None without features."""
    number = sum(len(one.values) + 1 for one in by)
    if not number:
        return None
    counts, below = np.zeros((number, columns, slots), np.int64), np.zeros((number, columns), np.int64)
    return Segments(tuple(by), counts, below, np.zeros((number, columns, 0)))
