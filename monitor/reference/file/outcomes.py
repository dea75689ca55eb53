"""Validation of the part of a reference file that has its named outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from monitor.reference.file.performance import Count, ErrorsRow, Integer, NotNegative, error_faults
from monitor.reference.outcome_part import figures_of
from monitor.stats.bins.reference_bins import CATEGORICAL


class _Tally(msgspec.Struct, gc=False):
    numbers: list[tuple[int, Count]]
    texts: list[tuple[str, Count]]
    total: Integer


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


def outcome_faults(rows: Mapping[str, OutcomeRow]) -> Iterator[str]:
    """Faults by the outcome's name."""
    for name, row in rows.items():
        figures = figures_of(row.kind, tuple(row.categories))
        if (row.kind == CATEGORICAL) != bool(row.categories):
            yield f"{name[:40]!r}: categories are for the kind categorical"
        if len(set(row.categories)) < len(row.categories):
            yield f"{name[:40]!r}: a category is there twice"
        yield from (
            f"{name[:40]!r}: {fault}" for fault in error_faults(row.errors, figures, row.came, "none of its figures")
        )
