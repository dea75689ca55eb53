"""Silences and excluded times: what is told, and that it is the same live, in a replay, and by runs cut anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.clock import MINUTE_US, ManualClock, rfc3339
from monitor.findings import PAGE, TICKET, Transition
from monitor.pipeline import Pipeline
from monitor.run.replay import Replay
from monitor.settings.tree import Settings
from monitor.state.parts import State
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    START_US,
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

#: of 100 events a minute: a change begins with this one, and where it is short it ends with this one
CHANGE, ENDED = 1_000, 1_500


def minute(number: float) -> int:
    return START_US + round(number * MINUTE_US)


def window(begin: float, end: float) -> list[dict[str, Any]]:
    return [{"from": minute(begin), "to": minute(end), "reason": "a release"}]


def stream(last: int = 1 << 30, events: int = 4_000) -> list[Event]:
    def fault(made: Event, _rng: np.random.Generator) -> None:
        if int(made["id"].partition("-")[2]) < last:
            made["features"]["AGE"] += 8

    return list(Credit(events, seed=5, change=CHANGE, fault=fault))


def told(tree: Settings, events: Sequence[Event]) -> tuple[list[dict[str, Any]], Replay]:
    lines, ran = replayed(tree, credit_reference(), MemorySource({EVENTS: list(events)}))
    return transitions_in(lines), ran


SILENT = settings({"silence": window(8, 25)})


@cache
def silenced() -> list[dict[str, Any]]:
    return told(SILENT, stream())[0]


def test_what_is_found_in_a_silence_is_a_ticket_and_pages_after_it_with_its_true_beginning() -> None:
    loud, quiet = told(settings(), stream())[0], silenced()
    assert {one["severity"] for one in loud} == {PAGE}
    during = [one for one in quiet if one["at"] < rfc3339(minute(25))]
    assert {one["severity"] for one in during} == {TICKET}
    assert during[0]["at"] == loud[0]["at"]
    assert during[0]["incident"] == loud[0]["incident"]
    assert during[0]["silenced"] == {"until": rfc3339(minute(25)), "reason": "a release"}
    assert during[0]["summary"].endswith(f"; silenced until {rfc3339(minute(25))} (a release)")
    assert all(finding["silenced"] for finding in during[0]["findings"])
    (escalated,) = (one for one in quiet if one["transition"] == "escalated")
    # within a base window or so, of 250 events
    assert rfc3339(minute(25)) <= escalated["at"] < rfc3339(minute(28.5))
    assert escalated["since"] == loud[0]["since"]


def test_what_is_over_when_the_silence_ends_never_pages() -> None:
    """The change ended four minutes before: the windows that decide on its end reach beyond the silence."""
    transitions, ran = told(settings({"silence": window(8, 19)}), stream(last=ENDED))
    assert {one["severity"] for one in transitions} == {TICKET}
    assert transitions[-1]["transition"] == "resolved"
    assert transitions[-1]["at"] > rfc3339(minute(19))
    assert ran.summary["models"][0]["pages"] == 0


def test_a_page_that_is_open_stays_one_through_a_silence() -> None:
    transitions, _ = told(settings({"silence": window(20, 30)}), stream())
    assert {one["severity"] for one in transitions} == {PAGE}
    assert "silenced" not in transitions[-1]


def test_silences_that_recur_do_not_hold_a_finding_for_ever() -> None:
    """Six minutes of every twelve are silent: what is left is too short for a window without a silence's events."""
    windows = [one for at in range(0, 200, 12) for one in window(at, at + 6)]

    def fault(made: Event, _rng: np.random.Generator) -> None:
        made["features"]["AGE"] += 3

    transitions, _ = told(settings({"silence": windows}), list(Credit(12_000, seed=5, change=CHANGE, fault=fault)))
    assert transitions[0]["severity"] == TICKET
    assert PAGE in {one["severity"] for one in transitions}


EXCLUDED = settings({"exclude": window(8, 25)})


@cache
def without_excluded() -> tuple[list[dict[str, Any]], Replay]:
    return told(EXCLUDED, stream(last=2_300))


def test_events_of_excluded_times_are_in_all_totals_and_in_no_window() -> None:
    loud, _ = told(settings(), stream(last=2_300))
    transitions, ran = without_excluded()
    assert loud
    assert transitions == []
    model = ran.summary["models"][0]
    inside = [one for one in stream(last=2_300) if minute(8) <= one["ts"] < minute(25)]
    assert (model["predictions"], model["excluded"]) == (4_000, len(inside))
    assert ran.pipeline.exchange.unjudged[CREDIT] == 0


def test_a_stream_without_the_excluded_events_is_judged_the_same() -> None:
    """But for the counts that hold them, predictions so far, and what is said of a time without events."""
    events = stream()
    rest = [one for one in events if not minute(8) <= one["ts"] < minute(25)]
    quiet: dict[str, Any] = {"severity": {"traffic": "info", "clock": "info"}}
    first, second = told(settings({"exclude": window(8, 25), **quiet}), events)[0], told(settings(quiet), rest)[0]
    assert first
    for one in (*first, *second):
        del one["predictions"]
        for finding in one["findings"]:
            del finding["records"]
    assert first == second


def test_a_pane_that_an_excluded_time_cuts_is_excluded_as_a_whole() -> None:
    """Panes are ten seconds long."""
    cut = settings({"exclude": [{"from": minute(8) - 1, "to": minute(25) + 1}]})
    model = told(cut, stream())[1].summary["models"][0]
    inside = [one for one in stream() if minute(8) - 10_000_000 <= one["ts"] < minute(25) + 10_000_000]
    assert model["excluded"] == len(inside)


TREES = pytest.mark.parametrize(
    "tree", [SILENT, EXCLUDED, settings({"silence": window(8, 30), "exclude": window(12, 20)})],
    ids=["silence", "exclude", "both"],
)  # fmt: skip


@TREES
def test_live_says_the_same(tree: Settings) -> None:
    source, outputs, clock = MemorySource({EVENTS: stream()}, 130, live=True), Recorded(), ManualClock(NOW_US)
    pipeline = Pipeline(tree, admission_of(tree, credit_reference()), source, clock, outputs)
    while not pipeline.caught_up():
        pipeline.turn()
        clock.advance(0.7)
    clock.advance(61)
    pipeline.turn()
    assert [one.to_json() for one in outputs.reported] == told(tree, stream())[0]


@TREES
@pytest.mark.parametrize("every", [1, 7])
def test_a_run_that_is_cut_says_the_same(tree: Settings, every: int) -> None:
    source, transitions = MemorySource({EVENTS: stream()}, 90), list[Transition]()
    pipeline, outputs = begun(tree, source, None)
    turn = 0
    while not source.ended():
        pipeline.turn()
        turn += 1
        if turn % every == 0:
            pipeline.checkpoint()
            transitions += outputs.reported
            pipeline, outputs = begun(tree, source, outputs.saved[-1])
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    transitions += outputs.reported
    assert [one.to_json() for one in transitions] == told(tree, stream())[0]
    source = MemorySource({EVENTS: stream()}, 90)
    uncut, _ = begun(tree, source, None)
    run_to_end(uncut, source)
    uncut.checkpoint()
    assert plain(trees(pipeline.to_state())) == plain(trees(uncut.to_state()))


def begun(tree: Settings, source: MemorySource, state: State | None) -> tuple[Pipeline, Recorded]:
    outputs = Recorded()
    pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), source, outputs)
    if state is not None:
        pipeline.restore(state)
    return pipeline, outputs
