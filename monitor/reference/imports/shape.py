"""What an import gives, whichever system wrote it: columns with counts, limits of its own, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.reference.column import FEATURE
from monitor.reference.imported import Limit
from monitor.stats.bins.weighted import Floats, Shares

#: cells by column; a cell that is missing is None
Table = Mapping[str, Sequence[object]]


class ImportedFile(NamedTuple):
    """A file that was given, by its name for people: its bytes, or its rows where it is a table."""

    name: str
    data: bytes
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Sketch:
    """A weighted sample of a column's values; `low` and `high` are those of all values."""

    values: Floats
    weights: Floats
    low: float
    high: float


@dataclass(slots=True)
class ImportedColumn:
    """One column. `present` values and `missing` ones were counted.

    A numeric one has `numbers`, with mean and standard deviation where they are told (NaN else); `error` is by how much
    a share of them may be wrong. Another one has `categories` with their counts, most frequent first; `others` values
    are of categories that are not listed. `known` are categories that are expected too, `allowed` the lowest and
    highest number that is (None: no such limit). Where nothing but its `kind` is known, all else is learned.
    `left_out` says why the column is not watched, "" if it is.
    """

    name: str
    role: str = FEATURE
    kind: str = ""
    present: float = 0.0
    missing: float = 0.0
    numbers: Shares | Sketch | None = None
    mean: float = float("nan")
    deviation: float = float("nan")
    error: float = 0.0
    categories: list[tuple[str, float]] | None = None
    others: float = 0.0
    known: list[str] = field(default_factory=list)
    allowed: tuple[float | None, float | None] = (None, None)
    limits: list[Limit] = field(default_factory=list)
    left_out: str = ""


@dataclass(slots=True)
class ImportedData:
    """All of an import. `notes` are sentences on what it cannot give; `limits` are those of the whole data."""

    system: str
    columns: list[ImportedColumn] = field(default_factory=list)
    examples: float = 0.0
    limits: list[Limit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: the features in the order of arrays
    order: list[str] = field(default_factory=list)

    def column(self, name: str) -> ImportedColumn | None:
        """The column with that name."""
        return next((one for one in self.columns if one.name == name), None)
