"""A state as typed parts: tasks, model versions, the labels of both, the outbox, and what is of the whole.

The engine uses typed values and does not depend on their encoding; here each part gets a name, a version and a tree
(`codec`), so that a store can keep parts separately: as frames of files in a folder, or as keys of a compacted topic.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from monitor.chain import Head, Told
from monitor.count.exchange import LabelExchange
from monitor.count.labels.joins import Joins, ModelJoinState
from monitor.count.task import Task
from monitor.count.task_state import TaskLabelsState, TaskState
from monitor.count.totals import LabelTotals
from monitor.count.warmup.rows import OpenRows, WarmupRows
from monitor.decode.half import Half
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.judge.warmup import Warmup, WarmupState
from monitor.state import (
    codec,
    join_part,
    label_parts,
    labels_within,
    model_part,
    one_tree,
    pairs_part,
    task_part,
    warmup_part,
)
from monitor.state.directory import Loaded
from monitor.state.finding_trees import rebase_of, transition_of
from monitor.state.frozen import frozen
from monitor.state.label_parts import ModelLabels
from monitor.state.model_part import ModelState
from monitor.state.part_files import Part, not_frozen
from monitor.state.told_trees import told_of, told_tree
from monitor.state.versions import Tree, require_version

FORMAT: Final = 4
OUTBOX: Final = "outbox"
#: from 2 on findings have a level; from 3 on all that is told is one queue, with the head of its chain
OUTBOX_VERSION: Final = 3
_ONE_QUEUE: Final = 3

#: exceptions of a reader whose tree has an unexpected shape
NO_SUCH_STATE: Final = (msgspec.ValidationError, LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class OutboxState:
    """What is to be told and not acknowledged yet, oldest first, and where its chain stood before; None: an earlier
    version had no chain."""

    unsent: tuple[Told, ...] = ()
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """What belongs to no part: cluster and topics of the state, when it was saved (microseconds), model versions in
    order of first event, records that were gone before they were read, by partition, and formats that were found, by
    topic."""

    cluster: str = ""
    topics: Mapping[str, str] = field(default_factory=dict)
    saved_at_us: int = 0
    seen: Sequence[ModelKey] = ()
    gaps: Mapping[Partition, int] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """A state that was read. Whoever continues from it owns its tallies."""

    whole: Whole
    tasks: list[TaskState]
    task_labels: list[TaskLabelsState]
    models: list[ModelState]
    model_labels: list[ModelLabels]
    outbox: OutboxState
    warmups: list[WarmupState] = field(default_factory=list)
    warmup_rows: list[OpenRows] = field(default_factory=list)
    halves: list[Half] = field(default_factory=list)
    joins: list[ModelJoinState] = field(default_factory=list)


def retired(state: State) -> list[ModelKey]:
    """The model versions that were retired."""
    return [model.key for model in state.models if model.judge is not None and model.judge.retired]


@dataclass(frozen=True, slots=True)
class Cut:
    """A state to be saved, at one moment.

    The trees of its parts are made when they are asked for: before the next batch is counted, or they are frozen.
    """

    whole: Whole
    parts: list[Part]

    def frozen(self, names: Container[str]) -> Cut:
        """The same as values that do not change while the loop goes on, of the parts with these names only."""
        return Cut(self.whole, [_frozen(part) if part.name in names else _known(part) for part in self.parts])

    def state(self) -> State:
        """The state as a store would load it."""
        trees = {part.name: codec.decode(codec.encode(part.tree())) for part in self.parts}
        return state_of(whole_tree(self.whole), trees)


def _frozen(part: Part) -> Part:
    tree = frozen(part.tree())
    return part._replace(tree=lambda: tree)


def _known(part: Part) -> Part:
    return part._replace(tree=not_frozen)


def of_task(task: Task) -> list[Part]:
    """The part of a task, and that of its labels."""
    events = Part(task_part.name_of(task.number), task.mark(), lambda: task_part.encode(task.to_state()), task.ids())
    name, labels = label_parts.task_name(task.number), task.labels
    return [events, Part(name, labels.mark(), lambda: label_parts.encode_task(labels.to_state()))]


def model(key: ModelKey, mark: Hashable, make: Callable[[], ModelState]) -> Part:
    """The part of a model version."""
    return Part(model_part.name_of(key), mark, lambda: model_part.encode(make()))


def of_labels(totals: LabelTotals, exchange: LabelExchange, joins: Joins) -> list[Part]:
    """The parts of the labels of all model versions that anything is known of, and of the joins of all models."""

    def part(key: ModelKey) -> Part:
        def tree() -> Tree:
            return label_parts.encode_model(ModelLabels(key, totals.of(key), exchange.to_state(key)))

        return Part(label_parts.model_name(key), (totals.mark(key), exchange.mark(key)), tree)

    return [*(part(key) for key in sorted({*totals.tallies, *exchange.keys()})), *join_part.parts_of(joins)]


def of_warmups(warmups: Iterable[Warmup], rows: WarmupRows) -> list[Part]:
    """The parts of all warm-ups, and of the references that were learned."""
    return [part for warmup in warmups for part in warmup_part.parts_of(warmup, rows)]


def outbox(unsent: Sequence[Told], head: Head = Head()) -> Part:  # noqa: B008  # it never changes
    """The part of what is to be told; its mark is the head of the chain, and the ids."""

    def tree() -> Tree:
        return {"version": OUTBOX_VERSION, "head": list(head), "unsent": [told_tree(one) for one in unsent]}

    return Part(OUTBOX, (head, *(one.id for one in unsent)), tree)


def whole_tree(whole: Whole) -> Tree:
    """The tree of `Whole`."""
    return {
        "format": FORMAT,
        "cluster": whole.cluster,
        "topics": dict(whole.topics),
        "saved_at": whole.saved_at_us,
        "seen": [list(key) for key in whole.seen],
        "gaps": [[*partition, count] for partition, count in whole.gaps.items()],
        "formats": dict(whole.formats),
    }


class _Whole(msgspec.Struct):
    cluster: str
    topics: dict[str, str]
    saved_at: int
    seen: list[tuple[str, str]]
    gaps: list[tuple[str, int, int]]
    formats: dict[str, str] = {}


class _Outbox(msgspec.Struct):
    unsent: list[Tree]
    rebases: list[Tree] = []
    head: tuple[str, int, str] | None = None


def state_in(loaded: Loaded) -> State:
    """The state of a checkpoint, also of one by an earlier version.

    Raises:
        UsageError: it has another format, or is not a state of driftd; with the file and the remedy.
    """
    try:
        return state_of(loaded.tree, loaded.parts)
    except NO_SUCH_STATE as error:
        raise UsageError(no_such_state(loaded, error)) from error


def no_such_state(loaded: Loaded, error: Exception) -> str:
    """The message for a checkpoint that is intact but cannot be understood."""
    what = [type(error).__name__, *getattr(error, "__notes__", ())]
    what += [str(error)] if isinstance(error, msgspec.ValidationError) else []
    return (
        f"state.path: {loaded.path} is intact, but this version does not understand it ({': '.join(what)}); "
        "move it away, and the previous checkpoint is used"
    )


def state_of(tree: Mapping[str, Any], parts: Mapping[str, Any]) -> State:
    """The state from the tree of `Whole` and the trees of its parts.

    Raises:
        UsageError: it has another format.
        NO_SUCH_STATE: a tree has an unexpected shape; a note names the part.
    """
    if tree.get("format") in one_tree.FORMATS:
        tree, parts = one_tree.divided(tree)
    if tree.get("format") == labels_within.FORMAT:
        tree, parts = labels_within.apart(tree, parts)
    if tree.get("format") != FORMAT:
        raise UsageError(f"the state has format {tree.get('format')!r}, this version reads 1 to {FORMAT}")
    whole = msgspec.convert(tree, _Whole)
    halves = pairs_part.decode(parts.get(pairs_part.NAME))
    state = State(_whole_of(whole), [], [], [], [], _outbox_of(parts[OUTBOX]), halves=halves)
    blocks = dict(
        warmup_part.block_of(name, of_part)
        for name, of_part in parts.items()
        if name.startswith(warmup_part.BLOCK_PREFIX)
    )
    for name, of_part in parts.items():
        try:
            _read_part(state, name, of_part, blocks)
        except NO_SUCH_STATE as error:
            error.add_note(name)
            raise
    _require_labels(state)
    return state


def _read_part(state: State, name: str, tree: Any, blocks: Mapping[tuple[ModelKey, int], bytes]) -> None:  # noqa: ANN401 - its shape is checked
    """Add a part to the state by its name."""
    if name.startswith(task_part.PREFIX):
        state.tasks.append(task_part.decode(tree))
    elif name.startswith(label_parts.TASK_PREFIX):
        state.task_labels.append(label_parts.decode_task(tree))
    elif name.startswith(model_part.PREFIX):
        state.models.append(model_part.decode(tree))
    elif name.startswith(label_parts.MODEL_PREFIX):
        state.model_labels.append(label_parts.decode_model(tree))
    elif name.startswith(join_part.PREFIX):
        state.joins.append(join_part.decode(tree))
    elif name.startswith(warmup_part.PREFIX):
        state.warmups.append(warmup_part.decode(tree, blocks))
    elif name.startswith(warmup_part.OPEN_PREFIX):
        state.warmup_rows.append(warmup_part.decode_open(tree))
    elif name not in {OUTBOX, pairs_part.NAME} and not name.startswith(warmup_part.BLOCK_PREFIX):
        raise msgspec.ValidationError("this version does not know this part")


def _require_labels(state: State) -> None:
    """Every task has a part of its labels, and every model version of which something was judged."""
    tasks, models = {one.number for one in state.task_labels}, {one.key for one in state.model_labels}
    missing = [label_parts.task_name(one.number) for one in state.tasks if one.number not in tasks]
    judged = [one.key for one in state.models if one.exchange.judged_until_us is not None]
    missing += [label_parts.model_name(key) for key in judged if key not in models]
    if missing:
        raise msgspec.ValidationError(f"no part {missing[0]}")


def _whole_of(read: _Whole) -> Whole:
    return Whole(
        read.cluster,
        read.topics,
        read.saved_at,
        [ModelKey(*key) for key in read.seen],
        {Partition(topic, number): count for topic, number, count in read.gaps},
        read.formats,
    )


def _outbox_of(tree: Tree) -> OutboxState:
    version, read = require_version(tree, OUTBOX_VERSION), msgspec.convert(tree, _Outbox)
    if version < _ONE_QUEUE:
        return OutboxState((*map(transition_of, read.unsent), *map(rebase_of, read.rebases)))
    if read.head is None:
        raise msgspec.ValidationError("the outbox has no head")
    return OutboxState(tuple(map(told_of, read.unsent)), Head(*read.head))
