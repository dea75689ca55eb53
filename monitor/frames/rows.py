"""Features of one event or of many, as a service has them at hand: an object, a frame, an array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.errors import UsageError
from monitor.frames.columns import columns_of, plain, plain_column, values_of
from monitor.text import many

Row = dict[str, Any]


def is_one(features: object) -> bool:
    """Whether these are the features of one event: an object of names, or an array of one dimension."""
    return isinstance(features, Mapping) or getattr(features, "ndim", 0) == 1


def one_row(features: Any, names: Sequence[str] | None) -> Row:  # noqa: ANN401  # an object or an array
    """The features of one event by name.

    Raises:
        UsageError: a value has a type that no event can hold; an array and no names for its places.
    """
    if isinstance(features, Mapping):
        return {str(name): plain(str(name), 0, value) for name, value in features.items()}
    return _named([features], names)[0]


def rows_of(features: Any, names: Sequence[str] | None) -> list[Row]:  # noqa: ANN401  # a frame, an array, a list
    """The features of each row by name: of a frame, of an array of two dimensions, of a list of objects or rows.

    Raises:
        UsageError: as `one_row`, or it is none of these.
    """
    if getattr(features, "ndim", 0) == 2 and not hasattr(features, "columns"):
        return _named(features, names)
    if isinstance(features, list | tuple):
        if all(isinstance(row, Mapping) for row in features):
            return [one_row(row, names) for row in features]
        return _named(features, names)
    columns = columns_of(features)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def beside(argument: str, values: Any, rows: int | None) -> list[Any]:  # noqa: ANN401  # any column
    """What belongs to the rows of a table, one value each; `rows` is None where any number will do.

    Raises:
        UsageError: it is no list or array, or of another length.
    """
    listed = plain_column(argument, list(values_of(argument, values)))
    if rows is not None and len(listed) != rows:
        raise UsageError(f"{argument}: {many(len(listed), 'value')} for {many(rows, 'row')}; give one each")
    return listed


def _named(rows: Iterable[Any], names: Sequence[str] | None) -> list[Row]:
    if names is None:
        raise UsageError("features: the rows of an array have no names; give feature_names to the Reporter")
    found = []
    for at, row in enumerate(rows):
        values = list(values_of("features", row))
        if len(values) != len(names):
            raise UsageError(f"features, row {at}: {many(len(values), 'value')} for {many(len(names), 'name')}")
        found.append({name: plain(name, at, value) for name, value in zip(names, values, strict=True)})
    return found
