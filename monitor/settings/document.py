"""Generates the reference of all settings, a YAML file with comments, from the settings tree."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from monitor.settings.duration import format_duration
from monitor.settings.later import NOT_IN_THIS_VERSION
from monitor.settings.shape import bare, fields_of, is_secret, items_of, part_of
from monitor.settings.tree import Settings
from monitor.settings.types import Description, Part, Plain

_HEAD: Final = """\
Settings of driftd: every name with its type, default and help. This text is a settings file itself: what is not
commented out are the defaults, and one input and one model as an example. Leave out what the default is right for.

Environment variables win over the file: DRIFTD_ and the name, with __ between levels (DRIFTD_HTTP__PORT=9000,
DRIFTD_KAFKA__BOOTSTRAP_SERVERS=a:9092,b:9092); lists and mappings as JSON, null as null.
Durations: 250ms, 10s, 15m, 12h, 30d, or several units: 1h30m. Relative paths start in the folder of the file."""
_WIDTH: Final = 108


def settings_reference() -> str:
    """The whole reference; a valid settings file."""
    lines = [*_commented(_HEAD.split("\n")), ""]
    for name, field in Settings.model_fields.items():
        lines += [*_field(name, field), ""]
    lines += [
        "# Not in this version (each is refused by name):",
        *_commented(f"  {row}" for row in NOT_IN_THIS_VERSION),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _part(part: type[Part]) -> list[str]:
    return [line for name, field in fields_of(part).items() for line in _field(name, field)]


def _field(name: str, field: FieldInfo) -> Iterator[str]:
    yield from _help(field)
    part, items = part_of(field.annotation), part_of(items_of(field.annotation))
    if part is not None:
        block = [f"{name}:", *_indented(_part(part))]
        if all(line.lstrip().startswith("#") for line in block[1:]):
            yield f"# {name}:"  # YAML reads a name without a value as null, not as a mapping
            yield from block[1:]
        else:
            yield from block if field.default is not None else _commented(block)
    elif items is not None and get_origin(bare(field.annotation)) is tuple:
        first, *rest = _part(items)
        block = [f"{name}:", f"  - {first}", *_indented(_indented(rest))]
        yield from block if field.is_required() or field.examples else _commented(block)
    elif items is not None:
        yield from _commented([f"{name}:", "  <name>:", *_indented(_indented(_part(items)))])
    elif is_secret(field):
        yield f"# {name}: (by environment)"
    elif field.is_required():
        yield f"{name}: {_flow((field.examples or [''])[0])}"
    else:
        yield f"{name}: {_default(field)}" if field.default is not None else f"# {name}:"


def _help(field: FieldInfo) -> list[str]:
    text = field.description or ""
    if part_of(field.annotation) is None or field.default is None:
        null = " | null" if type(None) in get_args(field.annotation) else ""
        default = "needed" if field.is_required() else f"default {_default(field)}"
        text = f"{text} ({_type_text(field.annotation, field.metadata)}{null}; {default})"
    return _commented(textwrap.wrap(text, _WIDTH))


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _commented(lines: Iterable[str]) -> list[str]:
    return [f"# {line}" for line in lines]


def _default(field: FieldInfo) -> str:
    """The default as a person would write it."""
    if any(isinstance(item, Description) and item.time for item in field.metadata):
        return format_duration(field.default) if field.default is not None else "null"
    return _flow(field.default)


def _type_text(annotation: object, metadata: Iterable[object] = ()) -> str:
    """A type for people: its `Description` if it has one, the values of a literal, or the item type of a list or
    mapping."""
    for description in (*metadata, *_metadata(annotation)):
        if isinstance(description, Description):
            return description.text
    kind = bare(annotation)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin is dict:
        return f"mapping of {_type_text(inner[0])} to {_type_text(inner[1])}"
    if origin is tuple:
        return f"list of {_type_text(inner[0])}s"
    return "mapping" if part_of(kind) else "secret"


def _metadata(annotation: object) -> list[object]:
    """The metadata of `Annotated[...]`, also of `Annotated[...] | None`."""
    inner = get_args(annotation)
    options = (annotation, *inner) if type(None) in inner else (annotation,)
    return [item for option in options for item in getattr(option, "__metadata__", ())]


def _flow(value: Plain) -> str:
    """One value in YAML's flow style."""
    if isinstance(value, Path):
        value = str(value)
    elif isinstance(value, tuple):
        value = list(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
