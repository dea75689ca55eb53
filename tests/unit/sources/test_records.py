"""A source reads what a recording writer wrote, and a half-written file never appears under its name."""

from __future__ import annotations

import base64
import contextlib
import errno
import gzip
import json
import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import ExternalError, UsageError
from monitor.events import Partition
from monitor.records import Envelope, RecordBatch
from monitor.sources.files import open_source
from monitor.sources.recordings import ENDINGS
from monitor.sources.writing import RecordWriter
from tests.engine import times_in

Record = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

maybe_bytes = st.none() | st.binary(max_size=30)
records = st.lists(
    st.tuples(
        st.integers(1, 3), st.integers(-1, 2**53), maybe_bytes, maybe_bytes, st.lists(st.tuples(st.text(), maybe_bytes))
    ),
    max_size=20,
)


def batch(topic: str, number: int, rows: list[Record], *, with_times: bool = True) -> RecordBatch:
    """Rows of (step from the last offset, time, value, key, headers) as a batch."""
    offsets = [sum(row[0] for row in rows[: i + 1]) for i in range(len(rows))]
    return RecordBatch(
        partition=Partition(topic, number),
        values=[row[2] for row in rows],
        offsets=np.array(offsets, np.int64),
        times_ms=np.array([row[1] for row in rows], np.int64) if with_times else None,
        next_offset=offsets[-1] + 1 if offsets else 0,
        now_us=0,
        envelope=lambda i: Envelope(rows[i][3], rows[i][4]),
    )


def plain(batches: list[RecordBatch]) -> dict[Partition, list[object]]:
    """(offset, time, value, key, headers) of every record, by partition."""
    out: dict[Partition, list[object]] = {}
    for one in batches:
        for i, offset in enumerate(one.offsets.tolist()):
            key, headers = one.envelope(i)
            time = -1 if one.times_ms is None else int(one.times_ms[i])
            out.setdefault(one.partition, []).append((offset, time, one.values[i], key, list(headers)))
    return out


def read(path: Path) -> list[RecordBatch]:
    with contextlib.closing(open_source([path], ManualClock(), chunk=3)) as source:
        batches = []
        while not source.ended():
            batches += source.poll(())
    return batches


SOME: list[Record] = [(1, 5, b"v", b"k", [("h", b"x"), ("h", None)]), (2, -1, None, None, []), (1, 7, b"", b"", [])]


@settings(deadline=None)
@given(records, records, st.sampled_from(ENDINGS))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, first: list[Record], second: list[Record], ending: str
) -> None:
    path = tmp_path_factory.mktemp("recording") / f"x{ending}"
    batches = [batch("töpic", 0, first), batch("töpic", 1, second)]
    with RecordWriter(path) as writer:
        for one in batches:
            writer.write(one)
    assert plain(read(path)) == plain(batches)


def test_records_without_times_are_read_as_having_none(tmp_path: Path) -> None:
    path = tmp_path / "x.records.jsonl"
    with RecordWriter(path) as writer:
        writer.write(batch("t", 0, SOME, with_times=False))
    (back,) = read(path)
    assert times_in(back) == [-1, -1, -1]


@pytest.mark.parametrize(
    ("ending", "opener"), [("", bytes), (".gz", gzip.decompress), (".zst", zstandard.ZstdDecompressor().decompressobj)]
)
def test_a_line_is_the_documented_object_and_other_tools_can_open_the_file(
    tmp_path: Path, ending: str, opener: type[bytes]
) -> None:
    path = tmp_path / f"x.records.jsonl{ending}"
    with RecordWriter(path) as writer:
        writer.write(batch("t", 4, SOME))
    content = path.read_bytes()
    text = zstandard.ZstdDecompressor().decompressobj().decompress(content) if ending == ".zst" else opener(content)
    lines = [json.loads(line) for line in text.splitlines()]
    assert list(lines[0]) == ["topic", "partition", "offset", "timestamp", "key", "headers", "value"]
    assert lines[0] == {
        "topic": "t",
        "partition": 4,
        "offset": 1,
        "timestamp": 5,
        "key": base64.b64encode(b"k").decode(),
        "headers": [["h", base64.b64encode(b"x").decode()], ["h", None]],
        "value": base64.b64encode(b"v").decode(),
    }
    assert (lines[1]["key"], lines[1]["value"], lines[2]["value"]) == (None, None, "")


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.records.jsonl.zst"
    path.write_bytes(b"the one before")
    writer = RecordWriter(path)
    writer.write(batch("t", 0, SOME))
    assert path.read_bytes() == b"the one before"
    writer.close()
    assert len(plain(read(path))[Partition("t", 0)]) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def record_and_fail() -> None:
        with RecordWriter(tmp_path / "x.records.jsonl.gz") as writer:
            writer.write(batch("t", 0, SOME))
            raise KeyError

    with pytest.raises(KeyError):
        record_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_is_an_external_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = RecordWriter(tmp_path / "x.records.jsonl")
    writer.write(batch("t", 0, SOME))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ExternalError, match="No space left"):
            writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.jsonl", "x.records.json", "x.records.jsonl.lz4", "records.jsonl"])
def test_a_name_that_no_source_would_read_as_a_recording_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="ends with"):
        RecordWriter(tmp_path / name)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        RecordWriter(tmp_path / "none" / "x.records.jsonl")
