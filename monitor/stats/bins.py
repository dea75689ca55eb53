"""Reference bins: what a value of a column is counted as.

A column has value bins and five *quality counts* beside them, which are tested on their own: pooled with rare values,
one per cent of missing values would never be found. Where not every category has a bin of its own, the others, seen or
never seen, are counted in buckets by the hash of their text; `unseen` is then a mark beside the bucket.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.digits import told_apart

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"

#: the facts, in the order of their slots behind the value bins
QUALITY_COUNTS: Final = ("missing", "absent", "unseen", "outside", "type")
MISSING, ABSENT, UNSEEN, OUTSIDE, TYPE = range(len(QUALITY_COUNTS))

QUANTILE_BINS: Final = 10
#: how far beyond the reference's range a number may lie before it is outside, as a share of that range
RANGE_MARGIN: Final = 0.1
#: the largest finite number, which streams hold as a mark for "unknown"
LARGEST: Final = float(np.finfo(np.float64).max)
#: the canonical text of an integer that is finite as a float; other digits than these are text as any other
_LONG_INTEGER: Final = re.compile(r"-?[1-9][0-9]{0,308}")
#: names of a bucket that are kept for people
NAMES_SHOWN: Final = 3
#: what all categories without a bin of their own are called together
OTHERS: Final = "(other)"


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """How one column is counted.

    Numeric: `edges` rise and lie between reference values; bin i holds edges[i-1] < x <= edges[i]; a value below
    `low` or above `high` is outside. Categorical: one bin a category, in `categories`, most frequent first; then
    `buckets` for all others, none where there are no others. `cuts` are the numbers of categories that may have bins
    of their own, `known` the hashes of all categories of the reference as `KnownNames.to_bytes` gives them,
    `bucket_names` the most frequent categories of each bucket.
    """

    kind: str
    edges: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    categories: tuple[str, ...] = ()
    buckets: int = 0
    cuts: tuple[int, ...] = ()
    known: bytes = b""
    bucket_names: tuple[tuple[str, ...], ...] = ()

    @property
    def bins(self) -> int:
        return len(self.edges) + 1 if self.kind == NUMERIC else self.named + self.buckets

    @property
    def named(self) -> int:
        """The first bins, each of which is one value by name; 0 of a numeric column."""
        return len(self.categories)

    def labels(self) -> list[str]:
        """A readable name for each bin, buckets together as one; no two are equal, none is a category's by mistake."""
        if self.kind == CATEGORICAL:
            return [*self.categories, *([self._unlike(OTHERS)] if self.buckets else [])]
        if not self.edges:
            return ["all"]
        return [f"{a} to {b}" for a, b in itertools.pairwise(self._points())]

    def beyond(self) -> tuple[str, ...]:
        """Names for what is in no bin: below and above the range, or never seen."""
        if self.kind == CATEGORICAL:
            return (self._unlike("(never seen)"),)
        low, *_, high = self._points()
        return f"below {low}", f"above {high}"

    def labelled(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts by `labels`, never-seen values in none of them; `counts` (width + quality counts,) of one column."""
        if not self.buckets:
            return counts[: self.bins]
        others = counts[self.named : self.bins].sum() - counts[UNSEEN - len(QUALITY_COUNTS)]
        return np.append(counts[: self.named], max(others, 0))

    def everywhere(self, counts: NDArray[np.int64], below: int) -> NDArray[np.int64]:
        """Counts of all values in order: below the range, bins, above it; or bins by `labels`, never seen.

        `counts` (width + quality counts,) of one column, of whose `outside` so many lie `below`.
        """
        quality_counts = counts[-len(QUALITY_COUNTS) :]
        if self.kind == CATEGORICAL:
            return np.append(self.labelled(counts), quality_counts[UNSEEN])
        return np.concatenate(([below], counts[: self.bins], [quality_counts[OUTSIDE] - below]))

    def _points(self) -> list[str]:
        return told_apart([self.low, *self.edges, self.high])

    def _unlike(self, label: str) -> str:
        """The label of a bin, in further brackets while a category is called so."""
        while label in self.categories:
            label = f"({label})"
        return label


def category_codes(column: ColumnBins) -> dict[str | float, int]:
    """Bin of each category that has one of its own, under its text and, where it is a number's, under the number too.

    `true`, 1 and 1.0 are one key of a dict, as they are one class in the contract.
    """
    codes: dict[str | float, int] = {}
    for code, category in enumerate(column.categories):
        codes[category] = code
        number = _number_of(category)
        if number is not None:
            codes[number] = code
        elif _LONG_INTEGER.fullmatch(category):
            codes[int(category)] = code  # beyond what a float tells apart
    return codes


def _number_of(category: str) -> float | None:
    """The number whose canonical text this is, if there is one."""
    try:
        number = float(category)
    except ValueError:
        return None
    if not np.isfinite(number):
        return None
    text = str(int(number)) if number.is_integer() else repr(number)
    return number if text == category else None


def beside_bins(columns: Sequence[ColumnBins]) -> NDArray[np.int64]:
    """(columns, quality counts) 1 for counts of events that are in no bin; a never-seen value may be in a bucket."""
    beside = np.ones((len(columns), len(QUALITY_COUNTS)), np.int64)
    beside[[column.buckets > 0 for column in columns], UNSEEN] = 0
    return beside


def width_of(columns: Sequence[ColumnBins]) -> int:
    """Value bins of the widest column: the padded width all columns of a model share."""
    return max((column.bins for column in columns), default=1)
