"""A reference that is learned in a warm-up: the same as a built one, however the stream was read and interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock, rfc3339
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.findings import Transition
from monitor.judge import warmup
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.loop.warming import LearningStopped
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import to_json
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.warmup_learning import learn
from monitor.settings.tree import Settings
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    event,
    pipeline_of,
    plain,
    settled,
    trees,
)
from tests.engine import settings as settings_of
from tests.restarts import run_killed

SECOND_PARTITION = Partition("events", 1)
CHUNK = 90
#: base windows of these warm-ups; with the usual 40 a run would take 10,000 events
WINDOWS = 6
TREE = settings_of({"reference": {"warmup": 1_400}}, id_memory=500)
UNKNOWN = ModelKey("loan", "7")
PANE_US = TREE.windows.pane


@pytest.fixture(autouse=True, scope="module")
def few_windows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warmup, "BASE_WINDOWS", WINDOWS)
        yield


def fault(made: Event, rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 6
    if rng.random() < 0.1:
        made["features"]["EDU"] = "doctor"


@cache
def stream() -> dict[Partition, list[Any]]:
    """Two partitions: a warm-up, then a fault; repeats, labels, late events and what surveys find only now and then."""
    rng = np.random.default_rng(11)
    parts: dict[Partition, list[Any]] = {EVENTS: [], SECOND_PARTITION: []}
    for number, made in enumerate(Credit(3_600, seed=4, change=2_400, fault=fault)):
        part = parts[EVENTS if rng.random() < 0.6 else SECOND_PARTITION]
        if number % 3:
            made["label"] = int(rng.random() < 0.2)
        if number % 50 == 7:
            made |= {"scores": {"1": made["score"], "0": 1 - made["score"]}, "shadow": 3}
        if number % 40 == 5:
            made["features"] |= {"BILL": None, "RARE": number % 4, "TAGS": ["a"], "HUGE": 10**30}
        if number % 60 == 9:
            del made["features"]
        part.append(made)
        if rng.random() < 0.03:
            part.append(part[max(0, len(part) - 30)])
        if number > 300 and rng.random() < 0.02:
            part += [None, b"{", event(0, id="late", prediction=1), event(number, type="label", id="x", label=1)]
    return parts


def start(chunk: int = CHUNK, tree: Settings = TREE) -> tuple[Pipeline, MemorySource, Recorded]:
    outputs, source = Recorded(), MemorySource(stream(), chunk)
    pipeline, _ = pipeline_of(tree, Admission(tree, References({}), warms_up=True), source, outputs, learn=learn)
    return pipeline, source, outputs


def run(pipeline: Pipeline, source: MemorySource) -> None:
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()


@cache
def uncut() -> tuple[list[Transition], Any, Any]:
    pipeline, source, outputs = start()
    run(pipeline, source)
    reference = pipeline.warming.warmups[CREDIT].state.reference
    assert reference is not None
    return outputs.reported, settled(plain(trees(pipeline.to_state()))), reference


def accepted() -> list[Event]:
    """The prediction events of both partitions that are accepted, once each, in the order of their times."""
    seen: dict[str, Event] = {}
    for part in stream().values():
        for made in part:
            if isinstance(made, dict) and made["type"] == "prediction" and made["id"] != "late":
                seen.setdefault(made["id"], made)
    return sorted(seen.values(), key=lambda made: int(made["ts"]))


def test_the_reference_is_the_one_that_is_built_from_the_same_events() -> None:
    learned = uncut()[2]
    panes_end = -(-learned.end_us // PANE_US) * PANE_US
    wanted = [made for made in accepted() if made["ts"] < panes_end]
    source = {EVENTS: wanted}
    built = build_reference(TREE, CREDIT, lambda: MemorySource(source), ManualClock(NOW_US), EventRange())
    assert to_json(learned) == to_json(built)
    assert learned.hash == built.hash
    assert {name for name, _ in learned.ignored} == {"TAGS"}
    assert learned.labels > 0
    assert dict(learned.unread) == {"shadow": sum("shadow" in made for made in wanted)}


def test_it_ends_with_the_first_pane_that_has_enough_predictions_and_base_windows() -> None:
    learned, events, windows, opened = uncut()[2], 0, 0, 0
    by_pane: dict[int, int] = {}
    for made in accepted():
        by_pane[made["ts"] // PANE_US] = by_pane.get(made["ts"] // PANE_US, 0) + 1
    for pane, count in sorted(by_pane.items()):
        events, opened = events + count, opened + count
        if opened >= BASE_EVENTS:
            windows, opened = windows + 1, 0
        if events >= 1_400 and windows >= WINDOWS:
            assert learned.end_us == (pane + 1) * PANE_US
            break
    assert (learned.events, learned.base_windows) == (events, windows)


def test_nothing_is_reported_of_the_warm_up_and_the_fault_behind_it_is() -> None:
    reported, _, learned = uncut()
    assert reported
    assert all(one.reference == learned.hash for one in reported)
    assert all(finding.window.start_us >= learned.end_us for one in reported for finding in one.findings)
    assert {finding.key.subject for one in reported for finding in one.findings} >= {"AGE", "EDU"}


def test_predictions_of_the_warm_up_are_counted_and_have_no_bins() -> None:
    total, learned = uncut()[1]['model/["credit", "1"]']["events"], uncut()[2]
    judged = [made for made in accepted() if made["ts"] >= learned.end_us]
    age = [column.name for column in learned.columns].index("AGE")
    assert total["predictions"] == len(accepted()) == learned.events + len(judged)
    assert sum(total["counts"][age]) == sum("features" in made for made in judged)


@pytest.mark.parametrize("chunk", [1, 37, 5_000])
def test_it_is_the_same_however_polls_cut_the_stream(chunk: int) -> None:
    pipeline, source, outputs = start(chunk)
    run(pipeline, source)
    assert outputs.reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]


@given(cuts=st.sets(st.integers(0, 24), max_size=4))
@settings(max_examples=10, deadline=None)
def test_it_is_the_same_wherever_the_process_was_killed(cuts: set[int]) -> None:
    pipeline, reported = run_killed(start, cuts)
    assert reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]


LATER_US = START_US + 400 * SECOND
LIMITED = settings_of(
    {"reference": {"warmup": 1_400}, "exclude": [{"from": rfc3339(START_US), "to": rfc3339(LATER_US)}]},
    id_memory=500,
    limits={"warmup_rows": 900},
)
#: no reference can be learned from the first events
FAILING = settings_of({"reference": {"warmup": 700}, "features": {"TAGS": {"kind": "categorical"}}}, id_memory=500)


@pytest.mark.parametrize("tree", [LIMITED, FAILING], ids=["limited", "failing"])
def test_limits_excluded_times_and_failures_are_the_same_however_the_stream_is_cut(tree: Settings) -> None:
    seen = []
    for chunk, cuts in ((CHUNK, ()), (37, ()), (CHUNK, (5, 9, 14)), (5_000, ())):
        pipeline, source, outputs = start(chunk, tree)
        ended, turn, reported, tries = False, 0, list[Transition](), list[Any]()
        while not ended:
            if turn in cuts:
                state, reported = pipeline.to_state().state(), reported + outputs.reported
                pipeline, source, outputs = start(chunk, tree)
                pipeline.restore(state)
                source.next.update(pipeline.positions())
            ended = source.ended()
            pipeline.turn()
            turn += 1
            tries += [replace(one.state, reference=None) for one in pipeline.warming.ended]
            pipeline.warming.ended.clear()
        known = pipeline.warming.warmups[CREDIT].state
        hashed = "" if known.reference is None else known.reference.hash
        seen.append(
            (tries, hashed, known.passed, reported + outputs.reported, settled(plain(trees(pipeline.to_state()))))
        )
    for other in seen[1:]:
        assert other == seen[0]
    tries, hashed, passed, *_ = seen[0]
    if tree is LIMITED:
        assert [one.failure for one in tries] == [""]
        assert 900 <= tries[0].predictions < 1_000
        assert (hashed != "", passed) == (True, sum(made["ts"] < LATER_US for made in accepted()))
    else:
        assert len(tries) > 1
        assert all("TAGS" in one.failure for one in tries)


def test_a_stop_in_the_middle_of_learning_changes_nothing() -> None:
    pipeline, source, outputs = start()

    def stop() -> None:
        raise LearningStopped

    pipeline.warming.tick = stop

    def turns() -> None:
        while True:
            pipeline.turn()
            pipeline.checkpoint()

    with pytest.raises(LearningStopped):
        turns()
    state = outputs.saved[-1]
    pipeline, source, outputs = start()
    assert pipeline.restore(state) == []
    source.next.update(pipeline.positions())
    run(pipeline, source)
    assert outputs.reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]


def backlog(most_bytes: int, turns: Sequence[Partition]) -> tuple[int, list[Transition], Any]:
    """The largest size of the rows of open panes, and what comes out, of two partitions read in those turns."""
    tree = settings_of({"reference": {"warmup": 1_400}}, id_memory=500, limits={"warmup_bytes": most_bytes})
    outputs, source, largest = Recorded(), MemorySource(stream(), 20, turns), 0
    pipeline, _ = pipeline_of(tree, Admission(tree, References({}), warms_up=True), source, outputs, learn=learn)
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
        largest = max(largest, pipeline.warming.rows.size)
    assert pipeline.warming.rows.size == 0
    return largest, outputs.reported, settled(plain(trees(pipeline.to_state())))


def test_rows_of_open_panes_are_bounded_while_a_backlog_is_read_and_the_result_is_the_same() -> None:
    one_ahead, in_turn, bound = [EVENTS] * 40 + [SECOND_PARTITION], [EVENTS, SECOND_PARTITION], 50_000
    largest, *bounded = backlog(bound, one_ahead)
    assert largest < bound + 20_000  # what one poll brings
    assert backlog(bound, in_turn)[1:] == tuple(bounded)
    assert backlog(1 << 26, one_ahead)[0] > 2 * largest


def test_a_warm_up_that_begins_again_under_other_settings_is_no_act_of_anybody() -> None:
    pipeline, source, outputs = start()
    while not outputs.reported:
        pipeline.turn()
        pipeline.checkpoint()
    state = outputs.saved[-1]
    again, _, outputs = start(tree=settings_of({"reference": {"warmup": 1_400}, "task": "regression"}, id_memory=500))
    assert again.restore(state) == [CREDIT]
    again.checkpoint()
    assert outputs.rebased == []
    assert [one.transition for one in outputs.reported] == ["resolved"]
    assert "(settings changed)" in outputs.reported[0].summary
    assert again.warming.warmups == {}
    assert not source.ended()


@pytest.mark.parametrize("turns", [1, 2, 4])
def test_rows_that_came_before_any_pane_was_complete_are_in_the_state(turns: int) -> None:
    pipeline, source, _ = start(10)
    for _ in range(turns):
        pipeline.turn()
    kept = pipeline.warming.rows.to_state(CREDIT)
    assert kept.panes
    again, _, _ = start(10)
    again.restore(pipeline.to_state().state())
    assert plain(again.warming.rows.to_state(CREDIT).panes) == plain(kept.panes)
    assert again.warming.rows.size == pipeline.warming.rows.size
    assert not source.ended()


def test_a_part_that_changes_has_another_mark() -> None:
    pipeline, source, outputs = start()
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
        outputs.save(pipeline.to_state())  # checks the marks


def test_a_block_of_rows_is_written_once() -> None:
    pipeline, source, outputs = start()
    blocks: dict[str, Any] = {}
    for _ in range(18):
        pipeline.turn()
        for part in pipeline.to_state().parts:
            if part.name.startswith("warmup-rows/"):
                assert blocks.setdefault(part.name, part.mark) == part.mark
    assert blocks
    assert START_US
    assert not source.ended()
    assert not outputs.reported
