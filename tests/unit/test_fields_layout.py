"""One's own layout, place by place: headers, the key, rows, what is left over, labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock, parse_rfc3339
from monitor.decode.columns import Events, Shape
from monitor.decode.decoder import Decoder, decoder_for
from monitor.events import KINDS, ModelKey, Partition
from monitor.records import Envelope, RecordBatch
from monitor.run.replay import replay
from monitor.run.understood import understand
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.engine import CREDIT, NOW_US, MemorySource, admission_of, blank, numeric

T0_MS = 1_764_000_000_000
KEY = ModelKey("credit", "1")
SHAPE = Shape((("AGE", NUMERIC), ("SEX", CATEGORICAL)), "1", raw=True)
NAMES: dict[str, object] = {"model": {"value": "credit"}, "version": {"value": "1"}}
Headers = Sequence[tuple[str, bytes | None]]


def decoder_of(fields: Mapping[str, object], **more: object) -> Decoder:
    entry = {"topic": "t", "format": "fields", "fields": NAMES | dict(fields), **more}
    return decoder_for(Settings.model_validate({"inputs": [entry]}), "t", {KEY: SHAPE}.get)


def batch_of(records: Sequence[object], key: bytes | None = None, headers: Headers = ()) -> RecordBatch:
    values: list[bytes | None] = [json.dumps(record).encode() for record in records]
    count = len(values)
    return RecordBatch(
        Partition("t", 0), values, np.arange(count), np.full(count, T0_MS), count, T0_MS * 1_000,
        lambda _: Envelope(key, headers),
    )  # fmt: skip


def ids_of(events: Events) -> list[int]:
    keys: list[int] = events.id_key.tolist()
    return keys


def native_ids(names: Sequence[str]) -> list[int]:
    """What ids of these names are known by."""
    native = decoder_for(Settings.model_validate({"inputs": [{"topic": "t"}]}), "t", lambda _: None)
    events = [{"model": "credit", "version": "1", "id": name, "features": {}} for name in names]
    return ids_of(native.decode(batch_of([events])))


def test_the_key_and_headers_are_text_and_numbers_where_a_number_belongs() -> None:
    fields = {"id": {"key": True}, "ts": {"header": "at"}, "score": {"header": "p"}, "version": {"header": "v"}}
    headers = [("p", b"1"), ("at", b"%d" % T0_MS), ("v", b"1"), ("p", b"0.25")]
    events = decoder_of(fields).decode(batch_of([{}], b"17", headers))
    assert ids_of(events) == native_ids(["17"])
    assert events.keys == [KEY]
    assert events.ts.tolist() == [T0_MS * 1_000]
    assert events.groups[0].score.tolist() == [0.25], "the last header of a name counts"


@pytest.mark.parametrize(
    ("fields", "record", "reason", "message"),
    [
        ({"score": {"header": "p"}}, {}, "encoding", "the header p is not UTF-8 text; write UTF-8"),
        ({"id": {"key": True}, "score": "p"}, {"p": 1}, "encoding", "the record's key is not UTF-8 text; write UTF-8"),
        ({"score": "a.p"}, {"a": {"p": "x"}}, "score", "(`score` is read from a.p)"),
        ({"score": "a.p", "model": "m"}, {"a": {"p": 1}}, "model", "`model` is missing"),
        ({"score": "p", "ts": "at"}, {"p": 1, "at": "2025-11-24T16:00:00"}, "no_offset", "(`ts` is read from at)"),
        ({"features": "a.b"}, {"a": {"b": [1]}}, "features", "(`features` is read from a.b)"),
        ({"features": "a.b"}, {"a": 1}, "features", "`features` is missing"),
        ({"label": "y", "id": "id"}, {"y": 1}, "id", "(`id` is read from id)"),
        ({"label": "y", "id": "id"}, {"id": "a"}, "label", "`label` is missing"),
    ],
)
def test_a_rejection_names_the_place(fields: dict[str, object], record: object, reason: str, message: str) -> None:
    (rejected,) = decoder_of(fields).decode(batch_of([record], b"\xff", [("p", b"\xff")])).rejected
    assert rejected.reason == reason
    assert message in rejected.message


def test_a_time_without_offset_is_in_the_inputs_zone() -> None:
    events = decoder_of({"score": "p", "ts": "at"}, timezone="Asia/Tokyo").decode(
        batch_of([{"p": 1, "at": "2025-11-24 16:00:00"}])
    )
    assert events.ts.tolist() == [parse_rfc3339("2025-11-24T16:00:00+09:00")]


@pytest.mark.parametrize(
    ("place", "expected"),
    [("^.request", ["r#0", "r#1"]), ("own", ["a", "b"]), ({"key": True}, ["k#0", "k#1"]), (None, None)],
)
def test_the_ids_of_rows(place: object, expected: list[str] | None) -> None:
    fields = {"score": "p", **({} if place is None else {"id": place})}
    record = {"request": "r", "batch": {"rows": [{"own": "a", "p": 0.25}, {"own": "b", "p": 0.5}]}}
    events = decoder_of(fields, rows="batch.rows").decode(batch_of([record], b"k"))
    assert ids_of(events) == ([0, 0] if expected is None else native_ids(expected))
    assert events.groups[0].score.tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    ("record", "reason", "indices"),
    [
        ({}, "no_event", ()),
        ({"rows": {}}, "no_event", ()),
        ({"rows": []}, "no_event", ()),
        ([], "no_event", ()),
        ({"rows": [{"p": 1}, 7, {"p": 2}]}, "no_event", (1, 2)),
        ({"rows": [{"p": 2}, {"p": 1}]}, "score", (0,)),
    ],
)
def test_bad_rows(record: object, reason: str, indices: tuple[int, ...]) -> None:
    (rejected,) = decoder_of({"score": "p"}, rows="rows").decode(batch_of([record])).rejected
    assert (rejected.reason, rejected.indices) == (reason, indices)


def test_rows_may_be_lists() -> None:
    fields = {"score": "[1]", "features": {"AGE": "[0]", "SEX": "^.sex"}}
    events = decoder_of(fields, rows="rows").decode(batch_of([{"sex": "2", "rows": [[41, 0.5], [7, 1], [8]]}]))
    (group,) = events.groups
    assert group.numeric.tolist() == [[41, 7, 8]]
    assert group.categorical == [["2", "2", "2"]]
    assert [KINDS[kind] for kind in events.kind] == ["prediction", "prediction", "features"]


def survey(decoder: Decoder, record: object) -> tuple[dict[str, Any], list[str]]:
    """The features of the first event, and the fields that nobody reads."""
    (fields,) = decoder.survey(batch_of([record]))[1]
    first = {name: column.values[0] for name, column in fields.features.items() if 0 in column.rows}
    return first, list(fields.unread)


RECORD = {"score": 9, "p": 1, "a": {"b": {"AGE": 1}, "c": 2}, "debug": {}, "SEX": None}


@pytest.mark.parametrize(
    ("fields", "features", "unread"),
    [
        ({"score": "p", "features": "a.b"}, {"AGE": 1}, ["/score", "a.c", "SEX"]),
        ({"score": "p", "features": "a"}, {"b": {"AGE": 1}, "c": 2}, ["/score", "SEX"]),
        ({"score": "p", "features": {"AGE": "a.b.AGE", "NO": "a.x"}}, {"AGE": 1}, ["/score", "a.c", "SEX"]),
        ({"score": "p", "features": "rest"}, {"score": 9, "a": RECORD["a"], "SEX": None}, []),
        ({"score": "p", "tags": "a", "features": "rest"}, {"score": 9, "SEX": None}, []),
    ],
)
def test_features_and_what_nobody_reads(fields: dict[str, object], features: object, unread: list[str]) -> None:
    tagless = RECORD | ({"a": {"b": "x"}} if "tags" in fields else {})
    assert survey(decoder_of(fields, ignore=["debug"]), tagless) == (features, unread)


def test_what_nobody_reads_beside_rows() -> None:
    record = {"rows": [{"p": 1, "x": 2}], "id": "r", "host": "h"}
    assert survey(decoder_of({"score": "p", "id": "^.id"}, rows="rows"), record) == ({}, ["x", "^.host"])


def test_label_events_and_labels_that_are_taken_back() -> None:
    decoder = decoder_of({"id": "id", "label": "truth", "value": "money"})
    events = decoder.decode(batch_of([{"id": "a", "truth": 1, "money": 2.5}, {"id": "b", "truth": None}]))
    assert [KINDS[kind] for kind in events.kind] == ["label", "label"]
    assert (events.label_values, ids_of(events)) == ([1, None], native_ids(["a", "b"]))
    assert events.label_amounts.tolist()[0] == 2.5


def test_a_list_of_records_is_an_event_each() -> None:
    events = decoder_of({"score": "p"}).decode(batch_of([[{"p": 0.25}, {"p": 0.5}]]))
    assert events.groups[0].score.tolist() == [0.25, 0.5]


def test_the_inputs_own_model_and_version_win() -> None:
    decoder = decoder_of({"score": "p", "model": "m", "version": "v"}, model="credit", version="1")
    events = decoder.decode(batch_of([{"p": 1, "m": 7, "v": []}, {"p": 1}]))
    assert (events.keys, events.rejected) == ([KEY], [])


@pytest.mark.parametrize(("place", "is_wrong"), [("^.req.uid", False), ("req.uid", True)])
def test_an_id_in_a_wrong_place_is_told_by_a_sample_and_by_a_replay(place: str, is_wrong: bool) -> None:
    fields = NAMES | {"id": place, "score": "p", "features": "inputs", "ts": "^.at"}
    entry = {"topic": "t", "format": "fields", "rows": "rows", "fields": fields}
    model = {"name": "credit", "reference": "credit.json"}
    tree = Settings.model_validate({"inputs": [entry], "models": [model]})
    records = [
        {"req": {"uid": f"r{at}"}, "at": T0_MS + 1_000 * at, "rows": [{"inputs": {"x": at % 7}, "p": 0.5}] * 2}
        for at in range(40)
    ]
    batch = batch_of(records)
    words = "labels cannot be joined, repeats cannot be told; look at inputs[0].fields.id (req.uid)"
    sampled = [line for line in understand(tree, "t", [batch]).lines() if "none of these" in line]
    assert sampled == ([f"none of these 80 predictions of credit 1 has an id: {words}"] if is_wrong else [])
    known = admission_of(tree, replace(blank([numeric("x")], CREDIT), task="binary"))
    source = MemorySource({batch.partition: [json.dumps(record).encode() for record in records]})
    lost = replay(tree, known, source, ManualClock(NOW_US), lambda _: None).lost
    told = [line for line in lost if "has an id" in line]
    assert told == ([f"credit 1: none of 80 predictions has an id: {words}"] if is_wrong else [])
