"""The framing of a schema registry: which schema a record's bytes are written by, and the bytes without it.

Confluent's wire format: a zero byte and the schema's number in four bytes (big endian), or the byte 1 and its GUID in
sixteen, before the bytes or in the header `__value_schema_id`.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from monitor.decode.columns import Limits
from monitor.decode.encodings.encoding import RecordInfo, require_size
from monitor.decode.native.reference_decoder import parse_fast
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord
from monitor.records import Envelope, RecordBatch, SchemaId, Schemas

HEADER: Final = "__value_schema_id"
_NUMBER, _GUID = 0, 1
_NUMBER_BYTES, _GUID_BYTES = 5, 17
_SIZES: Final = {_NUMBER: _NUMBER_BYTES, _GUID: _GUID_BYTES}


class Framed(NamedTuple):
    """The schema of a value, and its bytes (`rest` follows the GUID in a header: indices of a Protobuf message)."""

    schema: SchemaId
    body: bytes
    rest: bytes = b""


def unframed(value: bytes, record: RecordInfo) -> Framed:
    """Take a value out of its framing.

    Raises:
        RejectedRecord: it has none.
    """
    header = record.header(HEADER)
    if header is not None:
        schema, size = _schema_id(header, f"the header {HEADER}")
        return Framed(schema, value, header[size:])
    schema, size = _schema_id(value, "the value")
    return Framed(schema, value[size:])


def _schema_id(data: bytes, what: str) -> tuple[SchemaId, int]:
    magic = data[0] if data else -1
    if magic == _NUMBER and len(data) >= _NUMBER_BYTES:
        number: int = struct.unpack_from(">I", data, 1)[0]
        return number, _NUMBER_BYTES
    if magic == _GUID and len(data) >= _GUID_BYTES:
        return str(UUID(bytes=data[1:_GUID_BYTES])), _GUID_BYTES
    message = (
        f"{what} does not begin with a schema's id (0 and four bytes, or 1 and a GUID); is it written by a schema "
        "registry's serializer? inputs[].encoding: json reads JSON without one"
    )
    raise RejectedRecord("schema", message)


def require_schemas(batch: RecordBatch, schemas: Schemas) -> None:
    """Ask for every schema of a batch.

    Raises:
        TransientError: one of them cannot be had.
    """
    for place, value in enumerate(batch.values):
        if value:
            try:
                schema = unframed(value, RecordInfo(batch, place, NO_TIME)).schema
            except RejectedRecord:
                continue
            schemas(schema)


def wrong_kind(kinds: Collection[str], found: str, encoding: str) -> RejectedRecord:
    message = f"its schema is {found or 'AVRO'}, not {' or '.join(kinds)} as inputs[].encoding: {encoding} says"
    return RejectedRecord("schema", message)


class FramedJson:
    """JSON behind the framing (`json_schema`): the schema itself is not needed to read it, and not asked for."""

    def __init__(self, limits: Limits, _schemas: Schemas) -> None:
        self._limits = limits

    def read(self, value: bytes, record: RecordInfo) -> object:
        require_size(value, self._limits)
        return parse_fast(unframed(value, record).body, self._limits)

    def bodies(self, batch: RecordBatch, first: int, count: int) -> tuple[Sequence[bytes | None], Collection[int]]:
        """The values without their framing."""
        found = [
            *map(self._body, batch.values[first : first + count], map(batch.envelope, range(first, first + count)))
        ]
        return found, ([at for at, body in enumerate(found) if body is None] if None in found else ())

    def _body(self, value: bytes | None, envelope: Envelope) -> bytes | None:
        """The JSON of a value, None if `read` has to look at it."""
        if not value or len(value) > self._limits.record_bytes:
            return None
        if envelope.headers and any(name == HEADER for name, _ in envelope.headers):
            return None
        size = _SIZES.get(value[0], len(value))
        return value[size:] or None
