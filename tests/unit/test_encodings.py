"""Encodings of a schema registry: the framing, Avro's values and schemas, and what does not fit."""

from __future__ import annotations

import builtins
import datetime
import io
import json
import struct
import sys
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import fastavro
import numpy as np
import pytest
from fastavro.schema import parse_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decode.columns import Events, Limits
from monitor.decode.decoder import decoder_for
from monitor.decode.encodings.avro import AvroEncoding
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.encodings.framing import FramedJson, require_schemas
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord, TransientError, UsageError
from monitor.events import Partition
from monitor.records import Envelope, RecordBatch, RegisteredSchema, SchemaId
from monitor.settings.tree import Settings

LIMITS = Limits(10_000, 10, 10)
GUID = uuid.UUID(int=7)
EVENT = {"type": "record", "name": "Event", "fields": [
    {"name": "model", "type": "string"},
    {"name": "score", "type": ["null", "double"]},
    {"name": "features", "type": {"type": "map", "values": ["null", "double", "string"]}},
]}  # fmt: skip


class Registry:
    """Schemas by their id."""

    def __init__(self, schemas: Mapping[SchemaId, RegisteredSchema]) -> None:
        self.schemas = dict(schemas)
        self.asked: list[SchemaId] = []

    def __call__(self, schema: SchemaId) -> RegisteredSchema:
        self.asked.append(schema)
        if schema not in self.schemas:
            raise TransientError(f"schema {schema} is not there")
        return self.schemas[schema]


def avro_schema(schema: object, **references: object) -> RegisteredSchema:
    below = tuple((name, avro_schema(one)) for name, one in references.items())
    return RegisteredSchema("AVRO", json.dumps(schema), below)


def body_of(schema: object, value: object, named: dict[str, Any] | None = None) -> bytes:
    stream = io.BytesIO()
    made: Any = schema
    fastavro.schemaless_writer(stream, parse_schema(made, named or {}), value)
    return stream.getvalue()


def framed(body: bytes, schema: SchemaId = 1) -> bytes:
    prefix = struct.pack(">bI", 0, schema) if isinstance(schema, int) else b"\x01" + uuid.UUID(schema).bytes
    return prefix + body


def batch_of(values: Sequence[bytes | None], headers: Sequence[tuple[str, bytes | None]] = ()) -> RecordBatch:
    count = len(values)
    return RecordBatch(
        Partition("t", 0), list(values), np.arange(count), np.full(count, 1_764_000_000_000), count,
        1_764_000_000_000_000, lambda _: Envelope(None, headers),
    )  # fmt: skip


def read(encoding: Encoding, value: bytes, headers: Sequence[tuple[str, bytes | None]] = ()) -> object:
    return encoding.read(value, RecordInfo(batch_of([value], headers), 0, NO_TIME))


def read_avro(schema: object, value: object) -> object:
    return read(AvroEncoding(LIMITS, Registry({1: avro_schema(schema)})), framed(body_of(schema, value)))


WHEN = datetime.datetime(2026, 11, 22, 10, 0, 0, 123_456, datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("long", 5, 5),
        ("string", "é", "é"),
        (["null", "double"], None, None),
        (["null", "double"], 0.5, 0.5),
        ("boolean", True, True),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "float"}, [1.0, 0.5], [1.0, 0.5]),
        ({"type": "array", "items": ["null", "long"]}, [None, 5], [None, 5]),
        ({"type": "array", "items": {"type": "record", "name": "P", "fields": [
            {"name": "none", "type": "null"}, {"name": "n", "type": "long"}]}}, [{"none": None, "n": 5}],
            [{"none": None, "n": 5}]),
        ({"type": "map", "values": ["null", "long"]}, {"a": 1, "b": None}, {"a": 1, "b": None}),
        ("bytes", b"\xff\x00", "/wA="),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", "YWI="),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("12.30"), 12.3),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("7.00"), 7),
        ({"type": "long", "logicalType": "timestamp-micros"}, WHEN, "2026-11-22T10:00:00.123456+00:00"),
        ({"type": "long", "logicalType": "timestamp-millis"}, WHEN, "2026-11-22T10:00:00.123000+00:00"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, WHEN.replace(tzinfo=None),
            "2026-11-22T10:00:00.123456"),
        ({"type": "int", "logicalType": "date"}, WHEN.date(), "2026-11-22"),
        ({"type": "int", "logicalType": "time-millis"}, datetime.time(1, 2, 3), "01:02:03"),
        ({"type": "string", "logicalType": "uuid"}, GUID, str(GUID)),
    ],
)  # fmt: skip
def test_avro_values_become_plain_ones(kind: object, value: object, expected: object) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    found = read_avro(schema, {"x": value})
    assert found == {"x": expected}
    assert type(found["x"]) is type(expected)


def test_a_schema_that_refers_to_others_is_read() -> None:
    inner = {"type": "record", "name": "own.Inner", "fields": [{"name": "y", "type": "long"}]}
    outer = {"type": "record", "name": "own.Outer", "fields": [{"name": "x", "type": "own.Inner"}]}
    named: dict[str, Any] = {}
    parse_schema(inner, named)
    value = framed(body_of(outer, {"x": {"y": 3}}, named))
    encoding = AvroEncoding(LIMITS, Registry({1: avro_schema(outer, inner=inner)}))
    assert read(encoding, value) == {"x": {"y": 3}}


def test_each_record_is_read_by_the_schema_it_was_written_by_and_each_schema_asked_for_once() -> None:
    newer = EVENT | {"fields": [{"name": "host", "type": "string"}, *EVENT["fields"]]}
    registry = Registry({1: avro_schema(EVENT), str(GUID): avro_schema(newer)})
    encoding = AvroEncoding(LIMITS, registry)
    event = {"model": "m", "score": 0.5, "features": {}}
    for _ in range(2):
        assert read(encoding, framed(body_of(EVENT, event))) == event
        assert read(encoding, framed(body_of(newer, event | {"host": "h"}), str(GUID))) == event | {"host": "h"}
        header = ("__value_schema_id", b"\x01" + GUID.bytes)
        assert read(encoding, body_of(newer, event | {"host": "h"}), [header]) == event | {"host": "h"}
    assert registry.asked == [1, str(GUID)]


BODY = body_of(EVENT, {"model": "m", "score": None, "features": {"a": 1.0}})
NESTED = {"type": "record", "name": "N", "fields": [{"name": "below", "type": ["null", "N"]}]}
NULLS = {"type": "array", "items": "null"}
NO_FIELDS = {"type": "record", "name": "Z", "fields": []}
NULL_FIELDS = {
    "type": "record",
    "name": "Z",
    "fields": [{"name": "a", "type": "null"}, {"name": "b", "type": NO_FIELDS | {"name": "Y"}}],
}


@pytest.mark.parametrize(
    ("value", "schema", "reason", "message"),
    [
        (b"", avro_schema(EVENT), "empty", "no bytes"),
        (b"\0" * 10_001, avro_schema(EVENT), "too_large", "limits.record_bytes (10,000)"),
        (b'{"model": "m"}', avro_schema(EVENT), "schema", "does not begin with a schema's id"),
        (b"\0\0\0\0", avro_schema(EVENT), "schema", "does not begin with a schema's id"),
        (b"\x01" + b"7" * 15, avro_schema(EVENT), "schema", "does not begin with a schema's id"),
        (framed(BODY + b"x"), avro_schema(EVENT), "schema", "1 bytes are left over after a value of schema 1"),
        (framed(BODY[:-2]), avro_schema(EVENT), "schema", "the bytes do not fit schema 1: "),
        (framed(b"\xff" * 30), avro_schema(EVENT), "schema", "the bytes do not fit schema 1: "),
        (framed(BODY), avro_schema({"type": "unheard"}), "schema", "schema 1 is no valid Avro schema"),
        (framed(BODY), RegisteredSchema("AVRO", "{"), "schema", "schema 1 is no valid Avro schema"),
        (framed(BODY), RegisteredSchema("PROTOBUF", ""), "schema", "its schema is PROTOBUF, not AVRO"),
        (framed(b"\2" * 9_000), avro_schema(NESTED), "schema", "a record within itself (N)"),
        (framed(b"\xfe\xff\xff\xff\xff\x01\0"), avro_schema(NULLS), "schema", "a list of nulls"),
        *((framed(b"\x14\0"), avro_schema({"type": "array", "items": items}), "schema", "a list of nulls, or")
          for items in (NO_FIELDS, NULL_FIELDS, {"type": "fixed", "name": "Z", "size": 0}, {"type": "null"})),
        (framed(b"\x14\0"), avro_schema({"type": "record", "name": "R", "fields": [
            {"name": "one", "type": NO_FIELDS}, {"name": "many", "type": {"type": "array", "items": "Z"}},
        ]}), "schema", "a list of nulls, or"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_rejected(value: bytes, schema: RegisteredSchema, reason: str, message: str) -> None:
    for _ in range(2):
        with pytest.raises(RejectedRecord) as caught:
            read(AvroEncoding(LIMITS, Registry({1: schema})), value)
        assert caught.value.reason == reason
        assert message in caught.value.message


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_rejected(body: bytes) -> None:
    encoding = AvroEncoding(LIMITS, Registry({1: avro_schema(EVENT)}))
    for value in (body, framed(body), framed(BODY[:5] + body)):
        try:
            found = read(encoding, value)
        except (RejectedRecord, TransientError):
            continue
        assert isinstance(found, dict)


def decoded(encoding: str, values: Sequence[bytes | None], registry: Registry) -> Events:
    tree = {"inputs": [{"topic": "t", "encoding": encoding}], "schema_registry": {"url": "http://127.0.0.1:1"}}
    return decoder_for(Settings.model_validate(tree), "t", lambda _: None, registry).decode(batch_of(values))


def test_native_events_may_be_avro_or_framed_json() -> None:
    event = {"model": "m", "score": 0.5, "features": {"a": 1.0}}
    registry = Registry({1: avro_schema(EVENT)})
    for encoding, body in (("avro", body_of(EVENT, event)), ("json_schema", json.dumps(event).encode())):
        events = decoded(encoding, [framed(body), None, b"\x07"], registry)
        assert (len(events), events.tombstones) == (1, 1)
        assert [(one.index, one.reason) for one in events.rejected] == [(2, "schema")]


def test_a_schema_that_cannot_be_had_is_no_fault_of_the_record() -> None:
    with pytest.raises(TransientError):
        decoded("avro", [framed(BODY)], Registry({}))
    with pytest.raises(TransientError):
        require_schemas(batch_of([b"{}", None, framed(BODY)]), Registry({}))
    require_schemas(batch_of([b"{}", None, b""]), Registry({}))


def test_framed_json_is_read_without_its_schema() -> None:
    encoding = FramedJson(LIMITS, Registry({}))
    assert read(encoding, framed(b'{"a": [1, NaN]}'))["a"][0] == 1  # type: ignore[index]  # a dict
    with pytest.raises(RejectedRecord, match="not JSON"):
        read(encoding, framed(b"x"))


def test_an_encoding_needs_a_registry() -> None:
    with pytest.raises(ValueError, match="avro needs a schema registry"):
        Settings.model_validate({"inputs": [{"topic": "t", "encoding": "avro"}]})


def test_a_missing_library_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith(("fastavro", "monitor.decode.encodings.avro")):
            raise ModuleNotFoundError(name="fastavro")
        return usual(name, *rest)  # type: ignore[arg-type]  # passed on

    monkeypatch.delitem(sys.modules, "monitor.decode.encodings.avro")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'driftd\[registry\]'"):
        decoded("avro", [], Registry({}))
