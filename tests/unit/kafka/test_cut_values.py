"""Values that are cut when they are asked for are those that a list would hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.kafka.cut_values import Cuts, CutValues, joined

Value = bytes | None

values = st.one_of(st.none(), st.binary(max_size=5))
parts = st.lists(st.lists(values, max_size=6), max_size=5)
place = st.integers(-35, 35)


def cuts_of(own: Sequence[Value]) -> Cuts:
    """The values with something around each."""
    data = b"".join(b"<" + (value or b"") + b">" for value in own)
    ends = np.array([*accumulate(len(value or b"") + 2 for value in own)], np.int64) - 1
    begins = ends - np.array([len(value or b"") for value in own], np.int64)
    return Cuts(data, begins, np.where([value is None for value in own], begins - 1, ends))


def cut(of: Sequence[Sequence[Value]]) -> CutValues:
    return CutValues([cuts_of(own) for own in of])


@given(parts, place, place, st.sampled_from([1, 2, -1, None]))
def test_slices_are_those_of_a_list(of: list[list[Value]], begin: int, end: int, step: int | None) -> None:
    whole = [value for own in of for value in own]
    assert cut(of)[begin:end:step] == whole[begin:end:step]


@given(parts)
def test_every_value_is_found_by_its_place_and_in_turn(of: list[list[Value]]) -> None:
    whole, found = [value for own in of for value in own], cut(of)
    assert len(found) == len(whole)
    assert list(found) == whole
    assert [found[at] for at in range(-len(whole), len(whole))] == whole + whole


@given(parts, place, place)
def test_a_part_holds_its_values_uncut(of: list[list[Value]], begin: int, end: int) -> None:
    whole = [value for own in of for value in own]
    first, last, _ = slice(begin, end).indices(len(whole))
    assert list(cut(of).part(first, last)) == whole[first:last]


@given(st.lists(parts, min_size=1, max_size=3), st.booleans())
def test_joined_values_follow_each_other(several: list[list[list[Value]]], listed: bool) -> None:
    of = [cut(one) for one in several]
    mixed = [list(of[0]), *of[1:]] if listed else of
    assert list(joined(mixed)) == [value for one in several for own in one for value in own]
