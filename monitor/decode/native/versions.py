"""Caches the compiled decoders of all model versions, and chooses one for each record of a stream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import accumulate, compress
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from msgspec import UNSET

from monitor.decode.columns import Rules, Shape
from monitor.decode.native.fast_decoder import (
    Unsafe,
    badly_named,
    decode_all,
    decode_one,
    unsafe_values,
)
from monitor.decode.native.reference_decoder import parse_fast
from monitor.decode.native.rows import AnyRow, Columns, Grouped, RowCompiler, RowDecoder, kind_of
from monitor.decode.values import bad_name
from monitor.errors import RejectedRecord
from monitor.events import ModelKey

#: most decoders, and most spellings (the raw text of a record's fields `model` and `version`), in the cache
MOST_CACHED: Final = 4096
#: bytes of a spelling that are compared; it is only a hint which decoder to try
SPELLING_BYTES: Final = 300
_NOTHING_OUTSIDE: Final[Mapping[str, Sequence[object]]] = MappingProxyType({})


class Versions:
    """Decodes values to rows, each with the decoder of its own model version.

    The decoder of the last seen version is tried first. If versions are mixed, the raw bytes of the fields `model` and
    `version` select the decoder to try. Every row is checked afterwards, and decoded again if it was the wrong one.
    """

    def __init__(
        self,
        shapes: Callable[[ModelKey], Shape | None],
        rules: Rules,
        compiler: RowCompiler,
    ) -> None:
        self._compiler = compiler
        self._shapes = shapes
        self.limits = rules.limits
        self._model, self._version = rules.model, rules.version
        self._unwanted = self._compile(None, ())
        self._decoders: dict[tuple[str, str], RowDecoder] = {}
        self._spellings: dict[bytes, RowDecoder] = {}
        self._current = self._unwanted
        self._mixed = False
        #: whether a version has vectors or texts
        self.has_derived = False

    @property
    def are_mixed(self) -> bool:
        """Whether the last rows were of several versions."""
        return self._mixed

    def _compile(self, shape: Shape | None, names: Sequence[str]) -> RowDecoder:
        any_model, any_version = self._model is not None, self._version is not None
        return RowDecoder(shape, names, any_model=any_model, any_version=any_version, compiler=self._compiler)

    def decoder_of(self, key: ModelKey, names: Sequence[str] = ()) -> RowDecoder:
        """The decoder of a model version; `names` are the features of an event of it, in their order."""
        decoder = self._decoders.get(key)
        if decoder is None:
            shape = self._shapes(key)
            decoder = self._unwanted if shape is None else self._compile(shape, names)
            self._decoders[key] = decoder
            self.has_derived = self.has_derived or bool(decoder.derived)
        return decoder

    def forget(self, key: ModelKey) -> None:
        """Drop the decoder of a model version, so that its shape is asked for again."""
        self._decoders.pop(key, None)
        self._spellings.clear()
        self._current = self._unwanted

    def limit_cache(self) -> None:
        """Drop the oldest decoders over the limit; between batches only, whose groups keep their decoders."""
        if len(self._decoders) > MOST_CACHED or len(self._spellings) > MOST_CACHED:
            for key in list(self._decoders)[:-MOST_CACHED]:
                del self._decoders[key]
            self._spellings.clear()
            self._current = self._unwanted

    def columns(self, rows: Sequence[AnyRow]) -> Columns:
        """The columns of at least one row, with the input's own model and version if it has them."""
        columns = Columns.of(rows)
        if self._version is None and set(map(type, columns.version)) != {str}:
            for row in rows:
                row.version = "" if row.version is None else str(row.version)
            columns = columns._replace(version=tuple(row.version for row in rows))
        return self.finished(columns)

    def finished(self, columns: Columns) -> Columns:
        """The columns with the input's own model and version if it has them, and versions as texts."""
        count = len(columns.model)
        if self._model is not None:
            columns = columns._replace(model=(self._model,) * count)
        if self._version is not None:
            columns = columns._replace(version=(self._version,) * count)
        elif set(map(type, columns.version)) != {str}:
            texts = ("" if version is None else str(version) for version in columns.version)
            columns = columns._replace(version=tuple(texts))
        return columns

    def decode(
        self,
        values: Sequence[bytes | None],
        outside: Mapping[str, Sequence[object]] = _NOTHING_OUTSIDE,
        doubtful: Collection[int] = (),
    ) -> tuple[list[AnyRow | None], Columns | None]:
        """The row of each value, None if it needs the reference decoder; and the columns of the rows, if any.

        `outside` are fields that are not in the values, which win, by name with one for each value; `doubtful` are the
        positions of values that need the reference decoder.
        """
        unsafe = unsafe_values(values, self.limits)
        skipped = {*unsafe.places, *doubtful}
        places = [i for i in range(len(values)) if i not in skipped] if skipped else range(len(values))
        kept = [values[i] for i in places] if skipped else values
        if skipped:
            outside = {name: [column[i] for i in places] for name, column in outside.items()}
        decoded, columns = self._decode_safe(cast("Sequence[bytes]", kept), outside)
        if unsafe.names and columns is not None and (bad := badly_named(columns)):
            where = [i for i, row in enumerate(decoded) if row is not None]
            for place in bad:
                decoded[where[place]] = None
            columns = self._columns_of(decoded)
        if not skipped:
            return decoded, columns
        rows: list[AnyRow | None] = [None] * len(values)
        for i, row in zip(places, decoded, strict=True):
            rows[i] = row
        return rows, columns

    def grouped(self, values: Sequence[bytes | None]) -> Grouped | None:
        """The rows of the values of several versions, version by version; None if they need more care, or if there was
        one version last."""
        if not self._mixed or unsafe_values(values, self.limits) != Unsafe([], names=False):
            return None
        places: dict[RowDecoder, list[int]] = {}
        for place, value in enumerate(cast("Sequence[bytes]", values)):
            decoder = self._spellings.get(self._spelling(value), self._current)
            places.setdefault(decoder, []).append(place)
        runs: list[_Run] = []
        for decoder, at in places.items():
            if decoder.decode is None:
                return None
            own = decode_all(decoder.decode, [cast("bytes", values[place]) for place in at])
            runs += (_Run(decoder, kept, kept_at) for kept, kept_at in _runs(own, at))
        if len(runs) <= 1:
            return None
        runs.sort(key=lambda run: run.places[0])  # versions are asked for in the order in which they come
        rows = [row for run in runs for row in run.rows]
        starts = [0, *accumulate(len(run.rows) for run in runs[:-1])]
        order = [place for run in runs for place in run.places]
        found = Grouped(rows, self.columns(rows), order, starts)
        return found.joined() if self._are_right(found, runs) else None

    def _are_right(self, grouped: Grouped, runs: Sequence[_Run]) -> bool:
        """False if one of the rows was decoded with the decoder of another version."""
        model, version, features = grouped.columns.model, grouped.columns.version, grouped.columns.features
        for run, start, end in zip(runs, grouped.starts, grouped.ends(), strict=True):
            right = self._decoders.get((model[start], version[start]))
            is_right = right is run.decoder or (right is not None and right.shape is None)
            if not is_right and features[start:end].count(UNSET) < end - start:
                return False
        return True

    def _decode_safe(
        self, values: Sequence[bytes], outside: Mapping[str, Sequence[object]]
    ) -> tuple[list[AnyRow | None], Columns | None]:
        used = [self._current] * len(values)
        rows: list[AnyRow | None]
        if self._mixed:
            used = [self._spellings.get(self._spelling(value), self._current) for value in values]
            rows = _each_by_its_own(used, values)
        elif self._current.decode is not None:
            rows = decode_all(self._current.decode, values)
        else:
            rows = [None] * len(values)
        for name, column in outside.items():
            _set_field(name, rows, column)
        columns = self._columns_of(rows)
        if columns is None or self._all_correct(columns, used, rows):
            return rows, columns
        self._decode_again(values, rows, used, outside)
        return rows, self._columns_of(rows)

    def _columns_of(self, rows: Sequence[AnyRow | None]) -> Columns | None:
        kept = cast("Sequence[AnyRow]", rows) if all(rows) else [row for row in rows if row is not None]
        return self.columns(kept) if kept else None

    def _all_correct(self, columns: Columns, used: list[RowDecoder], rows: Sequence[AnyRow | None]) -> bool:
        """True if every row was certainly decoded with the decoder of its model version, as far as it is wanted."""
        if not columns.of_one_version():
            right_ones = list(map(self._decoders.get, zip(columns.model, columns.version, strict=True)))
            if len(right_ones) < len(used):
                used = [one for one, row in zip(used, rows, strict=True) if row is not None]
            return right_ones == used
        right = self._decoders.get((columns.model[0], columns.version[0]))
        if right is None:
            return False
        self._current, self._mixed = right, False
        return right.shape is None or used.count(right) == len(used)

    def _decode_again(
        self,
        values: Sequence[bytes],
        rows: list[AnyRow | None],
        used: list[RowDecoder],
        outside: Mapping[str, Sequence[object]],
    ) -> None:
        """Replace the rows whose wanted features were decoded with the decoder of another model version."""
        for i, row in enumerate(rows):
            if row is None or row.features is UNSET or kind_of(row) == "label":
                continue
            model = self._model if self._model is not None else row.model
            version = self._version if self._version is not None else row.version
            if not model:
                continue
            if bad_name(model + version):
                rows[i] = None  # nobody is asked for a model of such a name: the reference decoder rejects it
                continue
            right = self.right_for(model, version, values[i])
            if right is None:
                rows[i] = None
                continue
            if right is used[i]:
                continue
            if right.shape is None:  # whichever decoder has read it
                self._spellings[self._spelling(values[i])] = right
                self._mixed = True
                continue
            rows[i] = decode_one(right.decode, values[i])
            for name, column in outside.items():
                _set_field(name, rows[i : i + 1], column[i : i + 1])
            self._spellings[self._spelling(values[i])] = right
            self._mixed = self._mixed or used[i].shape is not None
            self._current = right

    def _decoder_of_new(self, key: ModelKey, value: object) -> RowDecoder | None:
        """The decoder of a new model version, with the fields in the order of this first event; None if the definition
        rejects it."""
        try:
            content = parse_fast(value, self.limits) if isinstance(value, bytes) else value
        except RejectedRecord:
            return None
        return self.decoder_of(key, self._compiler.names(content))

    def likely(self, value: object) -> RowDecoder:
        """The decoder to try first for a record of many events, or for events that were parsed already."""
        if not self._mixed:
            return self._current
        if isinstance(value, bytes):
            return self._spellings.get(self._spelling(value), self._current)
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict):
            return self._current
        model = first.get("model") if self._model is None else self._model
        version = first.get("version") if self._version is None else self._version
        return self._decoders.get((str(model), "" if version is None else str(version)), self._current)

    def right_for(self, model: str, version: str, value: object) -> RowDecoder | None:
        """The decoder of a model version, of which a value is an event; None if the reference decoder has to read it
        first."""
        return self._decoders.get((model, version)) or self._decoder_of_new(ModelKey(model, version), value)

    def settle(self, right: RowDecoder) -> None:
        """All records of a chunk are of one version: its decoder is tried first from now on."""
        self._current, self._mixed = right, False

    def remember(self, value: object, right: RowDecoder) -> None:
        """A chunk has several versions: a record of many events, or the events, of one of them."""
        self._mixed = True
        if isinstance(value, bytes):
            self._spellings[self._spelling(value)] = right

    def learn(self, value: bytes, row: AnyRow) -> None:
        """Remember the decoder for the spelling of a value that the reference decoder has read."""
        right = self._decoders.get((row.model, row.version))
        if row.features is UNSET or right is None or right.shape is None:
            return
        if self._current.shape is None:
            self._current = right
        elif right is not self._current:
            self._mixed = True
        self._spellings[self._spelling(value)] = right

    def _spelling(self, value: bytes) -> bytes:
        """The raw bytes of the fields that hold model and version, with what stands before them."""
        spelling = b""
        for field in self._compiler.spellings:
            start = value.find(field)
            if start >= 0:
                last = start + len(field) + SPELLING_BYTES
                comma = value.find(b",", start + len(field), last)
                spelling += value[start : last if comma < 0 else comma]
        return spelling


class _Run(NamedTuple):
    """Rows of one version that one decoder has read, and their places among the values, which rise."""

    decoder: RowDecoder
    rows: Sequence[AnyRow]
    places: Sequence[int]


def _runs(rows: Sequence[AnyRow | None], places: Sequence[int]) -> Iterator[tuple[Sequence[AnyRow], Sequence[int]]]:
    """The rows of a decoder, without those that it refused, and their places: one run for each version."""
    if not all(rows):
        places = [*compress(places, rows)]
    kept = [row for row in rows if row is not None]
    model, version = [row.model for row in kept], [row.version for row in kept]
    if not kept or model.count(model[0]) == version.count(version[0]) == len(kept):
        if kept:
            yield kept, places
        return
    # versions that are not wanted have the same decoder, and events without features may be read by any
    by_version: dict[tuple[object, object], tuple[list[AnyRow], list[int]]] = {}
    for row, place, names in zip(kept, places, zip(model, version, strict=True), strict=True):
        own_rows, own_places = by_version.setdefault(names, ([], []))
        own_rows.append(row)
        own_places.append(place)
    yield from by_version.values()


def _each_by_its_own(used: Sequence[RowDecoder], values: Sequence[bytes]) -> list[AnyRow | None]:
    """The row of each value by the decoder at its place: the values of one decoder are decoded together."""
    places: dict[RowDecoder, list[int]] = {}
    for place, decoder in enumerate(used):
        places.setdefault(decoder, []).append(place)
    rows: list[AnyRow | None] = [None] * len(values)
    for decoder, at in places.items():
        if decoder.decode is not None:
            for place, row in zip(at, decode_all(decoder.decode, [values[i] for i in at]), strict=True):
                rows[place] = row
    return rows


def _set_field(name: str, rows: Sequence[AnyRow | None], values: Sequence[object]) -> None:
    for row, value in zip(rows, values, strict=True):
        if row is not None:
            setattr(row, name, value)
