"""Where a field is in a record of one's own layout: a path, a constant, a header, or the record's key.

A path is keys with dots between them and indices of lists in brackets (`request.id`, `rows[0].x`); a key with such a
character is in single quotes (`'a.b'.c`, a quote in it is written twice). Or it is a JSON pointer (`/request/id`).
`^.` before a path: it begins at the record, where `rows` makes other paths begin at a row.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import Discriminator, PlainValidator, Tag

from monitor.settings.types import Description, Name, shown, wrong

#: a key of an object, or an index of a list
Step: TypeAlias = str | int

_STEP: Final = re.compile(r"'((?:[^']|'')+)'|([^.\[\]'^][^.\[\]']*)")
_INDEX: Final = re.compile(r"\[([0-9]{1,9})\]")
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_LONGEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path. `of_record`: it begins at the record, not at the row."""

    steps: tuple[Step, ...]
    of_record: bool = False

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            if isinstance(step, int):
                text += f"[{step}]"
                continue
            key = step if _STEP.fullmatch(step) and not step.startswith("/") else "'" + step.replace("'", "''") + "'"
            text += f".{key}" if text else key
        text = "'rest'" if text == "rest" else text  # without quotes it is another thing among features
        return f"^.{text}" if self.of_record else text


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value for every event."""

    value: bool | int | float | str

    def __str__(self) -> str:
        return f"{{value: {shown(self.value)}}}"


@dataclass(frozen=True, slots=True)
class Header:
    """The last header of that name, as UTF-8 text."""

    name: str

    def __str__(self) -> str:
        return f"{{header: {self.name}}}"


@dataclass(frozen=True, slots=True)
class RecordKey:
    """The record's key, as UTF-8 text."""

    def __str__(self) -> str:
        return "{key: true}"


Place: TypeAlias = FieldPath | Constant | Header | RecordKey


@dataclass(frozen=True, slots=True)
class Rest:
    """Every top-level field that is not mapped and not in `ignore`."""

    def __str__(self) -> str:
        return "every other field"


def parse_path(text: str) -> FieldPath:
    """Parse a path or a JSON pointer.

    Raises:
        ValueError: it is neither; the message says what would be right.
    """
    of_record = text.startswith("^.")
    rest = text.removeprefix("^.")
    if not rest or len(text) > _LONGEST or not text.isprintable():
        message = f"{shown(text)} is not a path; write request.id, rows[0].x or /request/id"
        raise ValueError(message)
    if rest.startswith("/"):
        return FieldPath(_pointer_steps(rest), of_record)
    return FieldPath(_path_steps(rest), of_record)


def _pointer_steps(text: str) -> tuple[Step, ...]:
    if not _POINTER.fullmatch(text):
        message = f"{shown(text)} is not a JSON pointer: a ~ is written ~0 and a / in a key ~1"
        raise ValueError(message)
    keys = (part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))
    return tuple(int(key) if re.fullmatch("0|[1-9][0-9]{0,8}", key, re.ASCII) else key for key in keys)


def _path_steps(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if index := _INDEX.match(text, at):
            steps.append(int(index[1]))
            at = index.end()
            continue
        if steps:
            at += text[at] == "."
        key = _STEP.match(text, at)
        if key is None or (steps and text[at - 1] != "."):
            message = f"{shown(text)} is not a path (at {shown(text[at:])}); write request.id, rows[0].x or 'a.b'.c"
            raise ValueError(message)
        steps.append(key[1].replace("''", "'") if key[1] else key[2])
        at = key.end()
    return tuple(steps)


_HINT: Final = "write a path such as request.id, {value: TEXT}, {header: NAME} or {key: true}"


def _path(value: object) -> FieldPath:
    if isinstance(value, FieldPath):
        return value
    if not isinstance(value, str):
        raise wrong(f"{shown(value) if not isinstance(value, dict | list) else 'this'} is not a path; write request.id")
    try:
        return parse_path(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _place(value: object) -> Place:
    if isinstance(value, FieldPath | Constant | Header | RecordKey):
        return value
    if isinstance(value, str):
        return _path(value)
    if not isinstance(value, dict) or len(value) != 1:
        raise wrong(f"{'this' if isinstance(value, dict | list) else shown(value)} is not a place; {_HINT}")
    ((kind, inner),) = value.items()
    if kind == "value" and isinstance(inner, bool | int | str):
        return Constant(inner)
    if kind == "value" and isinstance(inner, float) and math.isfinite(inner):
        return Constant(inner)
    if kind == "header" and isinstance(inner, str) and inner:
        return Header(inner)
    if kind == "key" and inner is True:
        return RecordKey()
    raise wrong(f"this is not a place; {_HINT}")


def _rest(value: object) -> Rest:
    return Rest()


#: as a step of a place, each of them is left out
PATH_TAG, MAP_TAG, REST_TAG = PLACE_TAGS = ("[path]", "[map]", "[rest]")


def _object_form(value: object) -> str:
    return MAP_TAG if isinstance(value, dict) else PATH_TAG


def _features_form(value: object) -> str:
    return REST_TAG if value == "rest" or isinstance(value, Rest) else _object_form(value)


PathType = Annotated[FieldPath, PlainValidator(_path), Description("path")]
PlaceType = Annotated[Place, PlainValidator(_place), Description("place")]
_Map = Annotated[dict[Name, PlaceType], Tag(MAP_TAG)]
ObjectType = Annotated[
    Annotated[PathType, Tag(PATH_TAG)] | _Map,
    Discriminator(_object_form),
    Description("path of an object, or mapping of names to places"),
]
FeaturesType = Annotated[
    Annotated[PathType, Tag(PATH_TAG)] | _Map | Annotated[Rest, PlainValidator(_rest), Tag(REST_TAG)],
    Discriminator(_features_form),
    Description("path of an object, mapping of names to places, or rest"),
]
