"""Rows to blocks: the columns of features and answers of many rows whose versions have the same features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import compress
from struct import Struct
from struct import error as StructError  # noqa: N812  # it is named so in its module
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from monitor.decode.columns import MISSING, TYPE_VALUE, Group, Shape, in_a_row, joined_arrays
from monitor.decode.derived import derived_cells, value_of
from monitor.decode.native.probabilities import confidences, probabilities
from monitor.decode.native.rows import Columns, RowDecoder, is_given
from monitor.decode.values import category_value, may_hold_odd, numeric_value
from monitor.events import FEATURES, ModelKey

#: types of the cells of a column that needs no conversion, by kind of the feature
_NUMBERS: Final = frozenset({float, bool, type(None)})
_CATEGORIES: Final = frozenset({str, bool, type(None), type(TYPE_VALUE)})
_FLOAT_BYTES: Final = 8
#: lengths of blocks whose packers are kept
_PACKERS: Final = 64

_Floats = NDArray[np.float64]


class Block(NamedTuple):
    """The columns of n rows; the fields are those of `Group`."""

    has_features: NDArray[np.bool_]
    numeric: _Floats
    categorical: list[list[object]]
    score: _Floats
    prediction: list[object]
    label: list[object]
    confidence: _Floats | None
    tags: list[list[object]]
    probabilities: NDArray[np.float32] | None

    @classmethod
    def of(cls, columns: Columns, kind: NDArray[np.int8], decoder: RowDecoder, shape: Shape) -> Block:
        """Of rows of versions with the same layout (`RowDecoder.layout`), one of which has this decoder."""
        has_features, numeric, categorical = _features(columns.features, decoder, shape)
        prediction, label = _unset_to_none(columns.prediction), _unset_to_none(columns.label)
        score = _scores(columns, shape.positive)
        if kind.any():
            for i in np.flatnonzero(kind == FEATURES).tolist():
                prediction[i] = label[i] = None
                score[i] = MISSING
        return cls(
            has_features,
            numeric,
            categorical,
            score,
            prediction,
            label,
            confidences(columns.scores, prediction) if shape.confidence else None,
            [_tagged(columns.tags, name) for name in shape.tags],
            probabilities(columns.scores, shape.classes) if shape.classes else None,
        )

    def rows(self, start: int, end: int) -> Block:
        """Some of the rows, without a copy of the numbers."""
        if end - start == len(self.score):
            return self
        return Block(
            self.has_features[start:end],
            self.numeric[:, start:end],
            [column[start:end] for column in self.categorical],
            self.score[start:end],
            self.prediction[start:end],
            self.label[start:end],
            None if self.confidence is None else self.confidence[start:end],
            [column[start:end] for column in self.tags],
            None if self.probabilities is None else self.probabilities[start:end],
        )

    def group(self, key: ModelKey, rows: NDArray[np.int64]) -> Group:
        """These rows as those of a model version, at their positions within `Events`."""
        return Group(key=key, rows=rows, **self._asdict())


def joined_blocks(blocks: Sequence[Block]) -> Block:
    """The rows of at least one block, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        np.concatenate([block.has_features for block in blocks]),
        np.concatenate([block.numeric for block in blocks], axis=1),
        [in_a_row(columns) for columns in zip(*(block.categorical for block in blocks), strict=True)],
        np.concatenate([block.score for block in blocks]),
        in_a_row([block.prediction for block in blocks]),
        in_a_row([block.label for block in blocks]),
        joined_arrays([block.confidence for block in blocks]),
        [in_a_row(columns) for columns in zip(*(block.tags for block in blocks), strict=True)],
        joined_arrays([block.probabilities for block in blocks]),
    )


def _features(
    structs: Sequence[Any], decoder: RowDecoder, shape: Shape
) -> tuple[NDArray[np.bool_], _Floats, list[list[object]]]:
    count = len(structs)
    has_features = np.ones(count, np.bool_)
    try:
        columns = list(zip(*map(msgspec.structs.astuple, structs), strict=True))
    except TypeError:  # some events have no features
        has_features[[i for i, struct in enumerate(structs) if not is_given(struct)]] = False
        absent = decoder.absent
        whole = [struct if is_given(struct) else absent for struct in structs]
        columns = list(zip(*map(msgspec.structs.astuple, whole), strict=True))
    numbers = _numbers(columns, decoder, count)
    categories = _categories(columns, decoder)
    if not shape.derived:
        return has_features, numbers, categories
    parts = [numbers]
    for derived, field in zip(shape.derived, decoder.derived, strict=True):
        column: Sequence[object] = columns[field]
        if decoder.widened[field] or decoder.unchecked:
            column = list(map(value_of(derived.kind), column))
        own, own_categories = derived_cells(derived, column)
        parts.append(own)
        categories += own_categories
    return has_features, np.concatenate(parts), categories


def _numbers(columns: Sequence[Sequence[object]], decoder: RowDecoder, count: int) -> _Floats:
    widened, unchecked, nulls = decoder.widened, decoder.unchecked, decoder.nulls
    block = np.empty((len(decoder.numeric), count), np.float64)
    if not block.size:
        return block
    view, pack_into = block.reshape(-1).view(np.uint8), _packer(count)
    for place, field in enumerate(decoder.numeric):
        column = columns[field]
        if widened[field]:
            column = _converted(column, _NUMBERS, numeric_value)
        if nulls[field]:
            block[place] = np.array(column, np.float64)  # None becomes NaN, but this is three times as slow
            nulls[field] = bool(np.isnan(block[place]).any())
        else:
            try:
                pack_into(view, place * count * _FLOAT_BYTES, *column)
            except StructError:  # it holds None, and so may the next ones
                block[place] = np.array(column, np.float64)
                nulls[field] = True
        if unchecked and not np.isfinite(block[place]).all():
            block[place] = np.array(list(map(numeric_value, column)), np.float64)
    return block


def _categories(columns: Sequence[Sequence[object]], decoder: RowDecoder) -> list[list[object]]:
    categories: list[list[object]] = []
    for field in decoder.categorical:
        column = columns[field]
        if decoder.unchecked and may_hold_odd(column):
            column = list(map(category_value, column))
        elif decoder.widened[field]:
            column = _converted(column, _CATEGORIES, category_value)
        categories.append(list(column))
    return categories


def _converted(
    column: Sequence[object], usual: frozenset[object], converted: Callable[[object], object]
) -> Sequence[object]:
    """The cells of a column whose values may have any type: those of the usual types are cells already."""
    if usual.issuperset(map(type, column)):
        return column
    cells, odd = [*column], {*map(type, column)} - usual
    for at in compress(range(len(cells)), map(odd.__contains__, map(type, column))):
        cells[at] = converted(cells[at])
    return cells


@lru_cache(_PACKERS)
def _packer(count: int) -> Any:  # noqa: ANN401  # a method of Struct
    """What writes so many numbers at once: a third of the time of NumPy's own ways."""
    return Struct(f"={count}d").pack_into


def _floats(column: Sequence[object]) -> _Floats:
    try:
        whole = np.empty(len(column), np.float64)
        if len(column):
            _packer(len(column))(whole, 0, *column)
    except StructError:
        return np.array(column, np.float64)  # None becomes NaN
    return whole


def _scores(columns: Columns, positive: str) -> _Floats:
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


def _unset_to_none(column: Sequence[object]) -> list[object]:
    if column.count(UNSET) == len(column):
        return [None] * len(column)
    return [None if value is UNSET else value for value in column]


def _tagged(tags: Sequence[object], name: str) -> list[object]:
    """The text of one tag for each event; None where it has none."""
    return [cast("dict[str, object]", of).get(name) if is_given(of) else None for of in tags]
