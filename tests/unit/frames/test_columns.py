"""Tables of every kind as plain columns: the values that a service's own JSON would have."""

from __future__ import annotations

import datetime
import decimal
import importlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.frames import columns
from monitor.frames.columns import columns_of

DAY = datetime.date(2026, 3, 2)
NOON = datetime.datetime(2026, 3, 2, 12)  # noqa: DTZ001  # as tables have them
TOKYO = datetime.timezone(datetime.timedelta(hours=9))


class Arrow:
    """What an Arrow table offers."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns

    def to_pydict(self) -> dict[str, list[Any]]:
        return self._columns


class Series:
    """What a polars column offers."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def to_list(self) -> list[Any]:
        return self._values


class Frame:
    """What a polars frame offers; iterating over it would give its columns, not their names."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = list(columns)
        self._values = columns

    def __getitem__(self, name: str) -> Series:
        return Series(self._values[name])

    def __iter__(self) -> Iterator[Series]:
        return iter([self[name] for name in self.columns])


@pytest.mark.parametrize(
    "table",
    [
        {"a": [1, 2], "b": ("x", None)},
        {"a": np.array([1, 2]), "b": np.array(["x", None], object)},
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pd.DataFrame({"a": pd.array([1, 2], "Int64"), "b": pd.Categorical(["x", None])}),
        {"a": pd.Series([1, 2]), "b": Series(["x", None])},
        Arrow({"a": [1, 2], "b": ["x", None]}),
        Frame({"a": [1, 2], "b": ["x", None]}),
    ],
    ids=["lists", "arrays", "pandas", "pandas-own-types", "columns", "arrow", "polars"],
)
def test_every_kind_of_table_is_the_same_columns(table: object) -> None:
    assert columns_of(table) == {"a": [1, 2], "b": ["x", None]}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (decimal.Decimal("NaN"), None),
        (np.float32(0.5), 0.5),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (decimal.Decimal("1.5"), 1.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (DAY, "2026-03-02"),
        (NOON, "2026-03-02T12:00:00+00:00"),
        (NOON.replace(tzinfo=TOKYO), "2026-03-02T12:00:00+09:00"),
        (pd.Timestamp(NOON), "2026-03-02T12:00:00+00:00"),
        (np.array([1, np.nan]), [1.0, None]),
        (np.timedelta64(1_500_000_000, "ns"), 1.5),
        (pd.Timedelta("1.5s"), 1.5),
        ((1, "x"), [1, "x"]),
    ],
    ids=repr,
)
def test_a_value_of_another_library_is_the_plain_one(value: object, plain: object) -> None:
    (found,) = columns_of({"a": [value]})["a"]
    assert (found, type(found)) == (plain, type(plain))


def test_times_of_arrays_are_texts_and_not_numbers() -> None:
    assert columns_of({"a": pd.Series([NOON]), "b": np.array([NOON], "datetime64[us]")}) == {
        "a": ["2026-03-02T12:00:00+00:00"],
        "b": ["2026-03-02T12:00:00+00:00"],
    }
    assert columns_of({"a": np.array([NOON, "NaT"], "datetime64[ns]")})["a"] == ["2026-03-02T12:00:00+00:00", None]


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"))))
def test_what_is_written_is_what_pythons_own_json_writes(values: list[object]) -> None:
    written = msgspec.json.encode(columns_of({"a": values})["a"])
    missing = [None if isinstance(value, float) and value != value else value for value in values]  # noqa: PLR0124
    assert repr(json.loads(written)) == repr(json.loads(json.dumps(missing)))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (3, "a int is no table"),
        ({}, "no columns"),
        ({"a": [1], "b": [1, 2]}, "column 'b' has 2 rows and column 'a' 1 row"),
        ({"a": "text"}, "column 'a' is a str"),
        ({"a": 3}, "column 'a' is a int"),
        ({3: [1]}, "column 3: the name is no text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' occurs 2 times"),
        ({"a": [1, object()]}, "'a', row 1: no event can hold a value of type object"),
        ({"a": [b"bytes"]}, "of type bytes"),
    ],
    ids=["number", "nothing", "lengths", "text", "scalar", "name", "twice", "object", "bytes"],
)
def test_what_is_no_table_is_said(table: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        columns_of(table)


def test_a_frame_that_has_not_been_computed_is_named() -> None:
    class Lazy:
        def collect(self) -> object:
            raise AssertionError

    with pytest.raises(UsageError, match=r"call its collect\(\) first"):
        columns_of(Lazy())


def test_an_arrow_stream_is_read_by_whichever_library_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def __arrow_c_stream__(self) -> object:
            raise AssertionError

    class Polars:
        @staticmethod
        def DataFrame(_: object) -> Frame:  # noqa: N802  # polars' own name
            return Frame({"a": [1]})

    missing = ImportError("not here")

    def imported(name: str) -> object:
        if name != "polars":
            raise missing
        return Polars

    monkeypatch.setattr(importlib, "import_module", imported)
    assert columns_of(Stream()) == {"a": [1]}
    monkeypatch.setattr(columns, "_READERS", ("pyarrow",))
    with pytest.raises(UsageError, match="install one"):
        columns_of(Stream())
