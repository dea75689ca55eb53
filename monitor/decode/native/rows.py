"""The row of an event, which both decoders produce, and the compiled decoder of a model version's rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, compress, repeat, starmap
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from monitor.decode.columns import ABSENT, ABSENT_VALUE, TYPE_NAN, TYPE_VALUE, Limits, Shape
from monitor.decode.derived import value_of
from monitor.decode.values import NAME_LENGTH, category_value, numeric_value
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.derived.columns import DERIVED_KINDS, TEXT, VECTOR

#: failures of a feature after which it is decoded without a type, and its column is checked afterwards: each failure
#: costs a slow decode of the whole event
FAILURES_BEFORE_WIDENING: Final = 20

_WORD_MAX: Final = 2**63 - 1
_Word = Annotated[int, msgspec.Meta(ge=-_WORD_MAX, le=_WORD_MAX)]
_Class = str | float | _Word | bool | None
_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Number = float | bool | None
#: types of the fields of a features struct, by kind
_TYPES: Final[dict[str, Any]] = {
    NUMERIC: _Number,
    CATEGORICAL: _Class,
    VECTOR: list[float] | None,
    TEXT: str | None,
}
_Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
_FullName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH)]

_F = TypeVar("_F")
_M = TypeVar("_M")
_V = TypeVar("_V")


class Row(msgspec.Struct, Generic[_F, _M, _V], gc=False):
    """An event whose fields are valid one by one; whether they are valid together is not checked yet.

    Some types are narrower than the format (64-bit integers): events that they refuse go to the reference decoder.
    `features` is a struct with one field per wanted feature, made by a `RowDecoder`.
    """

    type: Literal["prediction", "features", "label"] | UnsetType | None = UNSET
    model: _M = ""  # type: ignore[assignment]  # absent; a payload cannot hold ""
    version: _V = ""  # type: ignore[assignment]  # the format's default
    id: _Name | _Word | UnsetType | None = UNSET
    ts: _Word | float | str | UnsetType | None = UNSET
    features: _F | UnsetType | None = UNSET
    prediction: _Class | UnsetType = UNSET
    score: _Probability | UnsetType | None = UNSET
    scores: dict[str, _Probability | None] | UnsetType | None = UNSET
    label: _Class | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    tags: dict[str, str | None] | UnsetType | None = UNSET
    outcomes: dict[_FullName, _Class] | UnsetType | None = UNSET


AnyRow = Row[Any, Any, Any]
#: the compiled decoder of a record's value
Decode = Callable[[bytes], AnyRow]


class InSteps:
    """A compiled decoder of records of another shape: a record is decoded, then flattened to the fields of a row.

    `many` is the same for many values, without Python code for each.
    """

    def __init__(self, decode: Callable[[bytes], Any], fields_of: Callable[[Any], Sequence[Any]]) -> None:
        self._decode = decode
        self._fields_of = fields_of

    def __call__(self, value: bytes) -> AnyRow:
        return Row(*self._fields_of(self._decode(value)))

    def many(self, values: Iterable[bytes]) -> Iterator[AnyRow]:
        """The row of each value, one after the other; raises where `decode` does, and goes on when asked again."""
        return starmap(Row, map(self._fields_of, map(self._decode, values)))


class ManyDecoder(Protocol):
    """The compiled decoder of records that hold many events, or of events that were parsed already."""

    def read(self, values: Sequence[Any], limits: Limits) -> tuple[list[Any], bool]:
        """The record of each value (bytes, or a tree) as the decoder has it, None if the reference decoder has to read
        it; and whether a model, version or id in one of them may hold a control character."""

    def columns(self, records: Sequence[Any], outside: Mapping[str, Sequence[object]]) -> tuple[Columns | None, Counts]:
        """The columns of all events of some records, None without any, and how many each record has: 0 if the
        reference decoder has to read it.

        `outside` are fields that are not in the records, by name with one for each record.
        """


#: numbers of events, by record
Counts = Sequence[int]


class Compiled(NamedTuple):
    """The compiled decoder of a record of one event, or that of records of many, and the type of the features struct
    in its rows."""

    decode: Decode | None
    features_type: type[msgspec.Struct]
    many: ManyDecoder | None = None


class FeatureField(NamedTuple):
    """A field of a features struct: the feature's name, its type, and the cell of an absent one."""

    name: str
    type: Any
    default: object


class RowCompiler(Protocol):
    """Where the fields of a row are in the bytes of a record."""

    #: what stands before the model and the version in a record: a hint which version a record is of
    spellings: Sequence[bytes]
    #: whether the values of features are as a parser gave them: floats may not be finite, texts may hold surrogates
    unchecked: bool

    def names(self, content: object) -> Sequence[str]:
        """The features of a record's first event in their order, from the record as JSON."""

    def compile(
        self, features: type[msgspec.Struct], cells: Sequence[FeatureField], types: Mapping[str, Any]
    ) -> Compiled | None:
        """What decodes a record to its row or rows; None if it cannot be compiled.

        `features` is a struct of the wanted features, `cells` are its fields, `types` the types of a row's fields. The
        result may have another struct of them, whose first fields are the same.

        Raises:
            ValueError: msgspec refuses a name.
        """


class NativeRows:
    """A record is a native event."""

    spellings: Sequence[bytes] = (b'"model"', b'"version"')
    unchecked = False

    def names(self, content: object) -> Sequence[str]:
        features = content.get("features") if isinstance(content, dict) else None
        return tuple(features) if isinstance(features, dict) else ()

    def compile(
        self, features: type[msgspec.Struct], _cells: Sequence[FeatureField], types: Mapping[str, Any]
    ) -> Compiled | None:
        generic: Any = Row
        decode: Decode = msgspec.json.Decoder(generic[features, types["model"], types["version"]]).decode
        return Compiled(decode, features)


def row_types(features: type[msgspec.Struct], model: Any, version: Any) -> dict[str, Any]:  # noqa: ANN401  # types
    """The types of a row's fields, in their order, with those that a version decides."""
    own = {"features": features | UnsetType | None, "model": model, "version": version}
    return _ROW_TYPES | own


#: by field
_ROW_TYPES: Final[dict[str, Any]] = get_type_hints(Row, include_extras=True)


_ABSENT: Final = frozenset((UnsetType, type(None)))


class Columns(NamedTuple):
    """The fields of many rows, one tuple for each field."""

    type: tuple[str | UnsetType | None, ...]
    model: tuple[str, ...]
    version: tuple[str, ...]
    id: tuple[str | int | UnsetType | None, ...]
    ts: tuple[int | float | str | UnsetType | None, ...]
    features: tuple[Any, ...]
    prediction: tuple[object, ...]
    score: tuple[float | UnsetType | None, ...]
    scores: tuple[dict[str, float | None] | UnsetType | None, ...]
    label: tuple[object, ...]
    value: tuple[float | UnsetType | None, ...]
    tags: tuple[object, ...]
    outcomes: tuple[dict[str, object] | UnsetType | None, ...]

    @classmethod
    def of(cls, rows: Sequence[AnyRow]) -> Columns:
        """The columns of at least one row."""
        return cls._make(zip(*map(msgspec.structs.astuple, rows), strict=True))

    def rows(self) -> list[AnyRow]:
        """The rows of these columns."""
        return [*starmap(Row, zip(*self, strict=True))]

    def at(self, places: Sequence[int]) -> Columns:
        """The rows at some places, one or more."""
        return Columns._make(tuple(map(column.__getitem__, places)) for column in self)

    def of_records(self, counts: Counts, kept: Sequence[bool]) -> Columns | None:
        """The rows of some records only; `counts` are the rows of each."""
        keeps = [*chain.from_iterable(map(repeat, kept, counts))]
        return Columns._make(tuple(compress(column, keeps)) for column in self) if any(keeps) else None

    def are_predictions(self) -> bool:
        """Whether all rows certainly are predictions: by their type, or without one by their output."""
        types = set(self.type)
        if types == {"prediction"}:
            return True
        if not types <= {UNSET, None}:
            return False
        return any(_ABSENT.isdisjoint(map(type, column)) for column in (self.score, self.prediction))

    def are_plain_labels(self) -> bool:
        """Whether all rows certainly are label events with an id and a label, or a null for one, and no outcomes."""
        if set(self.type) != {"label"} or self.outcomes.count(UNSET) < len(self.outcomes):
            return False
        return UNSET not in self.label and UNSET not in self.id and None not in self.id

    def of_one_version(self) -> bool:
        """Whether all rows are of one model version."""
        count = len(self.model)
        return self.model.count(self.model[0]) == count and self.version.count(self.version[0]) == count


class Grouped(NamedTuple):
    """Rows of several versions, those of each one after the other: their columns, their places among the values, and
    where the rows of each version begin."""

    rows: Sequence[AnyRow]
    columns: Columns
    order: Sequence[int]
    starts: Sequence[int]

    def ends(self) -> Sequence[int]:
        """Where the rows of each version end."""
        return [*self.starts[1:], len(self.rows)]

    def lengths(self) -> Sequence[int]:
        """How many rows each version has."""
        return [end - start for start, end in zip(self.starts, self.ends(), strict=True)]

    def joined(self) -> Grouped:
        """The same with the rows of each version together, in their order: two decoders may have read some of them."""
        names = [(self.columns.model[start], self.columns.version[start]) for start in self.starts]
        if len(set(names)) == len(names):  # as mostly
            return self
        number = {name: at for at, name in enumerate(dict.fromkeys(names))}
        whose = [number[name] for name, length in zip(names, self.lengths(), strict=True) for _ in range(length)]
        at = sorted(range(len(whose)), key=lambda row: (whose[row], self.order[row]))
        starts = [0, *accumulate(map(whose.count, range(len(number) - 1)))]
        return Grouped([self.rows[i] for i in at], self.columns.at(at), [self.order[i] for i in at], starts)


def is_given(value: object) -> bool:
    """False for a field that is absent or null."""
    return value is not UNSET and value is not None


def kind_of(row: AnyRow) -> str:
    """The row's type, inferred if it has none."""
    if row.type is not UNSET and row.type is not None:
        return row.type
    if is_given(row.prediction) or is_given(row.score):
        return "prediction"
    is_label = row.label is not UNSET or is_given(row.outcomes)
    return "label" if is_label and not is_given(row.features) else "features"


def has_result(row: AnyRow) -> bool:
    """Whether a label event has a label, a null that takes one back, or at least one outcome."""
    return row.label is not UNSET or bool(is_given(row.outcomes) and row.outcomes)


def label_of(row: AnyRow) -> object:
    """The label of a label event; ABSENT_VALUE where it says nothing of it: beside outcomes null is no label."""
    if is_given(row.outcomes) and row.outcomes and not is_given(row.label):
        return ABSENT_VALUE
    return row.label


class FeatureCells(Protocol):
    """Converts the features of an event to cells."""

    def features(self, raw: dict[str, object]) -> object:
        """The value of `Row.features`."""


class RowDecoder:
    """Decodes the events of one model version; `shape` is None for versions whose features are not wanted.

    `decode` is None if msgspec cannot compile a decoder (the name of a feature holds a quote or a backslash), or if
    records hold many events, which `many` decodes. The fields of the features struct have the order of a first
    event (`seen`): msgspec finds a field at once if it is the next one, and searches otherwise. `numeric` and
    `categorical` are the field numbers of the wanted features of that kind, in the order of `shape.key_features`;
    `derived` those of vectors and texts. `widened` fields hold values of any type.
    """

    def __init__(
        self,
        shape: Shape | None,
        seen: Iterable[str] = (),
        *,
        any_model: bool,
        any_version: bool,
        compiler: RowCompiler,
    ) -> None:
        self.shape = shape
        self._compiler = compiler
        self._any = (any_model, any_version)
        wanted = shape.key_features if shape is not None else ()
        places = {name: place for place, name in enumerate(seen)}
        order = sorted(range(len(wanted)), key=lambda i: places.get(wanted[i][0], len(places)))
        self._fields = [wanted[i] for i in order]
        field_of = {place: i for i, place in enumerate(order)}
        self.numeric = [field_of[place] for place, (_, kind) in enumerate(wanted) if kind == NUMERIC]
        self.categorical = [field_of[place] for place, (_, kind) in enumerate(wanted) if kind == CATEGORICAL]
        self.derived = [field_of[place] for place, (_, kind) in enumerate(wanted) if kind in DERIVED_KINDS]
        self.widened = [False] * len(self._fields)
        #: fields of numbers that held null lately
        self.nulls = [False] * len(self._fields)
        self._failures = [0] * len(self._fields)
        self.features_type: type[msgspec.Struct]
        self.decode: Callable[[bytes], AnyRow] | None
        self.many: ManyDecoder | None = None
        #: see `RowCompiler.unchecked`
        self.unchecked = compiler.unchecked
        self._build()

    def _build(self) -> None:
        cells = [
            FeatureField(name, Any if wide else _TYPES[kind], ABSENT if kind == NUMERIC else ABSENT_VALUE)
            for (name, kind), wide in zip(self._fields, self.widened, strict=True)
        ]
        fields = [(f"f{i}", cell.type, cell.default) for i, cell in enumerate(cells)]
        names = {f"f{i}": cell.name for i, cell in enumerate(cells)}
        try:
            self.features_type = msgspec.defstruct("Features", fields, rename=names, gc=False)
        except ValueError:  # msgspec rejects names that have to be escaped, and lone surrogates
            self.features_type = msgspec.defstruct("Features", fields, gc=False)
            self.decode = self.many = None
            self.absent = self.features_type()
            return
        model, version = (Any if self._any[0] else _FullName), (Any if self._any[1] else _Name | _Word | None)
        compiled = self._compiler.compile(self.features_type, cells, row_types(self.features_type, model, version))
        self.decode = self.many = None
        if compiled is not None:
            self.decode, self.features_type, self.many = compiled
        self.absent = self.features_type()

    @property
    def layout(self) -> Hashable:
        """The same for versions whose rows can be turned to columns together."""
        shape = self.shape
        if shape is None or shape.derived or shape.confidence or shape.classes or shape.tags:
            return self
        fields = len(self.features_type.__struct_fields__)
        return fields, (*self.numeric, None, *self.categorical, None, *self.widened), shape.positive

    def features(self, raw: dict[str, object]) -> msgspec.Struct:
        """The features struct of an event, for the reference decoder; counts the failures of each feature and widens
        those with too many."""
        cells: list[object] = []
        widen = False
        for i, (name, kind) in enumerate(self._fields):
            value = raw.get(name, ABSENT if kind == NUMERIC else ABSENT_VALUE)
            cell = _CELL_OF[kind](value)
            cells.append(cell)
            refused = cell is TYPE_NAN or cell is TYPE_VALUE or (cell is None and value is not None)
            if refused and not self.widened[i]:
                self._failures[i] += 1
                if self._failures[i] >= FAILURES_BEFORE_WIDENING:
                    self.widened[i] = widen = True
        if widen:
            self._build()
        return self.features_type(*cells)


_CELL_OF: Final[dict[str, Callable[[object], object]]] = {
    NUMERIC: numeric_value,
    CATEGORICAL: category_value,
    **{kind: value_of(kind) for kind in DERIVED_KINDS},
}
