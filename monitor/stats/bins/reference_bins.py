"""Reference bins: how the values of a column are counted.

A column has value bins and five *quality counts*, which are tested separately: pooled with rare values, one per cent of
missing values would not be detected. If there are too many categories for a bin each, the rare ones, seen or never
seen, are counted in buckets by the hash of their text; a never-seen value then counts in its bucket and in `unseen`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.digits import told_apart

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"

#: the quality counts, in the order of their slots after the value bins
QUALITY_COUNTS: Final = ("missing", "absent", "unseen", "outside", "type")
MISSING, ABSENT, UNSEEN, OUTSIDE, TYPE = range(len(QUALITY_COUNTS))

QUANTILE_BINS: Final = 10
#: margin of the reference's range, as a share of that range; a number beyond it is outside
RANGE_MARGIN: Final = 0.1
#: the largest finite number, which some streams use as a sentinel for "unknown"
LARGEST: Final = float(np.finfo(np.float64).max)
#: canonical texts of integers that are finite as a float; other digits are ordinary text
_LONG_INTEGER: Final = re.compile(r"-?[1-9][0-9]{0,308}")
#: names kept of each bucket, for people
NAMES_SHOWN: Final = 3
#: significant digits of a bin's label, or more where neighbours are closer
LABEL_DIGITS: Final = 4
#: label of all categories without their own bin
OTHERS: Final = "(other)"


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """The bins of one column.

    Numeric: `edges` rise and lie between reference values; bin i holds edges[i-1] < x <= edges[i]; a value below
    `low` or above `high` is outside. Categorical: one bin per category, in `categories`, most frequent first; then
    `buckets` for all others, 0 if there are none. `cuts` are the numbers of categories that may have their own bins,
    `known` the hashes of all categories of the reference as `KnownNames.to_bytes` gives them,
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
        """Number of bins that are single categories; 0 for a numeric column."""
        return len(self.categories)

    def labels(self) -> list[str]:
        """A readable label for each bin, with all buckets as one; labels are unique."""
        if self.kind == CATEGORICAL:
            return [*self.categories, *([self._unlike(OTHERS)] if self.buckets else [])]
        if not self.edges:
            return ["all"]
        return [f"{a} to {b}" for a, b in itertools.pairwise(self._points())]

    def beyond(self) -> tuple[str, ...]:
        """Labels of values in no bin: below and above the range, or never seen."""
        if self.kind == CATEGORICAL:
            return (self._unlike("(never seen)"),)
        low, *_, high = self._points()
        return f"below {low}", f"above {high}"

    def labelled(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts by `labels`, without never-seen values; `counts` (width + quality counts,) of one column."""
        if not self.buckets:
            return counts[: self.bins]
        others = counts[self.named : self.bins].sum() - counts[UNSEEN - len(QUALITY_COUNTS)]
        return np.append(counts[: self.named], max(others, 0))

    def everywhere(self, counts: NDArray[np.int64], below: int) -> NDArray[np.int64]:
        """Counts of all values in order: below the range, bins, above it; or bins by `labels`, never seen.

        `counts` (width + quality counts,) of one column; `below` is the part of `outside` below the range.
        """
        quality_counts = counts[-len(QUALITY_COUNTS) :]
        if self.kind == CATEGORICAL:
            return np.append(self.labelled(counts), quality_counts[UNSEEN])
        return np.concatenate(([below], counts[: self.bins], [quality_counts[OUTSIDE] - below]))

    def _points(self) -> tuple[str, ...]:
        return _texts((self.low, *self.edges, self.high))

    def _unlike(self, label: str) -> str:
        """The label of a bin, with more brackets while a category has that name."""
        while label in self.categories:
            label = f"({label})"
        return label


@lru_cache(maxsize=4_096)
def _texts(points: tuple[float, ...]) -> tuple[str, ...]:
    """Kept: they are shown again and again, and what they depend on never changes."""
    return tuple(told_apart(points, LABEL_DIGITS))


def category_codes(column: ColumnBins) -> dict[str | float, int]:
    """The bin of each category with its own bin, by its text and, if it is that of a number, by the number too.

    `true`, 1 and 1.0 are one key of a dict, as they are one class in the contract.
    """
    codes: dict[str | float, int] = {}
    for code, category in enumerate(column.categories):
        codes[category] = code
        number = _number_of(category)
        if number is not None:
            codes[number] = code
        elif _LONG_INTEGER.fullmatch(category):
            codes[int(category)] = code  # beyond the precision of floats
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


def outside_bins(columns: Sequence[ColumnBins]) -> NDArray[np.int64]:
    """(columns, quality counts) 1 for counts of events that are in no bin; a never-seen value may be in a bucket."""
    outside = np.ones((len(columns), len(QUALITY_COUNTS)), np.int64)
    outside[[column.buckets > 0 for column in columns], UNSEEN] = 0
    return outside


def width_of(columns: Sequence[ColumnBins]) -> int:
    """Value bins of the widest column: the padded width all columns of a model share."""
    return max((column.bins for column in columns), default=1)
