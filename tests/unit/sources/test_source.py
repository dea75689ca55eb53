"""Lines and recordings as partitions: records, their order, and the files that are refused."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, OffsetGap, RecordBatch, Source
from monitor.sources.files import FileSource, open_source
from tests.engine import times_in

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
LINES = [b'{"n": 0}', b'"text"', b"not json", b"\xff\xfe", b"4"]


Opened = Callable[..., FileSource]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens sources and closes them all in the end."""
    sources: list[FileSource] = []

    def open_one(*paths: Path, **options: Any) -> FileSource:  # noqa: ANN401 - passed through
        sources.append(open_source(paths, ManualClock(1_000), **options))
        return sources[-1]

    yield open_one
    for source in sources:
        source.close()


def drained(source: Source, paused: Sequence[Partition] = ()) -> list[RecordBatch]:
    """All batches to the end; a poll may be empty."""
    batches: list[RecordBatch] = []
    for _ in range(10_000):
        if source.ended():
            return batches
        batches += source.poll(paused)
    raise AssertionError("the source does not end")


def record(topic: str, partition: int, offset: int, value: bytes | None = b"v", **more: object) -> bytes:
    kept = None if value is None else base64.b64encode(value).decode()
    line = {"topic": topic, "partition": partition, "offset": offset, "timestamp": 5, "key": None, "headers": []}
    return json.dumps({**line, "value": kept, **more}).encode()


def written(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(COMPRESSORS.get(path.suffix, bytes)(b"".join(line + b"\n" for line in lines)))
    return path


@pytest.mark.parametrize("ending", COMPRESSORS)
@pytest.mark.parametrize("last", [b"", b"\n", b"\n\n\r\n  \n"])
def test_a_file_of_lines_is_one_partition_with_line_numbers_for_offsets(
    opened: Opened, tmp_path: Path, ending: str, last: bytes
) -> None:
    path = tmp_path / f"events.jsonl{ending}"
    path.write_bytes(COMPRESSORS[ending](b"\n".join(LINES) + last))
    source = opened(path, chunk=2)
    partition = Partition(path.name, 0)
    assert source.partitions() == [partition]
    batches = drained(source)
    assert [value for batch in batches for value in batch.values] == LINES
    assert [offset for batch in batches for offset in batch.offsets.tolist()] == [0, 1, 2, 3, 4]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [batch.next_offset for batch in batches] == [2, 4, 5]
    assert {(batch.partition, batch.times_ms is None, batch.now_us) for batch in batches} == {(partition, True, 1_000)}
    source.close()


def test_an_empty_line_is_not_a_record_and_is_counted(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n1\r\n\r\n   \n2\n")
    (batch,) = drained(opened(path))
    assert (batch.values, batch.offsets.tolist()) == ([b"1", b"2"], [1, 4])


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_a_file_without_records_is_at_its_end_from_the_start(opened: Opened, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    source = opened(tmp_path / "a.jsonl")
    assert source.at_end(Partition("a.jsonl", 0))
    assert source.ended()
    assert source.poll(()) == []


def test_the_end_is_known_with_the_last_record(opened: Opened, tmp_path: Path) -> None:
    source = opened(written(tmp_path / "a.jsonl", [b"1", b"2"]), chunk=1)
    partition = Partition("a.jsonl", 0)
    seen = []
    for _ in range(2):
        source.poll(())
        seen.append((source.at_end(partition), source.ended()))
    assert seen == [(False, False), (True, True)]


def test_a_paused_file_is_not_read_and_the_others_are(opened: Opened, tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.jsonl", LINES), written(tmp_path / "b.jsonl", LINES)
    source = opened(first, second, chunk=3)
    paused = [Partition("a.jsonl", 0)]
    assert [batch.partition.topic for batch in source.poll(paused)] == ["b.jsonl"]
    assert [batch.partition.topic for batch in source.poll(paused)] == ["b.jsonl"]
    assert source.poll(paused) == []
    assert not source.ended()
    assert [value for batch in drained(source) for value in batch.values] == LINES


def test_files_of_one_name_are_partitions_of_one_topic(opened: Opened, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "a.jsonl" for folder in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        written(path, [path.parent.name.encode()])
    source = opened(*paths)
    assert source.partitions() == [Partition("a.jsonl", 0), Partition("a.jsonl", 1)]
    assert {batch.partition.number: batch.values for batch in drained(source)} == {0: [b"x"], 1: [b"y"]}


@pytest.mark.parametrize("ending", COMPRESSORS)
def test_a_recording_keeps_partitions_offsets_and_times(opened: Opened, tmp_path: Path, ending: str) -> None:
    lines = [
        record("t", 1, 7, b"a", timestamp=70, key="a2V5", headers=[["h", "aA=="], ["n", None]]),
        record("t", 0, 3, None, timestamp=None),
        record("u", 0, 0, b""),
        record("t", 1, 9, b"\x00\xff", timestamp=90),
        record("v", 0, 0, timestamp=10**30),
        record("v", 0, 1, timestamp=-(10**30)),
    ]
    source = opened(written(tmp_path / f"x.records.jsonl{ending}", lines))
    assert source.partitions() == [Partition("t", 0), Partition("t", 1), Partition("u", 0), Partition("v", 0)]
    batches = {batch.partition: batch for batch in drained(source)}
    first = batches[Partition("t", 1)]
    assert (first.values, first.offsets.tolist(), times_in(first)) == ([b"a", b"\x00\xff"], [7, 9], [70, 90])
    assert times_in(batches[Partition("v", 0)]) == [2**63 - 2, -1], "no time of Kafka's, and read as none"
    assert (first.next_offset, first.now_us) == (10, 1_000)
    assert first.envelope(0) == (b"key", [("h", b"h"), ("n", None)])
    assert first.envelope(1) == (None, [])
    assert (batches[Partition("t", 0)].values, times_in(batches[Partition("t", 0)])) == ([None], [-1])
    assert batches[Partition("u", 0)].values == [b""]
    source.close()


def test_all_partitions_of_a_recording_are_known_before_the_first_poll_and_end_one_by_one(
    opened: Opened, tmp_path: Path
) -> None:
    lines = [record("t", 0, 0), record("t", 0, 1), record("late", 5, 0)]
    source = opened(written(tmp_path / "x.records.jsonl", lines), chunk=2)
    early, late = Partition("t", 0), Partition("late", 5)
    assert source.partitions() == [late, early]
    assert not source.at_end(early)
    source.poll([early])
    assert (source.at_end(early), source.at_end(late), source.ended()) == (True, False, False)
    source.poll(())
    assert (source.at_end(late), source.ended()) == (True, True)


def test_several_recordings_are_one_stream_in_the_order_given(opened: Opened, tmp_path: Path) -> None:
    first = written(tmp_path / "1.records.jsonl", [record("t", 0, 5), record("t", 1, 0)])
    second = written(tmp_path / "2.records.jsonl.zst", [record("t", 0, 6), record("t", 2, 40)])
    source = opened(first, second)
    assert source.partitions() == [Partition("t", 0), Partition("t", 1), Partition("t", 2)]
    batches = drained(source)
    assert [o for batch in batches if batch.partition.number == 0 for o in batch.offsets.tolist()] == [5, 6]
    assert source.changes() == []


def test_offsets_missing_between_two_recordings_are_reported_before_the_second_is_read(
    opened: Opened, tmp_path: Path
) -> None:
    first = written(tmp_path / "1.records.jsonl", [record("t", 0, 5)])
    second = written(tmp_path / "2.records.jsonl", [record("t", 0, 9), record("t", 0, 11)])
    source = opened(first, second)
    heard: list[list[Change] | list[int]] = []
    while not source.ended():
        heard.append(source.changes())
        heard += [batch.offsets.tolist() for batch in source.poll(())]
    gap: list[Change] = [OffsetGap(Partition("t", 0), 6, 9)]
    assert [item for item in heard if item] == [[5], gap, [9, 11]]


def test_recordings_in_the_wrong_order_are_refused_with_the_line(opened: Opened, tmp_path: Path) -> None:
    first = written(tmp_path / "1.records.jsonl", [record("t", 0, 5)])
    second = written(tmp_path / "2.records.jsonl", [record("t", 1, 0), record("t", 0, 5)])
    with pytest.raises(UsageError, match=r"2\.records\.jsonl:2: offset 5 of t-0 comes after 5"):
        opened(first, second)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"not json", "JSON"),
        (b'["a"]', "object"),
        (b'{"topic": "t", "partition": 0, "value": null}', "offset"),
        (record("t", -1, 0), "partition"),
        (record("t", 0, -1), "offset"),
        (record("t", 0, 2**63), "offset"),
        (b'{"topic": "\xff", "partition": 0, "offset": 1, "value": null}', "UTF-8"),
        (b'{"x": ' + b"[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_not_a_record_is_refused_on_opening_with_its_place(
    opened: Opened, tmp_path: Path, line: bytes, what: str
) -> None:
    path = written(tmp_path / "x.records.jsonl", [record("t", 0, 0), b"", line])
    with pytest.raises(UsageError, match=rf"x\.records\.jsonl:3: .*{what}"):
        opened(path)


@pytest.mark.parametrize(
    "fault", [{"value": "c2Vjcmv0*"}, {"value": "c2VjcmV0c"}, {"key": "c2VjcmV0c"}, {"headers": [["h", "c2VjcmV0c"]]}]
)
def test_bad_base64_is_refused_with_its_place_and_without_the_payload(
    opened: Opened, tmp_path: Path, fault: dict[str, object]
) -> None:
    path = written(
        tmp_path / "x.records.jsonl",
        [record("t", 0, 0), json.dumps({**json.loads(record("t", 0, 1)), **fault}).encode()],
    )
    source = opened(path)
    with pytest.raises(UsageError, match=r"x\.records\.jsonl:2: .*base64") as refused:
        drained(source)
    assert "c2Vj" not in str(refused.value)


def test_a_record_without_a_value_field_is_not_a_tombstone(opened: Opened, tmp_path: Path) -> None:
    path = written(tmp_path / "x.records.jsonl", [b'{"topic": "t", "partition": 0, "offset": 1}'])
    with pytest.raises(UsageError, match="value"):
        drained(opened(path))


def test_a_recording_that_shrinks_after_opening_is_refused(opened: Opened, tmp_path: Path) -> None:
    path = written(tmp_path / "x.records.jsonl", [record("t", 0, 0), record("t", 0, 1)])
    source = opened(path, chunk=1)
    written(path, [record("t", 0, 0)])
    with pytest.raises(UsageError, match="records are gone"):
        drained(source)


def test_a_recording_that_grows_after_opening_is_refused(opened: Opened, tmp_path: Path) -> None:
    path = written(tmp_path / "x.records.jsonl", [record("t", 0, 0)])
    source = opened(path)
    written(path, [record("t", 1, 0), record("t", 0, 0)])
    with pytest.raises(UsageError, match="records came"):
        drained(source)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["jsonl", "records.jsonl", "csv"])
def test_a_truncated_compressed_file_is_refused_with_the_line(
    opened: Opened, tmp_path: Path, kind: str, ending: str
) -> None:
    noise = [base64.b64encode(i.to_bytes(4, "big") * 3) for i in range(5_000)]
    lines = {
        "jsonl": noise,
        "records.jsonl": [record("t", 0, i, value) for i, value in enumerate(noise)],
        "csv": [b"time", *noise],
    }[kind]
    path = written(tmp_path / f"x.{kind}{ending}", lines)
    whole = path.read_bytes()
    for length in (1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=rf"{path.name}:\d+: the file ends in the middle"):
            drained(opened(path, csv_map={"time": "ts"} if kind == "csv" else None))


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_damaged_compression_is_refused_with_the_line(opened: Opened, tmp_path: Path, ending: str) -> None:
    whole = written(tmp_path / f"x.jsonl{ending}", [b"12345678"] * 3).read_bytes()
    path = tmp_path / f"x.jsonl{ending}"
    path.write_bytes(whole[:10] + b"\xff" * 100)
    with pytest.raises(UsageError, match=r":1: the compressed data are damaged"):
        opened(path)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_plain_file_that_is_named_compressed_is_reported(opened: Opened, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.jsonl{ending}"
    path.write_bytes(b'{"never": "compressed"}\n')
    word = {".gz": "gzip", ".zst": "zstd"}[ending]
    with pytest.raises(UsageError, match=rf"x.jsonl{ending} is not {word} \(it begins with \{{\)"):
        opened(path)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_that_is_named_plain_is_reported(opened: Opened, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(COMPRESSORS[ending](b"1\n"))
    with pytest.raises(UsageError, match=rf"x.jsonl is \w+; name it .*x.jsonl{ending}$"):
        opened(path)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_appended_compressed_files_are_read_to_the_end(opened: Opened, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.jsonl{ending}"
    press = COMPRESSORS[ending]
    padding = bytes(512) if ending == ".gz" else b""
    path.write_bytes(press(b"1\n2") + press(b"") + press(b"3\n4\n") + padding)
    assert [value for batch in drained(opened(path)) for value in batch.values] == [b"1", b"23", b"4"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("a.txt", "it as - < "), ("a.json", "it as - < "), ("a.xlsx", "; save the table as .csv")],
)
def test_an_unknown_ending_is_reported_with_another_way_and_without_mapping_faults(
    tmp_path: Path, name: str, remedy: str
) -> None:
    written(tmp_path / name, [b"1"])
    with pytest.raises(UsageError) as refused:
        open_source([tmp_path / name], ManualClock(), csv_map={"t": "ts"})
    assert len(refused.value.faults) == 1
    assert remedy in refused.value.faults[0]


def test_all_wrong_arguments_are_reported_at_once(opened: Opened, tmp_path: Path) -> None:
    good = written(tmp_path / "good.jsonl", [b"1"])
    paths = [tmp_path / name for name in ("a.1.csv.gz", "b.txt", "none.jsonl", "c.parquet")]
    for path in (paths[0], paths[1], paths[3]):
        path.touch()
    with pytest.raises(UsageError) as refused:
        opened(*paths, good, good)
    faults = refused.value.faults
    assert len(faults) == 5
    assert "b.txt: unknown kind of file; understood are .jsonl (or .ndjson), .csv, .records.jsonl" in faults[0]
    assert "no such file" in faults[1]
    assert "given twice" in faults[2]
    assert "a.1.csv.gz: a .csv file needs --map" in faults[3]
    assert "c.parquet: a .parquet file needs --map" in faults[4]


def test_no_file_is_refused(opened: Opened) -> None:
    with pytest.raises(UsageError, match="no file"):
        opened()


def test_a_recorded_partition_named_like_a_file_is_refused(opened: Opened, tmp_path: Path) -> None:
    lines = written(tmp_path / "a.jsonl", [b"1"])
    recording = written(tmp_path / "x.records.jsonl", [record("a.jsonl", 0, 0)])
    with pytest.raises(UsageError, match="rename"):
        opened(lines, recording)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.records.jsonl.zst"])
def test_progress_rises_to_the_size_of_the_files(opened: Opened, tmp_path: Path, name: str) -> None:
    noise = [base64.b64encode(i.to_bytes(4, "big") * 7) for i in range(30_000)]
    lines = [record("t", 0, i, value) for i, value in enumerate(noise)] if "records" in name else noise
    path = written(tmp_path / name, lines)
    source = opened(path)
    total = path.stat().st_size
    seen = []
    while not source.ended():
        source.poll(())
        seen.append(source.progress())
    assert {size for _, size in seen} == {total}
    done = [read for read, _ in seen]
    assert done == sorted(done)
    assert done[0] < done[-1] == total
    source.close()


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.records.jsonl.zst"])
def test_memory_stays_flat_while_a_file_is_read(opened: Opened, tmp_path: Path, name: str) -> None:
    noise = random.Random(1)
    values = [noise.randbytes(700).hex().encode() for _ in range(20_000)]
    path = written(tmp_path / name, [record("t", 0, i, v) for i, v in enumerate(values)] if "rec" in name else values)
    del values
    tracemalloc.start()
    try:
        source = opened(path)
        while not source.ended():
            source.poll(())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000, "the lines are 28 MB"
