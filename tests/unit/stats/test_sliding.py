"""Sums of sliding windows, against adding them up one by one."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.sliding import sliding


@pytest.mark.parametrize("shape", [(9,), (9, 3), (9, 2, 4)])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_each_window_is_the_sum_of_its_own(shape: tuple[int, ...], length: int) -> None:
    stack = np.random.default_rng(1).integers(0, 100, shape)
    wanted = [stack[at : at + length].sum(0) for at in range(len(stack) - length + 1)]
    assert np.array_equal(sliding(stack, length), np.array(wanted))
