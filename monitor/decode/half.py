"""One side of a call that waits for the other side, and both together."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import xxhash
from msgspec.structs import replace

from monitor.decode.formats.bodies import Unnamed
from monitor.decode.formats.call import REQUEST, RESPONSE, WHOLE, Call, Row, Wrong
from monitor.events import Partition


class Half(NamedTuple):
    """A side of a call, and the record that it came in. `time_ms` is the record's timestamp, -1 without one."""

    partition: Partition
    offset: int
    ts_us: int
    time_ms: int
    model: str
    call: Call

    @property
    def key(self) -> tuple[str, str]:
        """What the other side is looked for by: the pair, and this side."""
        return self.call.pair, self.call.side

    @property
    def other_key(self) -> tuple[str, str]:
        """The key of the other side."""
        return self.call.pair, RESPONSE if self.call.side == REQUEST else REQUEST

    @property
    def digest(self) -> int:
        """A hash by which a repetition of this side is known; 0 for one without an id."""
        name = self.call.pair or self.call.id
        text = f"{self.call.side}\0{self.model}\0{name}"
        return xxhash.xxh3_64_intdigest(text.encode(errors="replace")) if name else 0

    @property
    def events(self) -> int:
        """The events that it counts for: one a row."""
        return events_in(self.call)


def events_in(call: Call) -> int:
    """The events that a side of a call counts for: one a row."""
    return max(1, len(call.rows or call.answers or ()))


class Pair(NamedTuple):
    """A call whose sides came, or one of them alone; it stands at the place and time of the request, if that came.

    `others` are the sides that stand elsewhere.
    """

    at: Half
    call: Call | None
    others: tuple[Half, ...] = ()


class CallValue(bytes):
    """The value of a record that stands for a whole call; `format` is the one that was found for its topic, or ""."""

    call: Call
    format: str

    @classmethod
    def of(cls, call: Call, format_found: str) -> CallValue:
        """A value without a meaning of its own."""
        value = cls(b"{}")
        value.call, value.format = call, format_found
        return value


def joined(one: Half, other: Half) -> Pair:
    """Both sides as a whole call."""
    request, response = (one, other) if one.call.side == REQUEST else (other, one)
    first, second = request.call, response.call
    whole = replace(
        first,
        side=WHOLE,
        id=first.id or second.id,
        model=first.model or second.model,
        version=second.version or first.version,
        answers=second.answers,
        tags={**second.tags, **first.tags},
    )
    return Pair(request, whole, (response,))


def alone(half: Half) -> Pair:
    """A side whose other one did not come; nothing is left of a response that is an error."""
    empty = half.call.rows is None and half.call.answers is None
    return Pair(half, None if empty else replace(half.call, side=WHOLE))


_FIELDS: Final = ("side", "id", "pair", "model", "version", "ts", "answers", "labels", "tags")


def half_tree(half: Half) -> dict[str, Any]:
    """A half as a state keeps it; the call is JSON as Python writes it, with NaN and infinities."""
    call = {name: getattr(half.call, name) for name in _FIELDS}
    call["rows"] = None if half.call.rows is None else [_row_tree(row) for row in half.call.rows]
    return {
        "topic": half.partition.topic,
        "partition": half.partition.number,
        "offset": half.offset,
        "ts": half.ts_us,
        "time": half.time_ms,
        "model": half.model,
        "call": json.dumps(call).encode(),
    }


def half_of(tree: dict[str, Any]) -> Half:
    """The inverse of `half_tree`.

    Raises:
        LookupError, TypeError, ValueError: the tree is not from there.
    """
    call = json.loads(tree["call"])
    rows = call.pop("rows")
    read = Call(**call, rows=None if rows is None else [_row_of(row) for row in rows])
    partition = Partition(tree["topic"], tree["partition"])
    return Half(partition, tree["offset"], tree["ts"], tree["time"], tree["model"], read)


def _row_tree(row: Row) -> list[Any]:
    if isinstance(row, Wrong):
        return ["wrong", row.reason, row.message]
    if isinstance(row, Unnamed):
        return ["tensor", row.name, list(row)]
    return ["row", row]


def _row_of(tree: list[Any]) -> Row:
    kind, *rest = tree
    if kind == "wrong":
        return Wrong(*rest)
    return Unnamed(rest[1], rest[0]) if kind == "tensor" else rest[0]
