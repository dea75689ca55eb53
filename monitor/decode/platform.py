"""The formats of serving platforms behind the protocols of encodings and layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from monitor.decode.columns import Limits, Rules, Shape
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
from monitor.decode.formats.events import Names, events_of
from monitor.decode.formats.tensors import require_rows
from monitor.decode.formats.unwrap import looks_like_json, tree_of
from monitor.decode.layout import LeftAside
from monitor.decode.values import NAME_LENGTH, bad_name
from monitor.errors import RejectedRecord
from monitor.events import ModelKey

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
    """A platform's records as native events.

    `names` are the settings' names for rows without names; else those are taken that `shapes` has for a model version.
    `binary` says of a model's name whether it has two classes.
    """

    places: Mapping[str, str] = {}

    def __init__(
        self,
        name: str,
        rules: Rules,
        names: Sequence[str] | None,
        shapes: Callable[[ModelKey], Shape | None],
        binary: Callable[[str], bool],
    ) -> None:
        self._read = READERS[name]
        self._limits = rules.limits
        self._names = names
        self._model, self._version = rules.model, rules.version
        self._shapes = shapes
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
        model = self._model or call.model or ""
        return events_of(call, lambda: self._names_of(model, call), binary=self._binary(model))

    def _names_of(self, model: str, call: Call) -> Names:
        """The names for rows of a call without names."""
        version = (self._version if self._version is not None else call.version) or ""
        is_usable = 0 < len(model) <= NAME_LENGTH and len(version) <= NAME_LENGTH and not bad_name(model + version)
        shape = self._shapes(ModelKey(model, version)) if is_usable else None
        known = None if shape is None else shape.names
        return Names(self._names or known or None, judged=known is not None)


def received(tree: object, record: RecordInfo) -> Received:
    """A record as formats read it; `tree` may be bytes."""
    headers = {name.lower(): (value or b"").decode(errors="replace") for name, value in record.headers}
    if isinstance(tree, bytes):
        return Received(record.topic, record.key, headers, tree)
    return Received(record.topic, record.key, headers, b"", tree)
