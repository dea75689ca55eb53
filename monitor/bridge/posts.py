"""What a post becomes: one record or several, with a key and headers. Bodies are carried as they are.

Sources of the formats: the HTTP and Kafka protocol bindings of CloudEvents 1.0.2; kserve/kserve pkg/logger;
azureml-ai-monitoring 1.0.0; kserve/modelmesh RemotePayloadProcessor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from monitor.bridge.answers import bad_request
from monitor.bridge.ids import items_of, key_of
from monitor.clock import SECOND_US, rfc3339

Headers = list[tuple[str, bytes]]


class Post(NamedTuple):
    """A request: headers by their names in lower case, repeated ones joined by commas."""

    headers: Mapping[str, bytes]
    body: bytes

    def content_type(self) -> str:
        """Without parameters, in lower case; "" if there is none."""
        return self.headers.get("content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


class Carried(NamedTuple):
    """A record to be."""

    key: bytes
    value: bytes
    headers: Headers


#: what carries a post, by the kind of its path
Carrier = Callable[[Post], list[Carried]]

_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
#: of JSON text sequences and lines
_LINES: Final = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines",
                           "application/x-jsonlines"))  # fmt: skip
_JSON: Final = "application/json"
_CE: Final = "ce-"
_REQUEST_ID: Final = "x-request-id"
#: headers of serving platforms beside `ce-`, kept under their own names
_KEPT: Final = re.compile(
    r"x-request-id|traceparent|tracestate|trace-id|mlserver-.*|seldon-.*|x-seldon-.*|inference-.*"
)
_ESCAPED: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_FORM: Final = "application/x-www-form-urlencoded"
_SAY_WHAT: Final = (
    "say what the body is: Content-Type: application/json (one record), or application/x-ndjson (one record a line)"
)
_BOM: Final = b"\xef\xbb\xbf"


def _unescaped(value: bytes) -> bytes:
    """An attribute's value, which HTTP has percent-encoded and Kafka has not; as it is where that gives no UTF-8."""
    if b"%" not in value:
        return value
    plain = _ESCAPED.sub(lambda match: bytes.fromhex(match[0].replace(b"%", b"").decode()), value)
    try:
        plain.decode()
    except UnicodeDecodeError:
        return value
    return plain


def _kept(post: Post) -> Headers:
    """The headers that are kept as they are; the content type first."""
    found = [("content-type", post.headers["content-type"])] if "content-type" in post.headers else []
    return found + [(name, value) for name, value in post.headers.items() if _KEPT.fullmatch(name)]


def any_form(post: Post) -> list[Carried]:
    """A post to `/` or to a topic: its headers say what it is."""
    if "ce-specversion" in post.headers:
        return [_binary(post)]
    kind = post.content_type()
    if kind == _BATCH:
        return _batch(post)
    if kind == _STRUCTURED:
        return [_whole(post, looks_like_json=True)]
    if kind in _LINES:
        return _lines(post)
    if kind in {"", _FORM}:
        raise bad_request(f"neither a CloudEvent (header ce-specversion) nor a Content-Type: {_SAY_WHAT}")
    return [_whole(post, looks_like_json=kind == _JSON or kind.endswith("+json"))]


def native(post: Post) -> list[Carried]:
    """A post to `/events` or `/labels`: JSON, or JSON lines."""
    kind = post.content_type()
    if kind in _LINES:
        return _lines(post)
    if kind == _JSON:
        return [_whole(post, looks_like_json=True)]
    raise bad_request(f"Content-Type {kind!r}: {_SAY_WHAT}" if kind else f"no Content-Type: {_SAY_WHAT}")


def azure(source: str | None) -> Carrier:
    """What carries posts of Azure's collector, as binary CloudEvents with the names that its lines in the blob have.

    `source` is the CloudEvent's; the collector does not name its endpoint.
    """

    def carried(post: Post) -> list[Carried]:
        sent = {
            name[len(_CE) :].replace("-", ""): value for name, value in post.headers.items() if name.startswith(_CE)
        }
        if "type" not in sent:
            raise bad_request("no header ce-type, which Azure's collector sends; other posts go to / or /topics/NAME")
        request = sent.get("xrequestid", b"")
        collection = sent["type"].rpartition(b".")[2]
        key = request or key_of(post.body)
        attributes = {
            "specversion": b"1.0",
            "id": collection + b"-" + key,
            "source": (source or "/modeldata/log").encode(),
            "correlationid": request,
            **sent,
            "time": _azure_time(sent.get("time", b"")),
        }
        headers = [(f"ce_{name}", value) for name, value in attributes.items() if value]
        return [Carried(key, post.body, _kept(post) + headers)]

    return carried


def _azure_time(text: bytes) -> bytes:
    """RFC 3339 of the collector's seconds since 1970; anything else as it is."""
    return rfc3339(int(text) * SECOND_US).encode() if re.fullmatch(rb"\d{1,11}", text) else text


def _binary(post: Post) -> Carried:
    """A CloudEvent in binary mode: its attributes are headers here and there."""
    attributes = {name[len(_CE) :]: _unescaped(value) for name, value in post.headers.items() if name.startswith(_CE)}
    for needed in ("id", "source", "type"):
        if not attributes.get(needed):
            raise bad_request(f"a CloudEvent without ce-{needed}")
    key = attributes.get("partitionkey") or attributes["id"]
    return Carried(key, post.body, _kept(post) + [(f"ce_{name}", value) for name, value in attributes.items()])


def _whole(post: Post, *, looks_like_json: bool) -> Carried:
    """The body as one record."""
    if not post.body:
        raise bad_request("no body")
    if looks_like_json and (fault := _not_json(post.body)):
        raise bad_request(f"the body {fault}; several events, one a line: Content-Type: application/x-ndjson")
    key = key_of(post.body.removeprefix(_BOM), post.headers.get(_REQUEST_ID, b""))
    return Carried(key, post.body, _kept(post))


def _lines(post: Post) -> list[Carried]:
    """Each line as a record."""
    found = []
    for number, line in enumerate(post.body.removeprefix(_BOM).split(b"\n"), 1):
        value = line.strip()
        if not value:
            continue
        if fault := _not_json(value):
            raise bad_request(f"line {number} {fault}: one JSON value a line; nothing of the body was taken")
        found.append(Carried(key_of(value), value, [("content-type", b"application/json")]))
    if not found:
        raise bad_request("no line with anything in it")
    return found


def _batch(post: Post) -> list[Carried]:
    """Each CloudEvent of a batch as a record in structured mode."""
    try:
        items = items_of(post.body)
    except ValueError as error:
        raise bad_request(f"no batch of CloudEvents: {error}; a single one: Content-Type: {_STRUCTURED}") from None
    if not items:
        raise bad_request("a batch without an event")
    headers = [("content-type", b"application/cloudevents+json"), *_kept(post)[1:]]
    return [Carried(key_of(item), item, headers) for item in items]


def _not_json(value: bytes) -> str:
    """Why a body is no JSON object or array, by its ends and lines; "" if it may be one."""
    text = value.removeprefix(_BOM).strip()
    if (
        b"}\n{" in text or b"}\r\n{" in text
    ):  # nowhere in one JSON value: a comma parts objects, and texts have no line ends
        return "holds several JSON values"
    ends = (text[:1], text[-1:])
    return "" if ends in {(b"{", b"}"), (b"[", b"]")} else "is no JSON object or array"
