"""Seldon Core 2: topics of models' and pipelines' inputs and outputs, with protobuf of the Open Inference Protocol.

Source of the format: SeldonIO/seldon-core scheduler/pkg/kafka/topics.go and pipeline/kafkamanager.go.
"""

from __future__ import annotations

import re
from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.call import REQUEST, RESPONSE, Call, Ignored, Read, Received, Side
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import wrong_format
from monitor.decode.formats.wrapped import with_protobuf, with_tree
from monitor.errors import RejectedRecord

TOPIC: Final = re.compile(r"[^.]+(?:\.[^.]+)*\.(?P<what>model|pipeline)\.(?P<name>[^.]+)\.(?P<side>inputs|outputs)")
_ERRORS: Final = re.compile(r".+\.errors\.errors")
_ID_HEADER: Final = "x-request-id"


def read(received: Received, limits: Limits) -> Read:
    """The side of a call that a record holds, by its topic; the call's id is the header `x-request-id`, or the last
    part of the key.

    Raises:
        RejectedRecord: topic or bytes are not of that format.
    """
    label = label_event(received.tree)
    if label is not None:
        return [label]
    topic = TOPIC.fullmatch(received.topic)
    if topic is None:
        if _ERRORS.fullmatch(received.topic):
            return Ignored("errors")
        raise wrong_format("seldon", "its topic is not PREFIX.NAMESPACE.model.NAME.inputs, or .outputs")
    key = (received.key or b"").decode(errors="replace")
    identity = received.headers.get(_ID_HEADER) or key.rpartition(".")[2]
    side: Side = REQUEST if topic["side"] == "inputs" else RESPONSE
    call = Call(side, identity, f"{topic['what']}.{topic['name']}/{identity}" if identity else "", topic["name"])
    if received.headers.get("seldon-pipeline-errors"):
        return Call(RESPONSE, call.id, call.pair, call.model)
    if received.tree is not None:
        return with_tree(call, received.tree, limits)
    try:
        return with_protobuf(call, received.value, limits)
    except RejectedRecord:
        if received.value[:1] != b"\0":
            raise
        return with_protobuf(call, _unframed(received.value), limits)


def _unframed(value: bytes) -> bytes:
    """The message behind a schema registry's prefix: 0, the id, and the indexes of the message, usually one byte 0."""
    at, count = 5, value[5] if len(value) > 5 else 0
    return value[at + 1 + (count >> 1 if count else 0) :]
