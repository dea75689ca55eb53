"""CloudEvents 1.0 on Kafka: in binary mode attributes are headers `ce_NAME`, in structured mode the record is JSON.

Source of the format: CloudEvents 1.0, its JSON format and its Kafka protocol binding; Knative's KafkaSink.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from monitor.decode.formats.call import Received
from monitor.errors import RejectedRecord

_PREFIX: Final = "ce_"
#: bridges that copy HTTP headers as they are
_HTTP_PREFIX: Final = "ce-"
_PERCENT: Final = re.compile("(?:%[0-9A-Fa-f]{2})+")
STRUCTURED: Final = "application/cloudevents"


class CloudEvent(NamedTuple):
    """Attributes by name, all as text, and the data: a tree, or bytes that are not parsed yet."""

    attributes: Mapping[str, str]
    data: object

    def get(self, name: str) -> str | None:
        """An attribute; None if it is not there or empty."""
        return self.attributes.get(name) or None

    @property
    def content_type(self) -> str:
        """The data's content type without parameters, in lower case."""
        return media_type(self.attributes.get("datacontenttype", ""))


def _unquoted(text: str) -> str:
    """A header's value; one that was copied from HTTP may be percent-encoded."""
    if "%" not in text:
        return text
    return _PERCENT.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(errors="replace"), text)


def media_type(text: str) -> str:
    """A content type without parameters, in lower case."""
    return text.partition(";")[0].strip().lower()


def is_structured(received: Received) -> bool:
    """Whether a record is a CloudEvent in structured mode; some senders leave out its content type."""
    if received.headers.get("content-type", "").lower().startswith(STRUCTURED):
        return True
    return isinstance(received.tree, dict) and "specversion" in received.tree and "type" in received.tree


def cloud_event(received: Received) -> CloudEvent | None:
    """The CloudEvent that a record is; None if it is none.

    Raises:
        RejectedRecord: its data are not valid base64.
    """
    headers = received.headers
    if "ce_specversion" in headers or "ce-specversion" in headers:
        attributes = {
            name[len(_PREFIX) :]: _unquoted(text)
            for name, text in headers.items()
            if name.startswith((_PREFIX, _HTTP_PREFIX))
        }
        attributes["datacontenttype"] = headers.get("content-type", "")
        return CloudEvent(attributes, received.tree if received.tree is not None else received.value)
    if not is_structured(received) or not isinstance(received.tree, dict):
        return None
    tree = received.tree
    attributes = {name.lower(): str(value) for name, value in tree.items() if isinstance(value, str | int)}
    if "data_base64" in tree:
        return CloudEvent(attributes, from_base64(tree["data_base64"]))
    return CloudEvent(attributes, tree.get("data"))


def from_base64(text: object) -> bytes:
    """The bytes of a base64 text.

    Raises:
        RejectedRecord: it is none.
    """
    try:
        return base64.b64decode(text if isinstance(text, str | bytes) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise RejectedRecord("base64", "the captured body is not valid base64") from None
