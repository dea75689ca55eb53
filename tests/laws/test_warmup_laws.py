"""A reference that is learned in a warm-up: the same as a built one, however the stream was read and interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.count.admission import Admission
from monitor.events import ModelKey, Partition
from monitor.findings import Transition
from monitor.judge import warmup
from monitor.judge.windows import BASE_EVENTS
from monitor.pipeline import Pipeline
from monitor.reference.encoding import to_json
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.warmup_learning import learn
from monitor.settings.tree import Settings
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
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
    pipeline, source, outputs = start()
    reported, ended, turn = list[Transition](), False, 0
    while not ended:
        if turn in cuts:
            state = pipeline.to_state().state()
            reported += outputs.reported
            pipeline, source, outputs = start()
            assert pipeline.restore(state) == []
            source.next.update(pipeline.positions())
        ended = source.ended()
        pipeline.turn()
        turn += 1
    assert reported + outputs.reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]


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
