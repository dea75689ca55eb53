"""What a layout is: the tree of a record to native events, whatever its bytes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from monitor.decode.encodings.encoding import RecordInfo
from monitor.errors import RejectedRecord

#: a native event: the fields of docs/events.md, as a JSON parser would give them
Event = dict[str, Any]


class LeftAside(Enum):
    """The record is of a kind that its format leaves aside: it is counted as ignored, with the reason `kind`."""

    KIND = "kind"


class Layout(Protocol):
    """Turns the tree of a record into native events, which then obey every rule of native events.

    `places` says where native fields are in a record, for messages about them; it may be empty.
    """

    places: Mapping[str, str]

    def events(self, tree: object, record: RecordInfo) -> object | Sequence[Event | RejectedRecord] | LeftAside:
        """One event (a dict), or a list with an event, or a fault, for each row of the record, in their order.

        An event without `ts` has the record's time. Fields that nobody reads may be left in an event under names of
        their own: `check` and `reference build` say them. Called once for each record of a batch, in their order.

        Raises:
            RejectedRecord: the record as a whole is not valid; the message says where.
        """


class NativeLayout:
    """The tree is a native event, or a list of them, already: native events in another encoding than JSON."""

    places: Mapping[str, str] = {}

    def events(self, tree: object, _record: RecordInfo) -> object:
        return tree
