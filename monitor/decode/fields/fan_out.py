"""Records of one's own layout with a list of rows: all rows of many records to columns at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat, starmap
from typing import Any

import msgspec

from monitor.decode.columns import Limits
from monitor.decode.native.fast_decoder import REFUSED, exceeding, may_exceed_with_rows, unsafe_texts
from monitor.decode.native.rows import Columns, Counts
from monitor.decode.values import NAME_LENGTH


@dataclass(frozen=True, slots=True)
class FanOut:
    """The compiled decoder of records with rows, which are structs.

    `fields_of` gives the fields of a row as an event's; `cells_of` its features as cells of the struct `features`, if
    they are not one of the fields. `shared_of` gives the fields around the rows, whose names are `shared`; with
    `adds_index` the index of a row is added to an id.
    """

    decode: Callable[[bytes], Any]
    rows_of: Callable[[Any], list[Any]]
    #: the same record with its rows as texts
    decode_texts: Callable[[bytes], Any]
    texts_of: Callable[[Any], Sequence[msgspec.Raw]]
    #: of JSON, which every row lies in
    levels: int
    fields_of: Callable[[Any], Sequence[Any]]
    cells_of: Callable[[object], Sequence[object]] | None
    features: type[msgspec.Struct]
    shared: Sequence[str]
    shared_of: Callable[[object], Sequence[object]]
    adds_index: bool

    def read(self, values: Sequence[bytes], limits: Limits) -> tuple[list[Any], bool]:
        """See `ManyDecoder`."""
        unsafe, escapes = unsafe_texts(values, limits)
        exceed = [at for at in exceeding(values, limits) if self._exceeds(values[at], limits)]
        left = {*unsafe, *exceed}
        if not left:
            try:
                return [*map(self.decode, values)], escapes
            except REFUSED:
                pass
        return [None if at in left else self._record(value) for at, value in enumerate(values)], escapes

    def _record(self, value: bytes) -> object | None:
        try:
            record: object = self.decode(value)
        except REFUSED:
            return None
        return record

    def _exceeds(self, value: bytes, limits: Limits) -> bool:
        """Whether a row of a record, or what is around the rows, may be nested too deeply, or hold too much."""
        try:
            texts = self.texts_of(self.decode_texts(value))
        except REFUSED:
            return True
        return may_exceed_with_rows(value, texts, self.levels, limits)

    def columns(self, records: Sequence[Any], outside: Mapping[str, Sequence[object]]) -> tuple[Columns | None, Counts]:
        """The columns of all rows of the records, and how many each has."""
        lists = [*map(self.rows_of, records)]
        counts = [*map(len, lists)]
        rows = [*chain.from_iterable(lists)]
        if not rows:
            return None, counts
        columns = Columns._make(zip(*map(self.fields_of, rows), strict=True))
        if self.cells_of is not None:
            columns = columns._replace(features=tuple(starmap(self.features, map(self.cells_of, rows))))
        around = zip(*map(self.shared_of, records), strict=True) if self.shared else ()
        shared = {**dict(zip(self.shared, around, strict=True)), **outside}
        columns = columns._replace(**{name: _spread(values, counts) for name, values in shared.items()})
        if not self.adds_index:
            return columns, counts
        ids = [*map(_with_index, columns.id, chain.from_iterable(map(range, counts)))]
        columns = columns._replace(id=tuple(ids))
        return _of_valid_ids(columns, counts)


def _spread(values: Iterable[object], counts: Counts) -> tuple[Any, ...]:
    """The value of each record for all of its rows."""
    return tuple(chain.from_iterable(map(repeat, values, counts)))


def _with_index(name: Any, index: int) -> Any:  # noqa: ANN401  # of an id
    return f"{name}#{index}" if type(name) is str or type(name) is int else name


def _of_valid_ids(columns: Columns, counts: Counts) -> tuple[Columns | None, Counts]:
    """The records without an id that is too long with its index."""
    too_long = [type(name) is str and len(name) > NAME_LENGTH for name in columns.id]
    if not any(too_long):
        return columns, counts
    following = iter(too_long)
    kept = [not any([*islice(following, count)]) for count in counts]
    return columns.of_records(counts, kept), [count * keep for count, keep in zip(counts, kept, strict=True)]
