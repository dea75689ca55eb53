"""Inspects the types of the settings tree: the names at a place, the secrets, and the environment variables."""

from __future__ import annotations

import types
from typing import Annotated, Final, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from monitor.settings.tree import Settings
from monitor.settings.types import Loc, Part

PREFIX: Final = "DRIFTD_"


def bare(annotation: object) -> object:
    """An annotation without `Annotated[...]` and without `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return bare(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        some = [item for item in get_args(annotation) if item is not type(None)]
        return bare(some[0]) if len(some) == 1 else annotation
    return annotation


def part_of(annotation: object) -> type[Part] | None:
    """The `Part` that an annotation is, or None."""
    kind = bare(annotation)
    return kind if isinstance(kind, type) and issubclass(kind, Part) else None


def items_of(annotation: object) -> object:
    """The item type of a list or the value type of a mapping; None for anything else."""
    kind = bare(annotation)
    origin = get_origin(kind)
    if origin not in {tuple, dict}:
        return None
    return get_args(kind)[0 if origin is tuple else 1]


def fields_of(part: type[Part]) -> dict[str, FieldInfo]:
    """The fields of a part by the name that a file has."""
    return {field.alias or name: field for name, field in part.model_fields.items()}


def names_at(loc: Loc) -> list[str]:
    """The names of the settings under a place; empty if it takes any name or none."""
    annotation: object = Settings
    for step in loc:
        annotation = _field_type(annotation, step)
    part = part_of(annotation) or _option_of(annotation)
    return list(fields_of(part)) if part else []


def _option_of(annotation: object) -> type[Part] | None:
    """The one `Part` among the types that a setting may have, or None."""
    return next(filter(None, map(part_of, get_args(bare(annotation)))), None)


def is_secret(field: FieldInfo) -> bool:
    """Whether a field is a secret: never shown, and never taken from the settings file."""
    return bare(field.annotation) is SecretStr


def secrets(part: type[Part] = Settings, loc: Loc = ()) -> list[Loc]:
    """The places of all secrets."""
    found: list[Loc] = []
    for name, field in part.model_fields.items():
        below = part_of(field.annotation)
        if is_secret(field):
            found.append((*loc, name))
        elif below is not None:
            found += secrets(below, (*loc, name))
    return found


def variables(part: type[Part] = Settings, loc: Loc = ()) -> dict[str, Loc]:
    """The place of a setting, by its environment variable."""
    found: dict[str, Loc] = {}
    for name, field in part.model_fields.items():
        here = (*loc, name)
        found[variable(here)] = here
        below = part_of(field.annotation)
        if below is not None:
            found |= variables(below, here)
    return found


def variable(loc: Loc) -> str:
    """The environment variable of the setting at a place."""
    return PREFIX + "__".join(str(step) for step in loc).upper()


def _field_type(annotation: object, step: str | int) -> object:
    part = part_of(annotation)
    if part is None:
        return items_of(annotation)
    fields = fields_of(part)
    return fields[str(step)].annotation if step in fields else None
