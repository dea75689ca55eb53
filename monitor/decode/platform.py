"""The formats of serving platforms behind the protocols of encodings and layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.encodings.encoding import RecordInfo, require_size
from monitor.decode.formats import (
    azure,
    databricks,
    kserve,
    mlflow,
    oip,
    sagemaker,
    seldon,
    tfserving,
    vertex,
)
from monitor.decode.formats.call import Call, Ignored, Read, Received
from monitor.decode.formats.cloudevents import media_type
from monitor.decode.formats.events import events_of
from monitor.decode.formats.tensors import require_rows
from monitor.decode.formats.unwrap import looks_like_json, tree_of
from monitor.decode.layout import LeftAside
from monitor.errors import RejectedRecord

#: reads a record of a format
READERS: Final[dict[str, Callable[[Received, Limits], Read]]] = {
    "kserve": kserve.read,
    "oip": oip.read,
    "seldon": seldon.read,
    "tfserving": tfserving.read,
    "mlflow": mlflow.read,
    "databricks": databricks.read,
    "sagemaker": sagemaker.read,
    "vertex": vertex.read,
    "azure": azure.read,
}
#: formats whose records hold request and response of a call
WHOLE_CALLS: Final = frozenset(("databricks", "sagemaker", "vertex"))
#: names in `inputs[].format` of which records may hold one side of a call
MAY_PAIR: Final = frozenset({*READERS, "auto"} - WHOLE_CALLS)
_NOT_PARSED: Final = ("text/csv", "application/octet-stream", "application/x-protobuf", "application/protobuf")
_NO_JSON: Final = ("json", "encoding", "wrapped")


class AsCaptured:
    """JSON without what Kafka Connect puts around it; other values stay bytes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def read(self, value: bytes, record: RecordInfo) -> object:
        require_size(value, self._limits)
        kind = media_type((record.header("content-type") or b"").decode(errors="replace"))
        if kind in _NOT_PARSED or not looks_like_json(value):
            return value
        try:
            return tree_of(value, self._limits)
        except RejectedRecord as error:
            if error.reason not in _NO_JSON or value.lstrip()[:1] in {b"{", b"["}:
                raise
            return value


class PlatformLayout:
    """A platform's records as native events. `binary` says of a model's name whether it has two classes."""

    places: Mapping[str, str] = {}

    def __init__(
        self, name: str, limits: Limits, names: Sequence[str] | None, model: str | None, binary: Callable[[str], bool]
    ) -> None:
        self._read = READERS[name]
        self._limits = limits
        self._names = names
        self._model = model
        self._binary = binary

    def events(self, tree: object, record: RecordInfo) -> object:
        """One event a row. Raises `RejectedRecord` for a record that is not of the format."""
        found = self.read(tree, record)
        if isinstance(found, Ignored):
            return LeftAside.KIND
        return self.events_of(found) if isinstance(found, Call) else found

    def read(self, tree: object, record: RecordInfo) -> Read:
        """The call, or label events, of a record.

        Raises:
            RejectedRecord: it is not of the format.
        """
        return self._read(received(tree, record), self._limits)

    def events_of(self, call: Call) -> object:
        """The native events of a call. Raises `RejectedRecord` where it has none, or too many rows for events."""
        require_rows(max(len(call.rows or ()), len(call.answers or ())), 0, self._limits)
        return events_of(call, self._names, binary=self._binary(self._model or call.model or ""))


def received(tree: object, record: RecordInfo) -> Received:
    """A record as formats read it; `tree` may be bytes."""
    headers = {name.lower(): (value or b"").decode(errors="replace") for name, value in record.headers}
    if isinstance(tree, bytes):
        return Received(record.topic, record.key, headers, tree)
    return Received(record.topic, record.key, headers, b"", tree)
