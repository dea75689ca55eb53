"""Ranks, renewal and dates of columns against their definitions, value by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from monitor.clock import DAY_US
from monitor.reference.survey.order import EIGHTHS, _near_day, _ranks, renewed, time_read_as

NUMBERS = st.lists(st.sampled_from([-1.5, 0.0, -0.0, 2.0]) | st.floats(-1e9, 1e9), min_size=1, max_size=60)


@given(NUMBERS)
def test_equal_values_have_their_mean_rank(values: list[float]) -> None:
    assert np.allclose(_ranks(np.array(values)), rankdata(values) / len(values), rtol=1e-12)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
def test_a_name_in_only_one_eighth_was_new_there(names: list[str]) -> None:
    eighths = [at * EIGHTHS // len(names) for at in range(len(names))]
    alone = [name for name in names if len({one for own, one in zip(names, eighths, strict=True) if own == name}) == 1]
    assert renewed(names) == len(alone) / len(names)


@pytest.mark.parametrize(("unit", "us"), [("s", 1e6), ("ms", 1e3), ("µs", 1.0), ("ns", 1e-3)])
def test_times_are_read_in_every_unit(unit: str, us: float) -> None:
    times = np.arange(400) * DAY_US // 10 + 1_764_000_000_000_000
    assert time_read_as(times / us, times) == f"{unit} since 1970"
    assert time_read_as(times / us / 3, times) == ""


@given(st.integers(-700_000, 2_900_000), st.integers(0, 800), st.integers(-2, 2))
def test_a_date_written_as_a_number_is_near_its_day(first: int, days: int, off: int) -> None:
    each = np.arange(first, first + days + 1)
    written = np.array([int(str(day).replace("-", "")) for day in each.astype("datetime64[D]")], np.float64)
    assert _near_day(written + off, each) == (abs(off) <= 1)
    assert not _near_day(written * 10, each)
