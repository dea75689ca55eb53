"""Named outcomes by segment: what each has, and findings of what one segment alone has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from monitor.clock import DAY_US, ManualClock
from monitor.events import Partition
from monitor.judge.causes.segment_errors import LEAST_SHOWN
from monitor.judge.model import ModelJudge
from monitor.reference.configured import as_configured
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.segments import segment_outcomes
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.human_lines import human_line
from monitor.run.reference_build import build_reference
from monitor.run.state_show import state_json
from monitor.settings.tree import Settings
from monitor.stats.performance.outcome_tally import LABEL_VALUE, OTHER, UNIT, OutcomeTally, merged_outcomes
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

MINUTE_US = 60_000_000
CHANGE = 2_000
LABEL = {"type": "label", "model": "credit", "version": "1"}
NAMED = {"EDU": ("high", "middle", "low", "none"), "region": ("n", "s")}
#: how much the judge's score moves, and how many more topics are refunds, by EDU and place
Moved = Callable[[str, int], tuple[float, float]]


def tree(*names: str, **over: object) -> Settings:
    return settings({"segments": list(names), "labels": {"horizon": "1h"}, **over})


def usual(_edu: str, _at: int) -> tuple[float, float]:
    return 0.0, 0.0


def low_is_worse(edu: str, at: int) -> tuple[float, float]:
    return (-0.15, 0.25) if edu == "low" and at >= CHANGE else (0.0, 0.0)


def all_are_worse(_edu: str, at: int) -> tuple[float, float]:
    return (-0.15, 0.25) if at >= CHANGE else (0.0, 0.0)


@cache
def stream(events: int, seed: int, moved: Moved) -> Sequence[Event]:
    """A judge's score, a topic and a value for each prediction, 2 to 6 minutes later; a tag `region` for two of three.

    One score in fifty is replaced; of one prediction in a hundred both outcomes are taken back, of another its label.
    """
    rng = np.random.default_rng(seed + 50)
    scores = np.clip(rng.normal(0.6, 0.15, events), 0, 1).tolist()
    made: list[Event] = []
    each = zip(Credit(events, seed=seed), scores, rng.random((events, 3)).tolist(), strict=True)
    for at, (event, score, (lot, wait, again)) in enumerate(each):
        made.append(event | {"tags": {"region": "ns"[at % 2]} if at % 3 else {}})
        lower, more = moved(event["features"]["EDU"], at)
        refund = 0.2 + more
        outcomes: dict[str, object] = {
            "judge": round(score + lower, 6),
            "topic": "refund" if lot < refund else "praise" if lot < 0.5 + refund / 2 else "question",
        }
        ts = event["ts"] + round((2 + 4 * wait) * MINUTE_US)
        label = LABEL | {"id": event["id"], "ts": ts, "label": 1, "value": round(10 * lot), "outcomes": outcomes}
        made.append(label)
        if again < 0.02:
            made.append(LABEL | {"id": event["id"], "ts": ts + MINUTE_US, "outcomes": {"judge": round(score / 2, 6)}})
        elif again < 0.03:
            taken = {"judge": None, "topic": None}
            made.append(LABEL | {"id": event["id"], "ts": ts + MINUTE_US, "outcomes": taken})
        elif again < 0.04:
            made.append(LABEL | {"id": event["id"], "ts": ts + MINUTE_US, "label": None})
    return tuple(sorted(made, key=lambda one: one["ts"]))


def with_a_change() -> Sequence[Event]:
    """What several tests look at: one segment is worse from CHANGE on."""
    return stream(5_500, 2, low_is_worse)


@cache
def reference() -> Reference:
    source = partial(MemorySource, {EVENTS: list(stream(10_000, 1, usual))})
    return build_reference(tree("EDU", "region"), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_500))


def lines(of: Sequence[Event], partitions: int = 1, *, windows: bool = False, **over: object) -> list[dict[str, Any]]:
    parts: dict[Partition, list[Event]] = {Partition(EVENTS.topic, at): [] for at in range(partitions)}
    for one in of:  # the labels of one prediction stay in order
        at = int(one["id"][2:]) % partitions
        parts[Partition(EVENTS.topic, at)].append(one)
    return replayed(tree("EDU", "region", **over), reference(), MemorySource(parts), windows=windows)[0]


@cache
def lines_with_a_change() -> list[dict[str, Any]]:
    return lines(with_a_change(), windows=True)


def findings(got: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    of = [one for line in transitions_in(list(got)) for one in line["findings"]]
    return [one for one in of if one["cause"] in {"outcome", "cost"}]


def value_of(one: Event, name: str) -> str:
    value = one["features"][name] if name == "EDU" else one.get("tags", {}).get(name)
    return value if value in NAMED[name] else "other"


def last_values(of: Sequence[Event]) -> dict[str, dict[str, dict[str, Any]]]:
    """By segment and outcome the last value of each prediction that has one, one by one."""
    predictions = {one["id"]: one for one in of if one["type"] == "prediction"}
    last: dict[tuple[str, str], Any] = {}
    for one in of:
        if one["type"] == "label":
            given = dict(one.get("outcomes", {}))
            if "label" in one:
                given[LABEL_VALUE] = one.get("value") if one["label"] is not None else None
            for name, value in given.items():
                last[one["id"], name] = value
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (of_id, name), value in last.items():
        if value is not None:
            for by in NAMED:
                segment = f"{by}={value_of(predictions[of_id], by)}"
                found.setdefault(segment, {}).setdefault(name, {})[of_id] = value
    return found


def test_what_each_segment_has_is_that_of_its_last_values_one_by_one() -> None:
    summary, expected = lines_with_a_change()[-1]["models"][0], last_values(with_a_change())
    assert summary["segments"].keys() == expected.keys()
    for segment, own in summary["segments"].items():
        judge, topic, value = (list(expected[segment][name].values()) for name in ("judge", "topic", LABEL_VALUE))
        assert own["outcomes"].keys() == {"judge", "topic"}
        assert own["outcomes"]["judge"]["values"] == len(judge)
        assert own["outcomes"]["judge"]["mean"] == pytest.approx(math.fsum(judge) / len(judge), abs=1 / UNIT)
        assert own["outcomes"]["topic"]["texts"] == {name: topic.count(name) for name in sorted(set(topic))}
        assert own["performance"]["value_per_thousand"]["realised"] == pytest.approx(1000 * sum(value) / len(value))


def test_windows_and_the_summary_in_words_have_them() -> None:
    got = lines_with_a_change()
    of = [one for one in got if one["kind"] == "window" and one["subject"] == "outcome.judge"]
    assert of
    for one in of:
        edu = [own["outcome"] for name, own in one["segments"].items() if name.startswith("EDU")]
        assert all(own["values"] >= LEAST_SHOWN for own in edu)
        assert sum(own["values"] for own in edu) <= one["outcome"]["values"] < 2 * sum(own["values"] for own in edu)
    assert any(one["kind"] == "window" and "value_per_thousand" in str(one.get("segments")) for one in got)
    said = human_line({"seconds": 1.0, "reasons": {}, "outcomes": {}, "records": 1} | got[-1])
    assert "outcome judge in EDU=low, " in str(said)


def test_state_show_has_each_segment_by_its_name() -> None:
    asked, of = tree("EDU", "region"), stream(1_000, 8, usual)
    source = MemorySource({EVENTS: list(of)})
    made, _ = pipeline_of(asked, admission_of(asked, reference()), source, Recorded())
    run_to_end(made, source)
    shown = state_json(made.to_state().state(), admission_of(asked, reference()))["models"][0]
    expected = last_values(of)
    assert shown["segments"].keys() == expected.keys()
    for segment, own in shown["segments"].items():
        assert own["outcomes"]["judge"]["values"] == len(expected[segment]["judge"])


def test_reference_show_and_check_say_in_which_segments_they_are_judged() -> None:
    known = reference()
    words = "outcomes by segment: judged of 8 segments: the value of labels in 7, judge in 7, topic in 7; the others"
    assert words in reference_text(known)
    uncut = {name: one.of_segments({}) for name, one in (known.outcomes or {}).items()}
    assert "are not cut by segment; build it again" in segment_outcomes(replace(known, outcomes=uncut))
    (topic,) = (one for name, one in (known.outcomes or {}).items() if name == "topic")
    many = replace(known, outcomes={str(at): topic for at in range(200)})
    assert not many.cuts_outcomes
    assert "not judged: 200 outcomes in 8 segments have 22,400 cells, and 20,000 fit" in segment_outcomes(many)
    assert not segment_outcomes(replace(known, outcomes={}))


def test_nothing_depends_on_partitions() -> None:
    one, several = lines_with_a_change(), lines(with_a_change(), 3)
    assert findings(one)
    assert several[-1]["models"] == one[-1]["models"]
    assert findings(several) == findings(one)


def test_a_change_in_one_segment_names_it_and_no_other() -> None:
    got = lines_with_a_change()
    own = [one for one in findings(got) if one["segment"]]
    assert {one["segment"] for one in own} == {"EDU=low"}
    by_subject = {(one["subject"], one.get("figure", "")): one for one in own}
    assert by_subject.keys() == {("outcome.judge", ""), ("outcome.topic", "share of refund")}
    judge = by_subject["outcome.judge", ""]
    assert (judge["cause"], judge["severity"], judge["direction"]) == ("outcome", "page", "down")
    assert judge["value"] == pytest.approx(0.45, abs=0.03)
    assert judge["effect"] == pytest.approx(0.15 / 0.15, rel=0.3)
    rows = sum(one["type"] == "prediction" and one["features"]["EDU"] == "low" for one in with_a_change())
    assert 20 <= int(judge["detail"].split()[1].replace(",", "")) < rows
    opened = next(line for line in transitions_in(got) if any(one["segment"] for one in line["findings"]))
    assert CHANGE < opened["predictions"] <= CHANGE + 3_000
    said = {line["summary"] for line in transitions_in(got)}
    assert any("in EDU=low the mean of judge fell from 0." in one for one in said)
    assert any("not so in the others" in one for one in said)


def test_a_change_of_all_is_told_once() -> None:
    found = findings(lines(stream(5_500, 5, all_are_worse)))
    assert {one["subject"] for one in found} == {"outcome.judge", "outcome.topic"}
    assert {one["segment"] for one in found} == {""}


def test_nothing_is_found_where_nothing_changed() -> None:
    assert not findings(lines(stream(9_000, 6, usual)))


def test_the_settings_of_an_outcome_are_those_of_its_segments() -> None:
    cases: tuple[tuple[dict[str, dict[str, object]], set[str]], ...] = (
        ({"judge": {"severity": "ticket"}, "topic": {"mute": True}}, {"ticket"}),
        ({"judge": {"direction": "up"}, "topic": {"mute": True}}, set()),
    )
    for model, severities in cases:
        found = [one for one in findings(lines(with_a_change(), outcomes=model)) if one["segment"]]
        assert {one["severity"] for one in found} == severities
        assert {one["subject"] for one in found} <= {"outcome.judge"}


def test_the_segments_of_a_feature_add_up_to_the_whole() -> None:
    known, segments = reference().outcomes, reference().segments
    assert known is not None
    assert segments is not None
    for one in known.values():
        for by in (0, 1):
            whole = merged_outcomes(own.tally for at, own in one.segments.items() if segments.whole[at] == by)
            assert (whole.total, whole.numbers, whole.texts()) == (
                one.tally.total,
                one.tally.numbers,
                one.tally.texts(),
            )
            assert not whole.cells(), "no grid is kept of segments"


def test_moments_of_a_segment_are_those_of_its_values() -> None:
    known = reference().outcomes
    assert known is not None
    expected = last_values(stream(10_000, 1, usual))
    in_low = np.array(list(expected["EDU=low"]["judge"].values()))
    low = known["judge"].segments[2]
    rows, total, squares, _ = low.moments(low.tally)[0]
    assert rows == pytest.approx(0.95 * len(in_low), rel=0.03)  # of 9,500 predictions
    assert squares / rows - (total / rows) ** 2 == pytest.approx(in_low.var(), rel=0.05)


def test_segments_of_a_feature_take_as_much_of_the_budget_as_all_values() -> None:
    def tests(*names: str) -> tuple[int, float]:
        asked = tree(*names)
        monitored = admission_of(asked, as_configured(reference(), asked.models[0])).monitored(CREDIT)
        assert monitored is not None
        known = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True).judge.outcomes
        return known.tests(), sum(one.segments.tests for one in known.each.values())

    whole, nothing = tests()
    assert nothing == 0
    for names in (("EDU",), ("region",), ("EDU", "region")):
        both, own = tests(*names)
        assert 0 < own <= whole * len(names) + 1e-9
        assert both == pytest.approx(whole + own, abs=3)


def test_settings_with_fewer_segments_keep_those_of_the_others() -> None:
    part, whole = as_configured(reference(), tree("region").models[0]).outcomes, reference().outcomes
    assert part is not None
    assert whole is not None
    for name, one in part.items():
        expected = {at - 5: own.tally for at, own in whole[name].segments.items() if at >= 5}
        assert {at: own.tally for at, own in one.segments.items()} == expected


def test_a_file_gives_the_segments_back_and_is_checked() -> None:
    body = json.loads(json.dumps(to_json(reference())))
    assert fault_of({**body, "hash": reference().hash}) == ""
    assert to_json(from_json(body))["outcomes"] == body["outcomes"]
    own = body["outcomes"]["judge"]["segments"]
    own[0][0] = 99
    assert "'judge': segments: not numbers of the file's 8 segments" in fault_of({**body, "hash": "sha256:0"})
    own[0][0], own[0][1]["kind"] = 0, "categorical"
    assert "segments[0]: its kind and categories are others" in fault_of({**body, "hash": "sha256:0"})


def test_texts_among_numbers_and_unknown_names_are_bounded_in_segments() -> None:
    of = [dict(one) for one in stream(400, 7, usual)]
    for at, one in enumerate(one for one in of if one["type"] == "label"):
        one["outcomes"] = {"judge": "late" if at % 4 == 0 else 0.5, "weather": at}
    made, _ = pipeline_of(
        asked := tree("EDU", "region"), admission_of(asked, reference()), MemorySource({EVENTS: of}), Recorded()
    )
    for _ in range(6):
        made.turn()
    totals = made.totals.labels.of(CREDIT)
    assert totals.outcomes.keys() >= {"judge", "weather"}
    for own in totals.segments.values():
        assert "weather" not in own.outcomes
        assert own.outcomes["judge"].counts.keys() <= {OTHER}
    by_edu = merged_outcomes(own.outcomes["judge"] for at, own in totals.segments.items() if at < 5)
    assert (by_edu.texts(), by_edu.numbers, by_edu.total) == (
        totals.outcomes["judge"].texts(), totals.outcomes["judge"].numbers, totals.outcomes["judge"].total,
    )  # fmt: skip
    assert isinstance(by_edu, OutcomeTally)
