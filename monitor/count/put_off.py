"""Rows that are admitted and not counted yet: a few rows cost as much to count as many, so they wait for others.

Nobody sees the difference: whoever looks at a tally has the rows counted first that belong to it. Tallies add up the
same however rows are cut, so results do not depend on when that is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Group, in_a_row, joined_arrays
from monitor.events import ModelKey, Partition

#: rows of a model version in a partition that are counted without waiting for more
ENOUGH: Final = 1_024
#: what all rows that wait in a process take, in cells of 8 bytes
MOST_CELLS: Final = 1 << 22
#: an event has so many besides its features, a value of a category and the arrays of a part take as much as so many
_OWN_CELLS: Final = 8
_VALUE_CELLS: Final = 4
_PART_CELLS: Final = 250
#: so many parts that came one after the other become one
_JOINED: Final = 8

Ints = NDArray[np.int64]
_T = TypeVar("_T", bound=np.generic)


class Part(NamedTuple):
    """All rows of a group: event times (microseconds), offsets, and which are predictions; (n,) each."""

    partition: Partition
    group: Group
    ts: Ints
    offset: Ints
    is_prediction: NDArray[np.bool_]


@dataclass(slots=True)
class _Waiting:
    """Parts of a model version with the same columns, by partition and in their order; `count` counts one."""

    columns: Hashable
    count: Callable[[Part], None]
    parts: dict[Partition, list[Part]] = field(default_factory=dict)
    #: those behind them, which are not joined yet
    single: dict[Partition, list[Part]] = field(default_factory=dict)
    rows: int = 0
    cells: int = 0


class PutOff:
    """The rows that wait, by task and model version; the tasks of a process share one."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, ModelKey], _Waiting] = {}
        self._cells = 0

    def add(self, number: int, part: Part, aggregator: Hashable, count: Callable[[Part], None]) -> None:
        """Take rows of the task with this number, to be counted by `count` at the latest when somebody looks.

        Rows of one `aggregator` are counted together.
        """
        group = part.group
        place = (number, group.key)
        numbers, categories = len(group.numeric), len(group.categorical)
        columns = (aggregator, numbers, categories, len(group.tags), group.confidence is None)
        waiting = self._waiting.get(place)
        if waiting is not None and waiting.columns != columns:
            self.count_of(*place)
            waiting = None
        if waiting is None:
            waiting = self._waiting[place] = _Waiting(columns, count)
        part = part._replace(group=_alone(group))
        rows = len(part.ts)
        cells = rows * (numbers + _VALUE_CELLS * categories + _OWN_CELLS) + _PART_CELLS
        single = waiting.single.setdefault(part.partition, [])
        single.append(part)
        if len(single) == _JOINED:
            waiting.parts.setdefault(part.partition, []).append(_joined(single))
            single.clear()
            cells -= (_JOINED - 1) * _PART_CELLS
        waiting.rows += rows
        waiting.cells += cells
        self._cells += cells
        if waiting.rows >= ENOUGH:
            self.count_of(*place)
        elif self._cells >= MOST_CELLS:
            self.count_all()

    def count_of(self, number: int, key: ModelKey) -> None:
        """Count what waits of a task and model version."""
        waiting = self._waiting.pop((number, key), None)
        if waiting is not None:
            self._cells -= waiting.cells
            for partition, single in waiting.single.items():
                waiting.count(_joined([*waiting.parts.get(partition, ()), *single]))

    def count_all(self) -> None:
        """Count everything that waits."""
        for place in list(self._waiting):
            self.count_of(*place)

    def drop(self, number: int, key: ModelKey) -> None:
        """Forget what waits of a task and model version."""
        waiting = self._waiting.pop((number, key), None)
        self._cells -= 0 if waiting is None else waiting.cells


def _alone(group: Group) -> Group:
    """The group without what is not counted, and without the rows of others: a few rows would hold on to all those that
    were decoded with them."""
    confidence = None if group.confidence is None else _own(group.confidence)
    return Group(
        group.key,
        _own(group.rows),
        _own(group.has_features),
        _own(group.numeric),
        group.categorical,
        _own(group.score),
        group.prediction,
        group.label,
        confidence=confidence,
        tags=group.tags,
    )


def _own(part: NDArray[_T]) -> NDArray[_T]:
    whole = part.base
    if whole is None or (isinstance(whole, np.ndarray) and whole.nbytes <= 2 * part.nbytes):
        return part
    return part.copy()


def _joined(parts: Sequence[Part]) -> Part:
    """The rows of at least one part of one partition, with the same columns, one after the other."""
    if len(parts) == 1:
        return parts[0]
    groups = [part.group for part in parts]
    first = groups[0]
    group = replace(
        first,
        rows=np.concatenate([group.rows for group in groups]),
        has_features=np.concatenate([group.has_features for group in groups]),
        numeric=np.concatenate([group.numeric for group in groups], axis=1),
        categorical=[in_a_row(columns) for columns in zip(*(group.categorical for group in groups), strict=True)],
        score=np.concatenate([group.score for group in groups]),
        prediction=in_a_row([group.prediction for group in groups]),
        label=in_a_row([group.label for group in groups]),
        confidence=joined_arrays([group.confidence for group in groups]),
        tags=[in_a_row(columns) for columns in zip(*(group.tags for group in groups), strict=True)],
    )
    ts, offset, is_prediction = (np.concatenate(of) for of in zip(*(part[2:] for part in parts), strict=True))
    return Part(parts[0].partition, group, ts, offset, is_prediction)
