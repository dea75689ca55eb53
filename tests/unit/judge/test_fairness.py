"""Fairness through the engine: a group that is refused or missed more often is a ticket, as soon as it is no chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.judge.causes.fairness import missed
from monitor.judge.windows.group_blocks import KEPT, GroupBlocks
from monitor.reference.column import PREDICTION
from monitor.reference.configured import contradictions
from monitor.reference.notes.fairness import fairness_lines
from monitor.reference.notes.segments import segment_performance
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.human_lines import human_line
from monitor.run.reference_build import build_reference
from monitor.settings.tree import Settings
from monitor.state.codec import decode, encode
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, build, replayed, settings, transitions_in

#: group -> share of positive labels, share of predictions that are right
Group = tuple[float, float]
FAIR: Group = (0.4, 0.85)


def tree(fairness: object = None, **model: object) -> Settings:
    asked = {"by": ["sex"]} if fairness is None else fairness
    return settings({"segments": ["sex"], "fairness": asked, **model})


def decided(events: int, seed: int, groups: dict[str, Group], *, late: bool = False) -> list[Event]:
    """Labels, and predictions that are right so often; the group is a tag."""
    rng = np.random.default_rng(seed + 50)
    names = list(groups)
    made, labels = [], []
    for at, one in enumerate(Credit(events, seed=seed)):
        name = names[at % len(names)]
        positive, right = groups[name]
        label = int(rng.random() < positive)
        one |= {"prediction": label if rng.random() < right else 1 - label, "tags": {"sex": name}}
        if late:
            labels.append(
                {"type": "label", "model": "credit", "id": one["id"], "ts": one["ts"] + 30_000_000, "label": label}
            )
        else:
            one["label"] = label
        made.append(one)
    return sorted(made + labels, key=lambda one: one["ts"])


@cache
def reference(*, late: bool = False) -> Reference:
    stream = decided(4_000, 1, {"f": FAIR, "m": FAIR}, late=late)
    tree_of = settings({"segments": ["sex"], "labels": {"horizon": "1h"}})
    source = partial(MemorySource, {EVENTS: stream})
    return build_reference(tree_of, CREDIT, source, ManualClock(NOW_US), EventRange(rows=4_000))


def run(
    stream: Sequence[Event], asked: Settings | None = None, partitions: int = 1, known: Reference | None = None
) -> list[dict[str, Any]]:
    parts = {Partition(EVENTS.topic, at): list(stream[at::partitions]) for at in range(partitions)}
    return replayed(asked or tree(), known or reference(), MemorySource(parts))[0]


def found(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    each = [one for line in transitions_in(list(lines)) for one in line["findings"]]
    return [one for one in each if one["cause"] == "fairness"]


def test_a_group_that_gets_the_outcome_less_often_is_a_ticket_that_says_by_how_much_and_of_how_many() -> None:
    stream = decided(5_000, 2, {"f": (0.2, 0.85), "m": (0.45, 0.85)})
    lines = run(stream)
    tickets = [one for one in found(lines) if one["figure"] == "disparate_impact"]
    assert tickets
    assert {(one["subject"], one["segment"], one["severity"], one["direction"]) for one in tickets} == {
        ("credit", "sex=f", "ticket", "down")
    }
    rate = {
        name: np.mean([one["prediction"] == 1 for one in stream if one["tags"]["sex"] == name]) for name in ("f", "m")
    }
    summary = lines[-1]["models"][0]["fairness"]["sex"]
    impact = summary["disparate_impact"]
    assert impact["value"] == pytest.approx(rate["f"] / rate["m"], abs=0.02)
    assert impact["interval"][0] < impact["value"] < impact["interval"][1] < impact["permitted"] == 0.8
    assert summary["groups"]["sex=f"]["positive_rate"]["value"] == pytest.approx(rate["f"], abs=0.01)
    assert summary["groups"]["sex=f"]["positive_rate"]["samples"] == pytest.approx(2_500, abs=150)
    first = tickets[0]
    assert "95 % interval" in first["detail"]
    assert "permitted 0.80" in first["detail"]
    assert "sex=f" in first["detail"]
    assert "predictions and sex=m" in first["detail"]
    assert first["value"] < first["threshold"] == 0.8
    assert first["p"] < 1e-3


@pytest.mark.parametrize("late", [False, True])
def test_a_group_whose_positives_are_missed_more_often_is_a_ticket(*, late: bool) -> None:
    stream = decided(5_000, 3, {"f": (0.4, 0.55), "m": (0.4, 0.9)}, late=late)
    lines = run(stream, tree(labels={"horizon": "1h"}), known=reference(late=late))
    of = [one for one in found(lines) if one["figure"] == "equal_opportunity"]
    assert {(one["segment"], one["severity"]) for one in of} == {("sex=f", "ticket")}
    true_positive = {
        name: summary["true_positive_rate"]["value"]
        for name, summary in lines[-1]["models"][0]["fairness"]["sex"]["groups"].items()
    }
    assert true_positive["sex=f"] == pytest.approx(0.55, abs=0.04)
    assert true_positive["sex=m"] == pytest.approx(0.9, abs=0.04)
    assert of[0]["detail"].startswith("equal opportunity difference 0.")
    assert "labelled positives and sex=m" in of[0]["detail"]


def test_how_many_are_missed_is_said_of_both_groups() -> None:
    words = missed(("sex=F", (104, 32)), ("sex=M", (150, 108)))
    assert words == "69 % are missed in sex=F, 28 % in sex=M: 41 points more"


def test_groups_as_far_apart_as_permitted_are_no_finding() -> None:
    """Fewer positives, and more is permitted; the same stream is a ticket where less is."""
    stream = decided(4_000, 4, {"f": (0.25, 0.85), "m": (0.4, 0.85)})
    lenient = tree({"by": ["sex"], "disparate_impact": 0.6, "equal_opportunity": 0.3})
    assert not found(run(stream, lenient))
    strict = tree({"by": ["sex"], "disparate_impact": 0.98, "equal_opportunity": None})
    assert {one["figure"] for one in found(run(stream, strict))} == {"disparate_impact"}


def test_severity_and_the_favourable_class_are_settings() -> None:
    """Of a model of refusals class 0 is what is good for whom it is about."""
    stream = decided(5_000, 5, {"f": (0.6, 0.9), "m": (0.2, 0.9)})
    asked = tree({"by": ["sex"], "favourable": 0, "equal_opportunity": None}, severity={"fairness": "page"})
    of = found(run(stream, asked))
    assert {(one["segment"], one["severity"]) for one in of} == {("sex=f", "page")}
    assert not found(run(stream, settings({"segments": ["sex"]})))


def test_a_ticket_ends_when_the_groups_are_alike_again() -> None:
    unfair, fair = {"f": (0.15, 0.9), "m": (0.5, 0.9)}, {"f": (0.4, 0.9), "m": (0.4, 0.9)}
    first = decided(2_000, 6, unfair)
    shift = first[-1]["ts"] - Credit(1, seed=7).__iter__().__next__()["ts"] + 1_000_000
    then = [one | {"ts": one["ts"] + shift} for one in decided(9_000, 7, fair)]
    lines = run(first + then)
    transitions = transitions_in(lines)
    assert found(lines)
    assert not [one for one in transitions[-1]["findings"] if one["cause"] == "fairness"]


def test_nothing_depends_on_partitions() -> None:
    stream = decided(3_000, 8, {"f": (0.2, 0.85), "m": (0.45, 0.85)})
    one, several = run(stream), run(stream, partitions=3)
    assert several[-1]["models"] == one[-1]["models"]
    assert [{**of, "records": {}} for of in found(several)] == [{**of, "records": {}} for of in found(one)]


def test_a_reference_without_the_class_is_a_contradiction() -> None:
    wrong = tree({"by": ["sex"], "favourable": "granted"}).models[0]
    assert list(contradictions(reference(), wrong)) == [
        "fairness.favourable: 'granted' is no predicted class of the reference; write one of 0, 1"
    ]
    assert list(contradictions(reference(), tree().models[0])) == []


def test_blocks_are_the_same_after_a_restart_wherever_it_is() -> None:
    rng = np.random.default_rng(9)
    parts = [rng.integers(0, 60, (3, 2)) for _ in range(300)]
    whole, cut = GroupBlocks(3), GroupBlocks(3)
    for at, part in enumerate(parts):
        rows = int(part[:, 0].sum())
        assert whole.add(at, at + 1, part, rows) == cut.add(at, at + 1, part, rows)
        again = GroupBlocks(3)
        again.restore(decode(encode(cut.to_state())))
        cut = again
    assert whole.held == KEPT
    for blocks in (1, 7, KEPT):
        np.testing.assert_array_equal(whole.newest(blocks), cut.newest(blocks))
        assert whole.span(blocks) == cut.span(blocks)
    assert whole.newest(KEPT + 1) is None
    assert whole.due() == cut.due()


def test_fairness_is_in_the_text_of_a_replay_though_nothing_is_wrong() -> None:
    lines = run(decided(2_000, 6, {"f": FAIR, "m": FAIR}))
    assert found(lines) == []
    summary = lines[-1]["models"][0]["fairness"]["sex"]["disparate_impact"]
    lower, upper = summary["interval"]
    (said,) = [line for line in str(human_line(lines[-1])).splitlines() if "fairness" in line]
    shown = f"{summary['value']:.2f} ({lower:.2f} to {upper:.2f}), permitted 0.80"
    assert said.startswith(f"  fairness by sex: disparate impact {shown}: sex=")
    assert "; equal opportunity " in said


def test_what_a_reference_compares_is_said_and_what_it_lacks_for_it() -> None:
    both = list(fairness_lines(reference(), tree().models[0]))
    said = "by sex, 2 groups: disparate impact at least 0.80, equal opportunity within 0.10; favourable: 1"
    assert both == [(True, said)]
    assert list(fairness_lines(reference(), settings({"segments": ["sex"]}).models[0])) == []
    events = decided(800, 1, {"f": FAIR, "m": FAIR})
    rare = build(tree(), [one | {"tags": {"sex": "x"}} if at % 20 == 0 else one for at, one in enumerate(events)])
    others = "; the other 5 % of the events are in no group: one is a value with 250 events of the reference, of the"
    assert list(fairness_lines(rare, tree().models[0])) == [(True, f"{said}{others} 20 most frequent")]
    lone = build(tree(), decided(600, 1, {"f": FAIR}))
    assert list(fairness_lines(lone, tree().models[0])) == [
        (False, "by sex: not judged: the reference has 1 group, and a group needs 250 events of one value")
    ]
    assert segment_performance(reference()) == (
        "performance by segment: judged in 2 of 3 segments; the others have fewer than 250 labels"
    )
    known = reference().performance
    assert known is not None
    uncut = replace(reference(), performance=replace(known, segments={}))
    assert "not judged: the labels of this reference are not cut" in segment_performance(uncut)
    names = tuple(f"class {at}" for at in range(90))
    columns = [
        replace(one, bins=replace(one.bins, categories=names)) if one.role == PREDICTION else one
        for one in reference().columns
    ]
    many = replace(reference(), task="multiclass", columns=tuple(columns))
    assert "not judged: the confusion matrices of 3 segments" in segment_performance(many)


def test_a_class_that_is_not_predicted_is_a_fault_when_a_reference_is_built_too() -> None:
    with pytest.raises(UsageError, match=r"fairness.favourable: 'yes' is no predicted class of the reference; write"):
        build(tree({"by": ["sex"], "favourable": "yes"}), decided(600, 1, {"f": FAIR}))
    three = [one | {"prediction": ("a", "b", "c")[at % 3]} for at, one in enumerate(Credit(600))]
    asked = settings({"task": "multiclass", "segments": ["EDU"], "fairness": {"by": ["EDU"]}})
    with pytest.raises(UsageError, match=r"fairness.favourable: is missing; write one of a, b, c"):
        build(asked, [{name: value for name, value in one.items() if name != "score"} for one in three])


def test_settings_that_compare_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Sex is not in segments; add it there; did you mean sex\?"):
        tree({"by": ["Sex"]})
    with pytest.raises(ValueError, match="disparate_impact and equal_opportunity are both null: write one of them"):
        tree({"by": ["sex"], "disparate_impact": None, "equal_opportunity": None})
