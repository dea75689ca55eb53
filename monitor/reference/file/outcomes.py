"""Validation of the part of a reference file that has its named outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from monitor.reference.file.performance import (
    Count,
    ErrorsRow,
    Integer,
    NotNegative,
    Power,
    error_faults,
    number_faults,
)
from monitor.reference.outcome_part import figures_of
from monitor.stats.bins.reference_bins import CATEGORICAL


class _Tally(msgspec.Struct, gc=False):
    numbers: list[tuple[int, Count]]
    texts: list[tuple[str, Count]]
    total: Integer
    summed: Count = 0
    squares: Power = "0"
    cubes: Power = "0"


class OutcomeRow(msgspec.Struct, gc=False):
    """One of `outcomes` in a file."""

    kind: Literal["numeric", "categorical"]
    tally: _Tally
    windows: Count
    rows: NotNegative
    base_us: Count
    errors: dict[str, ErrorsRow]
    categories: list[str] = []
    came: list[tuple[Count, Annotated[float, msgspec.Meta(ge=0, le=1)]]] = []
    segments: list[tuple[Count, OutcomeRow]] = []
    settled_us: Count = 0


def outcome_faults(rows: Mapping[str, OutcomeRow], segments: int = 0) -> Iterator[str]:
    """Faults by the outcome's name; `segments` is their number in the file."""
    for name, row in rows.items():
        yield from (f"{name[:40]!r}: {fault}" for fault in _faults(row, segments))


def _faults(row: OutcomeRow, segments: int) -> Iterator[str]:
    figures = figures_of(row.kind, tuple(row.categories))
    if (row.kind == CATEGORICAL) != bool(row.categories):
        yield "categories are for the kind categorical"
    if len(set(row.categories)) < len(row.categories):
        yield "a category is there twice"
    yield from error_faults(row.errors, figures, row.came, "none of its figures")
    yield from number_faults([at for at, _ in row.segments], segments)
    for at, one in row.segments:
        if (one.kind, one.categories) != (row.kind, row.categories):
            yield f"segments[{at}]: its kind and categories are others"
        yield from (f"segments[{at}]: {fault}" for fault in _faults(one, 0))
