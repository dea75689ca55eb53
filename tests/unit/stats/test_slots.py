"""Counts by slots of event time: sums of stretches against a plain sum, and what is kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.state.codec import decode, encode
from monitor.stats.tallies.slots import Slots

KEPT = 5


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40), st.integers(0, 8), st.integers(0, 8))
def test_a_stretch_has_the_counts_of_its_slots_as_far_as_they_are_kept(
    steps: list[tuple[int, int]], begin: int, length: int
) -> None:
    slots, known, number = Slots(2, 3, KEPT), list[tuple[int, int]](), 0
    for step, count in steps:
        number += step
        slots.add(number, np.full((2, 3), count))
        known.append((number, count))
        assert slots.newest == number
        assert slots.first == known[0][0]
    again = Slots(2, 3, KEPT)
    again.restore(decode(encode(slots.to_state())))
    first = max(number - KEPT + 1, number - begin)
    expected = sum(count for at, count in known if first <= at < first + length)
    for one in (slots, again):
        assert (one.between(first, first + length) == expected).all()
        assert one.first == slots.first


def test_counts_of_another_shape_are_not_taken_on() -> None:
    slots, other = Slots(2, 3, KEPT), Slots(2, 4, KEPT)
    slots.add(7, np.ones((2, 3), np.int64))
    other.restore(slots.to_state())
    assert other.first is None
    assert other.newest is None
