"""The memory of ids against a plain queue."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.count.ids import IdMemory
from monitor.files.codec import decode, encode
from tests.oracles import duplicates

keys = st.lists(st.integers(1, 12), max_size=40)
batches = st.lists(keys, max_size=8)


def ask(memory: IdMemory, asked: list[int]) -> list[bool]:
    return [bool(known) for known in memory.ask(np.array(asked, np.uint64))]


@pytest.mark.parametrize("capacity", [0, 1, 3, 50])
@settings(deadline=None)
@given(batches=batches, restored=st.sets(st.integers(0, 7)))
def test_a_key_is_known_while_it_is_among_the_last_that_were_asked(
    capacity: int, batches: list[list[int]], restored: set[int]
) -> None:
    memory, queue = IdMemory(capacity), deque[int]()
    for number, batch in enumerate(batches):
        assert ask(memory, batch) == duplicates(batch, capacity, queue)
        assert len(memory) == len(queue)
        if number in restored:
            again = IdMemory(capacity)
            again.restore(decode(encode(memory.to_state())))
            assert again.to_state()["keys"].tolist() == list(queue)
            memory = again


@settings(deadline=None)
@given(batches=st.lists(st.lists(st.integers(1, 200), max_size=40, unique=True), max_size=12))
def test_batches_of_different_keys_are_the_same_as_one_by_one(batches: list[list[int]]) -> None:
    whole, single, queue = IdMemory(50), IdMemory(50), deque[int]()
    for batch in batches:
        expected = duplicates(batch, 50, queue)
        assert ask(whole, batch) == expected
        assert [known for key in batch for known in ask(single, [key])] == expected


@settings(deadline=None)
@given(asked=keys, before=st.sampled_from([0, 1, 3, 50]), after=st.sampled_from([0, 1, 3, 50]), more=keys)
def test_a_memory_of_another_size_goes_on_from_the_newest_ids(
    asked: list[int], before: int, after: int, more: list[int]
) -> None:
    memory, queue = IdMemory(before), deque[int]()
    ask(memory, asked)
    duplicates(asked, before, queue)
    other = IdMemory(after)
    other.restore(memory.to_state())
    queue = deque(list(queue)[-after:] if after else [])
    assert ask(other, more) == duplicates(more, after, queue)


def test_keys_are_whole_64_bit_numbers() -> None:
    memory = IdMemory(3)
    top = 2**64 - 1
    assert ask(memory, [top, top - 1, 2**63]) == [False, False, False]
    assert ask(memory, [top - 1]) == [True]
