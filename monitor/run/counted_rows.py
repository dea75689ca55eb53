"""The bins of each row of a reference: kept pane by pane in the second pass, and returned in time order.

The variability of counts depends on the order of rows, which a tally does not keep. Rows of panes that are never judged
are dropped with them, so memory holds the rows of open panes only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.aggregator import Aggregator, Aggregators
from monitor.count.columns.categories import Categories
from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.events import Partition, canonical
from monitor.reference.column import Column
from monitor.reference.reference import Reference
from monitor.stats.bins.name_bins import hash_of
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS
from monitor.stats.tallies.tally import Floats, Tally

Codes = NDArray[np.uint8]
Values = NDArray[np.uint64]

#: code of a row without a value in the column
NO_VALUE: Final = 255


class CountedRows(NamedTuple):
    """Rows in time order. `codes` (C, n): the bin of each value, the nearest one for values outside the range.

    `values` (C, n) identify values: the hash of a category (0 without value), the bits of a number. `labels` (n,) do so
    too: the hash of a class, the bits of a regression's number (NaN without one). `confidence` (n,) is the score of the
    predicted class, NaN without one.
    """

    codes: Codes
    values: Values
    labels: Values
    confidence: Floats


class RowsOfPane(NamedTuple):
    """The rows of a pane in time order: as in `CountedRows`, and `ts` (n,) in microseconds."""

    codes: Codes
    values: Values
    labels: Values
    confidence: Floats
    ts: NDArray[np.int64]


class _Chunk(NamedTuple):
    partition: Partition
    ts: NDArray[np.int64]
    offset: NDArray[np.int64]
    rows: CountedRows


class RowKeeper(Aggregators):
    """Aggregators that also keep the rows of one model version."""

    def __init__(self, pane_us: int) -> None:
        super().__init__()
        self._pane_us = pane_us
        self._panes: defaultdict[int, list[_Chunk]] = defaultdict(list)

    def make(self, reference: Reference) -> Aggregator:
        return _KeepingAggregator(reference, self)

    def add(self, rows: Rows, counted: CountedRows) -> None:
        ends = [*rows.starts[1:].tolist(), len(rows.picked)]
        for start, end in zip(rows.starts.tolist(), ends, strict=True):
            here = slice(start, end)
            of_pane = CountedRows(
                counted.codes[:, here], counted.values[:, here], counted.labels[here], counted.confidence[here]
            )
            pane = int(rows.ts[start]) // self._pane_us
            self._panes[pane].append(_Chunk(rows.partition, rows.ts[here], rows.offset[here], of_pane))

    def take(self, start_us: int) -> RowsOfPane | None:
        """Remove and return the rows of the pane that begins then; None if it has none.

        Sorted by (time, topic, partition, offset, index in the record): a total order, however polls cut the stream.
        """
        chunks = self._panes.pop(start_us // self._pane_us, None)
        if not chunks:
            return None
        partitions = {one: rank for rank, one in enumerate(sorted({chunk.partition for chunk in chunks}))}
        rank = np.concatenate([np.full(len(chunk.ts), partitions[chunk.partition]) for chunk in chunks])
        offset = np.concatenate([chunk.offset for chunk in chunks])
        ts = np.concatenate([chunk.ts for chunk in chunks])
        order = np.lexsort((offset, rank, ts))
        return RowsOfPane(
            np.concatenate([chunk.rows.codes for chunk in chunks], axis=1)[:, order],
            np.concatenate([chunk.rows.values for chunk in chunks], axis=1)[:, order],
            np.concatenate([chunk.rows.labels for chunk in chunks])[order],
            np.concatenate([chunk.rows.confidence for chunk in chunks])[order],
            ts[order],
        )


class _KeepingAggregator(Aggregator):
    def __init__(self, reference: Reference, keeper: RowKeeper) -> None:
        super().__init__(reference)
        self._keeper = keeper

    def count(self, group: Group, rows: Rows) -> list[Tally]:
        self._keeper.add(rows, self._counted(group, rows))
        return super().count(group, rows)

    def _counted(self, group: Group, rows: Rows) -> CountedRows:
        codes = np.full((len(self.columns), len(rows.picked)), NO_VALUE, np.uint8)
        told_apart = np.zeros(codes.shape, np.uint64)
        with_features = group.has_features[rows.picked]
        for (at, column), values in zip(self.numeric, group.numeric, strict=True):
            codes[at], told_apart[at] = _numbers(column, values[rows.picked], with_features)
        for (at, categories), raw in zip(self.categorical, group.categorical, strict=True):
            values = rows.of(raw)
            codes[at], told_apart[at] = _categories(self.columns[at], categories, values, with_features)
        if self.score is not None:
            at, column = self.score
            codes[at], told_apart[at] = _numbers(column, group.score[rows.picked], rows.is_prediction)
        if self.prediction is not None:
            at, column = self.prediction
            values = rows.of(group.prediction)
            if column.bins.kind == NUMERIC:
                codes[at], told_apart[at] = _numbers(column, _as_numbers(values), rows.is_prediction)
            else:
                categories = self.prediction_categories
                codes[at], told_apart[at] = _categories(column, categories, values, rows.is_prediction)
        confidence = np.full(len(rows.picked), np.nan) if group.confidence is None else group.confidence[rows.picked]
        return CountedRows(codes, told_apart, self._labels(rows.of(group.label)), confidence)

    def _labels(self, labels: list[object]) -> Values:
        if self.reference.task == "regression":
            return _as_numbers(labels).view(np.uint64)
        known = {label: hash_of(canonical(label)) for label in set(labels) - {None}}  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
        return np.fromiter((known.get(label, 0) for label in labels), np.uint64, len(labels))


def _as_numbers(values: list[object]) -> Floats:
    """Numbers, NaN for anything else."""
    numbers = [v if isinstance(v, (int, float)) and not isinstance(v, bool) else np.nan for v in values]
    return np.array(numbers, np.float64)


def _numbers(column: Column, values: Floats, counted: NDArray[np.bool_]) -> tuple[Codes, Values]:
    codes = np.searchsorted(np.array(column.bins.edges, np.float64), values).astype(np.uint8)
    bits = (values + 0.0).view(np.uint64)  # the two zeros are one value
    return np.where(counted & ~np.isnan(values), codes, np.uint8(NO_VALUE)), bits


def _categories(
    column: Column, categories: Categories, values: list[object], counted: NDArray[np.bool_]
) -> tuple[Codes, Values]:
    entries = categories.entries(values)
    slots = categories.slots.take(entries)
    is_value = counted & (entries >= len(QUALITY_COUNTS))
    codes = np.where(is_value & (slots < column.bins.bins), slots, NO_VALUE).astype(np.uint8)
    known: dict[object, int] = {}
    for value, real in zip(values, is_value.tolist(), strict=True):
        if real and value not in known:
            known[value] = hash_of(canonical(value))  # type: ignore[arg-type]  # text or a number, else it has no entry
    hashes = np.fromiter((known.get(value, 0) for value in values), np.uint64, len(values))
    return codes, np.where(is_value, hashes, np.uint64(0))
