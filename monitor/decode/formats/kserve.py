"""KServe's inference logger, through Knative or any bridge that keeps the CloudEvent, or as its blob logger stores it.

Source of the format: kserve/kserve pkg/logger (2026-08), in both modes of the CloudEvents Kafka binding.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.decode.columns import Limits
from monitor.decode.formats.call import REQUEST, RESPONSE, Call, Ignored, Read, Received
from monitor.decode.formats.cloudevents import from_base64, media_type
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import text_of, wrong_format
from monitor.decode.formats.wrapped import first_values, version_in, with_body, wrapped_call


def read(received: Received, limits: Limits) -> Read:
    """The side of a call that a record holds.

    Raises:
        RejectedRecord: it is no CloudEvent, or its body cannot be read.
    """
    found = wrapped_call(received, limits)
    if found is not None:
        return found
    if isinstance(received.tree, dict) and "reqType" in received.tree and "bytes" in received.tree:
        return _of_blob(received.tree, limits)
    label = label_event(received.tree)
    if label is None:
        raise wrong_format("kserve", "it has neither ce_ headers nor specversion and type")
    return [label]


def _of_blob(stored: Mapping[str, object], limits: Limits) -> Read:
    """A record of the blob logger. It has no time before `occurrenceTime` was added."""
    kind = str(stored["reqType"]).rpartition(".")[2]
    if kind not in {REQUEST, RESPONSE}:
        return Ignored("type")
    identity, component = text_of(stored.get("id")) or "", text_of(stored.get("component")) or ""
    call = Call(
        REQUEST if kind == REQUEST else RESPONSE,
        identity,
        f"{component}/{identity}" if identity else "",
        text_of(stored.get("inferenceService")),
        version_in(first_values(stored.get("annotations"))),
        stored.get("occurrenceTime"),
    )
    length = first_values(stored.get("metadata")).get("inference-header-content-length")
    return with_body(
        call, from_base64(stored["bytes"]), media_type(str(stored.get("contentType") or "")), length, limits
    )
