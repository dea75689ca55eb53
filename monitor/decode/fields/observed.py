"""What values the fields of some records have, by their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from monitor.decode.values import NO_OFFSET, is_number, time_of

#: how deep objects are looked into
_DEEPEST: Final = 8
_LONGEST_KEY: Final = 100
#: different values of a field that are told apart
_DISTINCT: Final = 5_000

Path = tuple[str, ...]


@dataclass(slots=True)
class Observed:
    """The values of one field: how many of each form, different ones, and the range of numbers."""

    count: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    distinct: set[object] = field(default_factory=set)
    low: float = float("inf")
    high: float = float("-inf")
    times: int = 0
    times_without_offset: int = 0

    def add(self, value: object) -> None:
        self.count += 1
        form = form_of(value)
        self.forms[form] += 1
        if form in {"number", "text", "boolean"} and len(self.distinct) < _DISTINCT:
            self.distinct.add(value)
        if form == "number":
            self.low, self.high = min(self.low, float(value)), max(self.high, float(value))  # type: ignore[arg-type]  # a number
        if form in {"number", "text"}:
            self._add_time(value)

    def _add_time(self, value: object) -> None:
        if isinstance(value, str) and NO_OFFSET.fullmatch(value):
            self.times_without_offset += 1
            self.times += 1
            return
        try:
            time_of(value)
        except (ValueError, OverflowError):
            return
        self.times += 1

    @property
    def given(self) -> int:
        """Values that are not null."""
        return self.count - self.forms["null"]

    def only(self, *forms: str) -> bool:
        """Whether there are values, and all of them have one of these forms."""
        return self.given > 0 and sum(self.forms[form] for form in forms) == self.given

    def is_scalar(self) -> bool:
        return self.only("number", "text", "boolean")


def form_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "rows" if value and all(isinstance(one, dict) for one in value) else "list"
    return "number" if is_number(value) else "other"


class Fields:
    """The fields of records, each by its path, in the order in which they first came."""

    def __init__(self) -> None:
        self.records = 0
        self.by_path: dict[Path, Observed] = {}

    def add(self, record: object) -> None:
        """Take a record (an object; anything else is left out)."""
        if isinstance(record, dict):
            self.records += 1
            for path, value in _fields(record, ()):
                self.by_path.setdefault(path, Observed()).add(value)

    def below(self, path: Path) -> list[Path]:
        """The fields of an object that are no objects themselves, at any depth."""
        return [
            one
            for one, seen in self.by_path.items()
            if len(one) > len(path) and one[: len(path)] == path and not seen.only("object")
        ]


def _fields(value: dict[object, object], path: Path) -> Iterator[tuple[Path, object]]:
    for key, below in value.items():
        name = str(key)
        if not name or len(name) > _LONGEST_KEY or not name.isprintable():
            continue  # no path of the settings can name it
        here = (*path, name)
        yield here, below
        if isinstance(below, dict) and len(here) < _DEEPEST:
            yield from _fields(below, here)
