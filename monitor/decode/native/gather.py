"""Builds columns from rows: the events of a batch, and one group of rows per wanted model version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np
import xxhash
from msgspec import UNSET
from numpy.typing import NDArray

from monitor.decode.columns import MISSING, TYPE_VALUE, Events, Group, Outcomes, Rejected, Shape
from monitor.decode.derived import derived_cells, value_of
from monitor.decode.native.probabilities import confidences, probabilities
from monitor.decode.native.rows import AnyRow, Columns, RowDecoder, is_given, kind_of, label_of
from monitor.decode.values import category_value, may_hold_odd, numeric_value
from monitor.events import FEATURES, KINDS, LABEL, PREDICTION, ModelKey

#: rows turned into columns at a time, so that their objects fit the processor's cache
CHUNK: Final = 600
#: ... and so many bytes of their values, where vectors or texts are among them
CHUNK_BYTES: Final = 1 << 20

_KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
#: types of the cells of a column that needs no conversion, by kind of the feature
_NUMBERS: Final = frozenset({float, bool, type(None)})
_CATEGORIES: Final = frozenset({str, float, bool, type(None), type(TYPE_VALUE)})

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
        self._kind: list[NDArray[np.int8]] = []
        self._key: list[NDArray[np.int32]] = []
        self._ts: list[NDArray[np.int64]] = []
        self._offset: list[NDArray[np.int64]] = []
        self._id_key: list[NDArray[np.uint64]] = []
        self._join_key: list[NDArray[np.uint64]] = []
        self._label_rows: list[int] = []
        self._label_values: list[object] = []
        self._label_amounts: list[float] = []
        self._outcomes = OutcomesBuilder()
        self.rejected: list[Rejected] = []
        self.tombstones = 0
        self.left_aside = 0

    def add(
        self, rows: Sequence[AnyRow] | None, columns: Columns, ts: NDArray[np.int64], offset: NDArray[np.int64]
    ) -> None:
        """Add valid rows (None: those of the columns), with their columns, times in microseconds and offsets, all of
        the same length."""
        is_one_version, kind = columns.of_one_version(), _kind(columns)
        if rows is None and (kind is None or (kind == PREDICTION and not is_one_version)):
            rows = columns.rows()
        kinds = (
            np.fromiter((_KIND_CODES[kind_of(row)] for row in rows or ()), np.int8, len(ts))
            if kind is None
            else np.full(len(ts), kind, np.int8)
        )
        key = self._key_indices(columns, is_one_version)
        self._kind.append(kinds)
        self._key.append(key)
        self._ts.append(ts)
        self._offset.append(offset)
        id_key, join_key = _id_keys_of_one(columns) if is_one_version else _id_keys(columns)
        self._id_key.append(id_key)
        self._join_key.append(join_key)
        first, self._count = self._count, self._count + len(kinds)
        if is_one_version and not kinds.any():
            builder = self._builder(int(key[0]))
            if builder is not None:
                builder.add_columns(columns, kinds, np.arange(first, self._count))
        elif kind == LABEL:
            self._add_labels(columns, first)
        else:
            self._add_each(rows or (), kinds, key, first)

    def _add_labels(self, columns: Columns, first: int) -> None:
        """Label events without outcomes, as `_add_each` adds them one by one."""
        self._label_rows.extend(range(first, self._count))
        self._label_values.extend(columns.label)
        self._label_amounts.extend(MISSING if value is None or value is UNSET else value for value in columns.value)

    def _add_each(self, rows: Sequence[AnyRow], kind: NDArray[np.int8], key: NDArray[np.int32], first: int) -> None:
        places = zip(rows, kind.tolist(), key.tolist(), strict=True)
        for position, (row, code, index) in enumerate(places, first):
            if code == LABEL:
                self._label_rows.append(position)
                if is_given(row.outcomes):
                    self._outcomes.add(len(self._label_values), cast("dict[str, object]", row.outcomes))
                self._label_values.append(label_of(row))
                self._label_amounts.append(MISSING if row.value is None or row.value is UNSET else row.value)
            else:
                builder = self._builder(index)
                if builder is not None:
                    builder.add_row(row, code, position)

    def _key_indices(self, columns: Columns, is_one_version: bool) -> NDArray[np.int32]:
        count = len(columns.model)
        if is_one_version:
            return np.full(count, self._index_of((columns.model[0], columns.version[0])), np.int32)
        pairs = zip(columns.model, columns.version, strict=True)
        return np.fromiter(map(self._index_of, pairs), np.int32, count)

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
        groups = [builder.finish() for builder in self._builders.values() if builder is not None]
        return Events(
            kind=_joined(self._kind, np.int8),
            key=_joined(self._key, np.int32),
            keys=self._keys,
            ts=_joined(self._ts, np.int64),
            offset=_joined(self._offset, np.int64),
            id_key=_joined(self._id_key, np.uint64),
            join_key=_joined(self._join_key, np.uint64),
            groups=groups,
            label_rows=np.array(self._label_rows, np.int64),
            label_values=self._label_values,
            label_amounts=np.array(self._label_amounts, np.float64),
            rejected=self.rejected,
            tombstones=self.tombstones,
            left_aside=self.left_aside,
            outcomes=self._outcomes.finish(),
        )


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
    """The columns of one model version, built in blocks; single rows are collected until they fill one."""

    def __init__(self, key: ModelKey, decoder: RowDecoder, shape: Shape) -> None:
        self._key = key
        self._decoder = decoder
        self._positive = shape.positive
        self._confidence: list[NDArray[np.float64]] | None = [] if shape.confidence else None
        self._classes = shape.classes
        self._probabilities: list[NDArray[np.float32]] = []
        self._pending: list[AnyRow] = []
        self._pending_kinds: list[int] = []
        self._pending_rows: list[int] = []
        self._rows: list[NDArray[np.int64]] = []
        self._has_features: list[NDArray[np.bool_]] = []
        self._numeric: list[NDArray[np.float64]] = []
        self._derived = shape.derived
        self._categorical: list[list[object]] = [
            [] for _ in range(len(decoder.categorical) + sum(len(one.categorical) for one in self._derived))
        ]
        self._score: list[NDArray[np.float64]] = []
        self._prediction: list[object] = []
        self._label: list[object] = []
        self._tag_names = shape.tags
        self._tags: list[list[object]] = [[] for _ in shape.tags]

    def add_row(self, row: AnyRow, kind: int, position: int) -> None:
        self._pending.append(row)
        self._pending_kinds.append(kind)
        self._pending_rows.append(position)
        if len(self._pending) >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            rows, kinds, positions = self._pending, self._pending_kinds, self._pending_rows
            self._pending, self._pending_kinds, self._pending_rows = [], [], []
            self._add_block(Columns.of(rows), np.array(kinds, np.int8), np.array(positions, np.int64))

    def add_columns(self, columns: Columns, kind: NDArray[np.int8], rows: NDArray[np.int64]) -> None:
        self._flush()
        self._add_block(columns, kind, rows)

    def _add_block(self, columns: Columns, kind: NDArray[np.int8], rows: NDArray[np.int64]) -> None:
        self._rows.append(rows)
        self._add_features(columns.features)
        for name, column in zip(self._tag_names, self._tags, strict=True):
            column.extend(_tagged(columns.tags, name))
        prediction, label = _unset_to_none(columns.prediction), _unset_to_none(columns.label)
        score = _scores(columns, self._positive)
        for i in np.flatnonzero(kind == FEATURES).tolist():
            prediction[i] = label[i] = None
            score[i] = MISSING
        if self._confidence is not None:
            self._confidence.append(confidences(columns.scores, prediction))
        if self._classes:
            self._probabilities.append(probabilities(columns.scores, self._classes))
        self._prediction += prediction
        self._label += label
        self._score.append(score)

    def _add_features(self, structs: Sequence[Any]) -> None:
        count = len(structs)
        has_features = np.ones(count, np.bool_)
        try:
            columns = list(zip(*map(msgspec.structs.astuple, structs), strict=True))
        except TypeError:  # some events have no features
            has_features[[i for i, struct in enumerate(structs) if not is_given(struct)]] = False
            absent = self._decoder.absent
            whole = [struct if is_given(struct) else absent for struct in structs]
            columns = list(zip(*map(msgspec.structs.astuple, whole), strict=True))
        self._has_features.append(has_features)
        widened, unchecked = self._decoder.widened, self._decoder.unchecked
        block = np.empty((len(self._decoder.numeric), count), np.float64)
        for place, field in enumerate(self._decoder.numeric):
            column: Sequence[object] = columns[field]
            if widened[field] and not _NUMBERS.issuperset(map(type, column)):
                column = list(map(numeric_value, column))
            block[place] = _floats(column)
            if unchecked and not np.isfinite(block[place]).all():
                block[place] = _floats(list(map(numeric_value, column)))
        for place, field in enumerate(self._decoder.categorical):
            column = columns[field]
            if (widened[field] and not _CATEGORIES.issuperset(map(type, column))) or (
                unchecked and may_hold_odd(column)
            ):
                column = list(map(category_value, column))
            self._categorical[place] += column
        self._numeric.append(self._with_derived(block, columns))

    def _with_derived(self, block: NDArray[np.float64], columns: Sequence[Sequence[object]]) -> NDArray[np.float64]:
        """The numeric columns with those derived of vectors and texts; their categories are added."""
        if not self._derived:
            return block
        blocks, place = [block], len(self._decoder.categorical)
        for derived, field in zip(self._derived, self._decoder.derived, strict=True):
            column = columns[field]
            if self._decoder.widened[field] or self._decoder.unchecked:
                column = list(map(value_of(derived.kind), column))
            numbers, categories = derived_cells(derived, column)
            blocks.append(numbers)
            for own in categories:
                self._categorical[place] += own
                place += 1
        return np.concatenate(blocks)

    def finish(self) -> Group:
        self._flush()
        wanted = len(self._decoder.numeric) + sum(len(one.numeric) for one in self._derived)
        empty = np.empty((wanted, 0), np.float64)
        return Group(
            key=self._key,
            rows=_joined(self._rows, np.int64),
            has_features=_joined(self._has_features, np.bool_),
            numeric=np.concatenate(self._numeric or [empty], axis=1),
            categorical=self._categorical,
            score=_joined(self._score, np.float64),
            prediction=self._prediction,
            label=self._label,
            confidence=None if self._confidence is None else _joined(self._confidence, np.float64),
            tags=self._tags,
            probabilities=self._all_probabilities(),
        )

    def _all_probabilities(self) -> NDArray[np.float32] | None:
        if not self._classes:
            return None
        return np.concatenate([np.empty((0, len(self._classes)), np.float32), *self._probabilities])


def _tagged(tags: Sequence[object], name: str) -> list[object]:
    """The text of one tag for each event; None where it has none."""
    return [cast("dict[str, object]", of).get(name) if is_given(of) else None for of in tags]


def _floats(column: Sequence[object]) -> NDArray[np.float64]:
    try:
        return np.fromiter(column, np.float64, len(column))  # None is a TypeError
    except TypeError:
        return np.array(column, np.float64)  # None becomes NaN, but this is slower


def _joined(parts: list[NDArray[_T]], kind: type[_T]) -> NDArray[_T]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _kind(columns: Columns) -> int | None:
    """The kind of all rows, where they certainly have one; None where each has to be asked."""
    if columns.are_predictions():
        return PREDICTION
    return LABEL if columns.are_plain_labels() else None


def _id_keys_of_one(columns: Columns) -> tuple[_Keys, _Keys]:
    """`_id_keys` for rows that are all of one model version."""
    model, version, count = columns.model[0], columns.version[0], len(columns.id)
    try:
        names = list(map(str.encode, cast("tuple[str, ...]", columns.id)))
    except TypeError:  # an id is an integer or missing
        return _id_keys(columns)
    seeds = (_seed(model, version), _seed(model))
    return tuple(np.fromiter(map(_DIGEST, names, repeat(seed)), np.uint64, count) for seed in seeds)  # type: ignore[return-value]  # two


def _id_keys(columns: Columns) -> tuple[_Keys, _Keys]:
    """xxh3_64 of each id, seeded by its model version, and by its model; 0 without an id."""
    names = [str(name).encode() if is_given(name) else None for name in columns.id]
    versions = list(zip(columns.model, columns.version, strict=True))
    return _hashed(names, versions), _hashed(names, [(model,) for model in columns.model])


def _hashed(names: Sequence[bytes | None], whose: Sequence[tuple[str, ...]]) -> _Keys:
    seeds = {one: _seed(*one) for one in set(whose)}
    each = (0 if name is None else _DIGEST(name, seeds[one]) for name, one in zip(names, whose, strict=True))
    return np.fromiter(each, np.uint64, len(names))


def _seed(*names: str) -> int:
    return _DIGEST("\0".join(names).encode())


def _unset_to_none(column: Sequence[object]) -> list[object]:
    if column.count(UNSET) == len(column):
        return [None] * len(column)
    return [None if value is UNSET else value for value in column]


def _scores(columns: Columns, positive: str) -> NDArray[np.float64]:
    """`score`, or the entry of `scores` for the positive class; MISSING without either."""
    try:
        score = _floats(columns.score)
    except TypeError:  # UNSET for events without a score
        score = np.array([None if value is UNSET else value for value in columns.score], np.float64)
    if not np.isnan(score).any():
        return score
    for i in np.flatnonzero(np.isnan(score)).tolist():
        scores = columns.scores[i]
        if scores is not UNSET and scores is not None:
            probability = scores.get(positive)
            score[i] = MISSING if probability is None else probability
    return score
