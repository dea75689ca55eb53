"""Protobuf records by their writer's schema, from a schema registry."""

from __future__ import annotations

import base64
import binascii
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from monitor.clock import rfc3339
from monitor.decode.columns import Limits
from monitor.decode.encodings.encoding import RecordInfo, require_size
from monitor.decode.encodings.framing import unframed, wrong_kind
from monitor.decode.encodings.proto_text import parse_proto
from monitor.errors import RejectedRecord
from monitor.records import RegisteredSchema, SchemaId, Schemas

#: indices of nested messages; more are no message
_DEEPEST: Final = 30
_STANDARD: Final = "google/protobuf/"

_Tree = Callable[[Any], object]


class ProtobufEncoding:
    """Each record is read by the schema it was written by; its indices name the message of the file.

    Fields that are not set are absent, but for those of proto3 that have no presence: they have their default. Enums
    are their names, timestamps RFC 3339 text, durations seconds, wrappers and `Struct` what they hold, bytes base64.
    """

    def __init__(self, limits: Limits, schemas: Schemas) -> None:
        self._limits = limits
        self._schemas = schemas
        self._files: dict[SchemaId, _File] = {}

    def read(self, value: bytes, record: RecordInfo) -> object:
        require_size(value, self._limits)
        framed = unframed(value, record)
        file = self._files.get(framed.schema)
        if file is None:
            file = self._files[framed.schema] = _File(framed.schema, self._schemas(framed.schema))
        if framed.rest:
            indices, _ = _indices(framed.rest)
            return file.read(indices, framed.body)
        indices, begins = _indices(framed.body)
        return file.read(indices, framed.body[begins:])


class _File:
    """The messages of one schema."""

    def __init__(self, schema_id: SchemaId, schema: RegisteredSchema) -> None:
        self._named = f"schema {schema_id}"
        self._messages: dict[tuple[int, ...], tuple[Any, _Tree]] = {}
        self._trees: dict[str, _Tree] = {}
        self._fault: RejectedRecord | None = None
        if schema.kind != "PROTOBUF":
            self._fault = wrong_kind(["PROTOBUF"], schema.kind, "protobuf")
            return
        try:
            self._pool = DescriptorPool()
            self._file = self._pool.FindFileByName(_add(self._pool, "", schema, set()))
        except Exception as error:  # noqa: BLE001  # TypeError of the library, ProtoError, ...: the schema is not valid
            why = f"{self._named} is no Protobuf schema that is understood: {type(error).__name__}"
            self._fault = RejectedRecord("schema", why)

    def read(self, indices: tuple[int, ...], body: bytes) -> object:
        """The message at these indices.

        Raises:
            RejectedRecord: it is not in the schema, or the bytes do not fit it.
        """
        if self._fault is not None:
            raise RejectedRecord(self._fault.reason, self._fault.message)
        if indices not in self._messages:
            descriptor = self._message_at(indices)
            self._messages[indices] = GetMessageClass(descriptor), self._tree_of(descriptor)
        made, tree = self._messages[indices]
        message = made()
        try:
            message.ParseFromString(body)
            return tree(message)
        except RejectedRecord:
            raise
        except Exception as error:  # noqa: BLE001  # DecodeError and others of the library
            raise RejectedRecord("schema", f"the bytes do not fit {self._named}: {type(error).__name__}") from None

    def _message_at(self, indices: tuple[int, ...]) -> Descriptor:
        messages = list(self._file.message_types_by_name.values())
        found: Descriptor | None = None
        for index in indices:
            if not 0 <= index < len(messages):
                raise RejectedRecord("schema", f"{self._named} has no message at the indices {list(indices)}")
            found = messages[index]
            messages = list(found.nested_types)
        assert found is not None, "there is an index"  # noqa: S101
        return found

    def _tree_of(self, descriptor: Descriptor) -> _Tree:
        """What makes a tree of a message. A message within itself has one, too: it is found when it is asked for."""
        known = _STANDARD_TREES.get(descriptor.full_name) or self._trees.get(descriptor.full_name)
        if known is not None:
            return known
        fields: list[tuple[str, bool, _Tree]] = []

        def tree(message: Any) -> object:  # noqa: ANN401  # a message has no other type
            if len(UnknownFieldSet(message)):
                raise RejectedRecord("schema", f"bytes are left over: they are of no field of {self._named}")
            return {
                name: value_of(getattr(message, name))
                for name, has_presence, value_of in fields
                if not has_presence or message.HasField(name)
            }

        self._trees[descriptor.full_name] = tree
        fields += [(field.name, field.has_presence, self._field(field)) for field in descriptor.fields]
        return tree

    def _field(self, field: FieldDescriptor) -> _Tree:
        if not field.is_repeated:
            return self._value(field)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value_of = self._value(field.message_type.fields_by_name["value"])
            return lambda value: {str(key): value_of(value[key]) for key in value}
        value_of = self._value(field)
        return lambda value: list(map(value_of, value))

    def _value(self, field: FieldDescriptor) -> _Tree:
        if field.message_type is not None:
            return self._tree_of(field.message_type)
        if field.enum_type is not None:
            names = {value.number: value.name for value in reversed(field.enum_type.values)}  # of aliases the first
            return lambda value: names.get(value, value)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return lambda value: base64.b64encode(value).decode()
        return lambda value: value


def _add(pool: DescriptorPool, name: str, schema: RegisteredSchema, added: set[str]) -> str:
    """Add a file and all that it refers to; returns its name."""
    file = _descriptor(schema.text, name or "schema.proto")
    own = str(file.name)
    if own in added:
        return own
    added.add(own)
    for reference, below in schema.references:
        _add(pool, reference, below, added)
    for dependency in file.dependency:
        if dependency.startswith(_STANDARD) and dependency not in added:
            _add_standard(pool, dependency, added)
    pool.AddSerializedFile(file.SerializeToString())
    return own


def _add_standard(pool: DescriptorPool, name: str, added: set[str]) -> None:
    module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    added.add(name)
    pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)


def _descriptor(text: str, name: str) -> FileDescriptorProto:
    """Of a .proto file's text, or of its serialized descriptor in base64, as some serializers register it."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return parse_proto(text, name)
    file = FileDescriptorProto()
    file.ParseFromString(data)
    file.name = name
    return file


def _indices(data: bytes) -> tuple[tuple[int, ...], int]:
    """The indices of a message before its bytes, and where these begin; a zero alone is the first message."""
    count, at = _varint(data, 0)
    if count == 0:
        return (0,), at
    if not 0 < count <= _DEEPEST:
        raise RejectedRecord("schema", "the indices of the message are no list of numbers from 0")
    indices: list[int] = []
    for _ in range(count):
        index, at = _varint(data, at)
        indices.append(index)
    return tuple(indices), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number, and where the next byte is."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise RejectedRecord("schema", "the indices of the message end too early")


def _value(value: Any) -> object:  # noqa: ANN401  # a message
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return _list(value.list_value)
    found: object = getattr(value, kind)
    return found


def _struct(value: Any) -> object:  # noqa: ANN401  # as above
    return {name: _value(below) for name, below in value.fields.items()}


def _list(value: Any) -> object:  # noqa: ANN401  # as above
    return [_value(below) for below in value.values]


_WRAPPED: Final = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String")
#: messages of the library's own files that are more than their fields
_STANDARD_TREES: Final[Mapping[str, _Tree]] = {
    "google.protobuf.Timestamp": lambda value: rfc3339(value.seconds * 1_000_000 + value.nanos // 1_000),
    "google.protobuf.Duration": lambda value: value.seconds + value.nanos / 1e9,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
    "google.protobuf.ListValue": _list,
    "google.protobuf.BytesValue": lambda value: base64.b64encode(value.value).decode(),
    **{f"google.protobuf.{name}Value": lambda value: value.value for name in _WRAPPED},
}
