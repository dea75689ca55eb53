"""A changed unit is told from other values outside the range, and no value can make that fail."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.judge.causes.unit_factor import USUAL, unit_factor
from monitor.reference.reference import Column
from monitor.stats.bins import ColumnBins
from monitor.stats.tally import OUTSIDE_COUNT, OUTSIDE_LOG, OUTSIDE_LOG_SQUARES, SQUARE_UNIT, SUMS, UNIT

COLUMN = Column("x", "feature", ColumnBins("numeric"), log_center=0.5, log_spread=0.4)


def sums_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """As a tally keeps them of values that lie outside."""
    logs = np.log10(np.abs(values[values != 0]))
    sums = np.zeros(SUMS, np.int64)
    sums[OUTSIDE_COUNT] = len(logs)
    sums[OUTSIDE_LOG] = int(np.rint(logs * UNIT).sum())
    sums[OUTSIDE_LOG_SQUARES] = int(np.rint(logs * logs * SQUARE_UNIT).sum())
    return sums


def drawn(count: int, factor: float, seed: int) -> NDArray[np.float64]:
    values: NDArray[np.float64] = factor * 10 ** np.random.default_rng(seed).normal(0.5, 0.4, count)
    return values


@pytest.mark.parametrize("factor", [*USUAL, *(1 / usual for usual in USUAL)])
def test_a_usual_factor_is_named(factor: float) -> None:
    assert unit_factor(COLUMN, sums_of(drawn(500, factor, 1))) == factor


def test_of_few_values_sixty_and_a_hundred_are_seldom_mistaken() -> None:
    named = [unit_factor(COLUMN, sums_of(drawn(12, 100.0, seed))) for seed in range(300)]
    assert named.count(60.0) < 0.1 * len(named)
    assert named.count(100.0) > 0.2 * len(named)


def test_another_factor_is_said_with_two_digits_of_many_values_and_not_at_all_of_few() -> None:
    assert unit_factor(COLUMN, sums_of(drawn(50_000, 5.0, 1))) == pytest.approx(5.0, abs=0.1)
    assert unit_factor(COLUMN, sums_of(drawn(10, 5.0, 1))) is None


def test_values_of_another_spread_are_no_changed_unit() -> None:
    one_value = np.full(100, 3_162.0)
    assert unit_factor(COLUMN, sums_of(one_value)) is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40), st.floats(0.0, 400.0))
@example([1.7976931348623157e308] * 40, 400.0)
@example([5e-324] * 40, 400.0)
def test_no_value_makes_it_fail(values: list[float], spread: float) -> None:
    column = replace(COLUMN, log_center=300.0 if values[0] < 1 else -300.0, log_spread=spread)
    factor = unit_factor(column, sums_of(np.array(values)))
    assert factor is None or (math.isfinite(factor) and factor > 0)
