"""Calls in the common wrapper: CloudEvents whose type says which side of a call they hold, as KServe's logger writes.

Source of the format: kserve/kserve pkg/logger (2026-08).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of, csv_rows, request_rows
from monitor.decode.formats.call import REQUEST, RESPONSE, Call, Ignored, Native, Read, Received, Side
from monitor.decode.formats.cloudevents import CloudEvent, cloud_event
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.protobuf import infer_request, infer_response
from monitor.decode.formats.unwrap import inner, looks_like_json, text_of, tree_of
from monitor.errors import RejectedRecord

TYPE_PREFIX: Final = "org.kubeflow.serving.inference."
_BINARY: Final = "application/octet-stream"
_HEADER_LENGTH: Final = "inference-header-content-length"
#: no record is so long; Python refuses to read a number of some thousands of digits
_LENGTH_DIGITS: Final = 9
_VERSION_NAMES: Final = ("modelversion", "model_version", "model-version", "version")
_PROTOBUF: Final = ("application/x-protobuf", "application/protobuf", "application/grpc")


def wrapped_call(received: Received, limits: Limits) -> Read | None:
    """The call, or label events, of a record in the common wrapper; None if it is no CloudEvent.

    Raises:
        RejectedRecord: what it holds cannot be read.
    """
    event = cloud_event(received)
    if event is None:
        return None
    kind = event.get("type") or ""
    side = kind.removeprefix(TYPE_PREFIX)
    if not kind.startswith(TYPE_PREFIX) or side not in {REQUEST, RESPONSE}:
        label = label_event(_tree(event, limits))
        return Ignored("type") if label is None else _with_model(label, event)
    if event.get("component") == "explainer":
        return Ignored("component")
    call = _call(event, REQUEST if side == REQUEST else RESPONSE)
    metadata = _names(event, "metadata")
    return with_body(call, event.data, event.content_type, metadata.get(_HEADER_LENGTH), limits)


def _with_model(label: Native, event: CloudEvent) -> list[Native]:
    label.setdefault("ts", event.get("time"))
    model = event.get("inferenceservicename") or event.get("modelname")
    if model is not None:
        label.setdefault("model", model)
    return [label]


def _tree(event: CloudEvent, limits: Limits) -> object:
    if not isinstance(event.data, bytes):
        return event.data
    try:
        return tree_of(event.data, limits)
    except RejectedRecord:
        return None


def _call(event: CloudEvent, side: Side) -> Call:
    """The call without its body."""
    identity = event.get("id") or ""
    version = event.get("modelversion") or version_in(_names(event, "annotations"))
    tags = {name: text for name in ("namespace", "component", "endpoint", "variant") if (text := event.get(name))}
    return Call(
        side,
        identity,
        f"{event.get('component') or ''}/{identity}" if identity else "",
        event.get("inferenceservicename") or event.get("modelname"),
        version,
        event.get("time"),
        tags=tags,
    )


def _names(event: CloudEvent, attribute: str) -> Mapping[str, str]:
    """An attribute that is JSON of names to texts, or to lists of them; names in lower case."""
    text = event.get(attribute)
    if text is None or text == "{}":
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return first_values(found)


def version_in(annotations: Mapping[str, str]) -> str | None:
    """The model's version by the names that people give it."""
    return next((annotations[name] for name in _VERSION_NAMES if annotations.get(name)), None)


def first_values(found: object) -> Mapping[str, str]:
    """Texts by name, in lower case, of an object of texts or of lists of them; none of anything else."""
    if not isinstance(found, dict):
        return {}
    firsts = {name.lower(): value[0] if isinstance(value, list) and value else value for name, value in found.items()}
    return {name: str(value) for name, value in firsts.items() if isinstance(value, str | int)}


def with_body(call: Call, data: object, content_type: str, header_length: str | None, limits: Limits) -> Read:
    """The call with the rows or answers of its body, which is a tree, or bytes.

    Raises:
        RejectedRecord: they cannot be read.
    """
    if isinstance(data, bytes) and content_type in _PROTOBUF:
        return with_protobuf(call, data, limits)
    rest = b""
    if isinstance(data, bytes) and content_type == _BINARY:
        length = _json_length(data) if header_length is None else _length_of(header_length, data)
        data, rest = data[:length], data[length:]
    if content_type == "text/csv":
        text = data.decode(errors="replace") if isinstance(data, bytes) else data
        if isinstance(text, str) and text.lstrip()[:1] not in {"{", "["}:  # a response has its request's content type
            return _with_csv(call, text)
    if isinstance(data, bytes):
        if not looks_like_json(data):
            raise RejectedRecord("body", _NO_JSON)
        tree = tree_of(data, limits)
    else:
        tree = inner(data, limits)
    return with_tree(call, tree, limits, rest)


def _length_of(header: str, data: bytes) -> int:
    """The bytes of the JSON by the header; by the JSON where it is no number."""
    if not header.isdecimal():
        return _json_length(data)
    if len(header) > _LENGTH_DIGITS:
        raise RejectedRecord("body", f"Inference-Header-Content-Length has more than {_LENGTH_DIGITS} digits")
    return int(header)


def _json_length(data: bytes) -> int:
    """The bytes of the JSON that a body with binary tensors begins with, where no header says so."""
    try:
        return json.JSONDecoder().raw_decode(data.decode("latin-1"))[1]
    except (ValueError, RecursionError):
        raise RejectedRecord("body", _NO_JSON) from None


_NO_JSON: Final = "the captured body is not JSON, nor JSON with binary tensors behind it"


def with_tree(call: Call, tree: object, limits: Limits, rest: bytes = b"", *, plain: bool = False) -> Read:
    """The call with a body that is a tree; `rest` and `plain` as of `bodies`."""
    version, model = call.version, call.model
    if isinstance(tree, dict):
        version = version or text_of(tree.get("model_version"))
        model = model or text_of(tree.get("model_name"))
    call = replace(call, version=version, model=model)
    if call.side == RESPONSE:
        return replace(call, answers=answers_of(tree, limits, rest, plain=plain))
    rows = request_rows(tree, limits, rest, plain=plain)
    return rows if isinstance(rows, Ignored) else replace(call, rows=rows)


def _with_csv(call: Call, text: str) -> Call:
    rows = csv_rows(text)
    return replace(call, answers=rows) if call.side == RESPONSE else replace(call, rows=rows)


def with_protobuf(call: Call, data: bytes, limits: Limits) -> Call:
    """The call with a body of protobuf, `inference.ModelInferRequest` or `ModelInferResponse`.

    Raises:
        RejectedRecord: it is none.
    """
    read = infer_request(data, limits) if call.side == REQUEST else infer_response(data, limits)
    model, version = call.model or read.model or None, call.version or read.version or None
    call = replace(call, model=model, version=version, id=call.id or read.id, pair=call.pair or read.id)
    return replace(call, rows=read.rows) if call.side == REQUEST else replace(call, answers=read.rows)
