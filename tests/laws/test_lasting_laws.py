"""A lasting incident is reported the same live, in a replay, and by runs that were cut anywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.findings import Transition
from monitor.judge.fleet import Fleet
from monitor.pipeline import Pipeline
from monitor.state.parts import State
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    pipeline_of,
    plain,
    replayed,
    run_to_end,
    settings,
    transitions_in,
    trees,
)

#: of 100 events a minute: 3,000 events and more than 16 base windows
TREE = settings(lasting_after="30m")
CHANGE, SECOND = 1_000, 7_000


def fault(made: Event, rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8
    if int(made["id"].partition("-")[2]) >= SECOND and rng.random() < 0.3:
        made["features"]["BILL"] = None


@cache
def stream() -> list[Event]:
    return list(Credit(9_000, seed=5, change=CHANGE, fault=fault))


@cache
def expected() -> list[dict[str, Any]]:
    lines, ran = replayed(TREE, credit_reference(), MemorySource({EVENTS: stream()}))
    (model,) = ran.summary["models"]
    assert (model["pages"], model["open"], model["lasting"]) == (2, True, True)
    return transitions_in(lines)


def test_a_replay_tells_the_ticket_and_the_second_page() -> None:
    transitions = [(one["transition"], one["severity"]) for one in expected() if one["transition"] != "updated"]
    # three of ten values that are gone are a ticket until they have lasted
    assert transitions == [("opened", "page"), ("lasting", "ticket"), ("opened", "ticket"), ("escalated", "page")]
    first, ticket, _, second = (one for one in expected() if one["transition"] != "updated")
    assert first["incident"] == ticket["incident"] != second["incident"]
    assert {finding["subject"] for finding in second["findings"]} == {"BILL"}
    assert all(finding["level"] > 0 for finding in ticket["findings"])


def test_live_says_the_same() -> None:
    source, outputs, clock = MemorySource({EVENTS: stream()}, 130, live=True), Recorded(), ManualClock(NOW_US)
    pipeline = Pipeline(TREE, admission_of(TREE, credit_reference()), source, clock, outputs)
    while not pipeline.caught_up():
        pipeline.turn()
        clock.advance(0.7)
    clock.advance(61)
    pipeline.turn()
    assert [one.to_json() for one in outputs.reported] == expected()


@pytest.mark.parametrize("every", [7, 31])
def test_a_run_that_is_cut_says_the_same(every: int) -> None:
    source, transitions, state = MemorySource({EVENTS: stream()}, 100), list[Transition](), None
    pipeline, turn = _begun(source, state), 0
    while not source.ended():
        pipeline[0].turn()
        turn += 1
        if turn % every == 0:
            pipeline[0].checkpoint()
            transitions += pipeline[1].reported
            pipeline = _begun(source, pipeline[1].saved[-1])
    run_to_end(pipeline[0], source)
    pipeline[0].checkpoint()
    transitions += pipeline[1].reported
    assert [one.to_json() for one in transitions] == expected()


def _begun(source: MemorySource, state: State | None) -> tuple[Pipeline, Recorded]:
    outputs = Recorded()
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, credit_reference()), source, outputs)
    if state is not None:
        pipeline.restore(state)
    return pipeline, outputs


def test_what_an_operator_accepted_is_in_the_state_and_takes_effect_once() -> None:
    source = MemorySource({EVENTS: stream()[:2_000]})
    pipeline, outputs = _begun(source, None)
    run_to_end(pipeline, source)
    assert isinstance(pipeline.fleet, Fleet)
    incident = outputs.reported[0].incident
    assert not pipeline.fleet.accept("credit/1/another", "")
    mark = pipeline.fleet.mark(CREDIT)
    assert pipeline.fleet.accept(incident, "known")
    assert pipeline.fleet.mark(CREDIT) != mark  # the next checkpoint writes it
    assert not pipeline.fleet.accept(incident, "known")
    again, outputs = _begun(source, pipeline.to_state().state())  # it was not sent yet
    assert isinstance(again.fleet, Fleet)
    assert plain(trees(again.to_state())) == plain(trees(pipeline.to_state()))
    assert not again.fleet.accept(incident, "known")
    again.checkpoint()
    (lasting,) = outputs.reported
    assert (lasting.transition, lasting.incident, lasting.severity) == ("lasting", incident, "ticket")
    assert "accepted (known) after" in lasting.summary
