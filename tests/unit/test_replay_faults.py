"""Faults planted in a stream like that of a credit model: the right column and cause, soon, and no page before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from monitor.findings import SEVERITY_RANK
from monitor.reference.reference import Reference
from tests.engine import (
    EVENTS,
    NAMES,
    Credit,
    Event,
    MemorySource,
    build,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)

CHANGE = 2_000
#: 年齢 is "age", 学歴 "education"
ODD_NAMES = ("年齢", "limit.of balance", "BILL 'AMT' 1\\2", "学歴 (最終)")

Fault = Callable[[Event, np.random.Generator], None]


def higher(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 5


def doctor(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.03:
        made["features"]["EDU"] = "doctor"


def missing(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.03:
        made["features"]["BILL"] = None


def cents(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["LIMIT"] *= 1_000


def stuck(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["BILL"] = 41_000.5


def gone(made: Event, _rng: np.random.Generator) -> None:
    del made["features"]["BILL"]


def text(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.05:
        made["features"]["AGE"] = str(made["features"]["AGE"])


def fewer(made: Event, rng: np.random.Generator) -> None:
    if made["features"]["EDU"] == "middle" and rng.random() < 0.5:
        made["features"]["EDU"] = "high"


def bolder(made: Event, _rng: np.random.Generator) -> None:
    made["score"] = round(made["score"] ** 0.5, 4)


@dataclass(frozen=True)
class Case:
    fault: Fault
    subject: str
    cause: str
    within: int


CASES = [
    Case(higher, "AGE", "distribution", 750),
    Case(doctor, "EDU", "unseen", 500),
    Case(missing, "BILL", "missing", 600),
    Case(cents, "LIMIT", "outside", 250),
    Case(stuck, "BILL", "constant", 300),
    Case(gone, "BILL", "absent", 100),
    Case(text, "AGE", "type", 500),
    Case(fewer, "EDU", "distribution", 1_000),
    Case(bolder, "score", "score", 750),
]


def told_of(stream: Sequence[Event], reference: Reference, **model: object) -> list[dict[str, Any]]:
    lines, _ = replayed(settings(model), reference, MemorySource({EVENTS: stream}))
    return transitions_in(lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault.__name__)
def test_a_fault_pages_once_under_its_own_name_and_not_before_it_was_there(case: Case) -> None:
    stream = list(Credit(CHANGE + 1_500, seed=7, change=CHANGE, fault=case.fault))
    reported = told_of(stream, credit_reference())
    assert {one["incident"] for one in reported} == {reported[0]["incident"]}
    paged = next(one for one in reported if one["severity"] == "page")
    assert reported[0]["predictions"] > CHANGE
    assert CHANGE < paged["predictions"] <= CHANGE + case.within
    first = paged["findings"][0]
    assert (first["subject"], first["cause"], first["severity"]) == (case.subject, case.cause, "page")
    for one in reported[reported.index(paged) :]:  # the fault lasts, and so does what is reported of it
        assert (case.subject, case.cause) in {(f["subject"], f["cause"]) for f in one["findings"]}
    assert first["p"] < 1e-6
    assert first["records"]["events-0"][1] >= CHANGE


def test_a_usual_stream_says_nothing() -> None:
    assert told_of(list(Credit(5_000, seed=8)), credit_reference()) == []


def test_a_changed_unit_is_reported_with_its_factor() -> None:
    reported = told_of(list(Credit(CHANGE + 500, seed=7, change=CHANGE, fault=cents)), credit_reference())
    assert reported[0]["findings"][0]["factor"] == 1_000
    assert "by a factor of about 1,000" in reported[0]["summary"]


def test_a_burst_names_its_column_alone_and_goes_away() -> None:
    stream = [
        made | {"features": made["features"] | ({"BILL": 9e9} if CHANGE <= i < CHANGE + 30 else {})}
        for i, made in enumerate(Credit(CHANGE + 2_500, seed=7))
    ]
    reported = told_of(stream, credit_reference())
    assert {finding["subject"] for one in reported for finding in one["findings"]} == {"BILL"}
    assert reported[-1]["transition"] == "resolved"


def test_a_fault_that_is_over_resolves_and_the_next_one_is_another_incident() -> None:
    stream = [
        made | {"features": made["features"] | ({"BILL": None} if 1_000 <= i < 1_300 or 4_000 <= i < 4_300 else {})}
        for i, made in enumerate(Credit(6_000, seed=9))
    ]
    reported = told_of(stream, credit_reference())
    lives = [
        [one["transition"] for one in reported if one["incident"] == name]
        for name in {t["incident"]: 0 for t in reported}
    ]
    assert [(life[0], life[-1]) for life in lives] == [("opened", "resolved")] * 2


@pytest.mark.parametrize("at", range(len(NAMES)))
def test_names_in_any_language_with_dots_and_spaces_are_names_like_others(at: int) -> None:
    reference = build(settings(), list(Credit(10_000, names=ODD_NAMES)))
    assert [column.name for column in reference.columns if column.role == "feature"] == sorted(ODD_NAMES)

    def empty(made: Event, _rng: np.random.Generator) -> None:
        made["features"][ODD_NAMES[at]] = None

    reported = told_of(list(Credit(1_500, seed=7, change=1_000, fault=empty, names=ODD_NAMES)), reference)
    assert (reported[0]["findings"][0]["subject"], reported[0]["findings"][0]["cause"]) == (ODD_NAMES[at], "missing")
    assert ODD_NAMES[at] in reported[0]["summary"]


def mostly_gone(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.8:
        gone(made, rng)


def test_the_settings_say_what_pages() -> None:
    stream = list(Credit(CHANGE + 1_000, seed=7, change=CHANGE, fault=gone))

    def worst(**model: object) -> str | None:
        """Of all transitions: what begins as a burst is a ticket first, and pages as it lasts."""
        reported = [one["severity"] for one in told_of(stream, credit_reference(), **model)]
        return max(reported, key=lambda severity: SEVERITY_RANK[severity], default=None)

    assert worst() == "page"
    assert worst(max_severity="ticket") == "ticket"
    assert worst(severity={"absent": "ticket"}) == "ticket"
    assert worst(least_effect={"absent": 1}) == "page"
    stream = list(Credit(CHANGE + 1_000, seed=7, change=CHANGE, fault=mostly_gone))
    assert worst(least_effect={"absent": 1}) == "ticket"
    assert worst() == "page"
    assert worst(features={"BILL": {"severity": "ticket"}}) == "ticket"
    assert worst(features={"BILL": {"mute": True}}) is None
    assert worst(features={"AGE": {"mute": True}}) == "page"


def test_what_is_muted_is_shown_without_an_incident_and_not_again_while_windows_touch() -> None:
    stream = list(Credit(CHANGE + 1_000, seed=7, change=CHANGE, fault=gone))
    tree = settings({"features": {"BILL": {"mute": True}}})
    lines, ran = replayed(tree, credit_reference(), MemorySource({EVENTS: stream}))
    shown = [(line["subject"], line["cause"], line["severity"]) for line in lines if line["kind"] == "finding"]
    assert ("BILL", "absent", "info") in shown
    assert shown.count(("BILL", "absent", "info")) < 10
    assert ran.worst == ""


def test_a_feature_called_score_is_distinguished_from_the_models_score() -> None:
    def named(made: Event, value: object) -> Event:
        return made | {"features": made["features"] | {"score": value}}

    reference = build(settings(), [named(made, made["features"]["AGE"]) for made in Credit(10_000)])
    stream = [
        named(made, None if i >= CHANGE and i % 5 == 0 else made["features"]["AGE"])
        for i, made in enumerate(Credit(CHANGE + 2_500, seed=7))
    ]
    reported = told_of(stream, reference)
    assert [one["transition"] for one in reported] == ["opened", "escalated"]  # a burst is a ticket, until it lasts
    assert {(found["subject"], found["cause"]) for one in reported for found in one["findings"]} == {
        ("feature.score", "missing")
    }
    muted = settings({"features": {"score": {"mute": True}}})
    assert transitions_in(replayed(muted, reference, MemorySource({EVENTS: stream}))[0]) == []


def test_categories_are_hashed_where_values_may_not_be_shown() -> None:
    stream = list(Credit(CHANGE + 1_500, seed=7, change=CHANGE, fault=fewer))
    for shown in (True, False):
        lines, _ = replayed(settings(show_values=shown), credit_reference(), MemorySource({EVENTS: stream}))
        details = " ".join(finding["detail"] for one in transitions_in(lines) for finding in one["findings"])
        assert ("middle: 0." in details) == shown
        assert ("#" in details) != shown


def test_a_rising_error_rate_of_inline_labels_is_shown() -> None:
    def wrong(made: Event, rng: np.random.Generator) -> None:
        made["label"] = made["prediction"] if rng.random() < 0.6 else 1 - made["prediction"]

    stream = [{"label": made["prediction"]} | made for made in Credit(6_000, seed=7, change=3_000, fault=wrong)]
    lines, ran = replayed(settings(), credit_reference(), MemorySource({EVENTS: stream}))
    shown = [line for line in lines if line["kind"] == "finding" and line["cause"] == "performance"]
    assert shown
    assert (shown[0]["subject"], shown[0]["figure"], shown[0]["direction"]) == ("credit", "error_rate", "up")
    errors = sum(one["label"] != one["prediction"] for one in stream)
    (model,) = ran.summary["models"]
    assert model["labels"] == 6_000
    assert model["performance"]["accuracy"]["realised"] == pytest.approx(1 - errors / 6_000)
