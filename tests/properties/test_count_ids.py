"""The memory of ids against a plain queue."""

from __future__ import annotations

import os
import tracemalloc
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.count.event_ids import EventIds
from monitor.state import segments
from monitor.state.codec import decode, encode
from monitor.state.directory import StateDirectory
from tests.oracles import duplicates

keys = st.lists(st.integers(1, 12), max_size=40)
batches = st.lists(keys, max_size=8)


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 2_048)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def ask(memory: EventIds, asked: list[int]) -> list[bool]:
    return [bool(known) for known in memory.ask(np.array(asked, np.uint64))]


@pytest.mark.parametrize("capacity", [0, 1, 3, 50])
@settings(deadline=None)
@given(batches=batches, restored=st.sets(st.integers(0, 7)))
def test_a_key_is_known_while_it_is_among_the_last_that_were_asked(
    capacity: int, batches: list[list[int]], restored: set[int]
) -> None:
    memory, queue = EventIds(capacity), deque[int]()
    for number, batch in enumerate(batches):
        assert ask(memory, batch) == duplicates(batch, capacity, queue)
        assert len(memory) == len(queue)
        if number in restored:
            again = EventIds(capacity)
            again.restore(decode(encode(memory.to_state())))
            assert again.to_state()["keys"].tolist() == list(queue)
            memory = again


@settings(deadline=None)
@given(batches=st.lists(st.lists(st.integers(1, 200), max_size=40, unique=True), max_size=12))
def test_batches_of_different_keys_are_the_same_as_one_by_one(batches: list[list[int]]) -> None:
    whole, single, queue = EventIds(50), EventIds(50), deque[int]()
    for batch in batches:
        expected = duplicates(batch, 50, queue)
        assert ask(whole, batch) == expected
        assert [known for key in batch for known in ask(single, [key])] == expected


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    capacity=st.sampled_from([1, 60, 700, 5_000]),
    kinds=st.sampled_from([40, 1_000, 10**9]),
    sizes=st.lists(st.sampled_from([1, 90, 600, 3_000]), max_size=12),
    restored=st.sets(st.integers(0, 11)),
)
def test_the_rows_of_many_ids_forget_and_know_like_the_queue(
    seed: int, capacity: int, kinds: int, sizes: list[int], restored: set[int]
) -> None:
    rng, memory, queue = np.random.default_rng(seed), EventIds(capacity), deque[int]()
    for number, size in enumerate(sizes):
        batch = (rng.integers(1, kinds, size, np.uint64) * 2**34).tolist()
        assert ask(memory, batch) == duplicates(batch, capacity, queue)
        assert memory.to_state()["keys"].tolist() == list(queue)
        if number in restored:
            again = EventIds(capacity)
            again.restore(memory.to_state())
            memory = again


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("seed", range(4))
def test_memories_kept_in_a_folder_know_what_they_knew(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    capacities = {"a-0": 700, "a-1": 60, "b-0": 0}
    memories = {name: EventIds(capacity) for name, capacity in capacities.items()}
    queues: dict[str, deque[int]] = {name: deque() for name in capacities}
    store = StateDirectory(tmp_path)
    for sequence in range(1, 25):
        for name, memory in memories.items():
            batch = (rng.integers(1, 2_000, rng.choice([0, 1, 90, 900]), np.uint64) * 2**50).tolist()
            assert ask(memory, batch) == duplicates(batch, capacities[name], queues[name])
        store.save(sequence, {name: memory.to_state(name) for name, memory in memories.items()})
        if rng.random() < 0.4:
            store.close()
            store = StateDirectory(tmp_path)
            found = store.load()
            assert found is not None
            for name, capacity in capacities.items():
                memories[name] = EventIds(capacity)
                memories[name].restore(found.tree[name])
                assert memories[name].to_state()["keys"].tolist() == list(queues[name])
    store.close()


def test_places_of_keys_are_counted_from_the_first_that_was_ever_asked() -> None:
    memory = EventIds(700)
    memory.restore({"first": 2**40, "keys": np.arange(1, 701, dtype=np.uint64)})
    for start in range(1_000, 9_000, 90):
        memory.ask(np.arange(start, start + 90, dtype=np.uint64))
    state = memory.to_state()
    assert (state["first"], state.end) == (2**40 + 89 * 90, 2**40 + 700 + 89 * 90)
    whole = state["keys"].tolist()
    for low, high in ((0, 1), (0, 700), (100, 690), (699, 700), (300, 300)):
        assert state.between(state.first + low, state.first + high).tolist() == whole[low:high]


def test_an_id_takes_at_most_16_bytes_and_an_unused_memory_none() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        memories = [EventIds(100_000) for _ in range(64)]
        assert tracemalloc.get_traced_memory()[0] - before < 64 * 1_024
        rng = np.random.default_rng(1)
        for _ in range(600):
            memories[0].ask(rng.integers(1, 2**63, 500, np.uint64))
        assert tracemalloc.get_traced_memory()[0] - before < 64 * 1_024 + 16 * 100_000
    finally:
        tracemalloc.stop()


@settings(deadline=None)
@given(asked=keys, before=st.sampled_from([0, 1, 3, 50]), after=st.sampled_from([0, 1, 3, 50]), more=keys)
def test_a_memory_of_another_size_goes_on_from_the_newest_ids(
    asked: list[int], before: int, after: int, more: list[int]
) -> None:
    memory, queue = EventIds(before), deque[int]()
    ask(memory, asked)
    duplicates(asked, before, queue)
    other = EventIds(after)
    other.restore(memory.to_state())
    queue = deque(list(queue)[-after:] if after else [])
    assert ask(other, more) == duplicates(more, after, queue)


def test_keys_are_whole_64_bit_numbers() -> None:
    memory = EventIds(3)
    max_reference_distance = 2**64 - 1
    assert ask(memory, [max_reference_distance, max_reference_distance - 1, 2**63]) == [False, False, False]
    assert ask(memory, [max_reference_distance - 1]) == [True]
