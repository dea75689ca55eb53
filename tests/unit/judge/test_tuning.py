"""Tuning of one feature: which way it may move, how severe it is, whether it is muted; and after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from monitor.events import ModelKey
from monitor.findings import PAGE, TICKET, Transition
from monitor.judge.promise.promised import promise_by_settings
from monitor.reference.configured import contradictions
from monitor.settings.model import Model
from tests.engine import (
    CREDIT,
    EVENTS,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    pipeline_of,
    replayed,
    run_to_end,
    settings,
    transitions_in,
)


def older(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8


def younger(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] -= 8


def gone(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        made["features"]["AGE"] = None


FAULTS = {"up": older, "down": younger, "missing": gone}


def told(model: Mapping[str, object], fault: str) -> tuple[set[str], set[str]]:
    """(severities of incidents, subjects of `info` findings) of a stream in which AGE changes."""
    stream = list(Credit(3_000, seed=5, change=1_000, fault=FAULTS[fault]))
    lines, _ = replayed(settings(model), credit_reference(), MemorySource({EVENTS: stream}))
    info = {line["subject"] for line in lines if line["kind"] == "finding" and "figure" not in line}
    return {one["severity"] for one in transitions_in(lines)}, info


@pytest.mark.parametrize("wanted", ["up", "down", "both"])
@pytest.mark.parametrize("fault", ["up", "down", "missing"])
def test_only_a_change_in_the_wanted_direction_opens_an_incident(wanted: str, fault: str) -> None:
    """Missing values have no direction."""
    severities, info = told({"features": {"AGE": {"direction": wanted}}}, fault)
    if {wanted, fault} == {"up", "down"}:
        assert (severities, info) == (set(), {"AGE"})
    else:
        assert PAGE in severities
        assert info == set()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"features": {"AGE": {"mute": True}}}, set()),
        ({"features": {"AGE": {"severity": "info"}}}, set()),
        ({"features": {"AGE": {"severity": "ticket"}}}, {TICKET}),
        ({"features": {"AGE": {"least_effect": 0.9}}}, {TICKET}),
        ({"severity": {"distribution": "ticket", "outside": "ticket"}}, {TICKET}),
        ({"least_effect": {"distribution": 0.9, "outside": 0.9}}, {TICKET}),
        ({"severity": {"missing": "info"}, "least_effect": {"missing": 0.9}}, {PAGE}),
    ],
    ids=str,
)
def test_severity_least_effect_and_mute_act_by_feature_and_by_cause(
    model: dict[str, object], expected: set[str]
) -> None:
    severities, info = told(model, "up")
    assert severities == expected
    assert (info == {"AGE"}) == (not expected)


def restarted(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """What is sent after a restart with other settings, in which nothing else comes."""
    stream = list(Credit(2_000, seed=5, change=1_000, fault=older))
    source, outputs = MemorySource({EVENTS: stream}), Recorded()
    tree = settings(before)
    pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), source, outputs)
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    assert outputs.reported[-1].severity == PAGE
    tree, again = settings(after), Recorded()
    pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), source, again)
    assert pipeline.restore(outputs.saved[-1]) == []
    pipeline.checkpoint()
    return [(one.transition, one.severity, one.summary) for one in again.reported]


@pytest.mark.parametrize("after", [{"mute": True}, {"severity": "info"}, {"direction": "down"}])
def test_what_is_muted_at_a_restart_is_resolved_with_the_reason(after: dict[str, object]) -> None:
    ((transition, _, summary),) = restarted({}, {"features": {"AGE": after}})
    assert transition == "resolved"
    assert "(settings changed)" in summary


@pytest.mark.parametrize("after", [{"features": {"AGE": {"severity": "ticket"}}}, {"max_severity": "ticket"}])
def test_what_may_be_a_ticket_only_is_one_from_the_restart_on(after: dict[str, object]) -> None:
    ((transition, severity, _),) = restarted({}, after)
    assert (transition, severity) == ("deescalated", TICKET)


@pytest.mark.parametrize("same", [{}, {"features": {"AGE": {"direction": "up", "least_effect": 0.01}}}])
def test_a_restart_with_the_same_settings_says_nothing(same: dict[str, object]) -> None:
    assert restarted(same, same) == []


def much_older(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 25


def cut_at(
    before: Mapping[str, object], after: Mapping[str, object], events: list[Event], cuts: list[int]
) -> list[Transition]:
    """What is sent of these events; from the first restart on, each after so many events, `after` holds."""
    source, outputs = MemorySource({EVENTS: events}, 50), Recorded()
    tree = settings(before)
    pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), source, outputs)
    for cut in cuts:
        while source.next[EVENTS] < cut:
            pipeline.turn()
        state, tree = pipeline.to_state().state(), settings(after)
        pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), source, outputs)
        pipeline.restore(state)
    run_to_end(pipeline, source)
    return outputs.reported


def by_detector(severity: str, kind: str = "page_hinkley") -> dict[str, object]:
    return {"kind": kind, "on": "AGE", "severity": severity, "threshold": 20}


@pytest.mark.parametrize(
    "same",
    [
        {"severity": {"distribution": "ticket"}, "detectors": [by_detector("page")]},
        {"features": {"AGE": {"direction": "down"}}, "detectors": [by_detector("ticket")]},
        {"features": {"AGE": {"severity": "info"}}, "detectors": [by_detector("ticket")]},
    ],
)
def test_a_restart_changes_nothing_of_what_a_detector_found(same: dict[str, object]) -> None:
    events = list(Credit(4_000, seed=4, change=2_000, fault=much_older))
    uncut = cut_at(same, same, events, [])
    assert any(finding.key.figure == "page_hinkley" for one in uncut for finding in one.findings)
    assert cut_at(same, same, events, [2_150, 2_500, 3_300]) == uncut


@pytest.mark.parametrize(
    ("detectors", "last"),
    [([], "resolved"), ([by_detector("info")], "resolved"), ([by_detector("ticket")], "deescalated")],
)
def test_other_severities_of_detectors_hold_from_the_restart_on(detectors: list[dict[str, object]], last: str) -> None:
    same = {"features": {"AGE": {"severity": "info"}}, "detectors": [by_detector("page")]}
    events = list(Credit(2_400, seed=4, change=2_000, fault=much_older))
    reported = cut_at(same, same | {"detectors": detectors}, events, [2_300])
    assert [(one.transition, one.severity) for one in reported[:1]] == [("opened", PAGE)]
    assert reported[-1].transition == last


def test_a_direction_of_what_is_no_number_contradicts_the_reference() -> None:
    def faults(features: Mapping[str, Any]) -> list[str]:
        model = Model.model_validate({"name": "credit", "reference": "r.json", "features": features})
        return list(contradictions(credit_reference(), model))

    assert faults({"AGE": {"direction": "up"}}) == []
    (fault,) = faults({"EDU": {"direction": "up"}})
    assert fault == "features.EDU.direction: up, but only numbers have one, and it is categorical"


def test_the_promise_of_a_direction_is_about_that_one_alone() -> None:
    def of(features: Mapping[str, object], name: str) -> tuple[float, float]:
        made = promise_by_settings(settings({"features": features}), ModelKey(*CREDIT), credit_reference())
        found = next(column for column in made.columns if column.name == name)
        return found.smallest, found.named.windows

    both, up = of({}, "LIMIT"), of({"LIMIT": {"direction": "up"}}, "LIMIT")
    down = of({"LIMIT": {"direction": "down"}}, "LIMIT")
    assert both == (max(up[0], down[0]), max(up[1], down[1])), "the slower of both is promised"
