"""Validation of the part of a reference file that has its counts by segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from monitor.reference.segments import MOST_VALUES
from monitor.settings.model import MOST_SEGMENTED
from monitor.stats.bins.reference_bins import QUALITY_COUNTS

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class SegmentsRow(msgspec.Struct, gc=False):
    """One of `segments` in a file: of one feature (or tag), a list for each of its values and one for the rest."""

    feature: str
    values: list[str]
    counts: list[list[list[_Count]]]
    below: list[list[_Count]]
    largest_distance: list[list[list[_NotNegative | None]]]
    tag: bool = False


def segment_faults(
    rows: Sequence[SegmentsRow], names: Mapping[str, Sequence[str]], bins: Sequence[int], levels: int
) -> Iterator[str]:
    """`names` {categorical feature: names of its categories}, `bins` of each column."""
    features = [row.feature for row in rows]
    if len(rows) > MOST_SEGMENTED:
        yield f"{len(rows)} features or tags; {MOST_SEGMENTED} are possible"
    for row in rows:
        if len(row.values) > MOST_VALUES:
            yield f"{row.feature}: {len(row.values)} values; {MOST_VALUES} are possible"
        if features.count(row.feature) > 1:
            yield f"{row.feature} is listed twice"
        if row.tag and row.feature in names:
            yield f"{row.feature} is a feature, and no tag"
        elif row.tag:
            pass
        elif row.feature not in names:
            yield f"{row.feature} is no categorical feature"
        elif not set(row.values) <= set(names[row.feature]):
            yield f"{row.feature}: a value is none of its categories"
        if len(set(row.values)) < len(row.values):
            yield f"{row.feature}: a value is listed twice"
        yield from (f"{row.feature}: {fault}" for fault in _shape_faults(row, bins, levels))


def _shape_faults(row: SegmentsRow, bins: Sequence[int], levels: int) -> Iterator[str]:
    segments = len(row.values) + 1
    if not len(row.counts) == len(row.below) == len(row.largest_distance) == segments:
        yield "counts, below and largest_distance do not have one entry for each segment"
    if any(len(of) != len(bins) for part in (row.counts, row.below, row.largest_distance) for of in part):
        yield f"a segment does not have one entry for each of the {len(bins)} columns"
    for of in row.counts:
        if any(len(counts) != own + len(QUALITY_COUNTS) for counts, own in zip(of, bins, strict=False)):
            yield "counts of a column are not those of its bins and quality counts"
    if any(len(distances) != levels for of in row.largest_distance for distances in of):
        yield f"largest_distance does not have {levels} levels"
