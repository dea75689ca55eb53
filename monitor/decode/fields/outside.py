"""Fields of one's own layout that are not in a record's value: in its key, or in its headers; column by column."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import UNSET

from monitor.decode.fields.layout import TEXTS
from monitor.decode.fields.paths import NOTHING, decoded
from monitor.decode.values import NAME_LENGTH, bad_name
from monitor.errors import RejectedRecord
from monitor.events import KINDS
from monitor.records import Envelope
from monitor.settings.places import Header, Place, RecordKey

#: what a compiled decoder accepts of integers
_WORD: Final = 2**63
_NAMES: Final = ("id", "model", "version")


class OutsideFields:
    """The fields of events that keys and headers hold, by name; `places` are those of all fields."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = {name: place for name, place in places.items() if isinstance(place, Header | RecordKey)}

    def __bool__(self) -> bool:
        return bool(self._places)

    def columns(self, envelopes: Sequence[Envelope]) -> tuple[dict[str, list[object]], set[int]]:
        """For n records n values of each field, that of an event without it where there is none; and the positions of
        records with one that only the definition may judge."""
        columns: dict[str, list[object]] = {}
        doubtful: set[int] = set()
        for name, place in self._places.items():
            raw = (
                [*map(_header(place.name), envelopes)] if isinstance(place, Header) else [one.key for one in envelopes]
            )
            columns[name], bad = _column(name, raw)
            doubtful.update(bad)
        return columns, doubtful


def _header(name: str) -> Callable[[Envelope], bytes | None]:
    def last(envelope: Envelope) -> bytes | None:
        found = None
        for header, value in envelope.headers:
            if header == name:
                found = value
        return found

    return last


def _column(name: str, raw: Sequence[bytes | None]) -> tuple[list[object], list[int]]:
    """The values of a field, and the positions of those that are in doubt."""
    usual = _usual(name, raw)
    if usual is not None:
        return usual, []
    values: list[object] = []
    doubtful: list[int] = []
    absent: object = "" if name in {"model", "version"} else UNSET
    for at, one in enumerate(raw):
        try:
            value = decoded(one, name, as_text=name in TEXTS)
        except RejectedRecord:
            value = None
        if value is None or not (value is NOTHING or _fits(name, value)):
            doubtful.append(at)
        values.append(absent if value is NOTHING else value)
    return values, doubtful


def _usual(name: str, raw: Sequence[bytes | None]) -> list[object] | None:
    """All values at once: names without anything unusual, or whole numbers; None for others."""
    if not all(raw):
        return None
    try:
        texts = [one.decode() for one in raw]  # type: ignore[union-attr]  # there is no None among them
    except UnicodeDecodeError:
        return None
    if name in _NAMES:
        return None if bad_name("".join(texts)) or max(map(len, texts)) > NAME_LENGTH else [*texts]
    if name == "ts" and all(text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 19 for text in texts):
        return [*map(int, texts)]
    return None


def _fits(name: str, value: object) -> bool:
    """Whether a compiled decoder would accept the value; the definition accepts more."""
    if name in _NAMES:
        return isinstance(value, str) and 0 < len(value) <= NAME_LENGTH and not bad_name(value)
    if name == "type":
        return value in KINDS
    if type(value) is str:
        return name in {"ts", "prediction", "label"}
    is_usual = isinstance(value, int | float) and math.isfinite(value) and abs(value) < _WORD
    return is_usual and (name != "score" or 0 <= value <= 1)  # type: ignore[operator]  # a number
