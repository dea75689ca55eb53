"""The columns of a Parquet file tell what the lines of its rows tell, whatever is in them."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.decode.columns import Group, Limits, Rules, Shape
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.raw import RawFields
from monitor.decode.table_decoder import TableDecoder
from monitor.decode.table_rows import TableRows
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.records import RecordBatch
from monitor.sources.files import Files, ReadOptions
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.properties.test_decode_laws import bits, quality_counts, typed

T0_MS = 1_764_000_000_000
LIMITS = Limits(record_bytes=2_000, events_per_record=6, features=4)
WANTED = (
    ("a", NUMERIC),
    ("b", CATEGORICAL),
    ("c", NUMERIC),
    ("d", CATEGORICAL),
    ("gone", NUMERIC),
    ("lost", CATEGORICAL),
)
SHAPES = (
    Shape(WANTED, "1"),
    Shape(WANTED[::-1], "1", raw=True, tags=("region", "other")),
    Shape((("b", CATEGORICAL),), "x", confidence=True, classes=("x", "y")),
    None,
)
FIELDS = ("ts", "id", "model", "version", "type", "score", "prediction", "label", "value")
MAP = {**{name: name for name in FIELDS}, "where": "tags.region", "else": "tags.o\x01", "left": "-"}

MOMENT = dt.datetime(2025, 11, 24, 16, tzinfo=dt.UTC)
NAMES = st.sampled_from(["x", "y", "é", "a\x01", "a\x7f", "", "\u0085", "N" * 300, 'q"\\'])
NUMBERS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1.0, 1e300, 9007199254740993.0])
#: how a column may come: its type, and its values without null
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.float64(), NUMBERS),
    (pa.float64(), st.floats(0, 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int8(), st.integers(-3, 3)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.string(), NAMES | st.text(max_size=3)),
    (pa.large_string(), NAMES),
    (pa.dictionary(pa.int32(), pa.string()), NAMES),
    (pa.timestamp("ms", "UTC"), st.just(MOMENT)),
    (pa.timestamp("us"), st.just(MOMENT.replace(tzinfo=None))),
    (pa.date32(), st.just(MOMENT.date())),
    (pa.time64("us"), st.just(dt.time(1, 2, 3))),
    (pa.duration("ms"), st.just(dt.timedelta(milliseconds=1_500))),
    (pa.decimal128(12, 2), st.sampled_from([Decimal("1.50"), Decimal("3.00"), Decimal("-0.10")])),
    (pa.decimal128(30, 2), st.sampled_from([Decimal("1.50"), Decimal(10**25)])),
    (pa.binary(), st.sampled_from([b"x", b"\xff"])),
    (pa.list_(pa.float64()), st.lists(st.just(0.5), max_size=2)),
    (pa.struct([("i", pa.int64())]), st.just({"i": 1})),
    (pa.null(), st.none()),
]
TIMES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.timestamp("ms", "UTC"), st.just(MOMENT)),
    (pa.timestamp("us", "UTC"), st.sampled_from([MOMENT, MOMENT.replace(year=1971), MOMENT.replace(year=9998)])),
    (pa.int64(), st.sampled_from([T0_MS, T0_MS // 1000, T0_MS * 1000, -5, 2**63 - 1])),
    *KINDS,
]


@st.composite
def tables(draw: st.DrawFn) -> Any:  # noqa: ANN401  # a table of pyarrow
    """Usual rows with something unusual here and there."""
    rows = draw(st.integers(1, 6))

    def column(kinds: list[tuple[Any, st.SearchStrategy[Any]]], *, nulls: bool) -> Any:  # noqa: ANN401  # as above
        kind, values = draw(st.sampled_from(kinds))
        cells = draw(st.lists(values | st.none() if nulls else values, min_size=rows, max_size=rows))
        return pa.array(cells, kind)

    usual = {
        "ts": pa.array([MOMENT] * rows, pa.timestamp("us", "UTC")),
        "id": pa.array([f"i{at}" for at in range(rows)]),
        "model": pa.array(["credit"] * rows),
        "version": pa.array(["1"] * rows),
        "type": pa.array(["prediction"] * rows),
        "score": pa.array([0.5] * rows),
        "prediction": pa.array(["x"] * rows),
    }
    found = {name: usual[name] for name in usual if draw(st.integers(0, 9)) or name == "ts"}
    for name in draw(
        st.lists(st.sampled_from([*FIELDS, "where", "else", "left"]), max_size=draw(st.integers(0, 2)), unique=True)
    ):
        found[name] = column(TIMES if name == "ts" else KINDS, nulls=draw(st.booleans()))
    for name in draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f\x02", ""]), max_size=5, unique=True)):
        found[name] = column(KINDS[:11] if draw(st.integers(0, 3)) else KINDS, nulls=draw(st.booleans()))
    return pa.table(found)


def parts_of(table: Any, row_group_size: int) -> list[RecordBatch]:  # noqa: ANN401  # as above
    """The batches of a file with this table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.parquet")
        pq.write_table(table, path, row_group_size=row_group_size)
        columns = {name: field for name, field in MAP.items() if name in table.column_names}
        options = ReadOptions(csv_map=columns, longest=LIMITS.record_bytes)
        with contextlib.closing(Files([path], ManualClock(), options, chunk=4).open()) as source:
            return [batch for _ in iter(source.ended, True) for batch in source.poll(())]


def as_lines(batch: RecordBatch) -> RecordBatch:
    return RecordBatch(batch.partition, list(batch.values), batch.offsets, None, batch.next_offset, batch.now_us)


def raw(fields: RawFields | None) -> object:
    """All fields, with the types of their values."""
    if fields is None:
        return None
    both = [
        {name: (column.rows.tolist(), typed(column.values)) for name, column in columns.items()}
        for columns in (fields.features, fields.tags)
    ]
    named = [{name: rows.tolist() for name, rows in of.items()} for of in (fields.score_classes, fields.unread)]
    return list(fields.features), both, named


def beside(group: Group) -> object:
    """What a group has beside the columns of most versions."""
    confidence = None if group.confidence is None else bits(group.confidence)
    shares = None if group.probabilities is None else group.probabilities.tolist()
    return confidence, repr(shares), group.tags, raw(group.raw)


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from(SHAPES), st.sampled_from([1, 2, 10]), st.booleans())
def test_a_table_has_the_events_of_its_lines(table: Any, shape: Shape | None, groups: int, own: bool) -> None:  # noqa: ANN401
    rules = Rules(LIMITS, 60_000_000, *(("credit", "7") if own else ()))
    by_columns, by_lines = (make(lambda _: shape, rules) for make in (TableDecoder, NativeDecoder))
    for batch in parts_of(table, groups):
        assert isinstance(batch.values, TableRows)
        lines = as_lines(batch)
        found, expected = by_columns.decode(batch), by_lines.decode(lines)
        assert quality_counts(found) == quality_counts(expected)
        assert [*map(beside, found.groups)] == [*map(beside, expected.groups)]
        (found, fields), (expected, fields_of_lines) = by_columns.survey(batch), by_lines.survey(lines)
        assert quality_counts(found) == quality_counts(expected)
        assert [*map(raw, fields)] == [*map(raw, fields_of_lines)]
        places = range(0, len(batch), 2)
        assert repr(by_columns.features(batch, places)) == repr(by_lines.features(lines, places))


def usual(rows: int, **other: Any) -> Any:  # noqa: ANN401  # as above
    columns = {
        "ts": pa.array([MOMENT] * rows, pa.timestamp("us", "UTC")),
        "id": [f"i{at}" for at in range(rows)],
        "model": ["credit"] * rows,
        "a": [0.5] * rows,
        "b": ["x"] * rows,
        "score": [0.25] * rows,
    }
    return pa.table({**columns, **other})


@pytest.mark.parametrize("other", [{}, {"a": [1, None, 3]}, {"b": ["x", "y\x01", None]}, {"d": [None] * 3}])
def test_usual_rows_are_not_made_lines(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (batch,) = parts_of(usual(3, **other), 10)
    monkeypatch.setattr(type(batch.values), "__iter__", None)
    monkeypatch.setattr(type(batch.values), "_values", None)
    assert len(TableDecoder(lambda _: SHAPES[0], Rules(LIMITS, 60_000_000)).decode(batch)) == 3


def text_of(*values: bytes) -> Any:  # noqa: ANN401  # as above
    """A column of texts whose bytes nobody has looked at."""
    ends = pa.array([sum(map(len, values[:at])) for at in range(len(values) + 1)], pa.int32())
    return pa.Array.from_buffers(pa.string(), len(values), [None, ends.buffers()[1], pa.py_buffer(b"".join(values))])


UNREADABLE = [
    text_of(b"a", b"\xff", b"b"),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), text_of(b"a", b"\xff")),
    pa.array([1, 2, 2**30], pa.date32()),
    pa.array([1, None, 2**62], pa.duration("s")),
]


@pytest.mark.parametrize("column", UNREADABLE, ids=[str(one.type) for one in UNREADABLE])
@pytest.mark.parametrize("name", ["a", "b", "unwanted", "prediction"])
def test_a_value_that_cannot_be_read_names_the_file(name: str, column: Any) -> None:  # noqa: ANN401  # as above
    decoder = TableDecoder(lambda _: SHAPES[0], Rules(LIMITS, 60_000_000))
    with pytest.raises(UsageError, match=r"x\.parquet: cannot be read as Parquet"):
        [*map(decoder.decode, parts_of(usual(3, **{name: column}), 10))]


def test_what_one_row_makes_wrong_rejects_that_row_only() -> None:
    (batch,) = parts_of(usual(4, score=[0.25, 2.0, 0.5, None], id=["a", "b", "c\x01", "d"]), 10)
    events = TableDecoder(lambda _: SHAPES[0], Rules(LIMITS, 60_000_000)).decode(batch)
    assert [(one.offset, one.reason) for one in events.rejected] == [(1, "score"), (2, "names")]
    assert events.offset.tolist() == [0, 3]


def test_a_part_of_a_table_is_the_rows_at_its_places() -> None:
    (batch,) = parts_of(usual(4), 10)
    rows, lines = batch.values, list(batch.values)
    assert isinstance(rows, TableRows)
    for places in (slice(1, 3), slice(None), slice(3, 1), slice(None, None, 2), slice(-2, None)):
        assert list(rows[places]) == lines[places]
    assert list(rows.at([3, 0])) == [lines[3], lines[0]]
    assert rows[-1] == lines[-1]
    assert Partition("x.parquet", 0) == batch.partition
    assert batch.offsets.tolist() == [0, 1, 2, 3]
    assert ModelKey("credit", "") == TableDecoder(lambda _: None, Rules(LIMITS, 0)).decode(batch).keys[0]
