"""One's own layout as a compiled decoder: a msgspec struct of the mapped fields, flattened to the row of an event.

It is for JSON records without `rows` whose places are keys below keys, and constant names; other layouts are read by
their definition alone (`layout`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from monitor.decode.fields.layout import FieldsLayout
from monitor.decode.fields.paths import at_path
from monitor.decode.native.rows import Compiled, Decode, FeatureField, InSteps, Row
from monitor.settings.places import Constant, FieldPath, Place, Rest, Step

#: fields of an event that may be constants here
_NAMES: Final = frozenset(("type", "model", "version"))


class _Leaf(NamedTuple):
    """A value of the record: its type, and what it is when its key is absent."""

    type: Any
    default: object


_Node = dict[str, "_Leaf | _Node"]


class _CannotCompile(Exception):  # control flow inside this file, never raised to a caller
    """The layout has something that a struct cannot express."""


class CompiledFields:
    """Compiles the layout for the wanted features of a model version."""

    def __init__(self, layout: FieldsLayout) -> None:
        self._layout = layout
        self._fields = layout.fields
        self._sample: object = None
        #: the text before the model and the version in a record: a hint which version a record is of
        self.spellings: Sequence[bytes] = tuple(filter(None, map(self._spelling, ("model", "version"))))

    def _spelling(self, name: str) -> bytes:
        place = self._fields.single().get(name)
        last = place.steps[-1] if isinstance(place, FieldPath) else None
        return f'"{last}"'.encode() if isinstance(last, str) else b""

    def names(self, content: object) -> Sequence[str]:
        """The features of a record in their order; from now on fields have the order of this record."""
        self._sample, features = content, self._fields.features
        if isinstance(features, FieldPath):
            content = at_path(content, features.steps)
        return tuple(content) if isinstance(content, dict) else ()

    def compile(
        self, features: type[msgspec.Struct], cells: Sequence[FeatureField], types: Mapping[str, Any]
    ) -> Compiled | None:
        """What makes the row of a record, None if a struct cannot express the layout.

        The arguments are those of `RowCompiler`.
        """
        if self._layout.rows is not None:
            return None
        try:
            return _Plan(self._layout, cells, types).decoder(features, self._sample)
        except (_CannotCompile, ValueError):  # ValueError: msgspec rejects names that have to be escaped
            return None


class _Plan:
    """Where the fields of a row, and the cells of its features, come from."""

    def __init__(self, layout: FieldsLayout, cells: Sequence[FeatureField], types: Mapping[str, Any]) -> None:
        self._layout = layout
        self._types = types
        self._tree: _Node = {}
        #: what is the same for every event, by the name of a row's field, or the number of a feature's
        self._constants: dict[str | int, object] = dict.fromkeys(types, UNSET)
        self._constants |= {"model": "", "version": ""}
        self._paths: dict[str | int, tuple[Step, ...]] = {}
        if layout.fields.makes_labels():
            self._constants["type"] = "label"
        for name, place in layout.fields.single().items():
            self._add_single(name, place)
        #: the fields of the features struct, if they are not an object of the record
        self._cells: Sequence[FeatureField] | None = None
        for name, objects in layout.fields.objects().items():
            self._add_object(name, objects, cells)

    def _add_single(self, name: str, place: Place) -> None:
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
            raise _CannotCompile
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
            raise _CannotCompile
        node = self._tree
        *above, last = place.steps
        for step in above:
            below = node.setdefault(_key(step), {})
            if isinstance(below, _Leaf):
                raise _CannotCompile
            node = below
        if _key(last) in node:
            raise _CannotCompile
        node[_key(last)] = _Leaf(kind, default)
        self._paths[what] = place.steps

    def decoder(self, features: type[msgspec.Struct], sample: object) -> Compiled:
        if self._cells is not None and all(len(self._paths.get(at, ())) == 1 for at in range(len(self._cells))):
            return self._with_record_as_features([str(self._paths[at][0]) for at in range(len(self._cells))], sample)
        constants = {what: value for what, value in self._constants.items() if what not in self._paths}
        attributes = {what: f"c_{what}" for what in constants}
        top = _struct(self._tree, sample, {attributes[what]: value for what, value in constants.items()})
        attributes |= {what: _attribute(self._tree, sample, steps) for what, steps in self._paths.items()}
        row_of = attrgetter(*(attributes[name] for name in self._types))
        decode = msgspec.json.Decoder(top).decode
        if self._cells is None:
            return Compiled(InSteps(decode, row_of), features)
        cells_of = _tuple_getter([attributes[number] for number in range(len(self._cells))])
        return Compiled(_with_cells(decode, row_of, cells_of, features), features)

    def _with_record_as_features(self, first: Sequence[str], sample: object) -> Compiled:
        """The features lie beside the other fields: the record's own struct, which begins with them, is theirs."""
        fields = {what: steps for what, steps in self._paths.items() if isinstance(what, str)}
        constants = {what: value for what, value in self._constants.items() if what not in fields}
        attributes = {what: f"c_{what}" for what in constants}
        namespace = {attributes[what]: value for what, value in constants.items()}
        attributes |= {what: _attribute(self._tree, sample, steps, first) for what, steps in fields.items()}
        attributes["features"] = "itself"
        top = _struct(self._tree, sample, namespace | {"itself": property(lambda record: record)}, first)
        row_of = attrgetter(*(attributes[name] for name in self._types))
        return Compiled(InSteps(msgspec.json.Decoder(top).decode, row_of), top)


def _key(step: Step) -> str:
    if isinstance(step, int):
        raise _CannotCompile
    return step


def _with_cells(
    decode: Callable[[bytes], Any],
    row_of: Callable[[object], Sequence[Any]],
    cells_of: Callable[[object], Sequence[object]],
    features: type[msgspec.Struct],
) -> Decode:
    """A decoder of rows whose features are gathered from several places."""

    def decode_row(value: bytes) -> Row[Any, Any, Any]:
        record = decode(value)
        row = Row(*row_of(record))
        row.features = features(*cells_of(record))
        return row

    return decode_row


def _tuple_getter(attributes: Sequence[str]) -> Callable[[object], Sequence[object]]:
    if len(attributes) < 2:
        get = attrgetter(*attributes) if attributes else None
        return lambda record: () if get is None else (get(record),)
    return attrgetter(*attributes)


def _ordered(node: _Node, sample: object, first: Sequence[str] = ()) -> list[str]:
    """The keys, behind the first ones in the order of the sample: msgspec finds a field at once if it is the next."""
    places = {name: at for at, name in enumerate(sample)} if isinstance(sample, dict) else {}
    return [*first, *sorted(node.keys() - set(first), key=lambda name: (places.get(name, len(places)), name))]


def _struct(
    node: _Node, sample: object, namespace: Mapping[str, object] | None = None, first: Sequence[str] = ()
) -> type[msgspec.Struct]:
    """The struct of a node: its fields are f0, f1, ... in the order of `_ordered`."""
    fields: list[Any] = []
    order = _ordered(node, sample, first)
    for at, name in enumerate(order):
        below = node[name]
        if isinstance(below, _Leaf):
            fields.append((f"f{at}", below.type, below.default))
        else:
            made = _struct(below, sample.get(name) if isinstance(sample, dict) else None)
            fields.append((f"f{at}", made, msgspec.field(default_factory=made)))
    names = {f"f{at}": name for at, name in enumerate(order)}
    return msgspec.defstruct("Record", fields, rename=names, namespace=dict(namespace or {}), gc=False)


def _attribute(node: _Node, sample: object, steps: Sequence[Step], first: Sequence[str] = ()) -> str:
    """The attribute of a struct that holds the value at a path."""
    key, *rest = map(_key, steps)
    attribute, below = f"f{_ordered(node, sample, first).index(key)}", node[key]
    if not rest or isinstance(below, _Leaf):
        return attribute
    return f"{attribute}.{_attribute(below, sample.get(key) if isinstance(sample, dict) else None, rest)}"
