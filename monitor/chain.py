"""A hash chain over what a process tells: each line holds the hash of the one before, so that a removed or changed one
is noticed.

A chain belongs to one state: it begins with it, and its head is part of every checkpoint. What is told again after a
crash has the same number and the same hash. `links` of a line are not hashed, as they come from the settings at the
time of sending; nor is the time of sending. A list of findings, or of models, is hashed from the last to the first, so
that a line that was sent without the end of it can still be verified.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from monitor.findings import Rebase, Transition
from monitor.notices import Notice

#: what is sent to the alert topic
Told: TypeAlias = Transition | Rebase | Notice

#: lists of which a line may be sent with the beginning alone; a line has one of them, or none
LISTS: Final = ("findings", "models")
LEFT_OUT: Final = "_left_out"
#: fields of a line that its hash does not cover as they are: they depend on the sending
_NOT_HASHED: Final = frozenset({"links", *LISTS, *(name + LEFT_OUT for name in LISTS)})


class Head(NamedTuple):
    """Where a chain stands: `number` lines were acknowledged, the last of them has that hash. A chain without a name
    is none."""

    chain: str = ""
    number: int = 0
    hash: str = ""


class Link(NamedTuple):
    """The place of a line in its chain: `before` is the hash of the line before it, "" in the first one."""

    chain: str
    number: int
    before: str
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.chain, self.number, self.hash)


def linked(head: Head, name: str, data: Mapping[str, Any], rest: str = "") -> Link:
    """The link of the line that follows `head`: its CloudEvent's id and data.

    `rest` is the `rest_hash` of what was left out of its list.
    """
    number = head.number + 1
    content = {
        "chain": head.chain,
        "number": number,
        "before": head.hash,
        "id": name,
        "data": {key: value for key, value in data.items() if key not in _NOT_HASHED},
        "list": rest_hash(next((data[each] for each in LISTS if each in data), ()), rest),
    }
    return Link(head.chain, number, head.hash, _hash(content))


def rest_hash(members: Sequence[object], rest: str = "") -> str:
    """The hash of these members of a list, where `rest` is that of those behind them."""
    for member in reversed(members):
        rest = _hash([member, rest])
    return rest


def after(head: Head, told: Told) -> Head:
    """The head once this line was acknowledged."""
    return linked(head, told.id, told.to_json()).head if head.chain else head


def _hash(content: object) -> str:
    """Of the JSON text with sorted keys, without spaces, in ASCII."""
    text = json.dumps(content, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
