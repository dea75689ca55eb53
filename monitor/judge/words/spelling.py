"""Never-seen values that are known ones written otherwise (case, spaces around it, leading zeros), or empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from monitor.stats.tallies.names import shortened

#: it is said where at least this part of the named values is of the kind
MOST: Final = 0.5
CASE, SPACES, ZEROS, EMPTY = "case", "surrounding spaces", "leading zeros", "empty"
_KINDS: Final = (CASE, SPACES, ZEROS)


class Spelling(NamedTuple):
    """What is said of never-seen values, and what a person does first; both "" where nothing is to be said."""

    words: str = ""
    next_step: str = ""


def spelling(unseen: Mapping[str, int], known: Iterable[str]) -> Spelling:
    """Whether most of the never-seen values {value: count} are known ones, spelled otherwise, or empty."""
    total, by_form = sum(unseen.values()), {_form(one): shortened(one) for one in known}
    empty = sum(count for name, count in unseen.items() if not name.strip())
    if total and empty >= MOST * total:
        return Spelling(
            f"; {_how_many(empty, total)} empty", "write a value that is missing as null where it is produced"
        )
    alike = {name: by_form[_form(name)] for name in unseen if name.strip() and _form(name) in by_form}
    count = sum(unseen[name] for name in alike)
    if not total or count < MOST * total:
        return Spelling()
    found = {kind for name, other in alike.items() for kind in _differ(name, other)}
    kinds = " and ".join(kind for kind in _KINDS if kind in found)
    return Spelling(
        f"; {_how_many(count, total)} known values but for {kinds}",
        "write the values as before where they are produced, or map them",
    )


def _how_many(count: int, total: int) -> str:
    return "they are" if count == total else "most are"


def _form(name: str) -> str:
    """The same for every spelling of a value."""
    plain = shortened(name).strip().casefold()
    return (plain.lstrip("0") or "0") if plain.isdecimal() else plain


def _differ(name: str, other: str) -> Iterable[str]:
    """In what two spellings of a value differ."""
    if (name.strip() == name) != (other.strip() == other) or (name != other and name.strip() == other.strip()):
        yield SPACES
    if name.strip() != other.strip():
        yield ZEROS if name.strip().isdecimal() else CASE
