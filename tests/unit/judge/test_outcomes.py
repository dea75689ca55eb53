"""Named outcomes that come later: a planted change is found in the way that is worse, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.reference.configured import contradictions
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    pipeline_of,
    replayed,
    run_to_end,
    settings,
    transitions_in,
)
from tests.restarts import restarted

MINUTE, US = 60.0, 1_000_000
HORIZON = {"labels": {"horizon": "1h"}}
CHANGE = 4_000
LABEL = {"type": "label", "model": "credit", "version": "1"}


def stream(
    events: int, seed: int, *, judge: float = 0.0, topic: float = 0.0, rated: float = 1.0, stop: bool = False
) -> list[Event]:
    """A judge's score of 0.7 and a topic for each prediction, 2 to 6 minutes later; a rating for a part of them.

    From the change on the score is higher by `judge`, and so many more of the topics are refunds. `stop`: from the
    change on none comes.
    """
    rng = np.random.default_rng(seed + 50)
    scores = np.clip(rng.normal(0.7, 0.2, events), 0, 1)
    lots = rng.random((events, 4)).tolist()
    made: list[Event] = []
    for at, (event, score, (lot, wait, stars, is_rated)) in enumerate(
        zip(Credit(events, seed=seed), scores.tolist(), lots, strict=True)
    ):
        changed = at >= CHANGE
        made.append(event)
        if stop and changed:
            continue
        refund = 0.1 + (topic if changed else 0.0)
        outcomes: dict[str, object] = {
            "judge": round(score + (judge if changed else 0.0), 6),
            "topic": "refund" if lot < refund else "praise" if lot < 0.5 + refund / 2 else "question",
        }
        if is_rated < rated:
            outcomes["stars"] = 1 + int(5 * stars)
        ts = event["ts"] + round((2 + 4 * wait) * MINUTE * US)
        made.append(LABEL | {"id": event["id"], "ts": ts, "outcomes": outcomes})
    return sorted(made, key=lambda one: one["ts"])


@cache
def reference() -> Reference:
    events = stream(10_000, 1, rated=0.3)
    source = partial(MemorySource, {EVENTS: events})
    return build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000))


def lines(of: Sequence[Event], *, windows: bool = False, **model: object) -> list[dict[str, Any]]:
    return replayed(settings(HORIZON | model), reference(), MemorySource({EVENTS: list(of)}), windows=windows)[0]


def of_outcomes(got: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for line in transitions_in(got) for one in line["findings"] if one["cause"] == "outcome"]


def test_a_reference_learns_outcomes_with_their_kind_and_when_they_came() -> None:
    known = reference().outcomes
    assert known is not None
    assert {name: one.kind for name, one in known.items()} == {
        "judge": NUMERIC, "stars": NUMERIC, "topic": CATEGORICAL,
    }  # fmt: skip
    assert known["topic"].categories == ("praise", "question", "refund")
    assert known["judge"].tally.mean == pytest.approx(0.69, abs=0.01)
    assert all(one.is_judged for one in known.values())
    assert known["judge"].maturity_us is not None
    assert 5 * MINUTE < known["judge"].maturity_us / US < 7 * MINUTE
    assert re.search(r"outcome judge: 9,0\d\d values, mean 0\.69\d*, came 10 % after", reference_text(reference()))


def test_a_reference_file_keeps_them_and_is_checked() -> None:
    body = to_json(reference())
    assert fault_of(body) == ""
    assert to_json(from_json(body))["outcomes"] == body["outcomes"]
    body["outcomes"]["topic"]["errors"]["weather"] = body["outcomes"]["topic"]["errors"]["refund"]
    assert "weather" in fault_of(body)


def test_settings_of_outcomes_that_the_reference_contradicts_are_faults() -> None:
    again = "build the reference again"
    for outcome, fault in (
        ({"judge": {"kind": CATEGORICAL}}, f"judge.kind: categorical, but the reference has it as numeric; {again}"),
        ({"topic": {"kind": NUMERIC}}, f"topic.kind: numeric, but the reference has it as categorical; {again}"),
        ({"topic": {"direction": "up"}}, "topic.direction: up, but only numbers have one, and it is categorical"),
    ):
        model = settings(HORIZON | {"outcomes": outcome}).models[0]
        assert list(contradictions(reference(), model)) == [f"outcomes.{fault}"]
    fits = {
        "judge": {"kind": NUMERIC, "direction": "up"},
        "topic": {"kind": CATEGORICAL},
        "weather": {"direction": "up"},
    }
    assert not list(contradictions(reference(), settings(HORIZON | {"outcomes": fits}).models[0]))


def built_with(**outcomes: object) -> tuple[Reference, list[str]]:
    """A small reference, and the notes on it that concern outcomes."""
    source, notes = partial(MemorySource, {EVENTS: stream(3_000, 1)}), list[str]()
    model = HORIZON | {"outcomes": outcomes}
    made = build_reference(settings(model), CREDIT, source, ManualClock(NOW_US), EventRange(rows=2_500), notes.append)
    return made, [note for note in notes if "outcomes" in note]


def test_a_build_refuses_numbers_that_are_all_texts_and_notes_what_is_missing_or_does_not_fit() -> None:
    with pytest.raises(UsageError) as refused:
        built_with(topic={"kind": NUMERIC})
    (fault,) = refused.value.faults
    assert re.fullmatch(
        r"models\[0\]\.outcomes\.topic\.kind: numeric, but all 2,\d+ values are text; write kind: categorical, or "
        "leave it out",
        fault,
    )
    made, (direction, missing) = built_with(topic={"direction": "up"}, weather={})
    assert direction == "models[0].outcomes.topic.direction: up, but only numbers have one, and it is categorical"
    assert missing.startswith("models[0].outcomes.weather: the reference of credit 1 has no outcome of that name")
    assert made.outcomes is not None
    assert set(made.outcomes) == {"judge", "topic", "stars"}
    assert built_with(judge={"kind": NUMERIC, "direction": "down"}, topic={"kind": CATEGORICAL})[1] == []


def test_a_judges_score_that_falls_by_005_is_a_page_that_says_so() -> None:
    got = lines(stream(8_000, 2, judge=-0.05, rated=0.3))
    opened = transitions_in(got)[0]
    (found,) = opened["findings"]
    assert (opened["severity"], found["subject"], found["cause"]) == ("page", "outcome.judge", "outcome")
    assert (found["direction"], found["statistic"]) == ("down", "mean")
    assert found["value"] == pytest.approx(0.64, abs=0.02)
    assert found["effect"] == pytest.approx(0.05 / 0.2, rel=0.4)
    assert "fell from 0.69" in opened["summary"]
    assert CHANGE + 600 < opened["predictions"] < CHANGE + 3_000
    assert {one["subject"] for one in of_outcomes(got)} == {"outcome.judge"}


def test_a_change_for_the_better_is_none_where_settings_say_what_is_worse() -> None:
    of = stream(8_000, 3, judge=0.05, rated=0.3)
    assert of_outcomes(lines(of))
    assert not of_outcomes(lines(of, outcomes={"judge": {"direction": "down"}}))


def test_a_share_of_a_category_that_rises_is_found() -> None:
    found = of_outcomes(lines(stream(8_000, 4, topic=0.1, rated=0.3)))
    assert {(one["subject"], one["figure"]) for one in found} == {("outcome.topic", "share of refund")}
    assert found[0]["value"] == pytest.approx(0.2, abs=0.05)


def test_nothing_is_found_where_nothing_changed_or_outcomes_stop() -> None:
    for of in (stream(16_000, 5, rated=0.3), stream(8_000, 6, judge=-0.3, rated=0.3, stop=True)):
        assert not of_outcomes(lines(of))


def test_severity_and_least_effect_are_settings_of_the_outcome_or_the_cause() -> None:
    of = stream(8_000, 2, judge=-0.05, rated=0.3)
    for model in (
        {"outcomes": {"judge": {"severity": "ticket"}}},
        {"severity": {"outcome": "ticket"}},
        {"outcomes": {"judge": {"least_effect": 2.0}}},
    ):
        found = of_outcomes(lines(of, **model))
        assert {one["severity"] for one in found} == {"ticket"}, model
    muted = lines(of, outcomes={"judge": {"mute": True}})
    assert not transitions_in(muted)


def test_an_informational_severity_is_reported_and_opens_no_incident() -> None:
    got = lines(stream(8_000, 2, judge=-0.05, rated=0.3), outcomes={"judge": {"severity": "info"}})
    found = [one for one in got if one["kind"] == "finding" and one["cause"] == "outcome"]
    assert {(one["subject"], one["severity"]) for one in found} == {("outcome.judge", "info")}
    assert all(one["end"] <= then["start"] for one, then in pairwise([one["window"] for one in found]))
    assert not transitions_in(got)


def test_summary_and_windows_show_them_with_how_many_there_are() -> None:
    got = lines(stream(8_000, 2, judge=-0.05, rated=0.3), windows=True)
    shown = got[-1]["models"][0]["outcomes"]
    assert shown["judge"]["values"] == 8_000
    assert shown["judge"]["mean"] == pytest.approx(0.665, abs=0.01)
    assert shown["topic"]["texts"].keys() == {"praise", "question", "refund"}
    windows = [one for one in got if one["kind"] == "window" and one["subject"] == "outcome.judge"]
    assert windows
    assert all(one["samples"]["realised"] == one["window"]["events"] for one in windows)


def test_a_restart_in_the_middle_changes_nothing() -> None:
    tree, of = settings(HORIZON), stream(8_000, 2, judge=-0.05, rated=0.3)
    expected: list[dict[str, Any]] | None = None
    for restarts in ((), (3, 9, 14)):
        source, outputs = MemorySource({EVENTS: list(of)}, 1_000), Recorded()
        made, _ = pipeline_of(tree, admission_of(tree, reference()), source, outputs)
        for turn in range(20):
            made.turn()
            if turn in restarts:
                made = restarted(made, tree, admission_of(tree, reference()), source, outputs)
        sent = [one.to_json() for one in outputs.reported]
        assert [one for one in sent if one["findings"] and one["findings"][0]["cause"] == "outcome"]
        assert expected in (None, sent)
        expected = sent


def valued(events: int, seed: int, more: float) -> list[Event]:
    """Labels with a value of 100 on average, from the change on so much more."""
    values = np.random.default_rng(seed + 9).gamma(4.0, 25.0, events).tolist()
    made: list[Event] = []
    for at, (event, value) in enumerate(zip(Credit(events, seed=seed), values, strict=True)):
        ts = event["ts"] + round(3 * MINUTE * US)
        amount = round(value * (1 + (more if at >= CHANGE else 0.0)), 2)
        made += [event, LABEL | {"id": event["id"], "ts": ts, "label": event["prediction"], "value": amount}]
    return sorted(made, key=lambda one: one["ts"])


@cache
def reference_with_values() -> Reference:
    source = partial(MemorySource, {EVENTS: valued(10_000, 1, 0.0)})
    return build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000))


def after_a_restart(
    of: Sequence[Event], known: Reference, before: Mapping[str, object], after: Mapping[str, object]
) -> list[tuple[str, str]]:
    """Transition and summary of what is sent at a restart with other settings, in which nothing else comes."""
    source, outputs = MemorySource({EVENTS: list(of)}), Recorded()
    asked, again = settings({**HORIZON, **before}), Recorded()
    made, _ = pipeline_of(asked, admission_of(asked, known), source, outputs)
    run_to_end(made, source)
    made.checkpoint()
    assert outputs.reported[-1].severity == "page"
    asked = settings({**HORIZON, **after})
    made, _ = pipeline_of(asked, admission_of(asked, known), source, again)
    assert made.restore(outputs.saved[-1]) == []
    made.checkpoint()
    return [(one.transition, one.summary) for one in again.reported]


def test_a_finding_that_other_settings_do_not_want_ends_at_the_restart_and_says_why() -> None:
    of, known = stream(8_000, 2, judge=-0.05), reference()
    (sent,) = after_a_restart(of, known, {}, {"outcomes": {"judge": {"direction": "up"}}})
    assert sent[0] == "resolved"
    assert "(settings changed)" in sent[1]
    assert after_a_restart(of, known, {}, {"outcomes": {"judge": {"direction": "down"}}}) == []


def test_a_cost_that_is_a_gain_after_a_restart_ends_and_says_why() -> None:
    of, known = valued(8_000, 2, 0.25), reference_with_values()
    (sent,) = after_a_restart(of, known, {}, {"labels": {"horizon": "1h", "value": "gain"}})
    assert sent[0] == "resolved"
    assert "(settings changed)" in sent[1]


def test_the_value_of_labels_is_a_cost_or_a_gain_of_a_thousand_predictions() -> None:
    of = valued(6_000, 2, 0.25)
    for value, is_found in (("cost", True), ("gain", False)):
        model = HORIZON | {"labels": {"horizon": "1h", "value": value}}
        got, _ = replayed(settings(model), reference_with_values(), MemorySource({EVENTS: of}))
        shown = got[-1]["models"][0]
        amounts = sum(one["value"] for one in of if "value" in one)
        assert shown["performance"]["value_per_thousand"]["realised"] == pytest.approx(1000 * amounts / 6_000, rel=1e-9)
        assert shown["outcomes"] == {}
        found = [one for line in transitions_in(got) for one in line["findings"] if one["cause"] == "cost"]
        assert bool(found) == is_found
        if is_found:
            assert (found[0]["subject"], found[0]["figure"]) == ("credit", "value_per_thousand")
            assert found[0]["effect"] == pytest.approx(0.25, abs=0.1)
            assert found[0]["value"] == pytest.approx(125_000, rel=0.1)
    assert "the value of labels: 9,0" in reference_text(reference_with_values())
