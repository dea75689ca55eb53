"""CloudEvents 1.0 on the alert topic: written and read in both content modes of its Kafka binding.

Structured: the record is one JSON object. Binary: the attributes are headers `ce_NAME` and the record is the data; that
is how Knative's brokers and channels keep events, and what their triggers filter by.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitor.kafka.producer import Message

STRUCTURED: Final = "structured"
BINARY: Final = "binary"
#: types of what is on the alert topic: transitions of incidents, what operators did, what the daemon says of itself
INCIDENT: Final = "io.driftd.incident"
ACT: Final = "io.driftd.act"
NOTICE: Final = "io.driftd.notice"

_PREFIX: Final = "ce_"
_JSON: Final = "application/json"
_STRUCTURED_TYPE: Final = "application/cloudevents+json"

Tree = dict[str, Any]


def event_message(
    topic: str, key: str, attributes: Mapping[str, str | int], data: Mapping[str, Any], mode: str
) -> Message:
    """The record of an event; `attributes` are those beside specversion and datacontenttype."""
    name = key.encode("utf-8", "backslashreplace")
    if mode == BINARY:
        headers = [(_PREFIX + each, _text(str(value))) for each, value in {"specversion": "1.0", **attributes}.items()]
        return Message(topic, name, encoded(data), [*headers, ("content-type", _JSON.encode())])
    event = {"specversion": "1.0", **attributes, "datacontenttype": _JSON, "data": data}
    return Message(topic, name, encoded(event), [("content-type", _STRUCTURED_TYPE.encode())])


def event_in(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Tree | None:
    """The event in a record, in either mode, as its structured form; None if it is none."""
    try:
        tree = json.loads(value or b"null")
        json.dumps(tree, allow_nan=False)  # no daemon writes NaN or an endless nesting, and nobody could write it again
    except (ValueError, RecursionError):
        return None
    named = {name[len(_PREFIX) :]: _read(text) for name, text in headers if name.startswith(_PREFIX)}
    if "specversion" in named:
        return {**named, "data": tree}
    return tree if isinstance(tree, dict) and "specversion" in tree and "data" in tree else None


def encoded(content: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; half of a surrogate pair is escaped."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _text(words: str) -> bytes:
    return words.encode("utf-8", "backslashreplace")


def _read(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")
