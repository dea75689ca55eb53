"""What a record of a serving platform holds: one side of a call of a model, or both, or a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from monitor.decode.values import NAME_LENGTH

Native = dict[str, Any]

REQUEST: Final = "request"
RESPONSE: Final = "response"
WHOLE: Final = "whole"
Side = Literal["request", "response", "whole"]


class Received(NamedTuple):
    """A record as a format reads it. Names of `headers` are in lower case; `tree` is its JSON, None if it is none."""

    topic: str
    key: bytes | None
    headers: Mapping[str, str]
    value: bytes
    tree: object = None


class Wrong(NamedTuple):
    """A row that cannot be read; `reason` is a key of `events.REASONS`."""

    reason: str
    message: str


class Ignored(NamedTuple):
    """A record of a kind that the format leaves aside."""

    what: str


#: a row of a request: values by feature, or values in the order of the feature names
Row = dict[str, object] | list[object] | Wrong


class Call(msgspec.Struct, frozen=True):
    """One side of a call, or both.

    Event ids are made of `id`. Both sides have the same `pair`; that of a call that comes whole is empty, and so is
    that of a side that cannot be paired. `rows` are those of the request, `answers` one a row, as they came; None where
    that side was not captured, or failed; `labels` are already known ones, one a row. `ts` is as in a native event.
    """

    side: Side
    id: str = ""
    pair: str = ""
    model: str | None = None
    version: str | None = None
    ts: object = None
    rows: Sequence[Row] | None = None
    answers: Sequence[object] | None = None
    labels: Sequence[object] | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)


#: what a format makes of a record: a call, label events, or nothing
Read = Call | list[Native] | Ignored


def event_id(call_id: str, row: int) -> str:
    """The id of the event of a row. Of a call's id only so much is kept that one that is too long still is."""
    return f"{call_id[:NAME_LENGTH]}#{row}" if call_id else ""
