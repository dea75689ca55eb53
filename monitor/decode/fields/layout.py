"""One's own layout (`format: fields`): events from the places that the settings name. The definition, in plain code.

`compiled` must give the same events for every record that it accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monitor.decode.encodings.encoding import RecordInfo
from monitor.decode.fields.paths import NOTHING, Reader, Source, at_path, reader_of
from monitor.decode.layout import Event
from monitor.decode.native.raw_fields import FIELDS
from monitor.decode.native.wrong import kind_of
from monitor.errors import RejectedRecord
from monitor.settings.fields import Fields
from monitor.settings.places import FieldPath, Place, Rest, Step

#: fields of an event that stay text, also where a header or key reads as a number
TEXTS: Final = frozenset(("type", "id", "model", "version", "tags"))


class FieldsLayout:
    """Makes events of records by the settings of an input; `rows` is the path of a list of rows, None without one."""

    def __init__(self, fields: Fields, rows: FieldPath | None = None, ignore: tuple[str, ...] = ()) -> None:
        self.fields = fields
        self.rows = rows
        self.ignore = frozenset(ignore)
        self.places: Mapping[str, str] = _place_texts(fields)
        self._single = [(name, reader_of(place, as_text=name in TEXTS)) for name, place in fields.single().items()]
        self._objects = [(name, self._object_reader(name, place)) for name, place in fields.objects().items()]
        #: whether the index of a row is added to the id of its record
        self.adds_index = rows is not None and not (isinstance(fields.id, FieldPath) and not fields.id.of_record)
        self._makes_labels = fields.makes_labels()
        self._read = _trie(fields, of_record=False)
        self._read_of_record = _trie(fields, of_record=True)
        if rows is not None:
            _mark(self._read_of_record, rows.steps)

    def top_level(self) -> frozenset[str]:
        """The top-level fields (of a row) that are mapped, as a whole or in part."""
        return frozenset(self._read)

    def events(self, tree: object, record: RecordInfo) -> object:
        """An event, or a list with an event or a fault for each row; see `Layout`.

        Raises:
            RejectedRecord: there is no list of rows, or the key or a header is not text.
        """
        if self.rows is None:
            if type(tree) is list and tree:
                return [self._event_or_fault(Source(one, one, record), None) for one in tree]
            return self._event(Source(tree, tree, record), None) if type(tree) is dict else tree
        rows = at_path(tree, self.rows.steps)
        if type(rows) is not list:
            what = "nothing" if rows is NOTHING else kind_of(rows)
            raise RejectedRecord("no_event", f"at {self.rows} (inputs[].rows) is {what}; a list of rows is expected")
        return [self._event_or_fault(Source(row, tree, record), index) for index, row in enumerate(rows)]

    def _event_or_fault(self, source: Source, index: int | None) -> Event | RejectedRecord | object:
        if type(source.row) is not dict and (index is None or type(source.row) is not list):
            return source.row
        try:
            return self._event(source, index)
        except RejectedRecord as error:
            return RejectedRecord(error.reason, error.message)

    def _event(self, source: Source, index: int | None) -> Event:
        event: Event = dict.fromkeys(self._unread(source))
        if self._makes_labels:
            event["type"] = "label"
        for name, read in (*self._single, *self._objects):
            value = read(source)
            if value is not NOTHING:
                event[name] = value
        if index is not None and self.adds_index and type(event.get("id")) in {str, int}:
            event["id"] = f"{event['id']}#{index}"
        return event

    def _object_reader(self, name: str, place: FieldPath | Rest | dict[str, Place]) -> Reader:
        if isinstance(place, FieldPath):
            return reader_of(place, as_text=True)
        if isinstance(place, Rest):
            return self._rest
        readers = [(key, reader_of(one, as_text=name in TEXTS)) for key, one in place.items()]
        return lambda source: {key: value for key, read in readers if (value := read(source)) is not NOTHING}

    def _rest(self, source: Source) -> object:
        if type(source.row) is not dict:
            return NOTHING
        mapped, ignored = self._read, self.ignore
        return {name: value for name, value in source.row.items() if name not in mapped and name not in ignored}

    def _unread(self, source: Source) -> Iterator[str]:
        """The names of fields that nobody reads, by their paths; those that are fields of an event as JSON pointers."""
        if not isinstance(self.fields.features, Rest):
            yield from _beside(source.row, self._read, self.ignore)
        if self.rows is not None:
            yield from (f"^.{name}" for name in _beside(source.tree, self._read_of_record, self.ignore))


def _place_texts(fields: Fields) -> dict[str, str]:
    objects = {
        name: "places of their own" if isinstance(place, dict) else str(place)
        for name, place in fields.objects().items()
    }
    return {name: str(place) for name, place in fields.single().items()} | objects


def _trie(fields: Fields, *, of_record: bool) -> dict[str, Any]:
    """The mapped paths: by key what is mapped below it, {} where all of it is."""
    root: dict[str, Any] = {}
    for _, place in fields.places():
        if isinstance(place, FieldPath) and place.of_record == of_record:
            _mark(root, place.steps)
    return root


def _mark(root: dict[str, Any], steps: tuple[Step, ...]) -> None:
    for at, step in enumerate(map(str, steps)):
        known = root.get(step)
        if known == {}:
            return
        root = root.setdefault(step, {})
        if at == len(steps) - 1:
            root.clear()


def _beside(value: object, read: dict[str, Any], ignored: frozenset[str], path: str = "") -> Iterator[str]:
    """The paths of the fields beside those that are read."""
    if type(value) is not dict:
        return
    for name, below in value.items():
        if name in read:
            if read[name]:
                yield from _beside(below, read[name], frozenset(), f"{path}{name}.")
        elif name not in ignored:
            yield f"/{name}" if not path and name in FIELDS else path + name
