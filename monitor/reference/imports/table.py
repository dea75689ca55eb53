"""Columns of a table of training data: every value counts, so the bins are those of a native reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from monitor.events import canonical
from monitor.reference.imports.shape import ImportedColumn, Sketch, Table
from monitor.reference.imports.trees import number_of
from monitor.text import many

#: fewer values may all be different
_FEW: Final = 100


def table_columns(table: Table) -> Iterator[ImportedColumn]:
    """The columns of a table, in its order."""
    for name, cells in table.items():
        yield _column(name, cells)


def _column(name: str, cells: Sequence[object]) -> ImportedColumn:
    present = [cell for cell in cells if cell is not None and not (isinstance(cell, float) and math.isnan(cell))]
    column = ImportedColumn(name, present=float(len(present)), missing=float(len(cells) - len(present)))
    plain = [cell for cell in present if isinstance(cell, str | int | float | bool)]
    numbers = [number_of(cell) for cell in plain if isinstance(cell, int | float) and not isinstance(cell, bool)]
    if len(plain) < len(present):
        column.left_out = "lists and objects are not imported"
    elif 2 * len(numbers) > len(present):
        _numeric(column, numbers)
    else:
        _categorical(column, plain)
    return column


def _numeric(column: ImportedColumn, numbers: Sequence[float]) -> None:
    values = np.array(numbers, np.float64)
    values = values[np.isfinite(values)]
    column.present = float(len(values))
    if len(values):
        column.mean, column.deviation = float(values.mean()), float(values.std())
        column.numbers = Sketch(values, np.ones(len(values)), float(values.min()), float(values.max()))


def _categorical(column: ImportedColumn, cells: Sequence[str | int | float | bool]) -> None:
    counted = Counter(canonical(cell) for cell in cells)
    column.categories = sorted(((name, float(n)) for name, n in counted.items()), key=lambda one: (-one[1], one[0]))
    if 2 * len(counted) > len(cells) > _FEW:
        column.left_out = f"{many(len(counted), 'different value')} in {len(cells):,}: an identifier, or text"
