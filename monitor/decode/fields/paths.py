"""Reads places of one's own layout from the tree of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from monitor.decode.encodings.encoding import RecordInfo
from monitor.errors import RejectedRecord
from monitor.settings.places import Constant, FieldPath, Header, Place, Step

#: nothing is at the place
NOTHING: Final = object()
#: a number as JSON writes it
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class Source(NamedTuple):
    """What an event is read from: a row (without `rows` the record), the record's tree, and what comes with it."""

    row: object
    tree: object
    record: RecordInfo


Reader = Callable[[Source], object]


def at_path(tree: object, steps: Sequence[Step]) -> object:
    """The value at a path, NOTHING if there is none."""
    for step in steps:
        if type(tree) is dict:
            tree = tree.get(str(step), NOTHING)
        elif type(tree) is list and type(step) is int and step < len(tree):
            tree = tree[step]
        else:
            return NOTHING
    return tree


def reader_of(place: Place, *, as_text: bool) -> Reader:
    """A function that reads a place. A header or key that is a number becomes one, unless `as_text` is set.

    Raises (the function):
        RejectedRecord: a header or the key is not UTF-8.
    """
    if isinstance(place, FieldPath):
        steps = place.steps
        return _of_record(steps) if place.of_record else _of_row(steps)
    if isinstance(place, Constant):
        value = place.value
        return lambda _: value
    if isinstance(place, Header):
        return _of_header(place.name, as_text=as_text)
    return _of_key(as_text=as_text)


def _of_row(steps: tuple[Step, ...]) -> Reader:
    return lambda source: at_path(source.row, steps)


def _of_record(steps: tuple[Step, ...]) -> Reader:
    return lambda source: at_path(source.tree, steps)


def _of_header(name: str, *, as_text: bool) -> Reader:
    return lambda source: decoded(source.record.header(name), f"the header {name}", as_text=as_text)


def _of_key(*, as_text: bool) -> Reader:
    return lambda source: decoded(source.record.key, "the record's key", as_text=as_text)


def decoded(value: bytes | None, what: str, *, as_text: bool) -> object:
    """The value of a header or key, NOTHING without it; a number becomes one unless `as_text` is set.

    Raises:
        RejectedRecord: it is not UTF-8.
    """
    if value is None:
        return NOTHING
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise RejectedRecord("encoding", f"{what} is not UTF-8 text; write UTF-8") from None
    number = None if as_text else _NUMBER.fullmatch(text)
    if number is None:
        return text
    if number.lastindex is None:
        return int(text)
    return float(text)
