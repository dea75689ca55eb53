"""Decodes native events; those of tables from their columns, where these tell what their JSON would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from msgspec import UNSET

from monitor.clock import FIRST_US, LAST_US
from monitor.decode.columns import (
    ABSENT_BITS,
    ABSENT_VALUE,
    MISSING_BITS,
    Events,
    Group,
    Rules,
    Shape,
)
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.gather import keys_of_ids
from monitor.decode.native.probabilities import confidences, probabilities
from monitor.decode.raw import OneEvent, RawColumn, RawFields
from monitor.decode.table_rows import Predictions, TableRows
from monitor.decode.values import NAME_LENGTH, bad_name
from monitor.events import PREDICTION, ModelKey
from monitor.records import RecordBatch
from monitor.stats.bins.reference_bins import NUMERIC

_ABSENT: Final = np.array(ABSENT_BITS, np.uint64).view(np.float64)
_MISSING: Final = np.array(MISSING_BITS, np.uint64).view(np.float64)


class TableDecoder:
    """The native decoder, which is asked for every batch that is no table, or whose columns do not tell.

    So each record means what its JSON means: whatever might be rejected is read as JSON.
    """

    def __init__(self, shapes: Callable[[ModelKey], Shape | None], rules: Rules) -> None:
        self._inner = NativeDecoder(shapes, rules)
        self._shapes_of, self._rules = shapes, rules
        self._shapes: dict[ModelKey, Shape | None] = {}

    def forget(self, key: ModelKey) -> None:
        """Drop the cached shape of a model version, so that it is asked for again."""
        self._shapes.pop(key, None)
        self._inner.forget(key)

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch, in columns or in `rejected`. Never raises for the content of a record."""
        found = self._told(batch)
        shape = None if found is None else self._shape(self._key(found))
        if found is None or (shape is not None and shape.derived):
            return self._inner.decode(batch)
        events = self._events(batch, found, shape)
        if shape is not None and shape.raw:
            events.groups[0].raw = _raw(found)
        return events

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        """The same events, and for each of their groups all fields as they came. Never raises either."""
        found = self._told(batch)
        shape = None if found is None else self._shape(self._key(found))
        if found is None or (shape is not None and shape.derived):
            return self._inner.survey(batch)
        events = self._events(batch, found, shape)
        return events, [_raw(found) for _ in events.groups]

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        """The features of one event of each of these records, wanted or not; None where it has none."""
        places = list(places)
        found = batch.values.at(places).predictions() if places and isinstance(batch.values, TableRows) else None
        if found is None or not found.features:
            return self._inner.features(batch, places)
        rows = zip(*(column.values() for column in found.features.values()), strict=True)
        return [OneEvent(0, dict(zip(found.features, row, strict=True))) for row in rows]

    def _told(self, batch: RecordBatch) -> Predictions | None:
        """What the columns of a table tell, None where its JSON has to be read."""
        if not isinstance(batch.values, TableRows) or not len(batch) or batch.times_ms is not None:
            return None
        found, limits = batch.values.predictions(), self._rules.limits
        if found is None or found.most_bytes > limits.record_bytes or len(found.features) > limits.features:
            return None
        key = self._key(found)
        names = (key.model, key.version, *found.features, *found.tags)
        if not key.model or any(len(name) > NAME_LENGTH or bad_name(name) for name in names) or "" in found.features:
            return None
        ids = found.ids or ()
        if ids and (max(map(len, ids)) > NAME_LENGTH or bad_name("".join(ids))):
            return None
        return found if found.ts.min() >= FIRST_US and found.ts.max() <= LAST_US else None

    def _key(self, found: Predictions) -> ModelKey:
        model, version = self._rules.model, self._rules.version
        return ModelKey(found.model if model is None else model, found.version if version is None else version)

    def _shape(self, key: ModelKey) -> Shape | None:
        if key not in self._shapes:
            self._shapes[key] = self._shapes_of(key)
        return self._shapes[key]

    def _events(self, batch: RecordBatch, found: Predictions, shape: Shape | None) -> Events:
        count, key = len(batch), self._key(found)
        nobody = np.zeros(count, np.uint64)
        ids = (nobody, nobody) if found.ids is None else keys_of_ids(found.ids, [key], [count])
        return Events(
            kind=np.full(count, PREDICTION, np.int8),
            key=np.zeros(count, np.int32),
            keys=[key],
            ts=found.ts,
            offset=batch.offsets,
            id_key=ids[0],
            join_key=ids[1],
            groups=[] if shape is None else [_group(key, found, shape, count)],
            label_rows=np.zeros(0, np.int64),
            label_values=[],
            label_amounts=np.zeros(0),
            rejected=[],
            tombstones=0,
        )


def _group(key: ModelKey, found: Predictions, shape: Shape, count: int) -> Group:
    wanted = [(found.features.get(name), kind) for name, kind in shape.key_features]
    numbers = [column for column, kind in wanted if kind == NUMERIC]
    numeric = np.empty((len(numbers), count))
    for row, column in zip(numeric, numbers, strict=True):
        row[:] = _ABSENT if column is None else column.numbers()
    prediction: list[object] = [None] * count if found.prediction is None else found.prediction
    nothing = [UNSET] * count  # a table has no `scores`
    return Group(
        key=key,
        rows=np.arange(count),
        has_features=np.full(count, bool(found.features), np.bool_),
        numeric=numeric,
        categorical=[
            [ABSENT_VALUE] * count if column is None else column.values() for column, kind in wanted if kind != NUMERIC
        ],
        score=np.full(count, _MISSING) if found.score is None else found.score,
        prediction=prediction,
        label=[None] * count if found.label is None else found.label,
        confidence=confidences(nothing, prediction) if shape.confidence else None,
        tags=[found.tags.get(name, [None] * count) for name in shape.tags],
        probabilities=probabilities(nothing, shape.classes) if shape.classes else None,
    )


def _raw(found: Predictions) -> RawFields:
    rows = np.arange(len(found.ts))
    tags = {name: np.flatnonzero([text is not None for text in texts]) for name, texts in found.tags.items()}
    return RawFields(
        features={name: RawColumn(rows, column.values()) for name, column in found.features.items()},
        score_classes={},
        unread={},
        tags={name: RawColumn(at, [found.tags[name][i] for i in at.tolist()]) for name, at in tags.items() if len(at)},
    )
