"""KServe's inference logger, through Knative or any bridge that keeps the CloudEvent.

Source of the format: kserve/kserve pkg/logger (2026-08), in both modes of the CloudEvents Kafka binding.
"""

from __future__ import annotations

from monitor.decode.columns import Limits
from monitor.decode.formats.call import Read, Received
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import wrong_format
from monitor.decode.formats.wrapped import wrapped_call


def read(received: Received, limits: Limits) -> Read:
    """The side of a call that a record holds.

    Raises:
        RejectedRecord: it is no CloudEvent, or its body cannot be read.
    """
    found = wrapped_call(received, limits)
    if found is not None:
        return found
    label = label_event(received.tree)
    if label is None:
        raise wrong_format("kserve", "it has neither ce_ headers nor specversion and type")
    return [label]
