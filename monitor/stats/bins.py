"""Reference bins: what a value of a column is counted as.

A column has at most `MAX_BINS` value bins and five *facts* beside them, which are tested on their own: pooled with
rare values, one per cent of missing values would never be found.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
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
MAX_CATEGORIES: Final = 30
MIN_CATEGORY_SHARE: Final = 0.01
#: how far beyond the reference's range a number may lie before it is outside, as a share of that range
RANGE_MARGIN: Final = 0.1
#: the largest finite number, which streams hold as a mark for "unknown"
LARGEST: Final = float(np.finfo(np.float64).max)
#: the canonical text of an integer that is finite as a float; other digits than these are text as any other
_LONG_INTEGER: Final = re.compile(r"-?[1-9][0-9]{0,308}")
#: rare categories remembered by name; a rarer one counts as unseen
MAX_RARE: Final = 1_000


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """How one column is counted.

    Numeric: `edges` rise and lie between reference values; bin i holds edges[i-1] < x <= edges[i]; a value below
    `low` or above `high` is outside. Categorical: one bin a category, in `categories`; all of `rare` share a last bin.
    """

    kind: str
    edges: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    categories: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        if self.kind == NUMERIC:
            return len(self.edges) + 1
        return len(self.categories) + bool(self.rare)

    @property
    def named(self) -> int:
        """The first bins, each of which is one value by name; 0 of a numeric column."""
        return len(self.categories)

    def labels(self) -> list[str]:
        """A readable name for each bin; no two are equal, and none is that of a category it does not stand for."""
        if self.kind == CATEGORICAL:
            return [*self.categories, *([self._unlike("(rare)")] if self.rare else [])]
        if not self.edges:
            return ["all"]
        return [f"{a} to {b}" for a, b in itertools.pairwise(self._points())]

    def beyond(self) -> tuple[str, ...]:
        """Names for what is in no bin: below and above the range, or never seen."""
        if self.kind == CATEGORICAL:
            return (self._unlike("(never seen)"),)
        low, *_, high = self._points()
        return f"below {low}", f"above {high}"

    def everywhere(self, counts: NDArray[np.int64], below: int) -> NDArray[np.int64]:
        """Counts of all values in order: below the range, bins, above it; or bins, never seen.

        `counts` (width + facts,) of one column, of whose `outside` so many lie `below`.
        """
        quality_counts = counts[-len(QUALITY_COUNTS) :]
        if self.kind == CATEGORICAL:
            return np.append(counts[: self.bins], quality_counts[UNSEEN])
        return np.concatenate(([below], counts[: self.bins], [quality_counts[OUTSIDE] - below]))

    def _points(self) -> list[str]:
        return told_apart([self.low, *self.edges, self.high])

    def _unlike(self, label: str) -> str:
        """The label of a bin, in further brackets while a category is called so."""
        names = {*self.categories, *self.rare}
        while label in names:
            label = f"({label})"
        return label


def category_bins(values: Iterable[str]) -> ColumnBins:
    """One bin for each category with a share of at least `MIN_CATEGORY_SHARE`, one for all rarer ones together.

    Raises:
        ValueError: no values.
    """
    counted = Counter(values)
    total = counted.total()
    if total == 0:
        message = "a categorical column without values has no bins"
        raise ValueError(message)
    ranked = sorted(counted, key=lambda category: (-counted[category], category))
    common = [c for c in ranked[:MAX_CATEGORIES] if counted[c] >= MIN_CATEGORY_SHARE * total]
    rare = [c for c in ranked if c not in set(common)][:MAX_RARE]
    return ColumnBins(CATEGORICAL, categories=tuple(common), rare=tuple(rare))


def category_codes(column: ColumnBins) -> dict[str | float, int]:
    """Place of each known category, under its text and, where it is a number's text, under the number too.

    A category with a bin of its own has that bin's; the rare ones follow, one after another.
    `true`, 1 and 1.0 are one key of a dict, as they are one class in the contract.
    """
    codes: dict[str | float, int] = {}
    for code, category in enumerate((*column.categories, *column.rare)):
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


def width_of(columns: Sequence[ColumnBins]) -> int:
    """Value bins of the widest column: the padded width all columns of a model share."""
    return max((column.bins for column in columns), default=1)
