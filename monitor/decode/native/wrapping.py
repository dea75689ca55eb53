"""Recognises records that hold an event inside something else: prefixes, other encodings, envelopes.

The errors name the wrapping, so that the producer or the settings can be fixed.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, Final

from monitor.decode.native.wrong import kind_of, rejected
from monitor.errors import RejectedRecord
from monitor.visible import one_line

UTF8_MARK: Final = b"\xef\xbb\xbf"

_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
#: first bytes of compressed values and of other file formats
_MAGIC: Final = {
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\x04\x22\x4d\x18": "compressed by lz4",
    b"Obj\x01": "an Avro file",
    b"PAR1": "a Parquet file",
}
#: the prefix of a schema registry's serializer: a zero byte and a schema id of four bytes
_PREFIX_BYTES: Final = 5
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12}")
_LINE_OF_PRETTY_JSON: Final = re.compile(r'[{}\[\]],?|[\w.+-]+,|"(?:[^"\\]|\\.)*"\s*(?::.*|,)')
#: characters of a text that are parsed again to explain why it is not JSON
_SMALL: Final = 10_000
#: characters of a field's name in a message
_NAME: Final = 60

#: (fields that an envelope has, its name, the field that holds the event)
_ENVELOPES: Final = (
    (("schema", "payload"), "a Kafka Connect envelope", "payload"),
    (("specversion", "data"), "a CloudEvent", "data"),
    (("specversion", "data_base64"), "a CloudEvent", "data_base64"),
    (("op", "after"), "a Debezium change", "after"),
)
_NATIVE: Final = frozenset({"model", "features", "prediction", "score", "scores", "label"})


def not_utf8(value: bytes) -> RejectedRecord:
    """The error for bytes that are not UTF-8."""
    found = _prefixed(value) or _other_bytes(value)
    if found is not None:
        return found
    return rejected("encoding", "the bytes are not UTF-8; write UTF-8 (iconv -f NAME -t utf-8 makes it of a file)")


def not_json(value: bytes) -> RejectedRecord:
    """The error for UTF-8 text that is not JSON."""
    value = value.removeprefix(UTF8_MARK)
    found = _prefixed(value) or _other_bytes(value)
    if found is not None:
        return found
    text = value.decode().strip()
    if _LINE_OF_PRETTY_JSON.fullmatch(text[:_SMALL]):
        message = (
            "the JSON is cut at line ends: it is pretty-printed, over several lines, and one JSON value a line is "
            "expected; jq -c . FILE writes it so"
        )
        return rejected("json", message, value)
    if _is_base64_of_json(text):
        return _in_base64(value)
    if text.startswith("{'"):
        return rejected("json", "the text is a Python dict as str() writes it, not JSON; use json.dumps", value)
    if text.startswith("<"):
        return rejected("json", "the text is XML or HTML, not JSON", value)
    if text[:1] not in {"{", "["}:
        return rejected("json", "the text is not JSON: an event begins with {", value)
    return rejected("json", _where_json_ends(text), value)


def _where_json_ends(text: str) -> str:
    if len(text) > _SMALL:
        return "the text is not JSON"
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        at_end = getattr(error, "pos", 0) >= len(text) or str(error).startswith("Unterminated")
        return "the JSON ends before it is whole: was it cut off?" if at_end else "the text is not JSON"
    if text[end:].lstrip()[:1] in {"{", "["}:
        return "one record holds several JSON values; send a record each, or one JSON array of them"
    return "something follows the JSON value; one record holds one event, or one array of events"


def _prefixed(value: bytes) -> RejectedRecord | None:
    """The error for a value with the prefix of a schema registry; None without one."""
    if value[:1] != b"\0" or len(value) <= _PREFIX_BYTES or value[1:2] in {b"{", b"["}:
        return None
    if value[_PREFIX_BYTES:].lstrip()[:1] in {b"{", b"["}:
        message = (
            "the five bytes of a schema registry (0 and the schema's id) come before the JSON; set inputs[].encoding: "
            "json_schema, or send JSON without the registry's serializer"
        )
    else:
        message = (
            "the value begins with the five bytes of a schema registry (0 and the schema's id), as Avro and Protobuf "
            "do; set inputs[].encoding: avro or protobuf, or send JSON"
        )
    return rejected("wrapped", message)


def _other_bytes(value: bytes) -> RejectedRecord | None:
    for magic, what in _MAGIC.items():
        if value.startswith(magic):
            message = f"the value is {what}; send JSON, and let the producer's compression.type compress it"
            return rejected("wrapped", message)
    if value.startswith(_UTF16_MARKS):
        order = "FF FE" if value.startswith(b"\xff") else "FE FF"
        return rejected("encoding", f"the bytes are UTF-16 (they begin with {order}), not UTF-8; write UTF-8")
    if b"\0" in value[:4]:
        return rejected("encoding", "the bytes are UTF-16 or UTF-32 (every other one is zero), not UTF-8; write UTF-8")
    return None


def no_event(content: object) -> RejectedRecord:
    """The error for a JSON value that is neither an object nor an array with elements."""
    if isinstance(content, str):
        if content.lstrip()[:1] in {"{", "["}:
            message = "the value is JSON inside a JSON string: it was encoded twice; send the object itself"
            return rejected("wrapped", message, content)
        if _is_base64_of_json(content):
            return _in_base64(content)
    if content == []:
        return rejected("no_event", "the array is empty; an event is a JSON object")
    return rejected("no_event", f"the JSON is {kind_of(content)}; an event is a JSON object", content)


def _in_base64(value: object) -> RejectedRecord:
    return rejected("wrapped", "the value is JSON in base64; send the JSON itself", value)


def _is_base64_of_json(text: str) -> bool:
    if not _BASE64.match(text):
        return False
    try:
        return binascii.a2b_base64(text[:12]).lstrip()[:1] in {b"{", b"["}
    except binascii.Error:
        return False


def envelope(event: dict[str, Any]) -> RejectedRecord | None:
    """The error for an object that was rejected as an event and looks like an envelope; None if it does not."""
    if any(event.get(name) is not None for name in ("features", "prediction", "score", "scores")):
        return None
    for fields, what, place in _ENVELOPES:
        if all(field in event for field in fields):
            return _inside(what, place)
    for name, inner in event.items():
        if isinstance(inner, str) and inner.lstrip()[:1] == "{" and any(f'"{field}"' in inner for field in _NATIVE):
            return _inside("an object around an event", name, " as JSON inside a JSON string")
        first = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(first, dict) and not _NATIVE.isdisjoint(first):
            return _inside("an object around an event", name)
    return None


def _inside(what: str, place: str, how: str = "") -> RejectedRecord:
    message = (
        f"the value is {what}: the event is in `{one_line(place[:_NAME])}`{how}; set inputs[].format: fields, which "
        "reads it there, or send the event alone"
    )
    return rejected("wrapped", message)
