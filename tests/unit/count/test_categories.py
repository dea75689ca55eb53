"""What each value of a categorical column is counted as: by name, by bucket, as never seen, or as no value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.count.columns import categories as module
from monitor.count.columns.categories import Categories
from monitor.decode.columns import ABSENT_VALUE, TYPE_VALUE
from monitor.events import canonical
from monitor.reference.column import Column
from monitor.stats.bins.name_bins import as_extreme, hashes_of
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from tests.engine import categorical
from tests.oracles import slot_of

WIDTH = 40
MARKS = len(QUALITY_COUNTS)
CLOSED = categorical("c", ("a", "1"))
POOLED = categorical("c", ("a", "1"), others=("7", "x"))
KNOWN = {"a", "1", "7", "x"}

Counted = tuple[int, bool, float]

values: st.SearchStrategy[object] = st.one_of(
    st.sampled_from([None, ABSENT_VALUE, TYPE_VALUE, "a", "1", 1, 1.0, True, "1.0", "7", 7, "x", "y", "", 2.5, False]),
    st.integers(0, 40),
)
columns = st.sampled_from([CLOSED, POOLED])


def counted(categories: Categories, cut: Sequence[list[object]]) -> list[Counted]:
    """(slot, whether never seen, extreme) of each value."""
    found: list[Counted] = []
    for batch in cut:
        entries = categories.entries(batch)
        slots, extremes = categories.slots.take(entries), categories.extremes.take(entries)
        unseen = categories.unseen.take(entries)
        found += zip(slots.tolist(), unseen.tolist(), extremes.tolist(), strict=True)
    return found


def plainly(column: Column, value: object) -> Counted:
    marks = {None: "missing", ABSENT_VALUE: "absent", TYPE_VALUE: "type"}
    if value in marks:
        return WIDTH + QUALITY_COUNTS.index(marks[value]), False, 0.0
    assert isinstance(value, str | int | float)
    name = canonical(value)
    known = name in KNOWN if column.bins.buckets else name in column.bins.categories
    return slot_of(column, WIDTH, {"c": value}), not known, float(as_extreme(hashes_of([name]))[0])


@settings(deadline=None)
@given(columns, st.lists(st.lists(values, max_size=12), max_size=5))
def test_each_value_is_counted_as_plain_python_counts_it_however_values_are_cut(
    column: Column, cut: list[list[object]]
) -> None:
    expected = [plainly(column, value) for batch in cut for value in batch]
    assert counted(Categories(column.bins, WIDTH), cut) == expected
    assert counted(Categories(column.bins, WIDTH), [[value for batch in cut for value in batch]]) == expected


@settings(deadline=None)
@given(columns, st.lists(st.lists(values, max_size=8), max_size=8), st.integers(0, 4))
def test_forgetting_values_that_were_met_changes_nothing(column: Column, cut: list[list[object]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_ENTRIES", most)
        categories = Categories(column.bins, WIDTH)
        assert counted(categories, cut) == [plainly(column, value) for batch in cut for value in batch]
        own = MARKS + column.bins.named
        assert len(categories.slots) == len(categories.extremes) == len(categories.unseen)
        assert len(categories.slots) <= own + most + max(map(len, cut), default=0)


def test_a_name_a_bucket_a_stranger_and_a_mark() -> None:
    slots = [slot for slot, _, _ in counted(Categories(POOLED.bins, WIDTH), [["a", 1, "7", "stranger", None]])]
    assert slots[:2] == [0, 1]
    assert all(2 <= slot < POOLED.bins.bins for slot in slots[2:4])
    assert slots[4] == WIDTH + QUALITY_COUNTS.index("missing")
    assert counted(Categories(CLOSED.bins, WIDTH), [["stranger"]])[0][:2] == (WIDTH + QUALITY_COUNTS.index("unseen"), 1)


def test_memory_of_values_that_never_come_again_is_bounded() -> None:
    categories = Categories(POOLED.bins, WIDTH)
    for first in range(0, 4 * module.MAX_ENTRIES, 512):
        categories.entries([f"id{n}" for n in range(first, first + 512)])
    assert len(categories.slots) <= MARKS + 2 + module.MAX_ENTRIES + 512


def test_a_column_without_a_reference_knows_no_value() -> None:
    categories = Categories(None, WIDTH)
    assert counted(categories, [["a", None]]) == [
        (WIDTH + QUALITY_COUNTS.index("unseen"), True, float(as_extreme(hashes_of(["a"]))[0])),
        (WIDTH + QUALITY_COUNTS.index("missing"), False, 0.0),
    ]
    assert not categories.pooled


def test_one_value_is_distinguished_from_many_by_its_extreme() -> None:
    found = counted(Categories(POOLED.bins, WIDTH), [[f"name{n}" for n in range(2_000)]])
    assert len({extreme for _, _, extreme in found}) == 2_000
    assert np.isfinite([extreme for _, _, extreme in found]).all()
