"""Tallies of a block of rows against a count of one value after the other, to the last bit."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.clock import SECOND_US
from monitor.count.columns import block
from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import ABSENT, ABSENT_VALUE, MISSING, TYPE_NAN, TYPE_VALUE, Group
from monitor.events import Partition, canonical
from monitor.reference.column import PREDICTION as PREDICTED
from monitor.reference.column import SCORE, Column
from monitor.stats.bins.name_bins import as_extreme, hashes_of
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import (
    BELOW,
    CLIP_SD,
    FAR_COUNT,
    FAR_SD,
    FAR_SQUARES,
    FAR_SUM,
    FAR_UNIT,
    OUTSIDE_COUNT,
    SQUARE_UNIT,
    SQUARES,
    SUM,
    UNIT,
    Tally,
)
from tests.engine import CREDIT, blank, categorical, numeric
from tests.oracles import slot_of

INPUT = Partition("events", 0)
#: the second one holds values that sums cut off
NUMBERS = (numeric("a"), numeric("b", low=-1e5, high=1e5), numeric("c", (5,)))
NAMES = (categorical("d"), categorical("e", ("x", "1"), ("y", "z")))
OUTCOMES = (numeric("score", (0.5,), 0, 1, role=SCORE), categorical("prediction", ("0", "1"), role=PREDICTED))
REFERENCE = blank([*NUMBERS, *NAMES, *OUTCOMES])
WIDTH = REFERENCE.width
CHECKED = (SUM, SQUARES, OUTSIDE_COUNT, BELOW, FAR_COUNT, FAR_SUM, FAR_SQUARES)

USUAL = [0.0, -0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 9.5, 10.0]
ODD = [-3.0, 11.0, 1e300, -1e-300, 8_000.0, -70_000.0, MISSING, ABSENT, TYPE_NAN]
OTHER_NAMES = [None, ABSENT_VALUE, TYPE_VALUE, "new", "y", "z", 1, True, 7.5]
GONE = {None: "missing", ABSENT_VALUE: "absent", TYPE_VALUE: "type"}


def drawn(seed: int, count: int, odd: float, without: float) -> Group:
    """Rows whose values are odd with a probability, as is that an event has no features, or is no prediction."""
    rng = np.random.default_rng(seed)

    def values(usual: list[object], others: list[object]) -> list[object]:
        lists = [others if is_odd else usual for is_odd in rng.random(count) < odd]
        return [one[int(rng.integers(len(one)))] for one in lists]

    columns = [np.array(values([*USUAL], [*ODD]), np.float64) for _ in NUMBERS]
    return Group(
        key=CREDIT,
        rows=np.arange(count),
        has_features=rng.random(count) >= without,
        numeric=np.stack(columns),
        categorical=[values([*c.bins.categories], OTHER_NAMES) for c in NAMES],
        score=np.array(values([0.25, 0.5, 0.75], [MISSING]), np.float64),
        prediction=values([0, 1, "1"], [None, "2"]),
        label=[None] * count,
    )


def rows_of(seed: int, count: int, panes: int, without: float) -> Rows:
    rng = np.random.default_rng(seed + 1)
    slots = np.sort(rng.integers(0, panes, count))
    _, slots = np.unique(slots, return_inverse=True)
    starts = np.flatnonzero(np.diff(slots, prepend=-1))
    times = slots * SECOND_US + rng.integers(0, SECOND_US, count)
    is_prediction = rng.random(count) >= without
    return Rows(INPUT, np.arange(count), starts, slots, is_prediction, times, np.arange(count))


class Plain:
    """The counts of one pane, value by value."""

    def __init__(self) -> None:
        shape = len(REFERENCE.columns), WIDTH + len(QUALITY_COUNTS)
        self.counts = np.zeros(shape, np.int64)
        self.sums: Counter[tuple[int, int]] = Counter()
        self.lows, self.highs = [math.inf] * shape[0], [-math.inf] * shape[0]
        self.unseen: dict[int, Counter[str]] = {}

    def number(self, at: int, column: Column, value: float, absent: str) -> None:
        if math.isnan(value):
            bits = int(np.float64(value).view(np.uint64)) & 3
            self.counts[at, WIDTH + QUALITY_COUNTS.index((absent, "absent", "type")[bits])] += 1
            return
        self._extreme(at, value + 0.0)
        self.counts[at, slot_of(column, WIDTH, {column.name: value})] += 1
        z = (value - column.center) / column.scale
        if column.bins.low <= value <= column.bins.high:
            z = min(max(z, -CLIP_SD), CLIP_SD)
            self.sums[at, SUM] += round(z * UNIT)
            self.sums[at, SQUARES] += round(z * z * SQUARE_UNIT)
            return
        self.sums[at, OUTSIDE_COUNT] += value != 0
        self.sums[at, BELOW] += value < column.bins.low
        if abs(z) <= FAR_SD:
            self.sums[at, FAR_COUNT] += 1
            self.sums[at, FAR_SUM] += round(z * FAR_UNIT)
            self.sums[at, FAR_SQUARES] += round(z * z)

    def name(self, at: int, column: Column, value: object) -> None:
        if value in GONE:
            self.counts[at, WIDTH + QUALITY_COUNTS.index(GONE[value])] += 1
            return
        text = canonical(value)  # type: ignore[arg-type]  # text or a number
        self.counts[at, slot_of(column, WIDTH, {column.name: value})] += 1
        if column.bins.buckets:
            self._extreme(at, float(as_extreme(hashes_of([text]))[0]))
        if text not in {*column.bins.categories, *(("y", "z") if column.bins.buckets else ())}:
            self.unseen.setdefault(at, Counter())[text] += 1
            if column.bins.buckets:
                self.counts[at, WIDTH + QUALITY_COUNTS.index("unseen")] += 1

    def _extreme(self, at: int, value: float) -> None:
        self.lows[at], self.highs[at] = min(self.lows[at], value), max(self.highs[at], value)


def plainly(group: Group, rows: Rows) -> list[Plain]:
    places = {column.name: (at, column) for at, column in enumerate(REFERENCE.columns)}
    panes = [Plain() for _ in rows.starts]
    for row, pane in enumerate(rows.slots.tolist()):
        one = panes[pane]
        if group.has_features[row]:
            for column, numbers in zip(NUMBERS, group.numeric, strict=True):
                one.number(*places[column.name], float(numbers[row]), "missing")
            for column, names in zip(NAMES, group.categorical, strict=True):
                one.name(*places[column.name], names[row])
        if rows.is_prediction[row]:
            one.number(*places["score"], float(group.score[row]), "absent")
            predicted = group.prediction[row]
            one.name(*places["prediction"], ABSENT_VALUE if predicted is None else predicted)
    return panes


def same(tally: Tally, plain: Plain) -> None:
    np.testing.assert_array_equal(tally.counts, plain.counts)
    sums: list[NDArray[np.int64]] = [tally.sums[:, of] for of in CHECKED]
    expected = [[plain.sums[at, of] for at in range(len(plain.lows))] for of in CHECKED]
    assert [one.tolist() for one in sums] == expected
    assert repr(tally.lows.tolist()) == repr(plain.lows)  # told apart by it: 0.0 and -0.0
    assert repr(tally.highs.tolist()) == repr(plain.highs)
    assert tally.unseen == plain.unseen


@pytest.mark.parametrize("panes", [1, 2, 5])
@pytest.mark.parametrize(("odd", "without"), [(0.0, 0.0), (0.01, 0.0), (0.0, 0.3), (0.3, 0.0), (0.3, 0.3), (1.0, 0.0)])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_a_block_is_counted_as_value_by_value(count: int, odd: float, without: float, panes: int) -> None:
    aggregator = Aggregator(REFERENCE)
    for seed in range(3):  # the same aggregator: it has met some of the names before
        group, rows = drawn(seed, count, odd, without), rows_of(seed, count, panes, without)
        for tally, plain in zip(aggregator.count(group, rows), plainly(group, rows), strict=True):
            same(tally, plain)


def test_many_rows_are_summed_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    group, rows = drawn(1, 300, 0.1, 0.1), rows_of(1, 300, 3, 0.1)
    before = Aggregator(REFERENCE).count(group, rows)
    monkeypatch.setattr(block, "EXACT", 100)
    for one, other in zip(before, Aggregator(REFERENCE).count(group, rows), strict=True):
        np.testing.assert_array_equal(one.sums, other.sums)
