"""CSV rows as native events: the conversion of cells, and the files and mappings that are refused."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.sources.csv_rows import CsvRows
from monitor.sources.files import open_source
from monitor.sources.streams import Stream

TIME = {"t": "ts"}


def batch_values(path: Path, csv_map: dict[str, str]) -> tuple[list[Any], list[int]]:
    """Parsed events and offsets of a whole file."""
    with contextlib.closing(open_source([path], ManualClock(), csv_map=csv_map)) as source:
        batches = [batch for _ in iter(source.ended, True) for batch in source.poll(())]
    events = [json.loads(value) for batch in batches for value in batch.values if value is not None]
    return events, [offset for batch in batches for offset in batch.offsets.tolist()]


def events(tmp_path: Path, text: str | bytes, csv_map: dict[str, str]) -> list[Any]:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return batch_values(path, csv_map)[0]


def test_mapped_columns_are_fields_and_all_others_features(tmp_path: Path) -> None:
    text = (
        "when,key,kind,who,rev,p,s,y,worth,where,AGE,SEX,junk\n"
        "2026-01-01T00:00:00Z,17,prediction,credit,1,0,0.25,1,12.5,north,35,f,x\n"
    )
    csv_map = {
        "when": "ts",
        "key": "id",
        "kind": "type",
        "who": "model",
        "rev": "version",
        "p": "prediction",
        "s": "score",
        "y": "label",
        "worth": "value",
        "where": "tags.region",
        "junk": "-",
    }
    assert events(tmp_path, text, csv_map) == [
        {
            "ts": "2026-01-01T00:00:00Z",
            "id": "17",
            "type": "prediction",
            "model": "credit",
            "version": "1",
            "prediction": 0,
            "score": 0.25,
            "label": 1,
            "value": 12.5,
            "tags": {"region": "north"},
            "features": {"AGE": 35, "SEX": "f"},
        }
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("007", "007"),
        ("1.50", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e-3", -0.001),
        ("1e5", 100000.0),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("1" * 400, "1" * 400),
        ("1e999", "1e999"),
        ("nan", None),
        ("NaN", None),
        ("NA", "NA"),
        ("Infinity", "Infinity"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("٣", "٣"),
        ("12 kg", "12 kg"),
        (" ", " "),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("ünï", "ünï"),
        ('"a,b\nc""d"', 'a,b\nc"d'),
    ],
)
def test_a_cell_that_reads_as_a_number_or_a_boolean_is_one_and_all_else_is_text(
    tmp_path: Path, cell: str, value: object
) -> None:
    (event,) = events(tmp_path, f"t,x\n1,{cell}\n", TIME)
    assert event == {"ts": 1, "features": {"x": value}}
    assert type(event["features"]["x"]) is type(value)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_keeps_its_value(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    (event,) = events(tmp_path_factory.mktemp("csv"), f"t,x\n1,{number!r}\n", TIME)
    assert event["features"]["x"] == number


def test_an_empty_cell_of_a_field_is_not_a_field_but_takes_a_label_back_in_a_label_row(tmp_path: Path) -> None:
    text = "t,kind,key,y,p,where\n1,prediction,a,,1,\n2,label,a,,,\n3,label,a,0,,\n"
    csv_map = {"t": "ts", "kind": "type", "key": "id", "y": "label", "p": "prediction", "where": "tags.region"}
    assert events(tmp_path, text, csv_map) == [
        {"ts": 1, "type": "prediction", "id": "a", "prediction": 1},
        {"ts": 2, "type": "label", "id": "a", "label": None},
        {"ts": 3, "type": "label", "id": "a", "label": 0},
    ]


def test_rows_are_counted_from_0_after_the_header_blank_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbft,x\r\n1,"two\r\nlines"\r\n\r\n2,b\r\n'))
    found, offsets = batch_values(path, TIME)
    assert [event["features"]["x"] for event in found] == ["two\r\nlines", "b"]
    assert offsets == [0, 2]


def test_a_nameless_column_can_be_left_out(tmp_path: Path) -> None:
    assert events(tmp_path, ",t,x\n0,1,5\n", {**TIME, "": "-"}) == [{"ts": 1, "features": {"x": 5}}]


@pytest.mark.parametrize(
    ("csv_map", "text", "expected"),
    [
        ({"t": "ts", "x": "colour"}, "t,x\n", ["no field 'colour'"]),
        ({"t": "ts", "x": "tags."}, "t,x\n", ["no field 'tags.'"]),
        ({"t": "ts", "x": "ts"}, "t,x\n", ["'t' is mapped to ts already"]),
        ({"x": "id"}, "t,x\n", ["no column is mapped to ts"]),
        ({"x": "id", "y": "z"}, "t,x\n", ["no field 'z'", "no column is mapped to ts"]),
        ({"t": "ts", "gone": "id", "too": "-"}, "t,x\n", ["'gone'", "'too'", "the columns are t, x"]),
        ({"t": "ts"}, "t,x,x\n", ["'x' occurs twice"]),
        ({"t": "ts"}, "t,\n", ["no name"]),
        ({"t": "ts"}, "", ["no header"]),
    ],
)
def test_a_wrong_mapping_or_header_is_refused_with_all_its_faults(
    tmp_path: Path, csv_map: dict[str, str], text: str, expected: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        events(tmp_path, text, csv_map)
    assert len(refused.value.faults) == len(expected)
    for fault, what in zip(refused.value.faults, expected, strict=True):
        assert what in fault


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (b"1,2,3", "3 cells where the header has 2"),
        (b"1", "1 cells"),
        (b"1,\xff", "not UTF-8"),
        (b'1,"open', "unexpected end of data"),
        (b'1,"a"b', "expected after"),
    ],
)
def test_a_damaged_row_is_refused_with_its_line(tmp_path: Path, row: bytes, what: str) -> None:
    with pytest.raises(UsageError, match=rf"x\.csv:4: .*{what}"):
        events(tmp_path, b"t,x\n1,a\n1,b\n" + row, TIME)


def test_a_mapping_without_a_csv_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("1\n")
    with pytest.raises(UsageError, match="none is given"):
        open_source([path], ManualClock(), csv_map=TIME)


def test_rows_can_be_read_without_a_source(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,x\n1,2\n")
    with contextlib.closing(Stream(path)) as stream:
        assert list(CsvRows(stream, TIME).events()) == [(0, 2, b'{"ts":1,"features":{"x":2}}')]
