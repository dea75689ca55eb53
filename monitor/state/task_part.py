"""The state of a task as a tree, and back; its labels are a part of their own."""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.count.task_state import OpenPane, PaneKey, SavedPartition, TaskState
from monitor.events import ModelKey
from monitor.state.versions import Tree, require_version
from monitor.stats.tallies.later import Later
from monitor.stats.tallies.tally import pack_mixed, unpack_mixed

#: from 2 on labels are not in it
VERSION: Final = 2
PREFIX: Final = "task/"


class _Partition(msgspec.Struct):
    next_offset: int
    read_clock: int
    clock: Tree
    ids: Tree


class _Open(msgspec.Struct):
    whose: list[tuple[str, str, str, int]]
    tallies: Tree


class _Task(msgspec.Struct):
    number: int
    partitions: dict[str, _Partition]
    open: _Open
    outcomes: list[tuple[str, str, str, int]]


def name_of(number: int) -> str:
    """The name of the part."""
    return f"{PREFIX}{number}"


def encode(state: TaskState) -> Tree:
    """The tree, with event ids as growing rows that a store may keep apart."""
    return {
        "version": VERSION,
        "number": state.number,
        "partitions": {
            topic: {
                "next_offset": one.next_offset,
                "read_clock": one.read_clock_us,
                "clock": one.clock,
                "ids": one.ids,
            }
            for topic, one in state.partitions.items()
        },
        "open": {
            "whose": [[*one.pane_key.key, one.pane_key.segment, one.pane] for one in state.open],
            "tallies": Later(lambda: pack_mixed([one.tally for one in state.open])),  # a task copies what a cut has
        },
        "outcomes": [[*outcome, count] for outcome, count in state.outcomes.items()],
    }


def decode(tree: Tree) -> TaskState:
    """The inverse of `encode`.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError: the tree does not come from `encode`.
    """
    require_version(tree, VERSION)
    read = msgspec.convert(tree, _Task)
    return TaskState(
        read.number,
        {
            topic: SavedPartition(one.next_offset, one.read_clock, one.clock, one.ids)
            for topic, one in read.partitions.items()
        },
        [
            OpenPane(PaneKey(ModelKey(model, version), segment), pane, tally)
            for (model, version, segment, pane), tally in zip(
                read.open.whose, unpack_mixed(read.open.tallies), strict=True
            )
        ],
        {(topic, outcome, reason): count for topic, outcome, reason, count in read.outcomes},
    )
