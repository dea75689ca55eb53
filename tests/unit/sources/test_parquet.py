"""Parquet files: the values of every type of column, what is refused, and the order in which rows are read."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import sys
import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.clock import ManualClock
from monitor.decode.values import time_of
from monitor.errors import UsageError
from monitor.records import RecordBatch
from monitor.sources.event_times import EventTimes
from monitor.sources.files import Files, ReadOptions, open_source
from monitor.sources.parquet_cells import cells_of, times_of
from monitor.sources.parquet_rows import ParquetRows
from tests.engine import settings as engine_settings

TIME = {"t": "ts"}
INFINITE = math.inf


def rows_of(path: Path, columns: dict[str, str] | None = None, texts: set[str] | None = None) -> list[Any]:
    """The parsed values of a file in its own order."""
    options = ReadOptions(csv_map=columns, csv_texts=texts)
    with contextlib.closing(Files([path], ManualClock(), options).open()) as source:
        batches = [batch for _ in iter(source.ended, True) for batch in source.poll(())]
    assert [at for batch in batches for at in batch.offsets.tolist()] == list(range(sum(map(len, batches))))
    return [json.loads(value) for batch in batches for value in batch.values if value is not None]


def written(path: Path, columns: dict[str, Any], **how: Any) -> Path:  # noqa: ANN401
    pq.write_table(pa.table(columns), path, **how)
    return path


UTC_TIME = "2026-03-04T10:15:30.123456"
MOMENT = dt.datetime.fromisoformat(UTC_TIME)


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (pa.array([1, None, -3], pa.int8()), [1, None, -3]),
        (pa.array([2**63 + 1, None], pa.uint64()), [2**63 + 1, None]),
        (pa.array([1.5, math.nan, None, INFINITE, -INFINITE]), [1.5, None, None, "Infinity", "-Infinity"]),
        (pa.array([0.5, None], pa.float32()), [0.5, None]),
        (pa.array([0.5, 2.0]).cast(pa.float16()), [0.5, 2.0]),
        (pa.array([True, None, False]), [True, None, False]),
        (pa.array(["é", None, ""]), ["é", None, ""]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", None, "b", "a"]).dictionary_encode(), ["a", None, "b", "a"]),
        (pa.array([7, None, 7]).dictionary_encode(), [7, None, 7]),
        (pa.array([b"text", b"\xff", None]), ["text", "/w==", None]),
        (pa.array([Decimal("1.50"), Decimal("3.00"), None]), [1.5, 3, None]),
        *(
            (
                pa.array([MOMENT, None], pa.timestamp(unit)).cast(pa.timestamp(unit, zone)),
                [UTC_TIME[:end] + "Z", None],
            )
            for unit, zone, end in (("us", "UTC", 26), ("ns", "+02:00", 26))
        ),
        (pa.array([1_000, None], pa.timestamp("s")), ["1970-01-01T00:16:40.000000", None]),
        (pa.array([-1], pa.timestamp("ms", "UTC")), ["1969-12-31T23:59:59.999000Z"]),
        (pa.array([dt.date(2026, 3, 4), None]), ["2026-03-04", None]),
        (pa.array([dt.time(10, 15), None]), ["10:15:00", None]),
        (pa.array([dt.timedelta(seconds=90), None]), [90.0, None]),
        (pa.nulls(2), [None, None]),
        (pa.array([[1.0, 2.0], None, []]), [[1.0, 2.0], None, []]),
        (pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2)), [[1.0, 2.0], None, [3.0, 4.0]]),
        (pa.array([[[1], None], [[2, 3]]], pa.large_list(pa.list_(pa.int64()))), [[[1], None], [[2, 3]]]),
        (
            pa.array([{"a": 1, "b": [2]}, None, {"a": None, "b": None}]),
            [{"a": 1, "b": [2]}, None, {"a": None, "b": None}],
        ),
        (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), [{"k": 1}, None]),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else "",
)
def test_a_column_of_every_type_has_the_values_of_json(column: Any, cells: list[object]) -> None:  # noqa: ANN401
    assert cells_of(column) == cells
    assert cells_of(column.slice(1)) == cells[1:]
    assert json.loads(json.dumps(cells_of(column))) == cells


@given(st.lists(st.none() | st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(9998, 1, 1)), max_size=5))  # noqa: DTZ001
@settings(max_examples=50, deadline=None)
def test_a_time_is_the_same_as_a_number_and_as_text(moments: list[dt.datetime | None]) -> None:
    for unit in ("ms", "us"):
        column = pa.array(moments, pa.timestamp("us")).cast(pa.timestamp(unit, "UTC"), safe=False)
        by_number = [None if value is None else time_of(value) for value in times_of(column)]
        assert by_number == [None if value is None else time_of(value) for value in cells_of(column)]


PLAIN = st.none() | st.integers(-(2**63), 2**63 - 1)
TREE = {
    "i": PLAIN,
    "l": st.none() | st.lists(st.none() | st.text("aé\0")),
    "s": st.none() | st.fixed_dictionaries({"b": st.none() | st.booleans()}),
}


@given(st.lists(st.fixed_dictionaries(TREE)), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_nested_columns_are_the_objects_that_they_were_made_of(rows: list[dict[str, Any]], first: int) -> None:
    kind = pa.struct(
        {"i": pa.int64(), "l": pa.list_(pa.string()), "s": pa.struct({"b": pa.bool_()})}.items()  # type: ignore[call-overload,unused-ignore]
    )
    column = pa.array(rows, kind)
    assert cells_of(column.slice(first)) == rows[first:] == column.to_pylist()[first:]


def test_mapped_columns_are_fields_and_all_others_features(tmp_path: Path) -> None:
    table = {
        "when": pa.array([0, 1], pa.timestamp("s", "UTC")),
        "key": pa.array([17.0, None]),
        "kind": ["prediction", "label"],
        "p": pa.array([1, None]),
        "y": pa.array([None, None], pa.int64()),
        "where": ["north", None],
        "AGE": pa.array([35, None]),
        "emb": pa.array([[0.5], None]),
        "junk": ["x", "x"],
    }
    columns = {"when": "ts", "key": "id", "kind": "type", "p": "prediction", "y": "label", "where": "tags.region"}
    path = written(tmp_path / "x.parquet", table)
    assert rows_of(path, {**columns, "junk": "-"}) == [
        {
            "ts": "1970-01-01T00:00:00.000000Z",
            "id": "17",
            "type": "prediction",
            "prediction": 1,
            "tags": {"region": "north"},
            "features": {"AGE": 35, "emb": [0.5]},
        },
        {
            "ts": "1970-01-01T00:00:01.000000Z",
            "type": "label",
            "label": None,
            "features": {"AGE": None, "emb": None},
        },
    ]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "é", "a.b", "1"])
def test_a_column_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "x.parquet", {"t": [1], name: [2], "kind": [None]})
    assert rows_of(path, {**TIME, "kind": "type"}) == [{"ts": 1, "features": {name: 2}}]


def test_with_a_layout_a_row_is_the_object_of_its_columns(tmp_path: Path) -> None:
    table = {"key": pa.array([17.0, 1.5]), "request": pa.array([{"a": 1}, None])}
    assert rows_of(written(tmp_path / "x.parquet", table), texts={"key"}) == [
        {"key": "17", "request": {"a": 1}},
        {"key": "1.5", "request": None},
    ]


def test_rows_are_the_same_for_any_row_groups_and_pieces(tmp_path: Path) -> None:
    table = {"t": list(range(2_500)), "a": [f"{at % 7}" for at in range(2_500)]}
    whole = rows_of(written(tmp_path / "x.parquet", table), TIME)
    assert len(whole) == 2_500
    assert whole == rows_of(written(tmp_path / "y.parquet", table, row_group_size=999, compression="zstd"), TIME)


def test_a_row_that_is_too_long_is_one_that_is_rejected_as_too_large(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"t": [1, 2], "a": ["x" * 500, "x"]})
    options = ReadOptions(csv_map=TIME, longest=100)
    with contextlib.closing(Files([path], ManualClock(), options).open()) as source:
        (batch,) = source.poll(())
    assert [len(value or b"") > 100 for value in batch.values] == [True, False]


#: times that rise, with ties; units of the same moment; any times
TIMES = st.one_of(
    st.lists(st.integers(10**12, 10**12 + 5), max_size=30).map(sorted),
    st.lists(st.sampled_from([10**9, 10**9 + 1, 10**12, 10**15, 10**18, -5, 0]), max_size=9),
    st.lists(st.none() | st.integers(10**12, 10**12 + 9), max_size=9),
)


@settings(deadline=None)
@given(TIMES, st.booleans(), st.data())
def test_rows_in_order_of_time_are_read_as_if_they_were_sorted(
    times: list[int | None], as_moments: bool, data: st.DataObject
) -> None:
    usable = as_moments and all(one is not None and 10**12 <= one < 10**13 for one in times)
    column = pa.array(times, pa.timestamp("ms", "UTC") if usable else pa.int64())
    scores = data.draw(st.lists(st.sampled_from([0.5, 2.0]), min_size=len(times), max_size=len(times)))  # 2: rejected
    names = {"model": ["credit"] * len(times), "version": ["1"] * len(times), "id": [*map(str, range(len(times)))]}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = written(Path(folder, "x.parquet"), {"t": column, "score": pa.array(scores, pa.float64()), **names})
        read = read_in_time(path)
        patch.setattr(ParquetRows, "in_time_order", lambda _: False)
        assert read == read_in_time(path)


def read_in_time(path: Path) -> list[tuple[int, bytes | None, str]]:
    """(offset, value, place) of each record."""
    columns = TIME | {name: name for name in ("model", "version", "id", "score")}
    options = ReadOptions(csv_map=columns, times_of=EventTimes(engine_settings()))
    with (
        contextlib.closing(Files([path], ManualClock(), options, chunk=7)) as files,
        contextlib.closing(files.open()) as source,
    ):
        batches = [batch for _ in iter(source.ended, True) for batch in source.poll(())]
        return [
            (offset, value, source.place(batch.partition, offset))
            for batch in batches
            for offset, value in zip(batch.offsets.tolist(), batch.values, strict=True)
        ]


def test_rows_in_order_of_time_are_not_copied_to_be_sorted(tmp_path: Path) -> None:
    def read(_: RecordBatch) -> NDArray[np.int64]:
        raise AssertionError

    path = written(tmp_path / "x.parquet", {"t": [10**12, 10**12, 10**12 + 1], "a": [1, 2, 3]}, row_group_size=2)
    options = ReadOptions(csv_map=TIME, times_of=read)
    with contextlib.closing(Files([path], ManualClock(), options).open()) as source:
        assert sum(map(len, source.poll(()))) == 3


def refused(path: Path, columns: dict[str, str]) -> Iterable[str]:
    with pytest.raises(UsageError) as error:
        open_source([path], ManualClock(), csv_map=columns)
    return error.value.faults


def test_what_cannot_be_read_is_refused_with_what_would_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x.parquet", {"t": [1], "a": [2]})
    (fault, listed) = refused(path, {"t": "ts", "b": "id"})
    assert "x.parquet: --map names the column 'b', which is not there" in fault
    assert listed.endswith("the columns are t, a")
    twice = pa.Table.from_arrays([pa.array([1])] * 2, names=["t", "t"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert "column 't' occurs twice" in next(iter(refused(tmp_path / "twice.parquet", TIME)))
    (tmp_path / "no.parquet").write_bytes(b"t,a\n1,2\n")
    assert "no.parquet: cannot be read as Parquet: " in next(iter(refused(tmp_path / "no.parquet", TIME)))
    data = path.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    assert "cut.parquet: cannot be read as Parquet: " in next(iter(refused(tmp_path / "cut.parquet", TIME)))
    monkeypatch.delitem(sys.modules, "monitor.sources.parquet_rows")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'driftd[parquet]'" in next(iter(refused(path, TIME)))


def test_damage_inside_a_file_is_reported_and_not_read_as_the_end(tmp_path: Path) -> None:
    table = {"t": list(range(4_000)), "a": [f"{at * 7919 % 4_001}" for at in range(4_000)]}
    path = written(tmp_path / "x.parquet", table, row_group_size=2_000, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2_000] = bytes(2_000)
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"x.parquet: cannot be read as Parquet: "):
        rows_of(path, TIME)
