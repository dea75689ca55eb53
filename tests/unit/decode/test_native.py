"""Native events: which are accepted, which are rejected and why, and the resulting columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xxhash

from monitor.decode.columns import (
    ABSENT_BITS,
    ABSENT_VALUE,
    MISSING_BITS,
    TYPE_BITS,
    TYPE_VALUE,
    Events,
    Limits,
    Rules,
    Shape,
)
from monitor.decode.native.decoder import NativeDecoder
from monitor.events import FEATURES, LABEL, PREDICTION, ModelKey, Partition
from monitor.records import RecordBatch
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

T0_MS = 1_764_000_000_000
T0_US = T0_MS * 1_000
HOUR_MS = 3_600_000
KEY = ModelKey("credit", "1")
SHAPE = Shape((("AGE", NUMERIC), ("SEX", CATEGORICAL), ("LIMIT", NUMERIC)), "1")
LIMITS = Limits(record_bytes=20_000, events_per_record=4, features=40)


def batch_of(values: Sequence[bytes | None], times_ms: list[int] | None = None) -> RecordBatch:
    offsets = np.arange(100, 100 + len(values))
    times = None if times_ms is None else np.array(times_ms, np.int64)
    return RecordBatch(Partition("events", 0), list(values), offsets, times, 100 + len(values), T0_US)


def decoder(**overrides: object) -> NativeDecoder:
    given: dict[str, Any] = {"limits": LIMITS, "max_skew_us": 60_000_000}
    shapes: Any = overrides.pop("shapes", {KEY: SHAPE}.get)
    return NativeDecoder(shapes, Rules(**(given | overrides)))


def decode(*values: bytes | str | dict[str, Any] | None, times_ms: list[int] | None = None, **more: object) -> Events:
    raw = [value if isinstance(value, bytes) or value is None else as_bytes(value) for value in values]
    return decoder(**more).decode(batch_of(raw, [T0_MS] * len(raw) if times_ms is None else times_ms))


def as_bytes(value: str | dict[str, Any]) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()


def event(**fields: object) -> dict[str, Any]:
    """A prediction that is right, but for what is given; ... leaves a field out."""
    usual = {"type": "prediction", "id": "p-1", "model": "credit", "version": "1", "features": {"AGE": 31}}
    return {name: value for name, value in (usual | fields).items() if value is not ...}


def reasons(events: Events) -> list[str]:
    return [rejected.reason for rejected in events.rejected]


GOOD = event()
DEEP = "[" * 10_000


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b" ", "json"),
        (b'{"model":"credit"', "json"),
        (b"\xef\xbb\xbf", "empty"),
        (b'\xef\xbb\xbf{"model":"credit"', "json"),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"model":"credit","features":{}}', "json"),
        (b'{"model":"credit"} {"model":"credit"}', "json"),
        (json.dumps(GOOD).encode("utf-16"), "encoding"),
        (json.dumps(GOOD).encode("utf-16-le"), "encoding"),
        (b'{"model":"credit","features":{},"x":"\xff"}', "encoding"),
        (b'{"model":"credit","features":{},"x":"\xed\xa0\x80"}', "encoding"),
        ('{"model":"credit","features":{"AGE":' + DEEP + "]" * 10_000 + "}}", "too_large"),
        ('{"model":"credit","features":{"AGE":' + "[" * 9_900 + "]" * 9_900 + "}}", "nesting"),
        (DEEP, "nesting"),
        ("[" * 501 + "]" * 501, "nesting"),
        ('{"a":' * 9_000, "too_large"),
        ("NaN", "no_event"),
        ("3", "no_event"),
        ('"text"', "no_event"),
        ("null", "no_event"),
        ("[]", "no_event"),
        ("[[]]", "no_event"),
        ("[3]", "no_event"),
        (event(type="Prediction"), "type"),
        (event(type=["label"]), "type"),
        (event(model=...), "model"),
        (event(model=""), "model"),
        (event(model=1), "model"),
        (event(model="m" * 257), "model"),
        (event(model=None), "model"),
        (event(version=1.5), "version"),
        (event(version=True), "version"),
        (event(version=10**300), "version"),
        (event(version="v" * 257), "version"),
        (event(id=17.0), "id"),
        (event(id=False), "id"),
        (event(id=["p-1"]), "id"),
        (event(type="label", label=1, id=None), "id"),
        (event(id="i" * 257), "id"),
        (event(type="label", label=1, id=...), "id"),
        (event(ts="yesterday"), "ts"),
        (event(ts="2025-11-24T16:00:00"), "no_offset"),
        (event(ts="2025-11-24 16:00:00.123"), "no_offset"),
        (event(ts="2025-11-24T12:30:60Z"), "ts"),
        (event(ts=True), "ts"),
        (event(ts=10**30), "ts"),
        ('{"model":"credit","features":{},"ts":1e999}', "ts"),
        ('{"model":"credit","features":{},"ts":NaN}', "ts"),
        (event(features=[1]), "features"),
        (event(type="features", features=...), "features"),
        (event(type="features", features=None), "features"),
        (event(type=..., features=None, prediction=None, score=None), "features"),
        (event(features={f"f{i}": i for i in range(41)}), "too_many_features"),
        (event(prediction=[1]), "prediction"),
        ('{"model":"credit","prediction":Infinity}', "prediction"),
        (event(score=1.01), "score"),
        (event(score=-1), "score"),
        (event(score=True), "score"),
        (event(score="0.5"), "score"),
        ('{"model":"credit","score":NaN}', "score"),
        (event(scores=[0.5]), "score"),
        (event(scores={"1": 2}), "score"),
        (event(label={"a": 1}), "label"),
        (event(type="label"), "label"),
        (event(type="label", label=[1]), "label"),
        (event(type="label", label=1, value="3"), "value"),
        (event(type="label", label=1, value=True), "value"),
        (event(tags=["a"]), "tags"),
        (event(tags={"a": 1}), "tags"),
        (event(tags={"a\nb": "x"}), "names"),
        (event(model="cre\u0085dit"), "names"),
        (event(features={"A\x7fGE": 1}), "names"),
        ('{"model":"credit","features":{"A\\ud800":1}}', "names"),
        ('{"model":"credit","features":{},"id":"\\u0000"}', "names"),
    ],
)
def test_a_wrong_record_is_one_rejected_event(value: bytes | str | dict[str, Any], reason: str) -> None:
    events = decode(GOOD, value, GOOD)
    assert [(bad.index, bad.offset, bad.reason, bad.count) for bad in events.rejected] == [(1, 101, reason, 1)]
    assert events.rejected[0].message
    assert len(events.rejected[0].shown) <= 60
    assert events.offset.tolist() == [100, 102]


@pytest.mark.parametrize(
    "value",
    [
        event(features={"AGE": [[1]] * 3, "SEX": {"a": 1}}),
        '{"model":"credit","version":"1","features":{"AGE":' + "[" * 490 + "]" * 490 + "}}",
        '{"model":"credit","version":"1","features":{"AGE":NaN,"LIMIT":1e999,"SEX":-Infinity}}',
        '{"model":"credit","version":"1","features":{"AGE":' + "9" * 5_000 + "}}",
        '{"model":"credit","version":"1","features":{},"unknown":[NaN,"\\ud800",{"\\u0000":1e999}]}',
        event(id="i" * 256, model="m" * 256, version="é" * 256),
        event(features={f"f{i}": i for i in range(40)}),
        '{"model":"credit","features":{' + ",".join(['"a":1'] * 41) + "}}",
        event(type="label", label=None, features="not looked at", score=7),
        event(type="features", prediction=[], score=7, label={}),
        event(features=..., id=...),
        event(score=None, prediction=None, label=None),
        event(prediction="control\ncharacters are no matter in a class", tags={"note": "nor\tin a tag's text"}),
        event(scores={"0": 1, "1": 0}),
    ],
)
def test_an_odd_event_is_accepted(value: str | dict[str, Any]) -> None:
    events = decode(GOOD, value)
    assert events.rejected == []
    assert len(events) == 2


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"prediction": 1}, PREDICTION),
        ({"score": 0.5}, PREDICTION),
        ({"prediction": None, "score": None, "features": None, "label": 1}, LABEL),
        ({"prediction": None, "label": 1}, LABEL),
        ({"type": None, "score": None, "features": {}, "label": None}, FEATURES),
        ({"type": None, "prediction": 0, "label": None}, PREDICTION),
        ({"label": 1}, LABEL),
        ({"label": None}, LABEL),
        ({"label": 1, "features": {}}, FEATURES),
        ({"features": {}}, FEATURES),
        ({"type": "features", "features": {}, "prediction": 1}, FEATURES),
        ({"type": "prediction"}, PREDICTION),
    ],
)
def test_an_event_without_type_is_what_its_fields_say(fields: dict[str, Any], kind: int) -> None:
    events = decode({"id": "p-1", "model": "credit", **fields})
    assert events.kind.tolist() == [kind]


@pytest.mark.parametrize(
    ("ts", "us"),
    [
        (1_763_999_999, 1_763_999_999_000_000),
        (1_763_999_999.25, 1_763_999_999_250_000),
        (1_763_999_999_123, 1_763_999_999_123_000),
        (1_763_999_999_123.5, 1_763_999_999_123_500),
        (1_763_999_999_123_456, 1_763_999_999_123_456),
        (1_763_999_999_123_456_789, 1_763_999_999_123_456),
        (-1, -1_000_000),
        (0, 0),
        (99_999_999_999, 99_999_999_999_000_000),
        (-62_000_000_000, -62_000_000_000_000_000),
        (100_000_000_000, 100_000_000_000_000),
        (99_999_999_999_999, 99_999_999_999_999_000),
        (100_000_000_000_000, 100_000_000_000_000),
        (100_000_000_000_000_000, 100_000_000_000_000),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1970-01-01t00:00:00.1234567z", 123_456),
        ("1972-06-30T23:59:60Z", 78_796_800_000_000),
        ("1990-12-31T15:59:60.25-08:00", 662_688_000_250_000),
        (None, T0_US),
        (..., T0_US),
    ],
)
def test_a_time_is_read_by_its_magnitude_or_as_rfc_3339(ts: object, us: int) -> None:
    alone = decode(event(ts=ts), times_ms=[T0_MS + HOUR_MS] if ts not in {None, ...} else None, max_skew_us=2**62)
    assert (reasons(alone), alone.ts.tolist()) == ([], [us])
    mixed = decode(event(ts=ts), event(ts="1970-01-01T00:00:00Z"), event(ts=5), max_skew_us=2**62)
    assert mixed.ts.tolist() == [us, 0, 5_000_000]


def test_an_event_without_any_time_is_rejected() -> None:
    assert reasons(decode(event(), event(ts=1), times_ms=[-1, -1])) == ["no_time"]
    batch = batch_of([as_bytes(event()), as_bytes(event(ts=T0_MS * 10))])
    events = decoder().decode(batch)
    assert reasons(events) == ["no_time"]
    assert events.ts.tolist() == [T0_US * 10]


@pytest.mark.parametrize("kind", [{}, {"type": "label", "label": 1}, {"type": "features"}])
def test_a_time_too_far_ahead_is_future(kind: dict[str, Any]) -> None:
    events = decode(
        event(ts=T0_MS + 60_000, **kind),
        event(ts=T0_MS + 60_001, **kind),
        event(ts=1, **kind),
        event(ts=1, **kind),
        event(ts=T0_MS + 10 * HOUR_MS, **kind),
        event(**kind),
        times_ms=[T0_MS, T0_MS, T0_MS + HOUR_MS, T0_MS + HOUR_MS + 1, -1, T0_MS + HOUR_MS + 1],
    )
    assert [(bad.index, bad.reason) for bad in events.rejected] == [(1, "future"), (3, "future"), (5, "future")]
    assert events.offset.tolist() == [100, 102, 104]


def test_a_tombstone_is_counted_and_is_not_an_event() -> None:
    events = decode(None, GOOD, None)
    assert (events.tombstones, len(events), events.rejected) == (2, 1, [])


def test_an_empty_batch_has_no_events() -> None:
    events = decode()
    assert (len(events), events.groups, events.rejected, events.tombstones) == (0, [], [], 0)


def test_the_columns_tell_missing_absent_and_wrong_type_apart() -> None:
    events = decode(
        event(features={"AGE": 31, "SEX": "f", "LIMIT": 0.5}),
        event(features={"AGE": None, "SEX": None, "LIMIT": None}),
        event(features={}),
        event(features={"AGE": "31", "SEX": [1], "LIMIT": [True]}),
        event(features=...),
        event(features={"LIMIT": 2, "SEX": True, "AGE": -1, "other": "ignored"}),
        event(features={"SEX": 2.5}),
        event(features={"SEX": 10**30, "AGE": 10**30}),
    )
    (group,) = events.groups
    assert group.key == KEY
    assert group.rows.tolist() == list(range(8))
    assert group.has_features.tolist() == [True, True, True, True, False, True, True, True]
    assert group.numeric.dtype == np.float64
    age, limit = group.numeric
    assert age[[0, 5, 7]].tolist() == [31.0, -1.0, 1e30]
    assert limit[[0, 5]].tolist() == [0.5, 2.0]
    absent, missing, wrong = ABSENT_BITS, MISSING_BITS, TYPE_BITS
    assert age.view(np.uint64)[[1, 2, 3, 4, 6]].tolist() == [missing, absent, wrong, absent, absent]
    assert limit.view(np.uint64)[[1, 2, 3, 4, 6, 7]].tolist() == [missing, absent, wrong, absent, absent, absent]
    expected = ["f", None, ABSENT_VALUE, TYPE_VALUE, ABSENT_VALUE, True, 2.5, 10**30]
    assert group.categorical == [expected]


def test_the_score_is_that_of_the_positive_class() -> None:
    events = decode(
        event(score=0.25),
        event(scores={"0": 0.75, "1": 0.5}),
        event(scores={"0": 0.75}),
        event(score=0.25, scores={"1": 1}),
        event(score=None, scores={"1": 1}),
        event(),
        event(type="features", score=0.5, prediction=1, label=1),
    )
    (group,) = events.groups
    assert group.score[[0, 1, 3, 4]].tolist() == [0.25, 0.5, 0.25, 1.0]
    assert group.score.view(np.uint64)[[2, 5, 6]].tolist() == [MISSING_BITS] * 3
    assert (group.prediction[-1], group.label[-1]) == (None, None)


def test_predictions_and_inline_labels_keep_their_types() -> None:
    answers = [1, 1.0, "1", True, None, ...]
    events = decode(*(event(prediction=answer, label=answer) for answer in answers))
    (group,) = events.groups
    kinds = [(type(value), value) for value in group.prediction]
    assert kinds == [(int, 1), (float, 1.0), (str, "1"), (bool, True), (type(None), None), (type(None), None)]
    assert [type(value) for value in group.label] == [kind for kind, _ in kinds]


def test_labels_stand_apart_from_the_groups() -> None:
    events = decode(
        event(),
        event(type="label", label=1, value=12),
        event(type="label", label=None),
        event(type="label", label="good", version=...),
    )
    assert events.kind.tolist() == [PREDICTION, LABEL, LABEL, LABEL]
    assert events.label_rows.tolist() == [1, 2, 3]
    assert events.label_values == [1, None, "good"]
    assert events.label_amounts[0] == 12
    assert np.isnan(events.label_amounts[1:]).all()
    assert [events.keys[i] for i in events.key] == [KEY, KEY, KEY, ModelKey("credit", "")]
    assert [group.rows.tolist() for group in events.groups] == [[0]]


def test_an_id_has_the_same_key_only_within_its_model_version() -> None:
    events = decode(
        event(), event(score=1), event(version="2"), event(model="other"), event(id="p-2"), event(id=...), event(id="")
    )
    keys = events.id_key.tolist()
    assert keys[0] == keys[1] == xxhash.xxh3_64_intdigest(b"p-1", xxhash.xxh3_64_intdigest(b"credit\x001"))
    assert len(set(keys)) == 6
    assert keys[5] == 0
    assert decode(event()).id_key.tolist() == keys[:1]


def test_a_bad_element_of_an_array_leaves_the_others() -> None:
    good, bad = json.dumps(event()), json.dumps(event(score=7))
    events = decode(GOOD, f"[{good},{bad},3,{good}]", GOOD)
    (rejected,) = events.rejected
    assert (rejected.index, rejected.offset, rejected.indices) == (1, 101, (1, 2))
    assert (rejected.reason, rejected.count) == ("score", 2)
    assert events.offset.tolist() == [100, 101, 101, 102]
    assert events.groups[0].rows.tolist() == [0, 1, 2, 3]


def test_an_array_with_too_many_events_is_rejected_whole() -> None:
    good = json.dumps(event())
    assert len(decode(f"[{','.join([good] * 4)}]")) == 4
    (rejected,) = decode(f"[{','.join([good] * 5)}]").rejected
    assert (rejected.reason, rejected.count, rejected.indices) == ("too_many_events", 5, ())


@pytest.mark.parametrize("most", [200, 20_000])
def test_the_limit_of_a_records_bytes_is_exact(most: int) -> None:
    limits = Limits(record_bytes=most, events_per_record=4, features=1_000)
    value = json.dumps(event()).encode()
    padded = value + b" " * (most - len(value))
    assert reasons(decode(padded, limits=limits)) == []
    assert reasons(decode(padded + b" ", limits=limits)) == ["too_large"]


def test_the_settings_of_the_input_win_over_the_payload() -> None:
    events = decode(event(), event(model=7, version=[]), event(model=..., version=...), model="credit", version="1")
    assert events.rejected == []
    assert events.keys == [KEY]
    assert events.groups[0].rows.tolist() == [0, 1, 2]
    assert decode(event(), version="3").keys == [ModelKey("credit", "3")]
