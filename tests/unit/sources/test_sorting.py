"""Files sorted by time, against Python's own stable sort; and pipes, which are read only once."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.records import RecordBatch
from monitor.sources.copies import NO_TIME, PipeCopy, SortedRecords
from monitor.sources.event_times import EventTimes
from monitor.sources.files import Files, FileSource, ReadOptions
from tests.engine import settings

EVENT: dict[str, Any] = {"type": "prediction", "model": "credit", "version": "1", "score": 0.5, "features": {"x": 1}}


def event(ts: object, name: str) -> str:
    return json.dumps(EVENT | {"ts": ts, "id": name})


def reading(*, sort: bool = True, again: bool = False, csv_map: dict[str, str] | None = None) -> ReadOptions:
    return ReadOptions(csv_map=csv_map, longest=100_000, times_of=EventTimes(settings()), sort=sort, again=again)


def drained(source: FileSource) -> list[RecordBatch]:
    batches = []
    while not source.ended():
        batches += source.poll(())
    return batches


def values_of(source: FileSource) -> list[bytes | None]:
    return [value for batch in drained(source) for value in batch.values]


def sorted_stably(times: Sequence[int | None]) -> list[int]:
    """Positions in order of time; what has none comes right behind the one before it."""
    due, last = [], -(10**30)
    for time in times:
        last = last if time is None else time
        due.append(last)
    return sorted(range(len(times)), key=due.__getitem__)


@how(deadline=None)
@given(st.lists(st.none() | st.integers(0, 5), max_size=40), st.integers(1, 7))
def test_records_come_in_order_of_time_and_equal_ones_as_they_stood(times: list[int | None], chunk: int) -> None:
    values = [f"{at}".encode() for at in range(len(times))]

    def times_of(some: list[bytes], lines: list[int]) -> Any:  # noqa: ANN401 - an array
        assert [int(value) + 1 for value in some] == lines
        found = [times[int(value)] for value in some]
        return np.array([NO_TIME if time is None else time for time in found], np.int64)

    with closing(SortedRecords("x", ((i + 1, v) for i, v in enumerate(values)), times_of, chunk=chunk)) as records:
        expected = sorted_stably(times)
        assert records.read(0, len(records)) == [values[at] for at in expected]
        assert records.lines.tolist() == [at + 1 for at in expected]


@how(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.permutations(range(12)), st.integers(1, 5))
def test_lines_and_rows_are_sorted_by_the_time_that_the_engine_reads(
    tmp_path: Path, order: list[int], chunk: int
) -> None:
    times = [f"2026-11-22T10:00:{second:02}Z" if second % 2 else 1_795_341_600 + second for second in range(12)]
    lines = [event(times[at], f"i{at}") for at in order]
    file, table = tmp_path / "x.jsonl", tmp_path / "x.csv"
    file.write_text("\n".join(lines) + "\n\nno json\n")
    table.write_text("when,x\n" + "".join(f"{times[at]},{at}\n" for at in order))
    with closing(Files([file], ManualClock(), reading(), chunk=chunk)) as files:
        source = files.open()
        ids = [json.loads(value or b"")["id"] for value in values_of(source) if value != b"no json"]
        assert ids == [f"i{second}" for second in range(12)]
        partition = source.partitions()[0]
        behind = [order[-1], *range(12)].index(order[-1], 1)  # the line that is not an event stays behind the last one
        assert source.place(partition, behind) == f"{file}:14"
    over = settings(inputs=[{"topic": "events", "model": "credit", "version": "1"}])
    rows = ReadOptions({"when": "ts"}, 100_000, EventTimes(over))
    with closing(Files([table], ManualClock(), rows, chunk=chunk)) as files:
        source = files.open()
        values = [json.loads(value or b"")["features"]["x"] for value in values_of(source)]
        assert values == list(range(12))
        assert source.place(source.partitions()[0], 3) == f"{table}:{order.index(3) + 2}"


def test_an_array_comes_at_its_earliest_event(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    late, early = event(2_000_000_020, "late"), event(2_000_000_010, "early")
    file.write_text(f"{event(2_000_000_015, 'middle')}\n[{late}, {early}]\n")
    with closing(Files([file], ManualClock(), reading())) as files:
        first, second = values_of(files.open())
    assert (first or b"").startswith(b"[")
    assert b"middle" in (second or b"")


def test_lines_are_sorted_only_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    lines = [event(2_000_000_010, "b"), event(2_000_000_000, "a")]
    file.write_text("\n".join(lines))
    with closing(Files([file], ManualClock(), reading(sort=False))) as files:
        assert values_of(files.open()) == [line.encode() for line in lines]


def test_more_records_than_are_sorted_are_refused() -> None:
    with pytest.raises(UsageError, match=r"x: more than 3 records; sort it by ts"):
        SortedRecords("x", ((i, b"1") for i in range(4)), lambda v, _: np.zeros(len(v), np.int64), most=3)


@contextmanager
def fifo(path: Path, data: bytes) -> Iterator[Path]:
    """A named pipe that gives data once."""
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    yield path
    writer.join(timeout=30)


LINES = b"".join(event(2_000_000_000 + i, f"i{i}").encode() + b"\n" for i in range(2_000))


@pytest.mark.parametrize("name", ["63", "x.jsonl", "x.ndjson"])
@pytest.mark.parametrize("data", [LINES, gzip.compress(LINES), b"\xef\xbb\xbf" + LINES])
def test_a_pipe_is_read_once_as_it_comes(tmp_path: Path, name: str, data: bytes) -> None:
    with (
        fifo(tmp_path / name, data) as path,
        closing(Files([path], ManualClock(), reading(sort=False))) as files,
        closing(files.open()) as source,
    ):
        assert values_of(source) == LINES.splitlines()
        assert source.place(source.partitions()[0], 4) == f"{path}:5"


@pytest.mark.parametrize("sort", [False, True])
def test_a_pipe_that_is_read_again_is_kept(tmp_path: Path, sort: bool) -> None:
    with (
        fifo(tmp_path / "63", LINES) as path,
        closing(Files([path], ManualClock(), reading(sort=sort, again=True))) as files,
    ):
        for _ in range(3):
            with closing(files.open()) as source:
                assert values_of(source) == LINES.splitlines()


def test_a_recording_in_a_pipe_is_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    line = b'{"topic":"t","partition":2,"offset":9,"timestamp":1,"key":null,"headers":[],"value":"eA=="}\n'
    with (
        fifo(tmp_path / "63", line) as path,
        closing(Files([path], ManualClock(), reading(sort=False))) as files,
        closing(files.open()) as source,
    ):
        (batch,) = drained(source)
    assert (batch.partition, batch.offsets.tolist(), batch.values) == (("t", 2), [9], [b"x"])


def test_a_table_in_a_pipe_is_recognised_by_its_mapping(tmp_path: Path) -> None:
    with (
        fifo(tmp_path / "63", b"when,x\n2,b\n1,a\n") as path,
        closing(Files([path], ManualClock(), ReadOptions({"when": "ts"}, 1_000))) as files,
        closing(files.open()) as source,
    ):
        assert [json.loads(value or b"")["features"]["x"] for value in values_of(source)] == ["b", "a"]


def test_a_pipe_that_is_too_large_to_be_kept_is_refused(tmp_path: Path) -> None:
    with fifo(tmp_path / "63", LINES) as path, path.open("rb", buffering=0) as raw:
        with pytest.raises(UsageError, match="which is kept of a pipe for a second pass; write it to a file"):
            PipeCopy("63", raw, largest=1_000)
        while raw.read(100_000):
            pass


def test_files_that_cannot_be_read_are_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "a.csv.gz").touch()
    pretty, array, utf16, japanese, excel = (
        tmp_path / name for name in ("p.jsonl", "a.jsonl", "u.jsonl", "j.csv", "e.csv")
    )
    pretty.write_text(json.dumps(EVENT, indent=2))
    array.write_text("[\n" + json.dumps(EVENT) + ",\n" + json.dumps(EVENT) + "\n]\n")
    utf16.write_bytes(json.dumps(EVENT).encode("utf-16"))
    japanese.write_bytes("when,名前\n1,東京都\n".encode("cp932"))
    excel.write_text("when;x\n1;2\n")
    tabbed = tmp_path / "t.csv"
    tabbed.write_text("when\tamount\n1\t2\n")
    for path, messages in (
        (folder, "sub is a folder; name its files: .*sub/[*].csv.gz"),
        (pretty, "p.jsonl:1: one value a line is expected; this file is pretty-printed.*jq -c '.'"),
        (array, "a.jsonl:1: one value a line is expected.*jq -c '.\\[\\]'"),
        (utf16, "u.jsonl:1: UTF-16; convert it: iconv -f utf-16 -t utf-8"),
        (japanese, "j.csv:1: the bytes are not UTF-8; convert it: iconv -f cp932 -t utf-8"),
        (tabbed, "t.csv:1: the header is one cell: is the separator a tab\\?"),
        (excel, "e.csv:1: the header is one cell: is the separator ';'\\?"),
    ):
        with pytest.raises(UsageError, match=messages):
            Files([path], ManualClock(), ReadOptions({"when": "ts"} if "csv" in path.name else None)).open()


def test_texts_for_a_missing_value_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("when,amount,name\n1,5,NA\n2,NA,NA\n3,NA,b\n4,NULL,c\n5,NaN,d\n")
    with closing(Files([file], ManualClock(), reading(csv_map={"when": "ts"}))) as files:
        values_of(files.open())
        assert files.notes() == [
            f"amount: 2 cells are 'NA' (first at {file}:3): write empty cells for missing values",
            f"amount: 1 cell is 'NULL' (first at {file}:5): write empty cells for missing values",
        ]
