"""Relations from events to incidents: what a shuffled column makes, what a column that moves alone does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.judge.words.relations import Group, groups_of
from monitor.reference.reference import Reference
from tests.engine import EVENTS, Credit, Event, MemorySource, build, replayed, settings, tied, transitions_in

Line = dict[str, Any]
Feature = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]

CHANGE, BACK, END = 2_000, 5_000, 9_000


@cache
def reference() -> Reference:
    return build(settings(), list(chained(Credit(10_000))))


def chained(stream: Credit) -> Iterator[Event]:
    """Three columns that go together: AGE with LIMIT, loosely, and BILL with LIMIT."""
    for made in tied(stream):
        features = made["features"]
        yield made | {"features": features | {"AGE": round(features["AGE"] + features["LIMIT"] / 20_000)}}


def stream(change: Feature, begin: int = CHANGE, end: int = END) -> list[Event]:
    """Another stream of that kind; from `begin` to `end` each event's features are changed, with those of another."""
    made = list(chained(Credit(END, seed=2)))
    before = [one["features"] for one in made]
    others = np.random.default_rng(4).permutation(END)
    for at in range(begin, end):
        own, other = before[at], before[int(others[at])]
        made[at] = made[at] | {"features": own | change(own, other)}
    return made


def shuffled(_own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {"BILL": other["BILL"]}


def older(own: dict[str, Any], _other: dict[str, Any]) -> dict[str, Any]:
    return {"AGE": own["AGE"] + 12}


def told(events: Sequence[Event], **model: object) -> list[Line]:
    lines, _ = replayed(settings(model), reference(), MemorySource({EVENTS: list(events)}))
    return transitions_in(lines)


def relations_in(transitions: Sequence[Line]) -> set[str]:
    return {f["subject"] for one in transitions for f in one["findings"] if f["cause"] == "relation"}


def test_a_shuffled_column_is_one_ticket_that_names_it_and_ends_when_it_is_over() -> None:
    first, *_, last = told(stream(shuffled, end=BACK))
    assert (first["transition"], first["severity"]) == ("opened", "ticket")
    assert CHANGE < first["predictions"] <= CHANGE + 750
    finding = first["findings"][0]
    assert (finding["subject"], finding["cause"], finding["segment"]) == ("BILL~LIMIT", "relation", "")
    assert (finding["effect_unit"], finding["direction"]) == ("correlation of levels", "down")
    assert "BILL" in first["summary"]
    assert "; each alone is unchanged: a wrong join or shuffled rows?" in first["summary"]
    assert finding["effect"] >= 0.1
    assert finding["value"] > finding["threshold"]
    assert finding["p"] < 1e-6
    assert last["transition"] == "resolved"
    assert BACK < last["predictions"] <= BACK + 2_500


def test_nothing_is_told_of_a_stream_like_the_reference() -> None:
    assert told(stream(shuffled, END, END)) == []


def test_a_column_that_moves_alone_makes_no_relation() -> None:
    transitions = told(stream(older))
    assert {f["subject"] for f in transitions[0]["findings"]} == {"AGE"}
    assert relations_in(transitions) == set()


def test_a_relation_that_changes_with_a_column_that_has_moved_opens_nothing_of_its_own() -> None:
    def higher(own: dict[str, Any], _other: dict[str, Any]) -> dict[str, Any]:
        return {"BILL": own["BILL"] + 8_000}

    def both(_own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {"BILL": other["BILL"] + 8_000}

    assert relations_in(told(stream(higher)[:4_000] + stream(both)[4_000:])) == set()


def test_the_finding_of_a_column_says_which_relations_changed_with_it() -> None:
    def far(_own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {"BILL": other["BILL"] + 30_000}

    transitions = told(stream(far))
    assert len({one["incident"] for one in transitions}) == 1
    page = next(one for one in transitions if one["severity"] == "page")["findings"][0]
    assert (page["subject"], page["cause"]) == ("BILL", "distribution")
    assert "its correlation changed too: with LIMIT (0." in page["detail"]


def test_the_settings_decide_how_severe_it_is() -> None:
    events = stream(shuffled)[:4_000]
    assert told(events, severity={"relation": "page"})[0]["severity"] == "page"
    assert told(events, severity={"relation": "info"}) == []
    assert told(events, least_effect={"relation": 0.95}) == []
    muted = {"BILL": {"mute": True}, "LIMIT": {"mute": True}, "AGE": {"mute": True}}
    assert told(events, features=muted) == []
    severe = {"BILL": {"severity": "page"}, "LIMIT": {"severity": "page"}}
    assert told(events, features=severe)[0]["severity"] == "ticket"  # its tests are no part of the page budget


@pytest.mark.parametrize("poll", [1, 37])
def test_the_same_is_told_however_the_stream_is_polled(poll: int) -> None:
    events = stream(shuffled)[:3_000]
    whole = told(events)
    lines, _ = replayed(settings(), reference(), MemorySource({EVENTS: events}, chunk=poll))
    assert transitions_in(lines) == whole


def test_a_changed_relation_is_about_the_column_that_is_in_most_of_them() -> None:
    pairs = [(0, 1), (1, 2), (1, 3), (4, 5), (5, 6)]
    ties = [0.5, 0.9, 0.4, 0.3, 0.8]
    assert groups_of([0, 1, 2], pairs, ties) == [Group(1, (0, 1, 2), 1)]
    assert groups_of([0, 2, 3], pairs, ties) == [Group(1, (0, 2), 0), Group(4, (3,), 3)]
    assert groups_of([], pairs, ties) == []
