"""One's own layout as a compiled decoder: a msgspec struct of the mapped fields, flattened to the row of an event.

It is for JSON records whose places are paths, and constant names; fields of keys and headers are added afterwards
(`outside`). Other layouts are read by their definition alone (`layout`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from monitor.decode.fields.fan_out import FanOut
from monitor.decode.fields.layout import FieldsLayout
from monitor.decode.fields.outside import OutsideFields
from monitor.decode.fields.paths import at_path
from monitor.decode.fields.structs import CannotCompile, Leaf, Node, add_leaf, attribute_of, struct_of
from monitor.decode.native.rows import Compiled, Decode, FeatureField, InSteps, Row
from monitor.settings.places import Constant, FieldPath, Header, Place, RecordKey, Rest, Step

#: fields of an event that may be constants here
_NAMES: Final = frozenset(("type", "model", "version"))


class CompiledFields:
    """Compiles the layout for the wanted features of a model version."""

    unchecked = False

    def __init__(self, layout: FieldsLayout) -> None:
        self._layout = layout
        self._fields = layout.fields
        self._sample: object = None
        self.outside = OutsideFields(self._fields.single())
        self.fans_out = layout.rows is not None
        #: the text before the model and the version in a record: a hint which version a record is of
        self.spellings: Sequence[bytes] = tuple(filter(None, map(self._spelling, ("model", "version"))))

    def _spelling(self, name: str) -> bytes:
        place = self._fields.single().get(name)
        last = place.steps[-1] if isinstance(place, FieldPath) else None
        return f'"{last}"'.encode() if isinstance(last, str) else b""

    def names(self, content: object) -> Sequence[str]:
        """The features of a record in their order; from now on fields have the order of this record."""
        self._sample, features = content, self._fields.features
        first = content if isinstance(features, FieldPath) and features.of_record else self._row_of(content)
        if isinstance(features, FieldPath):
            first = at_path(first, features.steps)
        return tuple(first) if isinstance(first, dict) else ()

    def _row_of(self, content: object) -> object:
        """The first row of a record with rows, else the record."""
        if self._layout.rows is None:
            return content
        rows = at_path(content, self._layout.rows.steps)
        return rows[0] if isinstance(rows, list) and rows else None

    def compile(
        self, features: type[msgspec.Struct], cells: Sequence[FeatureField], types: Mapping[str, Any]
    ) -> Compiled | None:
        """What makes the row of a record, None if a struct cannot express the layout.

        The arguments are those of `RowCompiler`.
        """
        try:
            plan = _Plan(self._layout, cells, types)
            if self._layout.rows is None:
                return plan.decoder(features, self._sample)
            return plan.rows_decoder(features, self._sample, self._row_of(self._sample), self._layout.rows)
        except (CannotCompile, ValueError):  # ValueError: msgspec rejects names that have to be escaped
            return None


class _Reader(NamedTuple):
    """The struct of a row, its fields as an event's, and its features as cells of the struct `features`, if they are
    not one of the fields."""

    struct: type[msgspec.Struct]
    fields_of: Callable[[Any], Sequence[Any]]
    cells_of: Callable[[object], Sequence[object]] | None
    features: type[msgspec.Struct]

    def decoder(self) -> Decode:
        """What decodes the text of a row to its event."""
        decode, fields_of, cells_of, features = msgspec.json.Decoder(self.struct).decode, *self[1:]
        if cells_of is None:
            return InSteps(decode, fields_of)

        def decode_row(value: bytes) -> Row[Any, Any, Any]:
            record = decode(value)
            row: Row[Any, Any, Any] = Row(*fields_of(record))
            row.features = features(*cells_of(record))
            return row

        return decode_row


class _Plan:
    """Where the fields of a row, and the cells of its features, come from."""

    def __init__(self, layout: FieldsLayout, cells: Sequence[FeatureField], types: Mapping[str, Any]) -> None:
        self._layout = layout
        self._types = types
        self._tree: Node = {}
        #: with `rows`: the fields around them
        self._around: Node = {}
        #: what is the same for every event, by the name of a row's field, or the number of a feature's
        self._constants: dict[str | int, object] = dict.fromkeys(types, UNSET)
        self._constants |= {"model": "", "version": ""}
        self._paths: dict[str | int, tuple[Step, ...]] = {}
        self._paths_around: dict[str, tuple[Step, ...]] = {}
        if layout.fields.makes_labels():
            self._constants["type"] = "label"
        for name, place in layout.fields.single().items():
            self._add_single(name, place)
        #: the fields of the features struct, if they are not an object of the record
        self._cells: Sequence[FeatureField] | None = None
        for name, objects in layout.fields.objects().items():
            self._add_object(name, objects, cells)
        if layout.rows is None and any(isinstance(step, int) for step in self._tree):
            raise CannotCompile  # a record that is a list is an event an item

    def _add_single(self, name: str, place: Place) -> None:
        if isinstance(place, Header | RecordKey):
            return  # `OutsideFields`
        if name in {"model", "version"} and self._types[name] is Any:
            return  # the input's own wins, and the payload's is not checked
        if isinstance(place, Constant) and name in _NAMES:
            self._constants[name] = place.value if name == "type" else str(place.value)
        else:
            self._add(name, place, self._types.get(name), "" if name in {"model", "version"} else UNSET)

    def _add_object(self, name: str, place: FieldPath | Rest | dict[str, Place], cells: Sequence[FeatureField]) -> None:
        if isinstance(place, FieldPath):
            self._add(name, place, self._types.get(name), UNSET)
            return
        if name != "features":
            raise CannotCompile
        self._cells = cells
        for number, cell in enumerate(cells):
            one = place.get(cell.name) if isinstance(place, dict) else self._of_rest(cell.name)
            if one is None:
                self._constants[number] = cell.default
            else:
                self._add(number, one, cell.type, cell.default)

    def _of_rest(self, name: str) -> FieldPath | None:
        left_out = name in self._layout.top_level() or name in self._layout.ignore
        return None if left_out else FieldPath((name,))

    def _add(self, what: str | int, place: Place, kind: Any, default: object) -> None:  # noqa: ANN401  # a type
        """Add a leaf to the tree of structs."""
        if not isinstance(place, FieldPath) or kind is None:
            raise CannotCompile
        if not place.of_record:
            add_leaf(self._tree, place.steps, Leaf(kind, default))
            self._paths[what] = place.steps
        elif isinstance(what, str):
            add_leaf(self._around, place.steps, Leaf(kind, default))
            self._paths_around[what] = place.steps
        else:
            raise CannotCompile

    def decoder(self, features: type[msgspec.Struct], sample: object) -> Compiled:
        """What decodes a record of one event."""
        reader = self._reader(features, sample)
        return Compiled(reader.decoder(), reader.features)

    def rows_decoder(self, features: type[msgspec.Struct], record: object, sample: object, rows: FieldPath) -> Compiled:
        """What decodes a record with rows; `record` and `sample` are a record and its first row."""
        reader = self._reader(features, sample)
        names = list(self._paths_around)
        decode, rows_of, shared_of = self._around_rows(record, rows, reader.struct, names)
        decode_texts, texts_of, _ = self._around_rows(record, rows, msgspec.Raw, names)
        many = FanOut(
            decode=decode,
            rows_of=rows_of,
            decode_texts=decode_texts,
            texts_of=texts_of,
            levels=len(rows.steps) + 1,
            fields_of=reader.fields_of,
            cells_of=reader.cells_of,
            features=features,
            shared=names,
            shared_of=shared_of,
            adds_index=self._layout.adds_index,
        )
        return Compiled(None, reader.features, many)

    def _around_rows(
        self, record: object, rows: FieldPath, row: type, names: Sequence[str]
    ) -> tuple[Callable[[bytes], Any], Callable[[Any], Any], Callable[[object], Sequence[object]]]:
        """What decodes a record whose rows have a type, and what gives its rows and its own fields."""
        around = _copied(self._around)
        add_leaf(around, rows.steps, Leaf(list[row], []))  # type: ignore[valid-type]  # made at run time
        attributes = [attribute_of(around, record, self._paths_around[name]) for name in names]
        decode = msgspec.json.Decoder(struct_of(around, record)).decode
        return decode, attrgetter(attribute_of(around, record, rows.steps)), _tuple_getter(attributes)

    def _reader(self, features: type[msgspec.Struct], sample: object) -> _Reader:
        if self._cells is not None and all(len(self._paths.get(at, ())) == 1 for at in range(len(self._cells))):
            first = [self._paths[at][0] for at in range(len(self._cells))]
            if all(isinstance(name, str) for name in first):
                return self._with_record_as_features([*map(str, first)], sample)
        constants = {what: value for what, value in self._constants.items() if what not in self._paths}
        attributes = {what: f"c_{what}" for what in constants}
        struct = struct_of(self._tree, sample, {attributes[what]: value for what, value in constants.items()})
        attributes |= {what: attribute_of(self._tree, sample, steps) for what, steps in self._paths.items()}
        fields_of = attrgetter(*(attributes[name] for name in self._types))
        if self._cells is None:
            return _Reader(struct, fields_of, None, features)
        return _Reader(struct, fields_of, _tuple_getter([attributes[at] for at in range(len(self._cells))]), features)

    def _with_record_as_features(self, first: Sequence[str], sample: object) -> _Reader:
        """The features lie beside the other fields: the record's own struct, which begins with them, is theirs."""
        fields = {what: steps for what, steps in self._paths.items() if isinstance(what, str)}
        constants = {what: value for what, value in self._constants.items() if what not in fields}
        attributes = {what: f"c_{what}" for what in constants}
        namespace = {attributes[what]: value for what, value in constants.items()}
        attributes |= {what: attribute_of(self._tree, sample, steps, first) for what, steps in fields.items()}
        attributes["features"] = "itself"
        struct = struct_of(self._tree, sample, namespace | {"itself": property(lambda record: record)}, first)
        return _Reader(struct, attrgetter(*(attributes[name] for name in self._types)), None, struct)


def _tuple_getter(attributes: Sequence[str]) -> Callable[[object], Sequence[object]]:
    if len(attributes) < 2:
        get = attrgetter(*attributes) if attributes else None
        return lambda record: () if get is None else (get(record),)
    return attrgetter(*attributes)


def _copied(node: Node) -> Node:
    return {step: below if isinstance(below, Leaf) else _copied(below) for step, below in node.items()}
