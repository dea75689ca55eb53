"""Up to when a model is complete: the slowest partition holds back, a silent one only for a while."""

from __future__ import annotations

import math

import pytest

from monitor.clock import HOUR_US, SECOND_US, ManualClock
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.records import NewPartition, OffsetGap
from tests.engine import (
    CREDIT,
    START_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
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
    pipeline, clock = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source, live=True)
    return pipeline, source, clock


def clock_of(pipeline: Pipeline) -> float:
    """Seconds after the start up to which panes of the model are complete, before lateness is let pass."""
    bound = pipeline.completeness.until().common
    return (bound.us - START_US) / SECOND_US


def waited_for(pipeline: Pipeline) -> bool:
    return pipeline.completeness.until().common.waits


def too_far_ahead(pipeline: Pipeline) -> set[Partition]:
    return pipeline.completeness.too_far_ahead(pipeline.open_panes())


def test_the_clock_is_that_of_the_slowest_partition() -> None:
    pipeline, _, _ = live({A: [at(500)], B: [at(300), at(20)], C: [at(400)]})
    pipeline.turn()
    assert clock_of(pipeline) == 300


def test_a_partition_without_a_clock_holds_everything_back() -> None:
    pipeline, source, clock = live({A: [at(0), at(9_000)], B: []})
    pipeline.turn()
    assert clock_of(pipeline) == -math.inf
    assert pipeline.open_panes() == 2
    source.unread.add(B)  # there is something in it that was not given out yet
    clock.advance(10 * IDLE_AFTER)
    pipeline.turn()
    assert clock_of(pipeline) == -math.inf


def test_an_empty_partition_holds_back_no_longer_than_idle_after_the_start() -> None:
    pipeline, _, clock = live({A: [at(0), at(290)], B: []})
    clock.advance(IDLE_AFTER - 0.001)
    pipeline.turn()
    assert clock_of(pipeline) == -math.inf
    clock.advance(0.001)
    assert clock_of(pipeline) == 290  # of A, which was heard of a moment ago
    pipeline.turn()
    assert pipeline.open_panes() == 1


def test_a_process_that_just_started_waits_for_partitions_it_has_not_heard_of() -> None:
    tree, source, clock = settings(), MemorySource({A: [at(0)], B: []}, live=True), ManualClock()
    clock.advance(1_000_000)  # the machine has been up for long
    pipeline = Pipeline(tree, admission_of(tree, blank([numeric("x")])), source, clock, Recorded())
    pipeline.turn()
    assert clock_of(pipeline) == -math.inf


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
    assert not waited_for(pipeline)


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
    assert not waited_for(pipeline)


def test_lateness_is_waited_for_and_closed_is_final() -> None:
    pipeline, source, clock = live({A: [at(5), at(15), at(70)], B: [at(75)]})
    pipeline.turn()
    assert pipeline.open_panes() == 3  # complete until 70 - 60 = 10: the pane of 5 was judged
    clock.advance(IDLE_AFTER)  # both are silent now: all is judged
    pipeline.turn()
    assert pipeline.open_panes() == 0
    source.records[A] += [at(12), at(13), at(90)]
    pipeline.turn()
    clock.advance(IDLE_AFTER)
    pipeline.turn()
    assert pipeline.exchange.unjudged == {CREDIT: 2}
    assert pipeline.outcomes == {("events", "accepted", ""): 7}
    assert pipeline.totals.events[CREDIT].events == 7


def test_without_late_partitions_everything_is_judged_once() -> None:
    tree, source = settings(), MemorySource({A: [at(i * 7.0) for i in range(50)], B: [at(i * 9.0) for i in range(50)]})
    pipeline, _ = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source)
    run_to_end(pipeline, source)
    assert judged(pipeline) == {"credit": 100}
    assert pipeline.exchange.unjudged == {}
    assert pipeline.open_panes() == 0


def test_a_partition_more_than_an_hour_ahead_of_the_slowest_waits() -> None:
    hour = HOUR_US / SECOND_US
    pipeline, source, _ = live({A: [at(0), at(10)], B: [at(hour), at(hour)], C: [at(hour + 1), at(hour + 2)]}, chunk=1)
    pipeline.turn()
    assert too_far_ahead(pipeline) == {C}
    pipeline.turn()
    assert source.paused == {C}
    assert (
        pipeline.completeness.too_far_ahead(pipeline.open_panes()) == set()
    )  # the others are at their ends: nobody is waited for
    pipeline.turn()
    assert source.at_end(C)


def test_the_others_wait_for_a_partition_that_has_more_and_no_clock_yet() -> None:
    pipeline, source, _ = live({A: [at(0), at(1)], B: []})
    source.unread.add(B)
    pipeline.turn()
    assert too_far_ahead(pipeline) == {A}
    source.unread.clear()
    assert too_far_ahead(pipeline) == set()


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_partitions_hours_apart_are_read_aligned_within_an_hour(chunk: int) -> None:
    late, early = [at(20_000 + i * 100) for i in range(100)], [at(i * 100) for i in range(300)]
    tree, source = settings(), MemorySource({A: late, B: early}, chunk)
    pipeline, _ = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source)
    ended = False
    while not ended:
        ended = source.ended()
        clocks, read = [pipeline.partition_state(p).clock_us for p in (A, B)], source.next[A]
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
    source.new_changes.append(NewPartition(B))
    source.next[B] = 1  # not given out yet
    pipeline.turn()
    assert pipeline.positions() == {A: 1, B: 0}
    assert clock_of(pipeline) == -math.inf


def test_records_that_are_gone_are_counted_and_their_place_is_passed() -> None:
    pipeline, source, _ = live({A: [at(100)]})
    source.new_changes.append(OffsetGap(A, 0, 40))
    source.next[A] = 1
    pipeline.turn()
    assert pipeline.gaps == {A: 40}
    assert pipeline.positions() == {A: 40}


def test_labels_hold_no_window_back_however_old_their_times_are() -> None:
    pipeline, source, clock = live({A: [at(100)], B: [event(-7_000, type="label", id="a", label=1)]})
    pipeline.turn()
    clock.advance(IDLE_AFTER)
    source.records[A].append(at(350))
    source.records[B].append(event(-6_000, type="label", id="b", label=1))
    pipeline.turn()
    source.unread.add(B)  # a steady flow is at its end only now and then
    assert clock_of(pipeline) == 350


def test_a_partition_that_moves_no_clock_holds_up_the_others_only_until_it_was_read_from() -> None:
    pipeline, source, _ = live({A: [at(0)], B: [at(100, model="nobody")]})
    source.unread.add(B)
    pipeline.partition_state(A).clock.us = START_US
    assert too_far_ahead(pipeline) == {A}
    pipeline.turn()
    pipeline.turn()
    assert too_far_ahead(pipeline) == set()


def at_own_topics(late_by: float, *, chunk: int = 500) -> tuple[Pipeline, MemorySource, ManualClock]:
    """Two models whose inputs name them, and the topic of `slow` is late."""
    tree = settings(
        inputs=[{"topic": "events", "model": "credit"}, {"topic": "late", "model": "slow"}],
        models=[{"name": "credit", "reference": "c.json"}, {"name": "slow", "reference": "s.json"}],
    )
    source = MemorySource(
        {A: [at(n * 10.0) for n in range(40)], LATE: [at(n * 10.0 - late_by, model="slow") for n in range(40)]},
        chunk,
        live=True,
    )
    references = [blank([numeric("x")], ModelKey(model, "*")) for model in ("credit", "slow")]
    pipeline, clock = pipeline_of(tree, admission_of(tree, *references), source, live=True)
    return pipeline, source, clock


LATE = Partition("late", 0)


def judged(pipeline: Pipeline) -> dict[str, int]:
    states = [(key.model, pipeline.fleet.to_state(key)) for key in pipeline.fleet.judged()]
    return {model: state.context.predictions for model, state in states if state is not None}


def test_an_input_that_names_its_model_holds_back_that_model_alone() -> None:
    pipeline, _, _ = at_own_topics(late_by=3_600)
    pipeline.turn()
    until = pipeline.completeness.until()
    assert (until("credit") - START_US) / SECOND_US == 390 - 60
    assert (until("slow") - START_US) / SECOND_US == 390 - 60 - 3_600
    assert judged(pipeline) == {"credit": 33, "slow": 33}


def test_a_model_waits_for_its_own_input_and_for_those_that_name_none() -> None:
    pipeline, source, _ = at_own_topics(late_by=3_600)
    source.records[Partition("shared", 0)], source.next[Partition("shared", 0)] = [at(100)], 0
    pipeline.turn()
    until = pipeline.completeness.until()
    assert (until("credit") - START_US) / SECOND_US == 100 - 60
    assert (until("slow") - START_US) / SECOND_US == 390 - 60 - 3_600
    assert (until("any other") - START_US) / SECOND_US == 100


def test_a_topic_of_one_model_is_not_paused_for_that_of_another() -> None:
    pipeline, source, _ = at_own_topics(late_by=30_000, chunk=5)
    pipeline.turn()
    assert too_far_ahead(pipeline) == set()
    source.records[Partition("shared", 0)], source.next[Partition("shared", 0)] = [at(0), at(1)], 0
    source.unread.add(Partition("shared", 0))
    pipeline.turn()
    # what holds events of every model is read aligned with every topic
    assert too_far_ahead(pipeline) == {Partition("shared", 0)}


def feed(pipeline: Pipeline, source: MemorySource, clock: ManualClock, *events: object) -> None:
    source.records[A] += events
    pipeline.turn()
    clock.advance(IDLE_AFTER + 1)
    pipeline.turn()


def steady(first: float, number: int = 30) -> list[Event]:
    return [at(first + n) for n in range(number)]


def test_an_event_far_ahead_waits_for_its_time_and_makes_no_pane_before_it_final() -> None:
    pipeline, source, clock = live({A: []})
    feed(pipeline, source, clock, *steady(0), at(3_540), *steady(30))
    assert pipeline.open_panes() == 1  # that of the event ahead, through the silence
    assert judged(pipeline) == {"credit": 60}
    for begin in range(100, 3_700, 100):
        feed(pipeline, source, clock, *steady(begin))
    assert pipeline.outcomes == {("events", "accepted", ""): 61 + 36 * 30}
    assert pipeline.exchange.unjudged == {}
    assert judged(pipeline) == {"credit": 61 + 36 * 30}
    assert pipeline.partition_state(A).clock.skewed == 1


def test_an_event_ahead_that_came_last_waits_and_a_batch_after_a_pause_does_not() -> None:
    pipeline, source, clock = live({A: []})
    feed(pipeline, source, clock, *steady(-9_000), at(-7_000))
    assert (judged(pipeline), pipeline.open_panes()) == ({"credit": 30}, 1)
    feed(pipeline, source, clock, *[at(-5_000 + n) for n in range(3)])
    assert (judged(pipeline), pipeline.open_panes()) == ({"credit": 34}, 0)
    assert pipeline.exchange.unjudged == {}


def test_what_lies_ahead_of_the_wall_clock_waits_for_it() -> None:
    pipeline, source, clock = live({A: []})
    feed(pipeline, source, clock, *steady(0), *[at(3_540 + n) for n in range(3)])
    assert (judged(pipeline), pipeline.open_panes()) == ({"credit": 30}, 1)
    clock.advance(4_000)
    pipeline.turn()
    assert (judged(pipeline), pipeline.open_panes()) == ({"credit": 33}, 0)


def test_a_recording_is_judged_whole_at_its_end_whatever_lies_ahead() -> None:
    tree, source = settings(), MemorySource({A: [*steady(0), at(2_000_000_000), *steady(30)]})
    pipeline, _ = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source)
    run_to_end(pipeline, source)
    assert pipeline.outcomes == {("events", "accepted", ""): 61}
    assert judged(pipeline) == {"credit": 61}
    assert pipeline.exchange.unjudged == {}


def test_labels_in_a_pause_leave_every_prediction_to_be_judged() -> None:
    label = {"type": "label", "id": "a", "label": 1}
    pipeline, source, clock = live({A: []})
    for hour in range(5):
        begin = 3_600 * hour - 30_000
        feed(pipeline, source, clock, *steady(begin))
        feed(pipeline, source, clock, *[event(begin + n, **label) for n in (60, 7_000, 20_000)])
    assert judged(pipeline) == {"credit": 150}
    assert pipeline.exchange.unjudged == {}
    assert pipeline.open_panes() == 0
