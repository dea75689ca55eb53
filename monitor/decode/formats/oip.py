"""Open Inference Protocol (V2) on topics of its own: MLServer's input and output, and ModelMesh's payload processor.

Sources of the format: SeldonIO/MLServer mlserver/kafka; trustyai-explainability's consumer of ModelMesh payloads.
"""

from __future__ import annotations

from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.call import REQUEST, RESPONSE, Call, Read, Received, Side
from monitor.decode.formats.cloudevents import from_base64
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import text_of, wrong_format
from monitor.decode.formats.wrapped import with_protobuf, with_tree, wrapped_call

MODEL_HEADER: Final = "mlserver-model"
_SIDES: Final = (REQUEST, RESPONSE)
_VERSION_HEADER: Final = "mlserver-version"
_MLSERVER_TYPES: Final = "io.seldon.serving.inference."


def read(received: Received, limits: Limits) -> Read:
    """The side of a call that a record holds; the call's id is the body's, or the record's key.

    Raises:
        RejectedRecord: it is no V2 body.
    """
    found = None if is_of_mlserver(received) else wrapped_call(received, limits)
    if found is not None:
        return found
    tree = received.tree
    if isinstance(tree, dict) and tree.get("kind") in _SIDES and "data" in tree:
        return _modelmesh(tree, limits)
    label = label_event(tree)
    if label is not None:
        return [label]
    if not isinstance(tree, dict) or not any(isinstance(tree.get(name), list) for name in ("inputs", "outputs")):
        if isinstance(tree, dict) and "error" in tree:
            return with_tree(_call(received, tree, is_request=False), tree, limits)
        raise wrong_format("oip", "it has neither inputs nor outputs as a list of tensors")
    return with_tree(_call(received, tree, is_request="inputs" in tree), tree, limits)


def is_of_mlserver(received: Received) -> bool:
    """Whether a record has the headers that MLServer adds to what it writes: a CloudEvent's, of a type of its own.

    A bridge may have given them the names that CloudEvents have on Kafka.
    """
    headers = received.headers
    return (headers.get("ce-type") or headers.get("ce_type") or "").startswith(_MLSERVER_TYPES)


def _call(received: Received, tree: dict[str, object], *, is_request: bool) -> Call:
    key = (received.key or b"").decode(errors="replace")
    own = text_of(tree.get("id")) or ""
    # MLServer itself sets the id of a request, and so of its response, to the key; other bodies may have any key
    identity = key or own if received.headers.get(MODEL_HEADER) else own or key
    return Call(
        REQUEST if is_request else RESPONSE,
        identity,
        identity,
        received.headers.get(MODEL_HEADER) or None,
        received.headers.get(_VERSION_HEADER) or None,
    )


def _modelmesh(tree: dict[str, object], limits: Limits) -> Call:
    """A payload: the protobuf in base64, `modelid` with a hash behind the model's name."""
    identity, model = text_of(tree.get("id")) or "", text_of(tree.get("modelid"))
    side: Side = REQUEST if tree["kind"] == REQUEST else RESPONSE
    named = Call(side, identity, identity, None if model is None else model.partition("__isvc-")[0])
    return with_protobuf(named, from_base64(tree["data"]), limits)
