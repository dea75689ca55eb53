"""JSON of other systems: numbers that are texts or NaN, and places for messages."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import yaml

from monitor.errors import UsageError
from monitor.reference.imports.shape import ImportedFile

_BOM: Final = b"\xef\xbb\xbf"


def json_of(file: ImportedFile, what: str) -> dict[str, Any]:
    """The object of a file; `what` it should be.

    Raises:
        UsageError: it is a table, empty, cut off, or no object.
    """
    if file.table is not None:
        raise UsageError(f"{file.name}: is a table of rows; give {what}")
    if not file.data.strip():
        raise UsageError(f"{file.name}: is empty; give {what}")
    try:
        tree = json.loads(file.data.removeprefix(_BOM))
    except (ValueError, RecursionError) as fault:
        where = f"line {fault.lineno}: {fault.msg}" if isinstance(fault, json.JSONDecodeError) else type(fault).__name__
        raise UsageError(f"{file.name}: is no JSON, or cut off ({where}); give {what}") from None
    if not isinstance(tree, dict):
        raise UsageError(f"{file.name}: is a JSON {type(tree).__name__}, not an object; give {what}")
    return tree


def yaml_of(file: ImportedFile, what: str) -> dict[str, Any]:
    """The mapping of a YAML file; `what` it should be.

    Raises:
        UsageError: it is empty, no YAML, or no mapping.
    """
    try:
        tree = yaml.safe_load(file.data.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"line {mark.line + 1}: {getattr(fault, 'problem', '')}" if mark else type(fault).__name__
        raise UsageError(f"{file.name}: is no YAML ({where}); give {what}") from None
    if not isinstance(tree, dict):
        raise UsageError(f"{file.name}: is {'empty' if tree is None else 'no mapping'}; give {what}")
    return tree


def number_of(value: object) -> float:
    """A number, also as text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def count_of(value: object) -> float:
    """A count; 0 for anything that is none."""
    number = number_of(value)
    return number if math.isfinite(number) and number > 0 else 0.0


def below(tree: object, *path: str) -> dict[str, Any]:
    """The object at a path; an empty one where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def rows_of(value: object) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
