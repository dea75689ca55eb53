"""Avro records by their writer's schema, from a schema registry."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
from fastavro.schema import parse_schema

from monitor.decode.columns import Limits
from monitor.decode.encodings.encoding import RecordInfo, require_size
from monitor.decode.encodings.framing import unframed, wrong_kind
from monitor.decode.encodings.plain import plain
from monitor.errors import RejectedRecord
from monitor.records import RegisteredSchema, SchemaId, Schemas

_Read = Callable[[bytes], object]


class AvroEncoding:
    """Each record is read by the schema it was written by, so schemas may change within a topic.

    Unions are the value of their branch; decimals are numbers; times are RFC 3339 text (without an offset for local
    ones), dates and times of day ISO 8601 text; bytes are base64 text.
    """

    def __init__(self, limits: Limits, schemas: Schemas) -> None:
        self._limits = limits
        self._schemas = schemas
        self._readers: dict[SchemaId, _Read] = {}

    def read(self, value: bytes, record: RecordInfo) -> object:
        require_size(value, self._limits)
        framed = unframed(value, record)
        reader = self._readers.get(framed.schema)
        if reader is None:
            reader = self._readers[framed.schema] = _reader_of(framed.schema, self._schemas(framed.schema))
        return reader(framed.body)


def _reader_of(schema_id: SchemaId, schema: RegisteredSchema) -> _Read:
    """What reads the bytes of a schema.

    Raises (the function):
        RejectedRecord: the schema is not valid, or the bytes do not fit it.
    """
    if schema.kind not in {"", "AVRO"}:
        return _refuses(wrong_kind(["AVRO"], schema.kind, "avro"))
    try:
        named: dict[str, dict[str, Any]] = {}
        parsed = _parsed(schema, named)
    except Exception as error:  # noqa: BLE001  # of the library for a schema that is not valid: many kinds
        return _refuses(RejectedRecord("schema", f"schema {schema_id} is no valid Avro schema: {type(error).__name__}"))
    if fault := _fault_of(parsed, named, ()):
        return _refuses(RejectedRecord("schema", f"schema {schema_id} {fault}"))
    needs_plain = _needs_plain(schema)

    def read(body: bytes) -> object:
        stream = io.BytesIO(body)
        try:
            tree: object = fastavro.schemaless_reader(stream, parsed, None)
            tree = plain(tree) if needs_plain else tree
        except Exception as error:  # noqa: BLE001  # of the library for bytes that do not fit: EOFError, IndexError, ...
            message = f"the bytes do not fit schema {schema_id}: {type(error).__name__}"
            raise RejectedRecord("schema", message) from None
        if stream.tell() != len(body):
            left = len(body) - stream.tell()
            raise RejectedRecord("schema", f"{left:,} bytes are left over after a value of schema {schema_id}")
        return tree

    return read


def _refuses(error: RejectedRecord) -> _Read:
    def read(_body: bytes) -> object:
        raise RejectedRecord(error.reason, error.message)

    return read


def _parsed(schema: RegisteredSchema, named: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401  # the library's type
    """The schema, with all that it refers to in `named`."""
    for _, reference in schema.references:
        _parsed(reference, named)
    return parse_schema(json.loads(schema.text), named)


def _fault_of(schema: Any, named: dict[str, dict[str, Any]], above: tuple[str, ...]) -> str:  # noqa: ANN401  # as above
    """Why values of a schema may be without bounds: a few bytes would fill the stack or the memory; "" if not."""
    if isinstance(schema, list):
        return next(filter(None, (_fault_of(branch, named, above) for branch in schema)), "")
    if isinstance(schema, str):
        schema = named.get(schema, {"type": schema})
    kind, name = schema["type"], schema.get("name", "")
    if kind == "record":
        if name in above:
            return f"has a record within itself ({name}), which is not supported"
        types = (field["type"] for field in schema["fields"])
        return next(filter(None, (_fault_of(one, named, (*above, name)) for one in types)), "")
    below = schema.get("items", schema.get("values")) if kind in {"array", "map"} else None
    if below is None and not isinstance(kind, str):
        below = kind
    if below is None:
        return ""
    fault = _fault_of(below, named, above)
    if not fault and kind == "array" and _takes_no_bytes(below, named):
        return "has a list of nulls, or of what else takes no bytes, which is not supported"
    return fault


def _takes_no_bytes(schema: Any, named: dict[str, dict[str, Any]]) -> bool:  # noqa: ANN401  # as above
    """Whether a value of a schema, which has no fault, is written as no bytes at all."""
    if isinstance(schema, list):
        return False  # the branch is written
    if isinstance(schema, str):
        schema = named.get(schema, {"type": schema})
    kind = schema["type"]
    if kind == "record":
        return all(_takes_no_bytes(field["type"], named) for field in schema["fields"])
    if kind == "fixed":
        return bool(schema["size"] == 0)
    return kind == "null" if isinstance(kind, str) else _takes_no_bytes(kind, named)


def _needs_plain(schema: RegisteredSchema) -> bool:
    """Whether its values may be other than plain ones."""
    words = ('"logicalType"', '"bytes"', '"fixed"')
    return any(word in schema.text for word in words) or any(_needs_plain(one) for _, one in schema.references)
