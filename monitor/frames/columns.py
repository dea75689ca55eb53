"""Any table (pandas, polars, Arrow, a dict of arrays) as columns of plain Python values, without importing its library.

A library is asked only through the table it made: `to_pydict` of Arrow, `to_list` of a pandas or polars column, the
Arrow stream of any other. The values are those that JSON has, as a service would write them into its events.
"""

from __future__ import annotations

import datetime
import importlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from monitor.errors import UsageError
from monitor.text import listed, many

#: values of one column, as JSON has them; `msgspec.Raw` where only its text can be written
Values = list[Any]

_PLAIN: Final = frozenset({int, str, bool, type(None)})
#: integers that the encoder takes
_INTEGERS: Final = range(-(2**63), 2**64)
#: NumPy's kinds of durations and times, of which those in ns would become numbers
_TIMES: Final = "mM"
_READERS: Final = ("pyarrow", "polars")
_TABLES: Final = "a pandas or polars DataFrame, an Arrow table, or a dict of columns"
#: most column names that a message lists
_NAMED: Final = 20


def columns_of(data: object) -> dict[str, Values]:
    """The columns of a table, by name, all of one length; None where a value is missing (null, NaN, NA, NaT).

    Times become RFC 3339 text (UTC where they have no offset), durations seconds, decimals numbers, UUIDs text, arrays
    lists.

    Raises:
        UsageError: it is no table, a name is no text or occurs twice, lengths differ, or a value has a type that no
            event can hold.
    """
    found = [(name, list(values)) for name, values in _columns(data)]
    faults = [f"column {name!r}: the name is no text; rename it" for name, _ in found if not isinstance(name, str)]
    names = Counter(name for name, _ in found)
    faults += [f"column {name!r} occurs {count} times; rename one" for name, count in names.items() if count > 1]
    if faults:
        raise UsageError(faults)
    if not found:
        raise UsageError("the table has no columns")
    lengths = {name: len(values) for name, values in found}
    if len(set(lengths.values())) > 1:
        first, other = found[0][0], next(name for name, length in lengths.items() if length != lengths[found[0][0]])
        raise UsageError(
            f"column {other!r} has {many(lengths[other], 'row')} and column {first!r} {many(lengths[first], 'row')}; "
            "give columns of one length"
        )
    return {name: plain_column(name, values) for name, values in found}


def require_columns(columns: Mapping[str, Values], names: Mapping[str, str]) -> None:
    """`names` is {argument: column}.

    Raises:
        UsageError: a column that an argument names is not there.
    """
    known = listed(columns, _NAMED)
    missing = [(argument, name) for argument, name in names.items() if name not in columns]
    if missing:
        raise UsageError(
            f"{argument}={name!r}: there is no such column; there are {known}" for argument, name in missing
        )


def _columns(data: Any) -> Iterable[tuple[Any, Iterable[Any]]]:  # noqa: ANN401  # any table of any library
    if isinstance(data, Mapping):
        return [(name, values_of(name, values)) for name, values in data.items()]
    if callable(to_dict := getattr(data, "to_pydict", None)):
        return list(to_dict().items())
    if callable(getattr(data, "collect", None)) and not hasattr(data, "to_dict"):
        raise UsageError(f"a {type(data).__name__} has no rows yet; call its collect() first")
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        names = list(data.columns)
        if len(set(names)) < len(names):  # by name a column would be a table
            return [(name, ()) for name in names]
        return [(name, data[name].to_list()) for name in names]
    if hasattr(data, "__arrow_c_stream__"):
        return _of_stream(data)
    raise UsageError(f"a {type(data).__name__} is no table; give {_TABLES}")


def values_of(name: object, values: Any) -> Iterable[Any]:  # noqa: ANN401  # a list, an array or a column of any library
    """The rows' values of one column.

    Raises:
        UsageError: it is neither a list nor an array.
    """
    for method in ("to_pylist", "to_list", "tolist"):
        if callable(getattr(values, method, None)):
            found = _of_array(values) if method == "tolist" else getattr(values, method)()
            return found if isinstance(found, list) else [found]
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise UsageError(f"column {name!r} is a {type(values).__name__}, not a list or array of its rows' values")
    return values


def _of_stream(data: Any) -> Iterable[tuple[Any, Iterable[Any]]]:  # noqa: ANN401  # whatever exports an Arrow stream
    for library in _READERS:
        try:
            reader = importlib.import_module(library)
        except ImportError:
            continue
        return _columns(reader.table(data) if library == "pyarrow" else reader.DataFrame(data))
    raise UsageError(
        f"a {type(data).__name__} gives an Arrow stream, and neither {' nor '.join(_READERS)} is installed to read it; "
        f"install one, or give {_TABLES}"
    )


def plain_column(name: str, values: Values) -> Values:
    """The values of a column as JSON has them; see `columns_of`."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN and (int not in kinds or all(value in _INTEGERS for value in values if type(value) is int)):
        return values
    if kinds == {float} and all(map(math.isfinite, values)):
        return values
    return [plain(name, row, value) for row, value in enumerate(values)]


def plain(name: str, row: int, value: Any) -> Any:  # noqa: ANN401  # one case a type
    """One value as JSON has it, None where it is missing. `name` and `row` are its place, for the error.

    Raises:
        UsageError: no event can hold a value of its type.
    """
    if isinstance(value, float):
        return None if math.isnan(value) else _number(float(value))
    if type(value) in _PLAIN:
        return _number(value) if type(value) is int else value
    if isinstance(value, datetime.datetime | datetime.date):
        return _time_text(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else _number(float(value))
    if isinstance(value, UUID | str):
        return str(value)
    if type(value).__name__ in {"NAType", "NaTType"}:  # pandas' own; asking would import it
        return None
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if callable(getattr(value, "tolist", None)):  # an array, or a scalar of NumPy
        return plain(name, row, _of_array(value))
    if isinstance(value, list | tuple):
        return [plain(name, row, one) for one in value]
    raise UsageError(
        f"{name!r}, row {row}: no event can hold a value of type {type(value).__name__}; give numbers, texts, "
        "booleans, times or lists of numbers"
    )


def _of_array(values: Any) -> Any:  # noqa: ANN401  # of an array or scalar of NumPy
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    return values.astype(f"{kind}8[us]").tolist() if kind in _TIMES and kind else values.tolist()


def _number(value: int | float) -> int | float | msgspec.Raw:
    """The number, or its text as Python's json writes it: what the daemon reads as a wrong type."""
    if isinstance(value, float) and math.isinf(value):
        return msgspec.Raw(b"Infinity" if value > 0 else b"-Infinity")
    return value if isinstance(value, float) or value in _INTEGERS else msgspec.Raw(str(value).encode())


def _time_text(value: datetime.date) -> str | None:
    if value != value:  # noqa: PLR0124  # not a time: NaT is a datetime
        return None
    if not isinstance(value, datetime.datetime):
        return value.isoformat()
    return (value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)).isoformat()
