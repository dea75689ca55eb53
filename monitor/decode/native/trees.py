"""Events that were parsed already to rows: msgspec converts many at once, where that gives the reference's rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from monitor.decode.columns import Limits
from monitor.decode.native.rows import Columns, Compiled, Counts, FeatureField, Row
from monitor.decode.values import bad_name, whole_characters

_MOST: Final = sys.float_info.max
_WORD: Final = 2**63 - 1
#: NaN and infinities are refused where an event may not hold them
_Finite = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]
_Whole = Annotated[int, msgspec.Meta(ge=-_WORD, le=_WORD)]
_Answer = str | _Finite | _Whole | bool | msgspec.UnsetType | None
_TYPES: Final[Mapping[str, Any]] = {
    "ts": _Whole | _Finite | str | msgspec.UnsetType | None,
    "prediction": _Answer,
    "label": _Answer,
    "value": _Finite | msgspec.UnsetType | None,
}
#: most sets of names that are known to be valid
_MOST_KNOWN: Final = 1024
#: what the conversion raises for values that it refuses
_REFUSED: Final = (msgspec.ValidationError, RecursionError, OverflowError, ValueError)


class TreeRows:
    """A record is a native event, or a list of them, as a parser gave it."""

    spellings: Sequence[bytes] = ()
    unchecked = True

    def __init__(self) -> None:
        #: names of features that are valid, in their order
        self._known: set[tuple[str, ...]] = set()

    def names(self, content: object) -> Sequence[str]:
        first = content[0] if isinstance(content, list) and content else content
        features = first.get("features") if isinstance(first, dict) else None
        return tuple(features) if isinstance(features, dict) else ()

    def compile(
        self, features: type[msgspec.Struct], _cells: Sequence[FeatureField], types: Mapping[str, Any]
    ) -> Compiled | None:
        defaults = dict(zip(Row.__struct_fields__, Row.__struct_defaults__, strict=True))
        fields: list[Any] = [(name, _TYPES.get(name, kind), defaults[name]) for name, kind in types.items()]
        row = msgspec.defstruct("TreeRow", fields, gc=False)
        return Compiled(None, features, _ManyTrees(row, self._are_known))

    def _are_known(self, features: dict[str, object], limits: Limits) -> bool:
        """Whether all names of features are valid, and not too many."""
        names = tuple(features)
        if names in self._known:
            return True
        if len(names) > limits.features or any(map(bad_name, names)):
            return False
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(names)
        return True


class _ManyTrees:
    """Converts events to the rows of a version."""

    def __init__(self, row: type[msgspec.Struct], are_known: Callable[[dict[str, object], Limits], bool]) -> None:
        self._rows: Any = list[row]  # type: ignore[valid-type]  # made at run time
        self._are_known = are_known

    def read(self, values: Sequence[object], limits: Limits) -> tuple[list[Any], bool]:
        return [self._events(value, limits) for value in values], True

    def _events(self, value: object, limits: Limits) -> list[Any] | None:
        events = value if type(value) is list else [value]
        if len(events) > limits.events_per_record:
            return None
        return events if all(self._is_usual(event, limits) for event in events) else None

    def _is_usual(self, event: object, limits: Limits) -> bool:
        """False for an event on which the conversion might not agree with the reference decoder."""
        if type(event) is not dict or event.get("outcomes") is not None:
            return False
        features, tags = event.get("features"), event.get("tags")
        if type(features) is dict and not self._are_known(features, limits):
            return False
        if type(tags) is dict and not _are_usual_tags(tags):
            return False
        return _is_whole(event.get("prediction")) and _is_whole(event.get("label"))

    def columns(
        self, records: Sequence[list[Any]], _outside: Mapping[str, Sequence[object]]
    ) -> tuple[Columns | None, Counts]:
        try:
            rows = msgspec.convert([event for record in records for event in record], self._rows)
            counts = [*map(len, records)]
        except _REFUSED:  # one of them is: each by itself
            each = [*map(self._converted, records)]
            rows, counts = [row for of in each for row in of], [*map(len, each)]
        return (Columns.of(rows) if rows else None), counts

    def _converted(self, record: list[Any]) -> list[Any]:
        try:
            rows: list[Any] = msgspec.convert(record, self._rows)
        except _REFUSED:
            return []
        return rows


def _is_whole(value: object) -> bool:
    return type(value) is not str or whole_characters(value)


def _are_usual_tags(tags: dict[str, object]) -> bool:
    return not any(map(bad_name, tags)) and all(map(_is_whole, tags.values()))
