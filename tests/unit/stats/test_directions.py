"""Directions against the plainest sets there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.testing.directions import (
    BIN,
    BUCKETS,
    CATEGORY,
    CUT,
    NO_GROUP,
    OUTER,
    Directions,
    category_directions,
    group_sizes,
    numeric_directions,
)


@given(st.integers(1, 14))
def test_numeric_directions_are_cuts_inner_bins_and_outer_sets(bins: int) -> None:
    found = numeric_directions(bins)
    wanted = {(CUT, at): set(range(at + 1)) for at in range(bins - 1)}
    wanted |= {(BIN, at): {at} for at in range(1, bins - 1)}
    if bins > 2:
        lows = range((bins - 1) // 2)
        wanted |= {(OUTER, at): {*range(at + 1), *range(bins - 1 - at, bins)} for at in lows}
    sets = {
        (kind, at): set(np.flatnonzero(found.sets[:, d]).tolist())
        for d, (kind, at) in enumerate(zip(found.kind.tolist(), found.at.tolist(), strict=True))
    }
    assert sets == wanted
    assert found.count == len(wanted)
    assert found.group.tolist() == [0] * (bins - 1) + [1] * (len(wanted) - bins + 1)


def test_ten_bins_have_nine_cuts_and_twelve_shapes() -> None:
    assert np.bincount(numeric_directions(10).group).tolist() == [9, 12]


@pytest.mark.parametrize(("names", "count"), [(0, 0), (1, 0), (2, 1), (3, 3), (7, 7)])
def test_each_category_is_compared_with_the_rest_and_two_are_one_comparison(names: int, count: int) -> None:
    found = category_directions(names)
    assert found.sets.shape == (names, count)
    assert found.sets.sum(0).tolist() == [1] * count
    assert set(found.kind.tolist()) <= {CATEGORY}


@pytest.mark.parametrize(("names", "buckets"), [(0, 32), (5, 32), (30, 8)])
def test_buckets_are_also_compared_in_neighbouring_twos_fours_and_so_on(names: int, buckets: int) -> None:
    found = category_directions(names, buckets)
    runs = [found.sets[names:, d] for d in range(found.count) if found.kind[d] == BUCKETS]
    assert len(runs) == 2 * buckets - 1
    assert sorted(int(run.sum()) for run in runs) == sorted(
        size for size in (1 << k for k in range(buckets.bit_length())) for _ in range(buckets // size)
    )
    for run in runs:  # side by side, and each of a size next to the next of that size
        first, size = int(run.argmax()), int(run.sum())
        assert run[first : first + size].all()
        assert first % size == 0
    assert (found.sets[:names, :names] == np.eye(names, dtype=bool)).all()


def test_hits_and_shares_are_sums_over_the_bins_of_each_set() -> None:
    rng = np.random.default_rng(1)
    columns = [numeric_directions(10), category_directions(3), numeric_directions(1), category_directions(4, 2)]
    directions = Directions.of(columns, 10)
    counts = np.zeros((5, 4, 10), np.int64)
    for c, column in enumerate(columns):
        counts[:, c, : column.sets.shape[0]] = rng.integers(0, 50, (5, column.sets.shape[0]))
    counts[3, 1] = 0
    hits, shares = directions.hits(counts), directions.shares(counts)
    for w, c, d in np.ndindex(hits.shape):
        column = columns[c]
        if d >= column.count:
            assert directions.group[c, d] == NO_GROUP
            assert hits[w, c, d] == 0
            continue
        own = counts[w, c, : column.sets.shape[0]][column.sets[:, d]].sum()
        assert hits[w, c, d] == own
        assert shares[w, c, d] == own / max(counts[w, c].sum(), 1)


def test_a_groups_size_counts_the_directions_that_count() -> None:
    directions = Directions.of([numeric_directions(10), category_directions(3)], 10)
    counted = directions.group != NO_GROUP
    counted[0, :4] = False
    sizes = group_sizes(directions.group, counted)
    assert sizes[0, :9].tolist() == [5] * 9
    assert sizes[0, 9:].tolist() == [12] * 12
    assert sizes[1].tolist() == [3] * 3 + [0] * 18
