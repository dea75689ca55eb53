"""What each row of a reference was counted as: kept pane by pane in the second pass, and given on in the order of time.

How much counts vary depends on the order of rows, which no tally holds. Rows of panes that are never judged are dropped
with them, so memory holds the rows of open panes only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.aggregator import Aggregator, Aggregators
from monitor.count.categories import Categories
from monitor.count.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.events import Partition, canonical
from monitor.reference.reference import Column, Reference
from monitor.stats.bins import NUMERIC, QUALITY_COUNTS
from monitor.stats.name_bins import hash_of
from monitor.stats.tally import Floats, Tally

Codes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

#: the code of a row without a value in the column
NO_VALUE: Final = 255


class CountedRows(NamedTuple):
    """Rows in the order of their time. `codes` (C, n): the bin of each value, of what lies outside the nearest one.

    `hashes`: of each categorical column the hashes (n,) of its values, of no value 0.
    """

    codes: Codes
    hashes: dict[int, Hashes]


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
            of_pane = CountedRows(counted.codes[:, here], {at: one[here] for at, one in counted.hashes.items()})
            pane = int(rows.ts[start]) // self._pane_us
            self._panes[pane].append(_Chunk(rows.partition, rows.ts[here], rows.offset[here], of_pane))

    def take(self, start_us: int) -> CountedRows | None:
        """The rows of the pane that begins then, which are not kept any more; None where it has none.

        A total order, by (time, topic, partition, offset, place in the record): the same however polls cut the stream.
        """
        chunks = self._panes.pop(start_us // self._pane_us, None)
        if not chunks:
            return None
        partitions = {one: rank for rank, one in enumerate(sorted({chunk.partition for chunk in chunks}))}
        rank = np.concatenate([np.full(len(chunk.ts), partitions[chunk.partition]) for chunk in chunks])
        offset = np.concatenate([chunk.offset for chunk in chunks])
        order = np.lexsort((offset, rank, np.concatenate([chunk.ts for chunk in chunks])))
        columns = chunks[0].rows.hashes
        return CountedRows(
            np.concatenate([chunk.rows.codes for chunk in chunks], axis=1)[:, order],
            {at: np.concatenate([chunk.rows.hashes[at] for chunk in chunks])[order] for at in columns},
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
        hashes: dict[int, Hashes] = {}
        with_features = group.has_features[rows.picked]
        for (at, column), values in zip(self.numeric, group.numeric, strict=True):
            codes[at] = _numeric_codes(column, values[rows.picked], with_features)
        for (at, categories), raw in zip(self.categorical, group.categorical, strict=True):
            values = rows.of(raw)
            codes[at], hashes[at] = _category_codes(self.columns[at], categories, values, with_features)
        if self.score is not None:
            at, column = self.score
            codes[at] = _numeric_codes(column, group.score[rows.picked], rows.is_prediction)
        if self.prediction is not None:
            at, column = self.prediction
            values = rows.of(group.prediction)
            if column.bins.kind == NUMERIC:
                numbers = [v if isinstance(v, (int, float)) and not isinstance(v, bool) else np.nan for v in values]
                codes[at] = _numeric_codes(column, np.array(numbers, np.float64), rows.is_prediction)
            else:
                categories = self.prediction_categories
                codes[at], hashes[at] = _category_codes(column, categories, values, rows.is_prediction)
        return CountedRows(codes, hashes)


def _numeric_codes(column: Column, values: Floats, counted: NDArray[np.bool_]) -> Codes:
    codes = np.searchsorted(np.array(column.bins.edges, np.float64), values).astype(np.uint8)
    return np.where(counted & ~np.isnan(values), codes, np.uint8(NO_VALUE))


def _category_codes(
    column: Column, categories: Categories, values: list[object], counted: NDArray[np.bool_]
) -> tuple[Codes, Hashes]:
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
