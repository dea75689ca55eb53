"""Builds columns from rows: the events of a batch, and one group of rows per wanted model version."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeVar, cast

import numpy as np
import xxhash
from msgspec import UNSET
from numpy.typing import NDArray

from monitor.decode.columns import MISSING, Events, Group, Outcomes, Rejected, Shape
from monitor.decode.native.blocks import Block, joined_blocks
from monitor.decode.native.rows import AnyRow, Columns, Grouped, RowDecoder, is_given, kind_of, label_of
from monitor.events import KINDS, LABEL, PREDICTION, ModelKey

#: rows turned into columns at a time, so that their objects fit the processor's cache
CHUNK: Final = 600
#: ... where they are of several versions, because each has some work of its own
CHUNK_OF_MANY: Final = 4_000
#: ... and so many bytes of their values, where vectors or texts are among them
CHUNK_BYTES: Final = 1 << 20

_KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

_DIGEST: Final = xxhash.xxh3_64_intdigest
_T = TypeVar("_T", bound=np.generic)
_Keys = NDArray[np.uint64]


class ColumnsBuilder:
    """Collects the rows of one batch in their order, chunk by chunk."""

    def __init__(self, decoder_of: Callable[[ModelKey], RowDecoder]) -> None:
        self._decoder_of = decoder_of
        self._count = 0
        self._index: dict[tuple[str, str], int] = {}
        self._keys: list[ModelKey] = []
        self._builders: dict[int, _GroupBuilder | None] = {}
        #: of the rows that were added: kind, key, ts, offset, id_key, join_key
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._label_rows: list[int] = []
        self._label_values: list[object] = []
        self._label_amounts: list[float] = []
        self._outcomes = OutcomesBuilder()
        self.rejected: list[Rejected] = []
        self.tombstones = 0
        self.left_aside = 0

    def add(
        self,
        rows: Sequence[AnyRow] | None,
        columns: Columns,
        ts: NDArray[np.int64],
        offset: NDArray[np.int64],
        grouped: Grouped | None = None,
    ) -> None:
        """Add valid rows (None: those of the columns), with their columns, times in microseconds and offsets, all of
        the same length. If they are `grouped`, the offsets say in which order they are added."""
        kind = _kind(columns)
        if rows is None and kind is None:
            rows = columns.rows()
        kinds = (
            np.fromiter((_KIND_CODES[kind_of(row)] for row in rows or ()), np.int8, len(ts))
            if kind is None
            else np.full(len(ts), kind, np.int8)
        )
        runs = _runs(columns, grouped)
        key = self._key_indices(columns, runs)
        added: tuple[NDArray[Any], ...] = (kinds, key, ts, offset, *_id_keys(columns, runs))
        places = np.arange(len(ts))  # of each row among those that are added, in the order of their records
        if grouped is not None:
            order = np.argsort(offset)
            places = np.argsort(order)
            added = tuple(values[order] for values in added)
        self._parts.append(added)
        first, self._count = self._count, self._count + len(kinds)
        if kind == LABEL:
            self._add_labels(columns if grouped is None else columns.at(order.tolist()), first)
            return
        at = np.arange(len(kinds))
        if kind is None and (kinds == LABEL).any():
            labels = np.flatnonzero(kinds == LABEL)
            for i in labels[np.argsort(places[labels])].tolist():
                self._add_label((rows or ())[i], first + int(places[i]))
            at = np.flatnonzero(kinds != LABEL)
        if len(at):
            self._add_events(columns, kinds, key, at, first + places, is_grouped=grouped is not None)

    def _add_labels(self, columns: Columns, first: int) -> None:
        """Label events without outcomes, as `_add_label` adds them one by one."""
        self._label_rows.extend(range(first, self._count))
        self._label_values.extend(columns.label)
        self._label_amounts.extend(MISSING if value is None or value is UNSET else value for value in columns.value)

    def _add_label(self, row: AnyRow, position: int) -> None:
        self._label_rows.append(position)
        if is_given(row.outcomes):
            self._outcomes.add(len(self._label_values), cast("dict[str, object]", row.outcomes))
        self._label_values.append(label_of(row))
        self._label_amounts.append(MISSING if row.value is None or row.value is UNSET else row.value)

    def _add_events(
        self,
        columns: Columns,
        kind: NDArray[np.int8],
        key: NDArray[np.int32],
        at: NDArray[np.int64],
        positions: NDArray[np.int64],
        *,
        is_grouped: bool,
    ) -> None:
        """Add the rows `at` some places, which are no labels: rows of versions with the same layout together.

        `positions` are those of all rows among the events; `is_grouped`: the rows of a version follow each other.
        """
        own = key[at]
        if not is_grouped and (own[1:] < own[:-1]).any():
            order = np.argsort(own, kind="stable")
            at, own = at[order], own[order]
        ends = [*(np.flatnonzero(own[1:] != own[:-1]) + 1).tolist(), len(own)]
        by_layout: dict[Hashable, list[tuple[_GroupBuilder, NDArray[np.int64]]]] = {}
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            builder = self._builder(int(own[start]))
            if builder is not None:
                by_layout.setdefault(builder.decoder.layout, []).append((builder, at[start:end]))
        for runs in by_layout.values():
            places = runs[0][1] if len(runs) == 1 else np.concatenate([places for _, places in runs])
            of_all = len(places) == len(kind) and _rises(places)
            builder, end = runs[0][0], 0
            block = Block.of(
                columns if of_all else columns.at(places.tolist()), kind[places], builder.decoder, builder.shape
            )
            for builder, places in runs:
                start, end = end, end + len(places)
                builder.add(block.rows(start, end), positions[places])

    def _key_indices(self, columns: Columns, runs: _Runs | None) -> NDArray[np.int32]:
        if runs is not None:
            return np.repeat(np.array([self._index_of(one) for one in runs.versions], np.int32), runs.lengths)
        pairs = zip(columns.model, columns.version, strict=True)
        return np.fromiter(map(self._index_of, pairs), np.int32, len(columns.model))

    def _index_of(self, pair: tuple[str, str]) -> int:
        index = self._index.get(pair)
        if index is None:
            index = self._index[pair] = len(self._keys)
            self._keys.append(ModelKey(*pair))
        return index

    def _builder(self, index: int) -> _GroupBuilder | None:
        if index not in self._builders:
            key = self._keys[index]
            decoder = self._decoder_of(key)
            shape = decoder.shape
            self._builders[index] = None if shape is None else _GroupBuilder(key, decoder, shape)
        return self._builders[index]

    def finish(self) -> Events:
        """The events of all rows that were added."""
        kind, key, ts, offset, id_key, join_key = zip(*self._parts, strict=True) if self._parts else ((),) * 6
        return Events(
            kind=_joined(kind, np.int8),
            key=_joined(key, np.int32),
            keys=self._keys,
            ts=_joined(ts, np.int64),
            offset=_joined(offset, np.int64),
            id_key=_joined(id_key, np.uint64),
            join_key=_joined(join_key, np.uint64),
            groups=[builder.finish() for builder in self._builders.values() if builder is not None],
            label_rows=np.array(self._label_rows, np.int64),
            label_values=self._label_values,
            label_amounts=np.array(self._label_amounts, np.float64),
            rejected=self.rejected,
            tombstones=self.tombstones,
            left_aside=self.left_aside,
            outcomes=self._outcomes.finish(),
        )


def _rises(values: NDArray[np.int64]) -> bool:
    return bool((values[:-1] <= values[1:]).all())


class OutcomesBuilder:
    """Collects the outcomes of label events."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._label: list[int] = []
        self._name: list[int] = []
        self._values: list[object] = []

    def add(self, label: int, outcomes: Mapping[str, object]) -> None:
        """Add those of one label event, at its place among the label events."""
        for name, value in outcomes.items():
            self._label.append(label)
            self._name.append(self._names.setdefault(name, len(self._names)))
            self._values.append(value)

    def finish(self) -> Outcomes:
        return Outcomes(
            np.array(self._label, np.int64), np.array(self._name, np.int64), list(self._names), self._values
        )


class _GroupBuilder:
    """The rows of one model version: parts of blocks."""

    def __init__(self, key: ModelKey, decoder: RowDecoder, shape: Shape) -> None:
        self._key = key
        self.decoder, self.shape = decoder, shape
        self._blocks: list[Block] = []
        self._rows: list[NDArray[np.int64]] = []

    def add(self, block: Block, rows: NDArray[np.int64]) -> None:
        self._blocks.append(block)
        self._rows.append(rows)

    def finish(self) -> Group:
        return joined_blocks(self._blocks).group(self._key, _joined(self._rows, np.int64))


def _joined(parts: Sequence[NDArray[_T]], kind: type[_T]) -> NDArray[_T]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _kind(columns: Columns) -> int | None:
    """The kind of all rows, where they certainly have one; None where each has to be asked."""
    if columns.are_predictions():
        return PREDICTION
    return LABEL if columns.are_plain_labels() else None


class _Runs(NamedTuple):
    """Model versions, and how many rows after each other are of each."""

    versions: Sequence[tuple[str, str]]
    lengths: Sequence[int]


def _runs(columns: Columns, grouped: Grouped | None) -> _Runs | None:
    """None for rows of several versions that are not grouped."""
    if grouped is not None:
        return _Runs([(columns.model[start], columns.version[start]) for start in grouped.starts], grouped.lengths())
    return _Runs([(columns.model[0], columns.version[0])], [len(columns.id)]) if columns.of_one_version() else None


def _id_keys(columns: Columns, runs: _Runs | None) -> tuple[_Keys, _Keys]:
    """The keys of each id, by its model version and by its model; 0 without an id."""
    if runs is not None:
        try:
            return keys_of_ids(cast("tuple[str, ...]", columns.id), *runs)
        except TypeError:  # an id is an integer or missing
            pass
    names = [str(name).encode() if is_given(name) else None for name in columns.id]
    versions = list(zip(columns.model, columns.version, strict=True))
    return _hashed(names, versions), _hashed(names, [(model,) for model in columns.model])


def keys_of_ids(ids: Sequence[str], versions: Sequence[tuple[str, str]], lengths: Sequence[int]) -> tuple[_Keys, _Keys]:
    """xxh3_64 of each id, seeded by its model version, and by its model. So many ids are of each version.

    Raises:
        TypeError: an id is no text.
    """
    names = list(map(str.encode, ids))

    def hashed(seeds: Iterable[int]) -> _Keys:
        each = chain.from_iterable(map(repeat, seeds, lengths))
        return np.fromiter(map(_DIGEST, names, each), np.uint64, len(names))

    return hashed(_seed(model, version) for model, version in versions), hashed(_seed(model) for model, _ in versions)


def _hashed(names: Sequence[bytes | None], whose: Sequence[tuple[str, ...]]) -> _Keys:
    seeds = {one: _seed(*one) for one in set(whose)}
    each = (0 if name is None else _DIGEST(name, seeds[one]) for name, one in zip(names, whose, strict=True))
    return np.fromiter(each, np.uint64, len(names))


def _seed(*names: str) -> int:
    return _DIGEST("\0".join(names).encode())
