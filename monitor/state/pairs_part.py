"""The sides of calls that wait for their other side, as a part of a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from monitor.decode.half import Half, half_of, half_tree
from monitor.state.versions import Tree, require_version

VERSION: Final = 1
NAME: Final = "pairs"


class _Half(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    ts: int
    time: int
    model: str
    call: bytes


class _Pairs(msgspec.Struct):
    halves: list[_Half]


def encode(halves: Sequence[Half]) -> Tree:
    """The tree."""
    return {"version": VERSION, "halves": [half_tree(half) for half in halves]}


def decode(tree: Tree | None) -> list[Half]:
    """The inverse of `encode`; a state without the part has none.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError: the tree does not come from `encode`.
    """
    if tree is None:
        return []
    require_version(tree, VERSION)
    return [half_of(msgspec.structs.asdict(half)) for half in msgspec.convert(tree, _Pairs).halves]
