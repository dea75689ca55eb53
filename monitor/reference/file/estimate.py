"""Validation of the part of a reference file from which performance is estimated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from monitor.reference.score_effects import BEYOND

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class ClassesRow(msgspec.Struct, gc=False, tag_field="of", tag="classes"):
    """`estimate` of a classifier in a file."""

    rows: _Count
    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    edges: list[float]
    right: list[list[_Share]]
    wrong: list[list[_Share]]
    positive: int | msgspec.UnsetType = msgspec.UNSET


class ErrorsRow(msgspec.Struct, gc=False, tag_field="of", tag="errors"):
    """`estimate` of a regression in a file."""

    rows: _Count
    mean_absolute: _NotNegative
    mean_squared: _NotNegative
    columns: list[tuple[str, str]]
    absolute: list[list[float]]
    squared: list[list[float]]


EstimateRow = ClassesRow | ErrorsRow


def estimate_faults(row: EstimateRow, columns: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """`columns` are {(role, name): number of bins}."""
    yield from _class_faults(row) if isinstance(row, ClassesRow) else _error_faults(row, columns)


def _class_faults(row: ClassesRow) -> Iterator[str]:
    classes, bins = len(row.classes), len(row.edges) + 1
    if len(set(row.classes)) < classes:
        yield "classes: one is listed twice"
    if any(a >= b for a, b in itertools.pairwise(row.edges)):
        yield "edges do not rise"
    if len(row.right) != classes or any(len(one) != bins for one in row.right):
        yield f"right is not {classes} lists of {bins} shares"
    if len(row.wrong) != classes or any(len(one) != classes + 1 for one in row.wrong):
        yield f"wrong is not {classes} lists of {classes + 1} shares"
    if row.positive is not msgspec.UNSET and not (classes == 2 and 0 <= row.positive < classes):
        yield "positive is not the place of one of two classes"


def _error_faults(row: ErrorsRow, columns: Mapping[tuple[str, str], int]) -> Iterator[str]:
    if len(set(row.columns)) < len(row.columns):
        yield "columns: one is listed twice"
    for name, effects in (("absolute", row.absolute), ("squared", row.squared)):
        if len(effects) != len(row.columns):
            yield f"{name} does not have one list for each column"
            continue
        for column, own in zip(row.columns, effects, strict=True):
            bins = columns.get(column)
            if bins is None:
                yield f"columns: the file has no {column[0]} of that name"
            elif len(own) != bins + BEYOND:
                yield f"{name}: a column of {bins} bins does not have {bins + BEYOND} effects"
