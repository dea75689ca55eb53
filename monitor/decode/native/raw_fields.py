"""The fields of native events as they came, by column: for events that the decoder has accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import numpy as np

from monitor.decode.columns import Events, Group, Limits
from monitor.decode.native.reference_decoder import parse_fast
from monitor.decode.raw import OneEvent, RawColumn, RawFields
from monitor.decode.surveyed import Ints
from monitor.events import PREDICTION
from monitor.records import RecordBatch

#: every field of a native event
FIELDS: Final = frozenset(
    ("type", "id", "model", "version", "ts", "features", "prediction", "score", "scores", "label", "tags", "value")
) | {"outcomes"}

Object = dict[str, Any]

#: spreads offsets over places, whatever their steps
_SPREAD: Final = 0xD6E8FEB86659FD93
_DECODE: Final = msgspec.json.Decoder().decode


def raw_fields(batch: RecordBatch, events: Events, group: Group, content_of: Callable[[int], object]) -> RawFields:
    """The fields of a group's events; `events` are those of the batch.

    `content_of` returns the event, or the list of events, of the record at a place in the batch.
    """
    objects = list(_objects(batch, events, group, content_of))
    is_prediction = events.kind[group.rows] == PREDICTION
    scores = [one.get("scores") if given else None for one, given in zip(objects, is_prediction.tolist(), strict=True)]
    return RawFields(
        features=_columns([one.get("features") for one in objects]),
        score_classes=_rows_by_name(scores),
        unread=_rows_by_name(objects, FIELDS),
        tags=_columns([one.get("tags") for one in objects]),
    )


def one_of(content: object, offset: int) -> OneEvent | None:
    """The features of the event of a record at an offset, or of one of its events; None where it has none.

    Which one depends on the offset alone: over many records, every place has its turn.
    """
    place = 0
    if type(content) is list and content:
        place = (offset * _SPREAD >> 32) % len(content)
        content = content[place]
    features = content.get("features") if type(content) is dict else None
    return OneEvent(place, features) if type(features) is dict else None


def _objects(batch: RecordBatch, events: Events, group: Group, content_of: Callable[[int], object]) -> Iterator[Object]:
    """The JSON object of each row; a record is parsed once, however many events it holds."""
    offsets = events.offset[group.rows]
    records = np.searchsorted(batch.offsets, offsets).tolist()
    first_of_record = np.searchsorted(events.offset, offsets).tolist()
    bad = {rejected.index: set(rejected.indices) for rejected in events.rejected}
    known, content = -1, cast("object", None)
    for row, record, first in zip(group.rows.tolist(), records, first_of_record, strict=True):
        if record != known:
            known, content = record, content_of(record)
            if type(content) is list:
                faults = bad.get(record, ())
                content = [element for at, element in enumerate(content) if at not in faults]
        yield cast("Object", content[row - first] if type(content) is list else content)


def parsed(value: bytes, limits: Limits) -> object:
    """The JSON value of a record.

    Raises:
        RejectedRecord: as `parse_fast`.
    """
    try:
        return _DECODE(value)
    except (msgspec.DecodeError, RecursionError):  # NaN, a byte order mark, ...
        return parse_fast(value, limits)


def _columns(objects: Sequence[Mapping[str, object] | None]) -> dict[str, RawColumn]:
    """Objects to columns; those with the same names in the same order, which are most, are turned together."""
    parts: dict[str, list[RawColumn]] = {}
    for names, rows in _by_names(objects).items():
        values = zip(*(cast("Mapping[str, object]", objects[row]).values() for row in rows), strict=True)
        for name, column in zip(names, values, strict=True):
            parts.setdefault(name, []).append(RawColumn(np.array(rows, np.int64), column))
    return {name: _merged(columns) for name, columns in parts.items()}


def _merged(columns: Sequence[RawColumn]) -> RawColumn:
    if len(columns) == 1:
        return columns[0]
    rows = np.concatenate([column.rows for column in columns])
    values = [value for column in columns for value in column.values]
    order = np.argsort(rows)
    return RawColumn(rows[order], tuple(map(values.__getitem__, order.tolist())))


def _rows_by_name(objects: Sequence[Mapping[str, object] | None], known: Iterable[str] = ()) -> dict[str, Ints]:
    """The rows of objects that have a name which is not known."""
    found: dict[str, list[int]] = {}
    for names, rows in _by_names(objects).items():
        for name in names:
            if name not in known:
                found.setdefault(name, []).extend(rows)
    return {name: np.array(sorted(rows), np.int64) for name, rows in found.items()}


def _by_names(objects: Sequence[Mapping[str, object] | None]) -> dict[tuple[str, ...], list[int]]:
    """The rows of objects by their names in their order; rows without names are left out."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row, one in enumerate(objects):
        if one:
            found.setdefault(tuple(one), []).append(row)
    return found
