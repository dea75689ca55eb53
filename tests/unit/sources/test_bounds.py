"""Endless lines, compression bombs and tables of many columns are read in bounded memory and time."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.sources.files import Files, FileSource, ReadOptions
from tests.engine import times_in

LONGEST = 10_000
MIB = 1024 * 1024

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def opened(path: Path, csv_map: dict[str, str] | None = None) -> FileSource:
    return Files([path], ManualClock(), ReadOptions(csv_map=csv_map, longest=LONGEST)).open()


def records_of(source: FileSource) -> Iterator[tuple[int, bytes | None]]:
    while not source.ended():
        for batch in source.poll(()):
            yield from zip(batch.offsets.tolist(), batch.values, strict=True)


def peak_bytes(path: Path, csv_map: dict[str, str] | None = None) -> tuple[int, list[tuple[int, int]]]:
    """The peak of memory while a file is read, and (offset, length) of its records."""
    tracemalloc.start()
    try:
        with closing(opened(path, csv_map)) as source:
            found = [(offset, len(value or b"")) for offset, value in records_of(source)]
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ending", PACKERS)
def test_a_line_without_end_is_one_record_that_is_too_long_and_reading_goes_on(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.jsonl{ending}"
    path.write_bytes(PACKERS[ending](b"1\n" + b"x" * 64 * MIB + b"\n3\n"))
    peak, found = peak_bytes(path)
    assert found == [(0, 1), (1, LONGEST + 1), (2, 1)]
    assert peak < 24 * MIB


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize(("more", "whole"), [(-1, True), (0, True), (1, False)])
def test_the_limit_is_for_a_lines_content(tmp_path: Path, end: bytes, more: int, whole: bool) -> None:
    path, content = tmp_path / "x.jsonl", b"y" * (LONGEST + more)
    path.write_bytes(content + end)
    with closing(opened(path)) as source:
        ((_, value),) = records_of(source)
    assert value is not None
    assert (value == content) if whole else len(value) > LONGEST


@pytest.mark.parametrize("ending", PACKERS)
def test_a_row_that_is_too_long_is_a_record_that_is(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(PACKERS[ending](b"when,a\n1,2\n3," + b"z" * 64 * MIB + b"\n5,6\n"))
    peak, found = peak_bytes(path, {"when": "ts"})
    assert [offset for offset, _ in found] == [0, 1, 2]
    assert [length > LONGEST for _, length in found] == [False, True, False]
    assert peak < 24 * MIB


def test_a_cell_may_be_as_long_as_a_record(tmp_path: Path) -> None:
    path, text = tmp_path / "x.csv", "z" * 200_000
    path.write_text(f"when,a\n1,{text}\n")
    with closing(Files([path], ManualClock(), ReadOptions({"when": "ts"}, 300_000)).open()) as source:
        ((_, value),) = records_of(source)
    assert json.loads(value or b"")["features"]["a"] == text


def test_a_quote_that_is_never_closed_is_reported_with_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('when,a\n1,2\n3,"open\n' + "4,5\n" * LONGEST)
    with pytest.raises(UsageError, match=r"x\.csv:3: a quote begins here"), closing(opened(path, {"when": "ts"})) as it:
        list(records_of(it))


@pytest.mark.parametrize("ending", PACKERS)
def test_a_recorded_value_that_is_too_long_keeps_its_place(tmp_path: Path, ending: str) -> None:
    lines = [
        json.dumps(
            {"topic": "t", "partition": 3, "offset": offset, "timestamp": 7, "key": None, "headers": [], "value": v}
        )
        for offset, v in ((5, "eA=="), (6, "A" * 64 * MIB), (7, "eQ=="))
    ]
    path = tmp_path / f"x.records.jsonl{ending}"
    path.write_bytes(PACKERS[ending]("\n".join(lines).encode()))
    del lines
    tracemalloc.start()
    try:
        with closing(opened(path)) as source:
            (batch,) = source.poll(())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert batch.partition == Partition("t", 3)
    assert (batch.offsets.tolist(), times_in(batch)) == ([5, 6, 7], [7, 7, 7])
    assert [len(value or b"") > LONGEST for value in batch.values] == [False, True, False]
    assert peak < 24 * MIB


def test_a_recorded_line_that_is_too_long_and_has_no_offset_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.records.jsonl"
    path.write_bytes(b'{"value":"' + b"A" * 2 * MIB + b'","topic":"t","partition":0,"offset":0}\n')
    with pytest.raises(UsageError, match=r"x\.records\.jsonl:1: longer than limits\.record_bytes"):
        opened(path)


def test_many_long_lines_are_not_held_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes((b"x" * MIB + b"\n") * 100)
    peak, found = peak_bytes(path)
    assert len(found) == 100
    assert peak < 8 * MIB


def test_long_lines_within_the_limit_are_handed_on_in_small_batches(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes((b"x" * MIB + b"\n") * 100)
    with closing(Files([path], ManualClock(), ReadOptions(longest=2 * MIB)).open()) as source:
        sizes = [len(source.poll(())[0]) for _ in range(3)]
    assert max(sizes) * MIB <= 18 * MIB


def test_columns_cost_linear_time(tmp_path: Path) -> None:
    def seconds(columns: int) -> float:
        path = tmp_path / "x.csv"
        path.write_text("when," + ",".join(f"c{i}" for i in range(columns)) + "\n" + ("1" + ",2" * columns + "\n") * 3)
        began = time.process_time()
        with closing(Files([path], ManualClock(), ReadOptions({"when": "ts"})).open()) as source:
            assert len(list(records_of(source))) == 3
        return time.process_time() - began

    seconds(100)
    assert min(seconds(20_000) for _ in range(3)) < 20 * min(seconds(5_000) for _ in range(3)) + 0.05
