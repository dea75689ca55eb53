"""From the vectors and texts of a column to the cells of its derived columns, for every format."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import ABSENT, ABSENT_VALUE, MISSING, TYPE_NAN, TYPE_VALUE
from monitor.decode.values import fits_float, is_nan, whole_characters
from monitor.stats.derived.columns import VECTOR, Derived, vector_of
from monitor.stats.derived.texts import TextColumns
from monitor.stats.derived.vectors import VectorColumns

Floats = NDArray[np.float64]


def vector_value(value: object) -> object:
    """A vector as its derived columns need it: a list of finite floats, None (missing), or a marker.

    A list with NaN, an infinite number or anything but numbers is of the wrong type as a whole.
    """
    if type(value) is list:
        kinds = set(map(type, value))
        if kinds <= {float}:
            return value if all(map(math.isfinite, value)) else TYPE_VALUE
        if kinds <= {float, int} and all(map(_is_finite, value)):
            return list(map(float, value))
        return TYPE_VALUE
    return _unusual(value)


def _is_finite(value: float) -> bool:
    return fits_float(value) if type(value) is int else math.isfinite(value)


def text_value(value: object) -> object:
    """A text, None (missing), or a marker."""
    return value if type(value) is str and whole_characters(value) else _unusual(value)


def _unusual(value: object) -> object:
    if value is None or value is ABSENT_VALUE or value is TYPE_VALUE:
        return value
    return None if is_nan(value) else TYPE_VALUE


def value_of(kind: str) -> Callable[[object], object]:
    """What converts a value of a feature of kind `vector` or `text`. Idempotent."""
    return vector_value if kind == VECTOR else text_value


def derived_cells(derived: Derived, values: Sequence[object]) -> tuple[Floats, list[list[object]]]:
    """The cells of the columns `derived.numeric` and `derived.categorical` of n values, each made by `value_of`."""
    if isinstance(derived.columns, VectorColumns):
        numbers, presence = _of_vectors(derived.columns, derived.valid, values)
        categories: list[list[object]] = [presence]
    else:
        numbers, categories = _of_texts(derived.columns, derived.valid, values)
    rows = [at for at, name in enumerate(derived.every_numeric) if name not in derived.left_out]
    return numbers if len(rows) == len(numbers) else numbers[rows], categories[: len(derived.categorical)]


def _of_vectors(columns: VectorColumns, valid: str, values: Sequence[object]) -> tuple[Floats, list[object]]:
    count, length = len(values), columns.length
    presence = [_presence(value, length, valid) for value in values]
    vectors = [value for value, name in zip(values, presence, strict=True) if name is valid]
    pack = Struct(f"={length}d").pack  # of a list of floats twice as fast as NumPy's own ways
    flat = np.frombuffer(b"".join([pack(*vector) for vector in vectors]), np.float64)  # type: ignore[misc]  # lists
    numbers = columns.of(flat.reshape(len(vectors), length))
    return (numbers, presence) if len(vectors) == count else (_spread(numbers, presence, valid), presence)


def _presence(value: object, length: int, valid: str) -> object:
    if type(value) is list:
        return valid if len(value) == length else vector_of(len(value))
    return value


def _of_texts(columns: TextColumns, valid: str, values: Sequence[object]) -> tuple[Floats, list[list[object]]]:
    presence = [valid if type(value) is str else value for value in values]
    texts = [value for value in values if type(value) is str]
    numbers, scripts = columns.of(texts), columns.scripts(texts)
    if len(texts) == len(values):
        return numbers, [presence, list(scripts)]
    following = iter(scripts)
    return _spread(numbers, presence, valid), [
        presence,
        [next(following) if name is valid else name for name in presence],
    ]


def _spread(numbers: Floats, presence: list[object], valid: str) -> Floats:
    """Numbers (k, valid values) to (k, n), with a marker for each value that is not valid."""
    markers: dict[object, float] = {None: MISSING, ABSENT_VALUE: ABSENT}
    is_valid = np.array([name is valid for name in presence], np.bool_)
    cells = np.array([markers.get(name, TYPE_NAN) for name in presence], np.float64)
    out = np.repeat(cells[None], len(numbers), axis=0)
    out[:, is_valid] = numbers
    return out
