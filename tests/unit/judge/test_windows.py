"""Windows: panes to base windows, base windows to a ladder of lengths, each the plain sum of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.events import Partition
from monitor.judge.windows.pyramid import (
    BASE_EVENTS,
    BLOCKS,
    RECENT_EVENTS,
    BaseWindow,
    RecentPanes,
    WindowPyramid,
    Windows,
    window_of,
)
from monitor.state.codec import decode, encode
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally, merged
from tests.engine import CREDIT, EVENTS, plain

PANE = 10


def tally_of(rng: np.random.Generator, events: int | None = None) -> Tally:
    tally = Tally.empty(2, 3)
    tally.counts += rng.integers(0, 50, tally.counts.shape)
    tally.sums += rng.integers(-1_000, 1_000, tally.sums.shape)
    tally.lows[:], tally.highs[:] = rng.normal(size=2), rng.normal(size=2)
    tally.predictions = int(rng.integers(250, 300)) if events is None else events
    first = int(rng.integers(0, 10_000))
    tally.add_records(Partition("events", int(rng.integers(0, 2))), first, first + 9)
    if rng.integers(0, 4):  # a tally without them has zeros
        tally.further["pairs"] = rng.integers(0, 200, 3)
    return tally


def blocks(n: int, seed: int = 1) -> list[Block]:
    rng = np.random.default_rng(seed)
    return [Block(i * PANE, (i + 1) * PANE, tally_of(rng)) for i in range(n)]


def panes(events: Sequence[int]) -> list[Pane]:
    rng = np.random.default_rng(2)
    return [Pane(PaneKey(CREDIT, ""), i * PANE, (i + 1) * PANE, tally_of(rng, count)) for i, count in enumerate(events)]


def check(windows: Windows, at: int, parts: Sequence[Block]) -> None:
    """The window is the merge of the base windows."""
    whole = merged([part.tally for part in parts])
    assert windows.spans[at] == (parts[0].start_us, parts[-1].end_us, whole.events)
    assert windows.counts[at].tolist() == whole.counts.tolist()
    assert windows.sums[at].tolist() == whole.sums.tolist()
    assert windows.lows[at].tolist() == whole.lows.tolist()
    assert windows.highs[at].tolist() == whole.highs.tolist()
    assert windows.records(at) == whole.records
    assert windows.further("pairs", 3)[at].tolist() == whole.further.get("pairs", np.zeros(3, np.int64)).tolist()


@pytest.mark.parametrize("longest", [64, 256])
def test_every_length_is_the_sum_of_its_base_windows(longest: int) -> None:
    pyramid, added = WindowPyramid(longest), list[Block]()
    seen: set[int] = set()
    for block in blocks(600):
        added.append(block)
        windows = pyramid.add(block)
        expected = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= len(added)]
        expected += [n for n in (128, 256) if n <= longest and n <= len(added) and len(added) % (n // BLOCKS) == 0]
        assert list(windows.lengths) == expected
        for at, length in enumerate(windows.lengths):
            check(windows, at, added[-length:])
        seen |= set(windows.lengths)
    assert seen == set(pyramid.lengths)


def test_an_evaluation_keeps_its_windows_when_the_pyramid_goes_on() -> None:
    pyramid, added = WindowPyramid(64), blocks(80)
    inspected = [pyramid.add(block) for block in added]
    for end, windows in enumerate(inspected, 1):
        for at, length in enumerate(windows.lengths):
            check(windows, at, added[end - length : end])


def test_memory_does_not_grow() -> None:
    pyramid, added = WindowPyramid(256), blocks(700)
    for block in added:
        pyramid.add(block)
    assert [len(level.blocks) for level in pyramid.levels] == [BLOCKS] * 3
    given = added[0].tally.counts.nbytes + added[0].tally.sums.nbytes
    kept = [block.tally.counts.nbytes + block.tally.sums.nbytes for level in pyramid.levels for block in level.blocks]
    assert max(kept) <= given / 2


@pytest.mark.parametrize("length", [3, 4, 64, 128, 256])
def test_the_newest_base_windows_as_one_are_their_sum_or_not_there_yet(length: int) -> None:
    pyramid, added = WindowPyramid(256), list[Block]()
    step = max(1, length // BLOCKS)
    for block in blocks(300):
        added.append(block)
        pyramid.add(block)
        window = pyramid.trailing(length)
        assert (window is not None) == (len(added) >= length and len(added) % step == 0)
        if window is not None:
            assert window.lengths == (length,)
            check(window, 0, added[-length:])


def test_there_is_nothing_beyond_the_longest_length() -> None:
    pyramid = WindowPyramid(64)
    for block in blocks(300):
        pyramid.add(block)
    assert pyramid.trailing(128) is None


@pytest.mark.parametrize("cut", [0, 1, 63, 64, 65, 199])
def test_a_pyramid_goes_on_from_its_state(cut: int) -> None:
    uncut, first = WindowPyramid(256), WindowPyramid(256)
    many = blocks(300, seed=3)
    for block in many[:cut]:
        uncut.add(block)
        first.add(block)
    restored = WindowPyramid(256)
    restored.restore(decode(encode(first.to_state())))
    for block in many[cut:]:
        expected, found = uncut.add(block), restored.add(block)
        assert found.spans == expected.spans
        for name in ("counts", "sums", "lows", "highs"):
            assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert plain(restored.to_state()) == plain(uncut.to_state())


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), max_size=60))
def test_a_base_window_is_whole_panes_until_they_hold_enough(events: list[int]) -> None:
    base, waiting = BaseWindow(), list[Pane]()
    for pane in panes(events):
        closed = base.add(pane)
        waiting.append(pane)
        assert (closed is not None) == (sum(one.tally.events for one in waiting) >= BASE_EVENTS)
        if closed is not None:
            check(window_of(1, (closed,)), 0, [Block(p.start_us, p.end_us, p.tally) for p in waiting])
            waiting = []


def test_a_base_window_leaves_the_panes_as_they_were() -> None:
    given_panes = panes([100, 200])
    before = [plain(pane.tally.to_state()) for pane in given_panes]
    base = BaseWindow()
    assert [base.add(pane) is None for pane in given_panes] == [True, False]
    assert [plain(pane.tally.to_state()) for pane in given_panes] == before


@settings(deadline=None)
@given(st.lists(st.integers(1, 90), max_size=60))
def test_the_recent_panes_are_the_fewest_newest_ones_that_hold_enough(events: list[int]) -> None:
    recent = RecentPanes()
    for at, pane in enumerate(panes(events)):
        window = recent.add(pane)
        sums = [sum(events[start : at + 1]) for start in range(at + 1)]
        enough = [start for start, held in enumerate(sums) if held >= RECENT_EVENTS]
        assert (window is not None) == bool(enough)
        if window is not None:
            assert window.lengths == (0,)
            assert window.spans[0] == (enough[-1] * PANE, (at + 1) * PANE, sums[enough[-1]])
            check(window, 0, window.parts[0])
            assert len(window.parts[0]) == at + 1 - enough[-1]


def test_a_window_says_where_its_records_lie() -> None:
    a, b = Tally.empty(1, 1), Tally.empty(1, 1)
    a.add_records(EVENTS, 5, 9)
    b.add_records(EVENTS, 2, 6)
    b.add_records(Partition("events", 3), 1, 1)
    windows = window_of(2, (Block(0, 1, a), Block(1, 2, b)))
    assert windows.records(0) == {EVENTS: (2, 9), Partition("events", 3): (1, 1)}


def test_windows_made_of_others_remember_nothing_of_them() -> None:
    """What is worked out of windows is kept; it is of their own parts."""
    blocks = [
        Block(at, at + 1, replace(Tally.empty(1, 2), further={"of": np.array([at])}, records={EVENTS: (at, at)}))
        for at in (1, 2)
    ]
    both = window_of(2, tuple(blocks))
    assert (both.further("of", 1).tolist(), both.records(0)) == ([[3]], {EVENTS: (1, 2)})
    one = replace(both, parts=((blocks[0],),))
    assert (one.further("of", 1).tolist(), one.records(0)) == ([[1]], {EVENTS: (1, 1)})
