"""A version without events while another version of its model has them is retired, by event time alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest

from monitor.clock import MINUTE_US
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.findings import PAGE
from monitor.judge.fleet import Fleet
from monitor.judge.traffic_time import GAP_PART, TrafficTime
from monitor.pipeline import Pipeline
from monitor.publish.series import render
from monitor.reference.file.encoding import with_hash
from monitor.reference.references import References
from monitor.run.outputs import KafkaOutputs
from monitor.run.replay import replay
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.settings.tree import Settings
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    credit_reference,
    pipeline_of,
    run_to_end,
    settings,
    transitions_in,
)

RETIRE_AFTER = 30 * MINUTE_US
TREE = settings({"severity": {"traffic": "info"}}, retire_after=RETIRE_AFTER)
SECOND_VERSION = ModelKey("credit", "2")
#: events of both versions, of version 2 alone, and of both again
BOTH, ALONE, AGAIN = 3_000, 4_000, 2_000


def older(made: Event, _rng: np.random.Generator) -> None:
    if made["version"] == "1":
        made["features"]["AGE"] += 8


def by_version(stream: Iterable[Event], alone: range) -> Iterable[Event]:
    """Every second event is of version 2, and all in `alone`."""
    for at, one in enumerate(stream):
        yield one | {"version": "2" if at % 2 or at in alone else "1"}


@cache
def stream(*, back: bool = True) -> tuple[Event, ...]:
    """Version 1 differs from its reference until it stops; when it is back it does not."""
    made = by_version(Credit(BOTH + ALONE + (AGAIN if back else 0), seed=11), range(BOTH, BOTH + ALONE))
    rng = np.random.default_rng(0)
    events = list(made)
    for one in events[:BOTH]:
        older(one, rng)
    return tuple(events)


def admission(tree: Settings = TREE) -> Admission:
    second = with_hash(replace(credit_reference(), key=SECOND_VERSION))
    return Admission(tree, References({"credit": {"1": credit_reference(), "2": second}}))


def judged(events: Iterable[Event], tree: Settings = TREE, chunk: int = 500) -> tuple[list[dict[str, Any]], Fleet]:
    """The transitions of a replay."""
    lines: list[dict[str, Any]] = []
    done = replay(tree, admission(tree), MemorySource({EVENTS: list(events)}, chunk), pipeline_clock(), lines.append)
    return transitions_in(lines), cast("Fleet", done.pipeline.fleet)


def pipeline_clock() -> Any:  # noqa: ANN401 - a clock of the tests' engine
    return pipeline_of(TREE, admission(), MemorySource({EVENTS: []}))[1]


def last_of_first_version() -> int:
    return int(stream()[BOTH - 2]["ts"])


def test_its_incident_resolves_with_the_reason_once_the_silence_is_long_enough() -> None:
    transitions, fleet = judged(stream())
    of_first = [one for one in transitions if one["version"] == "1"]
    assert [one["transition"] for one in of_first if one["severity"] == PAGE][-1] == "resolved"
    last = of_first[-1]
    assert "retired: no events for 30 min" in last["summary"]
    assert "version 2 has them" in last["summary"]
    at = np.datetime64(last["at"].removesuffix("Z"), "us").astype(np.int64)
    assert RETIRE_AFTER <= at - last_of_first_version() <= RETIRE_AFTER + 30_000_000
    judge = fleet.judges[CREDIT]
    assert not judge.retired
    assert (judge.book.pages, judge.predictions) == (1, (BOTH + AGAIN) // 2)  # totals go on


def test_it_comes_back_as_a_new_one() -> None:
    _, fleet = judged(stream())
    alone = [one for one in stream()[BOTH + ALONE :] if one["version"] == "1"]
    _, fresh = judged(alone)
    back, new = fleet.judges[CREDIT], fresh.judges[CREDIT]
    assert back.pyramid.closed == new.pyramid.closed > 0
    assert [block.start_us for block in back.pyramid.levels[0].blocks] == [
        block.start_us for block in new.pyramid.levels[0].blocks
    ]
    assert fleet.share(CREDIT) == 0.5


def test_a_retired_version_keeps_no_windows_and_gives_its_budget_to_the_others() -> None:
    _, fleet = judged(stream(back=False))
    judge = fleet.judges[CREDIT]
    assert judge.retired
    assert judge.pyramid.closed == 0
    assert judge.book.findings() == []
    assert fleet.share(SECOND_VERSION) == 1


@pytest.mark.parametrize("alone", ["1", "2"])
def test_without_a_sibling_that_has_events_nothing_is_retired(alone: str) -> None:
    """Both stop for hours; or there is one version only."""
    late = [one | {"ts": one["ts"] + 10 * RETIRE_AFTER} for one in stream()[BOTH + ALONE :]]
    both = [*stream()[:BOTH], *late]
    transitions, _ = judged(both)
    assert not any("retired" in one["summary"] for one in transitions)
    transitions, _ = judged([one for one in stream(back=False) if one["version"] == alone])
    assert not any("retired" in one["summary"] for one in transitions)


@pytest.mark.parametrize("chunk", [77, 20_000])
def test_it_is_the_same_however_polls_cut_the_stream(chunk: int) -> None:
    assert judged(stream(), chunk=chunk)[0] == judged(stream())[0]


@pytest.mark.parametrize("turns", [8, 12, 15])
def test_it_is_the_same_across_a_restart(turns: int) -> None:
    """Before, while and after the version is retired."""
    source, outputs = MemorySource({EVENTS: list(stream())}), Recorded()
    pipeline, _ = pipeline_of(TREE, admission(), source, outputs)
    for _ in range(turns):
        pipeline.turn()
    rest, later = MemorySource({EVENTS: list(stream())}), Recorded()
    second, _ = pipeline_of(TREE, admission(), rest, later)
    second.restore(pipeline.to_state().state())
    rest.next = dict(source.next)
    run_to_end(second, rest)
    second.checkpoint()
    pipeline.checkpoint()
    said = {one.id: one.to_json() for one in (*outputs.reported, *later.reported)}
    assert list(said.values()) == judged(stream())[0]


def shown(pipeline: Pipeline, known: Admission) -> str:
    class _Outputs:
        checkpoint_us = None
        checkpoint_bytes = 0
        checkpoint_parts = 0

    fleet, outputs = cast("Fleet", pipeline.fleet), cast("KafkaOutputs", _Outputs())
    return render(SnapshotBuilder(TREE, known, pipeline, fleet, outputs).snapshot({})).decode()


def test_its_series_go_and_come_back_with_its_events() -> None:
    known, source = admission(), MemorySource({EVENTS: list(stream())})
    pipeline, _ = pipeline_of(TREE, known, source)
    seen = []
    while not source.ended():
        pipeline.turn()
        seen.append('model="credit",version="1"' in shown(pipeline, known))
    changes = [now for before, now in zip([False, *seen], seen, strict=False) if now != before]
    assert changes == [True, False, True]


def test_a_retired_version_takes_no_place_of_a_new_one() -> None:
    tree = settings(retire_after=RETIRE_AFTER, limits={"versions": 2})
    known = Admission(tree, References({"credit": {str(at): credit_reference() for at in range(1, 4)}}))
    for version in "12":
        known.of(ModelKey("credit", version))
    assert known.of(ModelKey("credit", "3")).outcome == "over_limit"
    again = Admission(tree, References({"credit": {str(at): credit_reference() for at in range(1, 4)}}))
    again.restore([ModelKey("credit", version) for version in "123"], retired=[CREDIT])
    assert {again.of(ModelKey("credit", version)).outcome for version in "123"} == {"accepted"}


def test_a_gap_without_any_traffic_counts_as_a_part_of_the_time_at_most() -> None:
    """A night without events of a model that is asked in the day does not retire the version that comes second."""
    time = TrafficTime(RETIRE_AFTER)
    before = time.add("credit", START_US, START_US + MINUTE_US)
    after = time.add("credit", START_US + 9 * RETIRE_AFTER, START_US + 9 * RETIRE_AFTER + MINUTE_US)
    assert after.spent_us - before.spent_us == RETIRE_AFTER // GAP_PART
    assert time.add("other", START_US, START_US + MINUTE_US).spent_us == MINUTE_US
