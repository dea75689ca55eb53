"""What a finding about a quality count says of the newest events, and of values that are all one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monitor.judge.causes.quality_words import began, is_one_value_outside
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.stats.bins.reference_bins import MISSING, OUTSIDE
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import BELOW, FAR_COUNT, FAR_SUM, FAR_UNIT, OUTSIDE_COUNT, OUTSIDE_LOG, UNIT, Tally
from tests.engine import blank, numeric

PREPARED = PreparedReference.of(blank([numeric("x")]))
EVENTS = 100


def window(*missing: int) -> Windows:
    """One window of blocks of 100 events each, so many of each missing."""
    blocks = []
    for at, hits in enumerate(missing):
        tally = Tally.empty(1, PREPARED.width)
        tally.counts[0, 0], tally.counts[0, PREPARED.width + MISSING] = EVENTS - hits, hits
        tally.predictions = EVENTS
        blocks.append(Block(10 * at, 10 * at + 10, tally))
    return window_of(len(blocks), tuple(blocks))


def test_the_share_is_that_of_the_events_behind_the_block_in_which_a_change_began() -> None:
    since = began(PREPARED, window(0, 0, 60, 100, 100), (0, 0, MISSING))
    assert since == (20, 1.0, 2 * EVENTS)


def test_a_share_that_is_the_same_in_the_whole_window_is_told_of_the_window() -> None:
    assert began(PREPARED, window(30, 31, 29, 30), (0, 0, MISSING)).newest == 0
    assert began(PREPARED, window(30), (0, 0, MISSING), newest=(16, 50)) == (0, 0.3, 0)


def test_in_one_block_the_newest_events_tell_unless_they_are_few() -> None:
    assert began(PREPARED, window(30), (0, 0, MISSING), newest=(50, 50)) == (0, 1.0, 50)
    assert began(PREPARED, window(30), (0, 0, MISSING), newest=(5, 5)) == (0, 0.3, 0)
    assert began(PREPARED, window(30), (0, 0, MISSING), newest=(0, 50)) == (0, 0.3, 0), "it is over"


def test_one_share_is_seldom_told_as_a_higher_one() -> None:
    rng = np.random.default_rng(5)
    told = sum(
        began(PREPARED, window(*rng.binomial(EVENTS, 0.3, 4)), (0, 0, MISSING), (int(rng.binomial(50, 0.3)), 50)).newest
        > 0
        for _ in range(400)
    )
    assert told <= 12


def outside(values: Sequence[float], *, far: int = 0) -> Windows:
    """One window with these values outside the range, and some that are too far out to be summed."""
    column, tally, array = PREPARED.columns[0], Tally.empty(1, PREPARED.width), np.array(values)
    tally.counts[0, 0], tally.counts[0, PREPARED.width + OUTSIDE] = 50, len(values) + far
    tally.sums[0, BELOW] = (array < column.bins.low).sum()
    tally.sums[0, FAR_COUNT] = len(values)
    tally.sums[0, FAR_SUM] = np.rint((array - column.center) / column.scale * FAR_UNIT).astype(np.int64).sum()
    logs = np.log10(np.abs(array[array != 0]))
    tally.sums[0, OUTSIDE_COUNT], tally.sums[0, OUTSIDE_LOG] = len(logs), np.rint(logs * UNIT).astype(np.int64).sum()
    tally.lows[0], tally.highs[0] = min(column.bins.low, array.min()), max(column.bins.high, array.max())
    return window_of(1, (Block(0, 10, tally),))


@pytest.mark.parametrize("value", [-999.0, 999.0, 99_999.5])
def test_one_value_outside_the_range_is_noticed(value: float) -> None:
    assert is_one_value_outside(PREPARED, outside([value] * 7), (0, 0, OUTSIDE))


@pytest.mark.parametrize(
    "values", [[-999.0] * 9_999 + [-998.0], [-999.0] * 6 + [999.0], [-999.0] * 4, [-999.0] * 6 + [-1e3]]
)
def test_several_values_or_too_few_are_not(values: list[float]) -> None:
    assert not is_one_value_outside(PREPARED, outside(values), (0, 0, OUTSIDE))


def test_nothing_is_said_where_values_were_not_summed_or_the_count_is_another() -> None:
    assert not is_one_value_outside(PREPARED, outside([999.0] * 7, far=1), (0, 0, OUTSIDE))
    assert not is_one_value_outside(PREPARED, outside([999.0] * 7), (0, 0, MISSING))
