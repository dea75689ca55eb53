"""The reference that an import makes: its columns with bins and counts. How live windows vary is learned from these."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.errors import UsageError
from monitor.events import ModelKey, canonical
from monitor.reference.blank import blank_reference
from monitor.reference.column import SCORE, Column
from monitor.reference.file.encoding import with_hash
from monitor.reference.imported import Imported
from monitor.reference.imports.shape import ImportedColumn, ImportedData, Sketch
from monitor.reference.reference import Reference
from monitor.stats.bins.name_bins import BUCKETS, MAX_KNOWN, KnownNames, allowed_cuts, bucket_of, hashes_of
from monitor.stats.bins.reference_bins import CATEGORICAL, MISSING, NAMES_SHOWN, NUMERIC, ColumnBins
from monitor.stats.bins.weighted import as_counts, sample_bins
from monitor.text import listed, many, quoted

#: values of a column that are counted at the most: a sum of counts has to stay exact
MOST_VALUES: Final = 2**48
#: categories that are read of one column
MOST_CATEGORIES: Final = 1_000_000
_MOST_NAMED: Final = 10


class _Made(NamedTuple):
    """A column, the counts of its bins, and how many values were missing."""

    column: Column
    counts: NDArray[np.int64]
    missing: int


def imported_reference(data: ImportedData, key: ModelKey) -> Reference:
    """The reference of an import: no events of its own, and no variability; nothing is judged by it alone.

    Raises:
        UsageError: two columns have one name.
    """
    times = Counter(one.name for one in data.columns)
    if several := [name for name, count in times.items() if count > 1]:
        raise UsageError(f"SOURCE: several columns of one name: {listed(map(quoted, several), _MOST_NAMED)}")
    made, ignored = [], {}
    for one in data.columns:
        if not (why := one.left_out or _unusable(one)):
            made.append(_made(one))
        else:
            ignored[one.name] = why
    reference = blank_reference(key, [one.column for one in made], "none", "1")
    counts, width = reference.counts.copy(), reference.width
    for at, one_made in enumerate(made):
        counts[at, : len(one_made.counts)] = one_made.counts
        counts[at, width + MISSING] = one_made.missing
    partial = tuple(sorted(one.name for one in data.columns if one.others > 0 and one.name not in ignored))
    limits = (*data.limits, *(limit for one in data.columns for limit in one.limits))
    imported = Imported(data.system, tuple(_notes(data, ignored)), limits, partial)
    return with_hash(
        replace(
            reference,
            counts=counts,
            ignored=tuple(sorted(ignored.items())),
            in_order=False,
            imported=imported,
            feature_order=tuple(data.order),
        )
    )


def _notes(data: ImportedData, ignored: dict[str, str]) -> Iterator[str]:
    yield from data.notes
    for one in data.columns:
        if one.others > 0 and one.name not in ignored:
            share = one.others / max(one.present, 1.0)
            listed = many(len(one.categories or ()), "category", "categories")
            yield (
                f"{one.name}: {listed} listed, and {share:.1%} of its values are of others: how these are distributed, "
                "and which they are, is learned in the warm-up"
            )


def _made(one: ImportedColumn) -> _Made:
    if one.numbers is None and one.categories is None:  # its kind alone
        is_numeric = one.kind == NUMERIC
        bins = ColumnBins(NUMERIC) if is_numeric else ColumnBins(CATEGORICAL)
        return _Made(Column(one.name, one.role, bins), np.zeros(int(is_numeric), np.int64), 0)
    return _numeric(one) if one.categories is None else _categorical(one)


def _unusable(one: ImportedColumn) -> str:
    """Why a column cannot be watched; "" if it can."""
    if one.numbers is None and one.categories is None and one.kind:
        return ""
    if one.numbers is None and one.categories is None:
        return "the import says nothing of its values"
    if one.present < 1:
        return "it has no values in the import"
    if one.present + one.missing > MOST_VALUES or not math.isfinite(one.present + one.missing):
        return f"its count, {one.present + one.missing:g}, is no number of rows"
    if one.categories is not None and not one.categories:
        return "the import lists none of its categories"
    return ""


def _rows(one: ImportedColumn) -> int:
    """Values that its shares are worth: no more than make their own error as large as the platform's."""
    worth = 0.25 / one.error**2 if one.error > 0 else math.inf
    return max(int(min(one.present, worth)), 1)


def _missing(one: ImportedColumn, rows: int) -> int:
    return round(one.missing * rows / one.present)


def _numeric(one: ImportedColumn) -> _Made:
    numbers, rows = one.numbers, _rows(one)
    assert numbers is not None, one.name  # noqa: S101  # it was asked before
    has_unit = one.role != SCORE
    if isinstance(numbers, Sketch):
        bins, shares = sample_bins(numbers.values, numbers.weights, numbers.low, numbers.high)
        drawn, weights = numbers.values, numbers.weights
    else:
        bins, shares = numbers.bins(has_unit=has_unit)
        drawn = numbers.spread_out()
        weights = np.ones(len(drawn))
    center, scale = _moments(one, drawn, weights)
    is_sized = drawn != 0
    logs = np.log10(np.abs(drawn[is_sized]))
    log_center, log_spread = _mean_and_spread(logs, weights[is_sized]) if len(logs) else (math.nan, math.nan)
    low, high = one.allowed
    if low is not None and low <= numbers.low:
        bins = replace(bins, low=low)
    if high is not None and high >= numbers.high:
        bins = replace(bins, high=high)
    column = Column(one.name, one.role, bins, center, scale, log_center, log_spread)
    return _Made(column, as_counts(shares, rows), _missing(one, rows))


def _moments(one: ImportedColumn, values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    center, scale = (one.mean, one.deviation)
    if not (math.isfinite(center) and math.isfinite(scale)):
        center, scale = _mean_and_spread(values, weights)
    return center, scale if scale > 0 and math.isfinite(scale) else 1.0


def _mean_and_spread(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        center = float(np.average(values, weights=weights))
        spread = float(np.sqrt(np.average((values - center) ** 2, weights=weights)))
    return (center, spread) if math.isfinite(center) and math.isfinite(spread) else (float(np.median(values)), 1.0)


def _categorical(one: ImportedColumn) -> _Made:
    merged: dict[str, float] = {}
    for name, count in (one.categories or [])[:MOST_CATEGORIES]:
        if count > 0:
            text = canonical(name)
            merged[text] = merged.get(text, 0.0) + count
    ranked = sorted(merged, key=lambda name: (-merged[name], name))
    total = sum(merged.values()) + one.others
    rows = max(int(min(_rows(one), total)), 1)
    counts = as_counts([merged[name] / total for name in ranked] + [one.others / total], rows)
    named, cuts = _named(counts[:-1], is_whole=one.others <= 0)
    hashes = hashes_of(ranked)
    expected = [name for name in map(canonical, one.known) if name not in merged]
    in_buckets = np.bincount(bucket_of(hashes[named:]), counts[named:-1], minlength=BUCKETS).astype(np.int64)
    in_buckets += as_counts(np.full(BUCKETS, 1 / BUCKETS), int(counts[-1]))
    has_buckets = named < len(ranked) or one.others > 0 or bool(expected)
    bins = ColumnBins(
        CATEGORICAL,
        categories=tuple(ranked[:named]),
        buckets=BUCKETS if has_buckets else 0,
        cuts=cuts,
        known=KnownNames(np.unique(np.concatenate((hashes_of(expected), hashes))[:MAX_KNOWN])).to_bytes(),
        bucket_names=_bucket_names(ranked[named:], bucket_of(hashes[named:])) if has_buckets else (),
    )
    own = counts[:named]
    column = Column(one.name, one.role, bins, modal_share=float(counts[0]) / rows, modal=ranked[0])
    return _Made(column, np.concatenate((own, in_buckets)) if has_buckets else own, _missing(one, rows))


def _named(counts: NDArray[np.int64], *, is_whole: bool) -> tuple[int, tuple[int, ...]]:
    """How many categories have their own bins, and the numbers of them that may; not all of a list that goes on."""
    cuts = allowed_cuts(np.maximum(counts, 1))
    if not is_whole and cuts[-1] == len(counts):
        cuts = cuts[:-1] if len(cuts) > 2 else cuts  # the last one listed is as frequent as the first that is not
    return cuts[-1], cuts


def _bucket_names(names: Sequence[str], buckets: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    shown: list[list[str]] = [[] for _ in range(BUCKETS)]
    for name, bucket in zip(names, buckets.tolist(), strict=True):
        if len(shown[bucket]) < NAMES_SHOWN:
            shown[bucket].append(name)
    return tuple(map(tuple, shown))
