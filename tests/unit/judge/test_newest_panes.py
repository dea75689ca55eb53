"""When the newest panes are looked at, and that a look that is cut short finds and spends what a whole one does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.findings import Finding
from monitor.judge.causes.constant import Constant
from monitor.judge.evaluation import Judge
from monitor.judge.newest_panes import NewestPanes
from monitor.judge.promise.budget import RECENT, Budget
from monitor.judge.windows.pyramid import RECENT_EVENTS, RECENT_STEP
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from tests.unit.judge.test_evaluation import WIDTH, judge

PANE = 10 * SECOND_US
MISSING = QUALITY_COUNTS.index("missing")


def budget(evaluator: Judge) -> Budget:
    return Budget.of(1.0, 30 * 86_400 * SECOND_US, 250 * PANE, evaluator.total_tests(7), 10_000)


def pane(at: int, values: Iterable[int]) -> Block:
    """Events of these values in both columns; -1 is a missing one."""
    tally = Tally.empty(2, WIDTH)
    for value in values:
        tally.predictions += 1
        if value < 0:
            tally.counts[:, WIDTH + MISSING] += 1
            continue
        tally.counts[:, value] += 1
        tally.lows[:], tally.highs[:] = np.minimum(tally.lows, value), np.maximum(tally.highs, value)
    return Block(at * PANE, (at + 1) * PANE, tally)


def judged(panes: Iterable[Block], evaluator: Judge, spent: Budget) -> Iterator[list[Finding]]:
    newest, before = NewestPanes(evaluator), 0
    for one in panes:
        newest.take(one)
        evaluator.observe(one, None)
        yield newest.found(before, None, spent, 1.0)
        before += one.tally.events


@pytest.mark.parametrize("events", [1, 2, 3, 7, 60])
def test_a_look_is_made_once_enough_new_events_came_whatever_the_pane(events: int) -> None:
    evaluator = judge()
    spent, looks, before = budget(evaluator), [], 0
    for found in judged((pane(at, [at % WIDTH] * events) for at in range(120)), evaluator, spent):
        known = spent.last_us.get(RECENT)
        looks += [before + events] if known == (before // events + 1) * PANE else []
        before += events
        assert not found or known is not None
    ends = range(events, 120 * events + 1, events)
    assert looks == [n for n in ends if n >= RECENT_EVENTS and n // RECENT_STEP > (n - events) // RECENT_STEP]


def test_a_step_is_at_most_a_sixteenth_of_what_is_looked_at() -> None:
    assert 1 < RECENT_STEP <= RECENT_EVENTS / 16
    assert RECENT_STEP & (RECENT_STEP - 1) == 0


def test_newest_panes_that_are_a_base_window_are_judged_as_that_alone() -> None:
    evaluator = judge()
    spent, newest, large = budget(evaluator), NewestPanes(evaluator), pane(0, [-1] * 300)
    newest.take(large)
    evaluator.observe(large, large)
    assert newest.found(0, large, spent, 1.0) == []
    assert spent.last_us == {}
    assert [one.key.cause for one in newest.found(0, None, spent, 1.0)] == ["missing", "missing"]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1_000), st.sampled_from([0.0, 0.02]), st.sampled_from([0, 30, 80]))
def test_a_look_that_is_cut_short_finds_and_spends_the_same(seed: int, missing: float, stuck: int) -> None:
    rng = np.random.default_rng(seed)
    panes = []
    for at in range(60):
        values = rng.integers(0, WIDTH, int(rng.integers(1, 12)))
        values[rng.random(len(values)) < missing] = -1
        panes.append(pane(at, [3] * len(values) if 60 - stuck <= at else values.tolist()))
    short, whole = judge(), judge()
    spent, all_spent = budget(short), budget(whole)
    found = list(judged(panes, short, spent))
    with (
        patch.object(Judge, "may_find_in_whole", lambda *_: True),
        patch.object(Constant, "_may_find", lambda *_: True),
        patch.object(Constant, "_may_be_over", lambda *_: np.ones(2, np.bool_)),
    ):
        assert found == list(judged(panes, whole, all_spent))
    assert spent == all_spent
