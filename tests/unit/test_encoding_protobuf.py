"""Protobuf by a registry's schema: the library's own messages are the oracle, and its JSON."""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Mapping
from typing import Any, Final

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.duration_pb2 import DESCRIPTOR as DURATION
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import DESCRIPTOR as STRUCT
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decode.encodings.proto_text import ProtoError, parse_proto
from monitor.decode.encodings.protobuf import ProtobufEncoding
from monitor.errors import RejectedRecord
from monitor.records import RegisteredSchema
from tests.unit.test_encodings import GUID, LIMITS, Registry, read

TEXT: Final = """
syntax = "proto3";  // of a scorer
package own;
import "google/protobuf/timestamp.proto";
import 'google/protobuf/duration.proto';
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "own/model.proto";
option java_package = "own" ".scorer";

/* One prediction;
   { not a message } */
message Scored {
  reserved 90, 100 to max;
  reserved "old";
  message Inner { double x = 1; repeated int64 list = 2 [packed = false]; }
  string id = 1;
  google.protobuf.Timestamp at = 2;
  own.Model model = 3;
  map<string, double> inputs = 4;
  optional double score = 5;
  oneof outcome { option (own.x) = "y"; string text = 6; Inner inner = 7; }
  Class class = 8 [deprecated = true, (own.opt) = { a: [1, 2] }];
  bytes raw = 9;
  repeated Inner inners = 10;
  google.protobuf.Duration took = 11;
  google.protobuf.Struct more = 12;
  google.protobuf.DoubleValue wrapped = 13;
  map<int32, Inner> by_number = 14;
  uint64 large = 15;
  ;
}
message Other { Scored.Inner inner = 1; }
enum Class { option allow_alias = true; NO = 0; YES = 0x1; SURE = 1; BELOW = -2; reserved 7; }
service Scorer { rpc Score (Scored) returns (Other) { option (own.http) = { get: "/x" }; } }
"""
MODEL: Final = 'syntax = "proto3"; package own; message Model { string name = 1; string version = 2; }'
OLD: Final = """
package own;
message Old { required string model = 1; optional double score = 2 [default = 0.5]; extensions 100 to 199; }
extend Old { optional int32 more = 100; }
"""

SCHEMA: Final = RegisteredSchema("PROTOBUF", TEXT, (("own/model.proto", RegisteredSchema("PROTOBUF", MODEL)),))


def message_classes() -> Mapping[str, Any]:
    """The library's messages of the texts."""
    pool = DescriptorPool()
    for standard in (TIMESTAMP, DURATION, STRUCT, WRAPPERS):
        pool.AddSerializedFile(standard.serialized_pb)
    for text, name in ((MODEL, "own/model.proto"), (TEXT, "scored.proto"), (OLD, "old.proto")):
        pool.AddSerializedFile(parse_proto(text, name).SerializeToString())
    names = ("Scored", "Other", "Model", "Scored.Inner", "Old")
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"own.{name}")) for name in names}


MESSAGES: Final = message_classes()
WHOLE: Final = {
    "id": "p-1", "at": "2026-11-22T10:00:00.250Z", "model": {"name": "m", "version": "1"}, "inputs": {"a": 1.5},
    "score": 0.25, "inner": {"x": 1.0, "list": ["7"]}, "class": "YES", "raw": "/wA=", "inners": [{"x": 2.0}],
    "took": "1.5s", "more": {"a": [1, None, {"b": True}], "c": "d"}, "wrapped": 2.5, "byNumber": {"3": {"x": 3}},
    "large": "18446744073709551615",
}  # fmt: skip


def body_of(name: str, value: Mapping[str, object]) -> bytes:
    return bytes(ParseDict(value, MESSAGES[name]()).SerializeToString())


def framed(body: bytes, indices: bytes = b"\0") -> bytes:
    return struct.pack(">bI", 0, 1) + indices + body


def decode(value: bytes, schema: RegisteredSchema = SCHEMA) -> object:
    return read(ProtobufEncoding(LIMITS, Registry({1: schema})), value)


def test_a_message_becomes_plain_values() -> None:
    assert decode(framed(body_of("Scored", WHOLE))) == {
        "id": "p-1", "at": "2026-11-22T10:00:00.250Z", "model": {"name": "m", "version": "1"}, "inputs": {"a": 1.5},
        "score": 0.25, "inner": {"x": 1.0, "list": [7]}, "class": "YES", "raw": "/wA=",
        "inners": [{"x": 2.0, "list": []}], "took": 1.5, "more": {"a": [1.0, None, {"b": True}], "c": "d"},
        "wrapped": 2.5, "by_number": {"3": {"x": 3.0, "list": []}}, "large": 18446744073709551615,
    }  # fmt: skip


def test_what_is_not_set_is_absent_if_it_has_presence() -> None:
    assert decode(framed(b"")) == {
        "id": "", "inputs": {}, "class": "NO", "raw": "", "inners": [], "by_number": {}, "large": 0,
    }  # fmt: skip
    old = RegisteredSchema("PROTOBUF", OLD)
    assert decode(framed(body_of("Old", {"model": "m"})), old) == {"model": "m"}
    assert decode(framed(body_of("Old", {"model": "m", "score": 0})), old) == {"model": "m", "score": 0.0}


@pytest.mark.parametrize(
    ("indices", "name", "value", "expected"),
    [
        (b"\x02\0", "Scored", {"id": "x"}, {"id": "x"}),
        (b"\x02\x02", "Other", {"inner": {"x": 1}}, {"inner": {"x": 1.0, "list": []}}),
        (b"\x04\0\0", "Scored.Inner", {"x": 1}, {"x": 1.0, "list": []}),
    ],
)
def test_indices_name_the_message(indices: bytes, name: str, value: dict[str, object], expected: object) -> None:
    found = decode(framed(body_of(name, value), indices))
    assert isinstance(found, dict)
    assert isinstance(expected, dict)
    assert found | expected == found
    header = ("__value_schema_id", b"\x01" + GUID.bytes + indices)
    encoding = ProtobufEncoding(LIMITS, Registry({str(GUID): SCHEMA}))
    assert read(encoding, body_of(name, value), [header]) == found


def test_a_serialized_descriptor_is_a_schema_too() -> None:
    text = base64.b64encode(parse_proto(MODEL, "any.proto").SerializeToString()).decode()
    value = framed(body_of("Model", {"name": "m"}))
    assert decode(value, RegisteredSchema("PROTOBUF", text)) == {"name": "m", "version": ""}


GOOD: Final = body_of("Scored", WHOLE)


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        (framed(GOOD[:-1]), SCHEMA, "the bytes do not fit schema 1: DecodeError"),
        (framed(b"\xff" * 20), SCHEMA, "the bytes do not fit schema 1: DecodeError"),
        (framed(GOOD + b"\xa8\x06\x01"), SCHEMA, "bytes are left over: they are of no field of schema 1"),
        (framed(body_of("Scored", {"id": "x"}), b"\x02\x08"), SCHEMA, "schema 1 has no message at the indices [4]"),
        (framed(b"", b"\x02\x01"), SCHEMA, "schema 1 has no message at the indices [-1]"),
        (framed(b"", b"\x7e"), SCHEMA, "no list of numbers"),
        (framed(b"", b"\x02"), SCHEMA, "end too early"),
        (framed(b"", b"\xff" * 20), SCHEMA, "end too early"),
        (framed(b""), RegisteredSchema("PROTOBUF", "message {"), "is no Protobuf schema that is understood"),
        (framed(b""), RegisteredSchema("PROTOBUF", 'import "no.proto"; message M { int32 x = 1; }'), "is no Protobuf"),
        (framed(b""), RegisteredSchema("PROTOBUF", "message M { group G = 1 { } }"), "is no Protobuf schema"),
        (framed(b""), RegisteredSchema("AVRO", '"int"'), "its schema is AVRO, not PROTOBUF"),
        (b"{}", SCHEMA, "does not begin with a schema's id"),
    ],
)
def test_what_does_not_fit_is_rejected(value: bytes, schema: RegisteredSchema, message: str) -> None:
    with pytest.raises(RejectedRecord) as caught:
        decode(value, schema)
    assert caught.value.reason == "schema"
    assert message in caught.value.message


@settings(max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_a_message_or_rejected(body: bytes, kept: int) -> None:
    encoding = ProtobufEncoding(LIMITS, Registry({1: SCHEMA}))
    for value in (framed(body), framed(GOOD[:kept] + body), framed(b"", body)):
        with contextlib.suppress(RejectedRecord):
            assert isinstance(read(encoding, value), dict)


def test_a_text_is_the_descriptor_that_it_describes() -> None:
    text = """syntax = "proto3"; package p; message M { repeated N n = 1; optional bool b = 2; oneof o { E e = 3; }
        map<string, N> by_name = 4; message N {} } enum E { A = 0; B = -1; }"""
    kinds, labels = FieldDescriptorProto, FieldDescriptorProto
    expected = FileDescriptorProto(name="f", package="p", syntax="proto3")
    message = expected.message_type.add(name="M")
    message.field.add(name="n", number=1, label=labels.LABEL_REPEATED, type_name="N")
    message.field.add(name="b", number=2, label=1, type=kinds.TYPE_BOOL, proto3_optional=True, oneof_index=1)
    message.field.add(name="e", number=3, label=1, type_name="E", oneof_index=0)
    by_name = message.field.add(name="by_name", number=4, label=3, type=kinds.TYPE_MESSAGE, type_name="ByNameEntry")
    assert by_name.number == 4
    message.oneof_decl.add(name="o")
    message.oneof_decl.add(name="_b")
    entry = message.nested_type.add(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=kinds.TYPE_STRING)
    entry.field.add(name="value", number=2, label=1, type_name="N")
    message.nested_type.add(name="N")
    enum = expected.enum_type.add(name="E")
    enum.value.add(name="A", number=0)
    enum.value.add(name="B", number=-1)
    assert parse_proto(text, "f") == expected


@settings(max_examples=300)
@given(st.integers(0, len(TEXT)), st.integers(0, 40), st.text(max_size=10))
def test_any_text_is_a_descriptor_or_refused(at: int, cut: int, put: str) -> None:
    with contextlib.suppress(ProtoError, TypeError, ValueError):
        assert parse_proto(TEXT[:at] + put + TEXT[at + cut :], "f").name == "f"


@pytest.mark.parametrize("text", ["message M {" * 3_000, "message M { M m = " + "9" * 400 + "; }", "", "/*"])
def test_a_text_without_bounds_is_refused(text: str) -> None:
    with pytest.raises(RejectedRecord):
        decode(framed(b""), RegisteredSchema("PROTOBUF", text))
