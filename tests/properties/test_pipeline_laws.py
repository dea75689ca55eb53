"""A run that was cut anywhere and went on from its state is the run that was never cut."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import Partition
from monitor.findings import Transition
from monitor.pipeline import Pipeline
from monitor.state.codec import encode
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    event,
    pipeline_of,
    plain,
    run_to_end,
    trees,
)
from tests.engine import settings as settings_of
from tests.restarts import run_killed

SECOND_PARTITION = Partition("events", 1)
CHUNK = 90
TREE = settings_of(id_memory=500)


def fault(made: Event, rng: np.random.Generator) -> None:
    """The AGE of everybody rises, a class appears, and a column is missing now and then."""
    made["features"]["AGE"] += 6
    if rng.random() < 0.1:
        made["features"]["EDU"] = "doctor"
    if rng.random() < 0.04:
        made["features"]["BILL"] = None


@cache
def stream() -> dict[Partition, list[Any]]:
    """Two partitions of a credit stream with a fault, repeats, labels, late events, tombstones and broken records."""
    rng = np.random.default_rng(11)
    parts: dict[Partition, list[Any]] = {EVENTS: [], SECOND_PARTITION: []}
    for number, made in enumerate(Credit(3_500, seed=4, change=1_200, fault=fault)):
        part = parts[EVENTS if rng.random() < 0.6 else SECOND_PARTITION]
        part.append(made | ({"label": int(rng.random() < 0.2)} if number % 3 else {}))
        if rng.random() < 0.03:
            part.append(part[max(0, len(part) - 30)])
        if rng.random() < 0.02:
            part += [None, b"{", event(0, id="late", prediction=1), event(number, type="label", id="x", label=1)]
    return parts


def start() -> tuple[Pipeline, MemorySource, Recorded]:
    outputs, source = Recorded(), MemorySource(stream(), CHUNK)
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, credit_reference()), source, outputs)
    return pipeline, source, outputs


@cache
def uncut() -> tuple[list[Transition], Any]:
    pipeline, source, outputs = start()
    run_to_end(pipeline, source)
    return outputs.reported, plain(trees(pipeline.to_state()))


def turns() -> int:
    return max(-(-len(part) // CHUNK) for part in stream().values())


def test_the_stream_tells_something_and_holds_every_outcome() -> None:
    reported, state = uncut()
    assert {finding.key.subject for one in reported for finding in one.findings} >= {"AGE", "EDU", "BILL"}
    outcomes = {outcome for task in ("task/0", "task/1") for _, outcome, _, _ in state[task]["outcomes"]}
    assert outcomes == {"accepted", "duplicate", "late", "ignored", "rejected"}


@given(cuts=st.sets(st.integers(0, turns()), max_size=4))
@settings(max_examples=12, deadline=None)
def test_a_run_cut_anywhere_goes_on_as_if_it_had_not_been(cuts: set[int]) -> None:
    pipeline, reported = run_killed(start, cuts)
    assert reported == uncut()[0]
    assert plain(trees(pipeline.to_state())) == uncut()[1]


@pytest.mark.parametrize("restored", [1, 15])
def test_a_state_that_was_taken_on_is_the_state_that_was_given(restored: int) -> None:
    pipeline, source, _ = start()
    for _ in range(restored):
        pipeline.turn()
    cut = pipeline.to_state()
    again, _, _ = start()
    again.restore(cut.state())
    assert plain(trees(again.to_state())) == plain(trees(cut))
    assert again.positions() == pipeline.positions()
    assert source.next == {partition: pipeline.positions()[partition] for partition in source.next}


def test_a_part_that_changes_has_another_mark() -> None:
    pipeline, source, _ = start()
    known, kept, needless = dict[str, tuple[Hashable, bytes]](), 0, 0
    while not source.ended():
        for step in (lambda: pipeline.count(source.poll(())), pipeline.judge, pipeline.fleet.unsent.clear):
            step()
            for part in pipeline.to_state().parts:
                content = bytes(encode(part.tree()))
                mark, before = known.get(part.name, (None, b""))
                assert mark != part.mark or content == before, f"{part.name} changed and its mark did not"
                kept += mark == part.mark
                needless += mark != part.mark and content == before
                known[part.name] = part.mark, content
    assert kept > turns(), "some parts stay as they are"
    assert needless == 0, "a mark changes where nothing else does"


def test_encoded_states_of_equal_runs_are_equal_bytes() -> None:
    states = []
    for _ in range(2):
        pipeline, source, _ = start()
        run_to_end(pipeline, source)
        states.append(encode(trees(pipeline.to_state())))
    assert states[0] == states[1]
