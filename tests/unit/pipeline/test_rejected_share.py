"""A topic whose newest events are mostly rejected is not read on; what is behind is counted once it is right again."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.clock import SECOND_US
from monitor.count.losses import NEWEST
from monitor.events import Partition
from monitor.judge.fleet import Fleet
from monitor.pipeline import Pipeline
from tests.engine import START_US, MemorySource, admission_of, blank, event, numeric, pipeline_of, settings

A, B, OTHER = Partition("events", 0), Partition("events", 1), Partition("other", 0)
INPUTS = [{"topic": "events"}, {"topic": "other"}]


def good(count: int) -> list[Any]:
    return [event(i / 100, prediction=1, features={"x": 1}) for i in range(count)]


def bad(count: int) -> list[Any]:
    return [b"{no json"] * count


def live(records: dict[Partition, list[Any]], share: float = 0.5, *, is_live: bool = True) -> Pipeline:
    tree = settings(inputs=INPUTS, limits={"rejected_share": share})
    source = MemorySource(records, 50, live=True)
    pipeline, _ = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source, live=is_live)
    return pipeline


def turned(pipeline: Pipeline, turns: int = 200) -> Pipeline:
    for _ in range(turns):
        pipeline.turn()
    return pipeline


def outcomes(pipeline: Pipeline, topic: str) -> dict[str, int]:
    return {outcome: count for (of, outcome, _), count in pipeline.outcomes.items() if of == topic}


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_reading_stops_at_the_first_poll_that_is_over_the_share(share: float) -> None:
    pipeline = turned(live({A: bad(5_000), OTHER: good(3_000)}, share))
    rejected = outcomes(pipeline, "events")["rejected"]
    assert share * NEWEST < rejected <= share * NEWEST + 50
    assert pipeline.positions()[A] == rejected, "what was not counted is behind the position"
    assert pipeline.dead_letters == rejected
    assert outcomes(pipeline, "other") == {"accepted": 3_000}, "another topic goes on"
    words = pipeline.rejected_share.in_words()
    assert words.startswith("events is not read on: ")
    assert "events-0@0" in words
    assert "limits.rejected_share: 1" in words
    assert words.index("limits.rejected_share: 1") < words.index("events-0@0"), "a log cuts the end, not the remedy"


@pytest.mark.parametrize(("share", "waits"), [(0.5, True), (1, False)])
def test_a_stopped_topic_delays_verdicts_and_the_status_shows_it(share: float, waits: bool) -> None:
    tree = settings(inputs=INPUTS, limits={"rejected_share": share})
    steps = [event(10 * i, prediction=1, features={"x": 1}) for i in range(100)]
    source = MemorySource({A: [*steps[:10], *bad(3_000)], OTHER: steps}, 50, live=True)
    pipeline, clock = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source, live=True)
    turned(pipeline)
    clock.advance(61)
    pipeline.turn()
    assert isinstance(pipeline.fleet, Fleet)
    (judge,) = pipeline.fleet.judges.values()
    assert (judge.at_us <= START_US + 90 * SECOND_US) == waits
    assert ("models that it may bring get no verdict meanwhile" in pipeline.rejected_share.in_words()) == waits


def test_up_to_the_share_nothing_stops() -> None:
    pipeline = turned(live({A: [thing for pair in zip(good(3_000), bad(3_000), strict=True) for thing in pair]}))
    assert outcomes(pipeline, "events")["rejected"] == 3_000
    assert pipeline.rejected_share.in_words() == ""


def test_a_bad_stretch_that_is_shorter_stops_nothing() -> None:
    pipeline = turned(live({A: [*bad(400), *good(2_000), *bad(400), *good(100)]}))
    assert outcomes(pipeline, "events") == {"rejected": 800, "accepted": 2_100}


def test_all_partitions_of_the_topic_are_stopped() -> None:
    pipeline = turned(live({A: bad(5_000), B: good(100_000)}, 0.3))
    assert pipeline.not_read_on() == {A, B}
    assert pipeline.positions()[B] < 100_000


@pytest.mark.parametrize(("share", "is_live"), [(1, True), (0.5, False)])
def test_with_the_share_at_1_and_in_a_replay_everything_is_read(share: float, is_live: bool) -> None:
    pipeline = turned(live({A: bad(5_000)}, share, is_live=is_live))
    assert outcomes(pipeline, "events")["rejected"] == 5_000


def test_after_a_restart_reading_goes_on_from_where_it_stopped() -> None:
    records = {A: [*bad(600), *good(1_000)]}
    before = turned(live(records))
    stopped_at = before.positions()[A]
    assert stopped_at < 600
    source = MemorySource(records, 50, live=True)
    tree = settings(inputs=INPUTS)
    after, _ = pipeline_of(tree, admission_of(tree, blank([numeric("x")])), source, live=True)
    after.restore(before.to_state().state())
    source.next[A] = stopped_at
    turned(after)
    assert after.rejected_share.in_words() == ""
    totals = {outcome: count for task in after.tasks.values() for (_, outcome, _), count in task.outcomes.items()}
    assert totals == {"rejected": 600, "accepted": 1_000}
