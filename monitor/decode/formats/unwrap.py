"""Takes off what Kafka Connect and string converters put around a record, and parses JSON within JSON strings."""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.decode.columns import Limits
from monitor.decode.native.reference_decoder import parse_fast
from monitor.errors import RejectedRecord

#: a JSON string that holds JSON is parsed so many times
MOST_TIMES: Final = 3
#: bytes of a schema registry before JSON: 0 and the schema's id
_PREFIX_BYTES: Final = 5
_JSON_STARTS: Final = (b"{", b"[", b'"')
_DECODE: Final = msgspec.json.Decoder().decode


def tree_of(value: bytes, limits: Limits) -> object:
    """The JSON of a value, without what is around it.

    Raises:
        RejectedRecord: it is no JSON, too large or nested too deeply.
    """
    if value[:1] == b"\0" and value[_PREFIX_BYTES : _PREFIX_BYTES + 1] in _JSON_STARTS:
        value = value[_PREFIX_BYTES:]
    return unwrapped(parse_fast(value, limits), limits)


def unwrapped(tree: object, limits: Limits) -> object:
    """A tree without Kafka Connect's schema, and parsed again if it is a string of JSON."""
    for _ in range(MOST_TIMES):
        if isinstance(tree, dict) and len(tree) == 2 and "schema" in tree and "payload" in tree:
            tree = tree["payload"]
        elif isinstance(tree, str) and tree.lstrip()[:1] in {"{", "[", '"'}:
            tree = parse_fast(tree.encode(errors="replace"), limits)
        else:
            break
    return tree


def looks_like_json(value: bytes) -> bool:
    """Whether a value can be JSON, by its first byte that is not white space."""
    return value.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in {*_JSON_STARTS, b"\0"} or value[:1].isdigit()


def inner(text: object, limits: Limits) -> object:
    """JSON within a string of a record; what is no string is taken as it is, and an empty one is None.

    Raises:
        RejectedRecord: the text is no JSON.
    """
    if not isinstance(text, str):
        return text
    if not text.strip():
        return None
    try:
        return unwrapped(_DECODE(text), limits)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return unwrapped(parse_fast(text.encode(errors="surrogatepass"), limits), limits)


def text_of(value: object) -> str | None:
    """A name, version or id as text; None for what is none of these, or empty."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def wrong_format(name: str, what: str) -> RejectedRecord:
    """The error for a record of another format."""
    return RejectedRecord("format", f"the record is not of inputs[].format {name}: {what}")
