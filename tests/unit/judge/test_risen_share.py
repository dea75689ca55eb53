"""A value whose share truly rose makes longer runs: once that is a finding, they are no stuck column."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.judge.causes.around import Around
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.stats.bins.name_bins import as_extreme, hashes_of
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from tests.engine import (
    EVENTS,
    NAMES,
    Credit,
    Event,
    MemorySource,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)
from tests.unit.judge.test_evaluation import ALPHA, WIDTH, judge, stuck_found, window

CHANGE, EVENTS_OF_STREAM = 1_500, 4_000
#: the change and two base windows: before, little is known of the new share
KNOWN = CHANGE + 600


def rises(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.96:
        made["features"][NAMES[3]] = "none"


def sticks(made: Event, _rng: np.random.Generator) -> None:
    made["features"][NAMES[3]] = "none"


def causes_after(fault: object, known: int) -> set[str]:
    """Of the findings of transitions after so many predictions."""
    stream = list(Credit(EVENTS_OF_STREAM, seed=3, change=CHANGE, fault=fault))  # type: ignore[arg-type]
    lines, _ = replayed(settings(), credit_reference(), MemorySource({EVENTS: stream}))
    after = [one for one in transitions_in(lines) if one["predictions"] > known]
    return {found["cause"] for one in after for found in one["findings"]}


def test_a_share_that_rose_is_not_stuck_besides() -> None:
    assert causes_after(rises, CHANGE) >= {"distribution"}
    assert "constant" not in causes_after(rises, KNOWN)


def test_a_stuck_column_is_stuck() -> None:
    assert "constant" in causes_after(sticks, CHANGE)


def shares(of_d: int, of_each_other: int = 10) -> NDArray[np.int64]:
    """Counts of the categorical column with so many values of its last category."""
    return np.array([of_each_other] * (WIDTH - 1) + [of_d] + [0] * len(QUALITY_COUNTS))


def one_valued(values: int) -> Windows:
    """A window in which the categorical column has nothing but its last category."""
    tally = window({}, values=values).parts[0][0].tally
    tally.counts[1, :WIDTH] = [0] * (WIDTH - 1) + [values]
    tally.lows[1] = tally.highs[1] = float(as_extreme(hashes_of(["d"]))[0])
    return window_of(1, (Block(100, 110, tally),))


def test_a_run_of_a_value_whose_share_rose_is_judged_by_the_live_share() -> None:
    known = shares(of_d=970)
    assert {one.key.subject for one in stuck_found(judge(), one_valued(60), ALPHA)} == {"c"}
    around = Around(changed_counts=lambda column, until_us: known if (column, until_us) == (1, 100) else None)
    judged = judge(around=around)
    assert stuck_found(judged, one_valued(60), ALPHA) == []
    (long,) = stuck_found(judged, one_valued(1_200), ALPHA)
    assert long.p == pytest.approx((971 / 1_001) ** 1_199)
    assert long.exceedance == pytest.approx(1_199 * np.log(971 / 1_001) / np.log(ALPHA))
    assert "97 %" in long.detail


@pytest.mark.parametrize("counts", [None, np.zeros(0, np.int64), shares(of_d=10)])
def test_where_no_larger_live_share_is_known_the_reference_decides(counts: NDArray[np.int64] | None) -> None:
    (expected,) = stuck_found(judge(), one_valued(60), ALPHA)
    judged = judge(around=Around(changed_counts=lambda _column, _until_us: counts))
    (found,) = stuck_found(judged, one_valued(60), ALPHA)
    assert (found.p, found.exceedance) == (expected.p, expected.exceedance)
