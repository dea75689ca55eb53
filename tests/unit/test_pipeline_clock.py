"""Up to when a model is complete: the slowest partition holds back, a silent one only for a while."""

from __future__ import annotations

import math

import pytest

from monitor.clock import HOUR_US, SECOND_US, ManualClock
from monitor.events import Partition
from monitor.pipeline import Pipeline
from monitor.records import NewPartition, OffsetGap
from tests.engine import (
    CREDIT,
    START_US,
    Event,
    MemorySource,
    Recorded,
    blank,
    catalog_of,
    event,
    numeric,
    pipeline_of,
    run_to_end,
    settings,
)

A, B, C = (Partition("events", number) for number in range(3))
IDLE_AFTER = 60.0


def at(seconds: float, **fields: object) -> Event:
    return event(seconds, prediction=1, features={"x": 1}, **fields)


def live(records: dict[Partition, list[object]], chunk: int = 500) -> tuple[Pipeline, MemorySource, ManualClock]:
    tree, source = settings(), MemorySource(records, chunk, live=True)
    pipeline, clock = pipeline_of(tree, catalog_of(tree, blank([numeric("x")])), source, live=True)
    return pipeline, source, clock


def clock_of(pipeline: Pipeline) -> float:
    """Seconds after the start."""
    return (pipeline.complete_clock() - START_US) / SECOND_US


def open_panes(pipeline: Pipeline) -> int:
    return sum(unit.open_panes for unit in pipeline.units.values())


def test_the_clock_is_that_of_the_slowest_partition() -> None:
    pipeline, _, _ = live({A: [at(500)], B: [at(300), at(20)], C: [at(400)]})
    pipeline.turn()
    assert clock_of(pipeline) == 300


def test_a_partition_without_a_clock_holds_everything_back() -> None:
    pipeline, source, clock = live({A: [at(0), at(9_000)], B: []})
    pipeline.turn()
    assert pipeline.complete_clock() == -math.inf
    assert open_panes(pipeline) == 2
    source.unread.add(B)  # there is something in it that was not given out yet
    clock.advance(10 * IDLE_AFTER)
    pipeline.turn()
    assert pipeline.complete_clock() == -math.inf


def test_an_empty_partition_holds_back_no_longer_than_idle_after_the_start() -> None:
    pipeline, _, clock = live({A: [at(0), at(9_000)], B: []})
    clock.advance(IDLE_AFTER - 0.001)
    pipeline.turn()
    assert pipeline.complete_clock() == -math.inf
    clock.advance(0.001)
    assert clock_of(pipeline) == 9_000  # of A, which was heard of a moment ago
    pipeline.turn()
    assert open_panes(pipeline) == 1


def test_a_process_that_just_started_waits_for_partitions_it_has_not_heard_of() -> None:
    tree, source, clock = settings(), MemorySource({A: [at(0)], B: []}, live=True), ManualClock()
    clock.advance(1_000_000)  # the machine has been up for long
    pipeline = Pipeline(tree, catalog_of(tree, blank([numeric("x")])), source, clock, Recorded())
    pipeline.turn()
    assert pipeline.complete_clock() == -math.inf


def test_a_partition_at_its_end_lets_go_after_it_was_silent_for_a_while() -> None:
    pipeline, source, clock = live({A: [at(100)], B: [at(900)]})
    pipeline.turn()
    clock.advance(IDLE_AFTER - 1)
    source.records[B].append(at(1_000))
    pipeline.turn()
    assert clock_of(pipeline) == 100
    clock.advance(1)
    assert clock_of(pipeline) == 1_000
    clock.advance(IDLE_AFTER)
    assert pipeline.complete_clock() == math.inf


def test_a_partition_that_is_not_at_its_end_holds_back_however_long_it_takes() -> None:
    pipeline, source, clock = live({A: [at(100)], B: [at(900)]})
    pipeline.turn()
    source.unread.add(A)
    clock.advance(100 * IDLE_AFTER)
    assert clock_of(pipeline) == 100


def test_labels_and_unknown_models_do_not_make_a_partition_heard_of() -> None:
    pipeline, source, clock = live({A: [at(100)], B: [at(900)]})
    pipeline.turn()
    clock.advance(IDLE_AFTER - 1)
    source.records[A] += [event(200, type="label", id="a", label=1), at(300, model="nobody")]
    pipeline.turn()
    clock.advance(1)
    assert pipeline.complete_clock() == math.inf


def test_lateness_is_waited_for_and_closed_is_final() -> None:
    pipeline, source, clock = live({A: [at(5), at(15), at(70)], B: [at(75)]})
    pipeline.turn()
    assert open_panes(pipeline) == 3  # complete until 70 - 60 = 10: the pane of 5 was judged
    clock.advance(IDLE_AFTER)  # both are silent now: all is judged
    pipeline.turn()
    assert open_panes(pipeline) == 0
    source.records[A] += [at(12), at(13), at(90)]
    pipeline.turn()
    clock.advance(IDLE_AFTER)
    pipeline.turn()
    assert pipeline.exchange.unjudged == {CREDIT: 2}
    assert pipeline.outcomes == {("events", "accepted", ""): 7}
    assert sum(unit.totals[CREDIT].events for unit in pipeline.units.values()) == 7


def test_without_late_partitions_everything_is_judged_once() -> None:
    tree, source = settings(), MemorySource({A: [at(i * 7.0) for i in range(50)], B: [at(i * 9.0) for i in range(50)]})
    pipeline, _ = pipeline_of(tree, catalog_of(tree, blank([numeric("x")])), source)
    run_to_end(pipeline, source)
    (judge,) = pipeline.fleet.to_state()["judges"]
    assert judge["predictions"] == 100
    assert pipeline.exchange.unjudged == {}
    assert open_panes(pipeline) == 0


def test_a_partition_more_than_an_hour_ahead_of_the_slowest_waits() -> None:
    hour = HOUR_US / SECOND_US
    pipeline, source, _ = live({A: [at(0), at(10)], B: [at(hour), at(hour)], C: [at(hour + 1), at(hour + 2)]}, chunk=1)
    pipeline.turn()
    assert pipeline.too_far_ahead() == {C}
    pipeline.turn()
    assert source.paused == {C}
    assert pipeline.too_far_ahead() == set()  # the others are at their ends: nobody is waited for
    pipeline.turn()
    assert source.at_end(C)


def test_the_others_wait_for_a_partition_that_has_more_and_no_clock_yet() -> None:
    pipeline, source, _ = live({A: [at(0), at(1)], B: []})
    source.unread.add(B)
    pipeline.turn()
    assert pipeline.too_far_ahead() == {A}
    source.unread.clear()
    assert pipeline.too_far_ahead() == set()


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_partitions_hours_apart_are_read_aligned_within_an_hour(chunk: int) -> None:
    late, early = [at(20_000 + i * 100) for i in range(100)], [at(i * 100) for i in range(300)]
    tree, source = settings(), MemorySource({A: late, B: early}, chunk)
    pipeline, _ = pipeline_of(tree, catalog_of(tree, blank([numeric("x")])), source)
    ended = False
    while not ended:
        ended = source.ended()
        clocks, read = [pipeline.lane(p).clock_us for p in (A, B)], source.next[A]
        waited_for = not source.at_end(B) and clocks[0] > clocks[1] + HOUR_US
        pipeline.turn()
        assert (source.next[A] > read) == (not waited_for and read < len(late))
    assert pipeline.outcomes == {("events", "accepted", ""): 400}
    assert pipeline.exchange.unjudged == {}


def test_a_new_partition_is_read_from_its_beginning_and_holds_back_at_once() -> None:
    pipeline, source, _ = live({A: [at(100)]})
    pipeline.turn()
    source.records[B], source.next[B] = [at(50)], 0
    source.unread.add(B)
    source.news.append(NewPartition(B))
    source.next[B] = 1  # not given out yet
    pipeline.turn()
    assert pipeline.positions() == {A: 1, B: 0}
    assert pipeline.complete_clock() == -math.inf


def test_records_that_are_gone_are_counted_and_their_place_is_passed() -> None:
    pipeline, source, _ = live({A: [at(100)]})
    source.news.append(OffsetGap(A, 0, 40))
    source.next[A] = 1
    pipeline.turn()
    assert pipeline.gaps == {A: 40}
    assert pipeline.positions() == {A: 40}


def test_labels_hold_no_window_back_however_old_their_times_are() -> None:
    pipeline, source, clock = live({A: [at(100)], B: [event(-7_000, type="label", id="a", label=1)]})
    pipeline.turn()
    clock.advance(IDLE_AFTER)
    source.records[A].append(at(900))
    source.records[B].append(event(-6_000, type="label", id="b", label=1))
    pipeline.turn()
    source.unread.add(B)  # a steady flow is at its end only now and then
    assert clock_of(pipeline) == 900


def test_a_partition_that_moves_no_clock_holds_up_the_others_only_until_it_was_read_from() -> None:
    pipeline, source, _ = live({A: [at(0)], B: [at(100, model="nobody")]})
    source.unread.add(B)
    pipeline.lane(A).clock_us = START_US
    assert pipeline.too_far_ahead() == {A}
    pipeline.turn()
    pipeline.turn()
    assert pipeline.too_far_ahead() == set()
