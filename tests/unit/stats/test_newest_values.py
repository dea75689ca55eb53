"""The bound on stuck columns is a recount of the fewest newest panes that hold enough events."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stats.variance.newest_values import NewestValues

BINS, COLUMNS, LEAST = 3, 2, 5


@settings(deadline=None)
@given(st.lists(st.integers(1, 7), max_size=30), st.integers(0, 9), st.booleans())
def test_columns_that_may_have_one_value_are_those_with_one_bin(
    events: list[int], seed: int, stored_narrow: bool
) -> None:
    rng, newest = np.random.default_rng(seed), NewestValues(BINS, LEAST)
    seen: list[np.ndarray] = []
    for at, number in enumerate(events):
        counts = np.zeros((COLUMNS, BINS + 2), np.uint8 if stored_narrow else np.int64)
        for column in range(COLUMNS):
            for bin_ in rng.choice(BINS + 2, number, p=[0.9, 0.04, 0.02, 0.02, 0.02]):
                counts[column, bin_] += 1
        seen.append(counts)
        before = counts.copy()
        newest.add(counts, number)
        first = next((k for k in range(at, -1, -1) if sum(events[k : at + 1]) >= LEAST), None)
        known = newest.may_be_one()
        if first is None:
            assert known is None
        else:
            assert known is not None
            whole = np.stack(seen[first:]).astype(np.int64).sum(0)
            assert known.tolist() == ((whole[:, :BINS] > 0).sum(1) <= 1).tolist()
        assert (counts == before).all()
    assert all((counts.sum(1) == number).all() for counts, number in zip(seen, events, strict=True))
