"""The fields of native events as they came, by column: for events that the decoder has accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, cast

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
#: decoders that are kept, of so many orders of features
_STRUCTS: Final = 64
_F = TypeVar("_F")


def raw_fields(batch: RecordBatch, events: Events, group: Group, content_of: Callable[[int], object]) -> RawFields:
    """The fields of a group's events; `events` are those of the batch.

    `content_of` returns the event, or the list of events, of the record at a place in the batch.
    """
    objects = _fast_objects(batch, events, group)
    if objects is None:
        objects = [None] * len(group.rows)
    slow = [at for at, one in enumerate(objects) if one is None]
    others: list[Object | None] = [None] * len(objects)
    if slow:
        rest = group if len(slow) == len(objects) else replace(group, rows=group.rows[slow])
        for at, one in zip(slow, _objects(batch, events, rest, content_of), strict=True):
            others[at] = one
    is_prediction = events.kind[group.rows] == PREDICTION
    scores = _given(objects, others, "scores")
    if not is_prediction.all():
        scores = [one if given else None for one, given in zip(scores, is_prediction.tolist(), strict=True)]
    return RawFields(
        features=_joined(
            _columns_of_structs(objects), _columns([None if one is None else one.get("features") for one in others])
        ),
        score_classes=_rows_by_name(scores),
        unread=_rows_by_name(others, FIELDS),
        tags=_columns(_given(objects, others, "tags")),
    )


class _Event(msgspec.Struct, Generic[_F], forbid_unknown_fields=True, gc=False):
    """An event with no field that nobody reads; of `features` a struct of all names that the first event has."""

    features: _F
    scores: Any = None
    tags: Any = None
    type: Any = None
    id: Any = None
    model: Any = None
    version: Any = None
    ts: Any = None
    prediction: Any = None
    score: Any = None
    label: Any = None
    value: Any = None
    outcomes: Any = None


@lru_cache(_STRUCTS)
def _decoder_of(names: tuple[str, ...]) -> Callable[[bytes], _Event[Any]] | None:
    """What decodes events with features of exactly these names; None if msgspec refuses a name."""
    fields = [(f"f{at}", Any) for at in range(len(names))]
    renamed = {f"f{at}": name for at, name in enumerate(names)}
    try:
        features = msgspec.defstruct("Features", fields, rename=renamed, forbid_unknown_fields=True, gc=False)
    except ValueError:
        return None
    generic: Any = _Event
    decode: Callable[[bytes], _Event[Any]] = msgspec.json.Decoder(generic[features]).decode
    return decode


def _fast_objects(batch: RecordBatch, events: Events, group: Group) -> list[_Event[Any] | None] | None:
    """The event of each row whose record holds no other, with the names of the first one; None where there is none."""
    offsets = events.offset[group.rows]
    if not len(offsets) or (offsets[1:] == offsets[:-1]).any():
        return None
    records = np.searchsorted(batch.offsets, offsets).tolist()
    values = cast("list[bytes]", [batch.values[record] for record in records])
    try:
        first = _DECODE(values[0])
    except (msgspec.DecodeError, RecursionError):
        return None
    features = first.get("features") if type(first) is dict else None
    decode = _decoder_of(tuple(features)) if type(features) is dict and features else None
    if decode is None:
        return None
    found: list[_Event[Any] | None] = []
    rest = iter(values)
    while len(found) < len(values):
        try:
            found.extend(map(decode, rest))  # the events before an error are kept
        except (msgspec.DecodeError, RecursionError):
            found.append(None)
    return found


def _given(
    events: Sequence[_Event[Any] | None], objects: Sequence[Object | None], name: str
) -> list[Mapping[str, object] | None]:
    """One field of all events: of those that were decoded fast, and of the others."""
    return [
        getattr(event, name) if event is not None else None if one is None else one.get(name)
        for event, one in zip(events, objects, strict=True)
    ]


def _columns_of_structs(events: Sequence[_Event[Any] | None]) -> dict[str, RawColumn]:
    """The features of events that were decoded fast."""
    rows = [row for row, event in enumerate(events) if event is not None]
    if not rows:
        return {}
    structs = [event.features for event in events if event is not None]
    columns = zip(*map(msgspec.structs.astuple, structs), strict=True)
    at = np.array(rows, np.int64)
    return {
        name: RawColumn(at, column) for name, column in zip(structs[0].__struct_encode_fields__, columns, strict=True)
    }


def _joined(columns: dict[str, RawColumn], others: Mapping[str, RawColumn]) -> dict[str, RawColumn]:
    for name, column in others.items():
        columns[name] = _merged([columns[name], column]) if name in columns else column
    return columns


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
