"""Performance through the engine: what falls pages once, what rises does not, and nothing depends on cuts."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.events import Partition
from monitor.judge.comparison.means import Measured
from monitor.judge.words.errors import new_classes
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.performance_part import is_judged
from monitor.reference.reference import Reference
from monitor.run.human_lines import human_line
from monitor.stats.performance.figures import figures
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.testing.mean_difference import Difference
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    build,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)

CHANGE = 3_000


def labelled(events: int, seed: int, wrong: float, then: float, change: int = CHANGE) -> tuple[Event, ...]:
    """Labels of which so many are not as predicted, before and after the change; one in five has none."""
    lots = np.random.default_rng(seed + 100).random((events, 2)).tolist()
    made = []
    for at, (event, (lot, held)) in enumerate(zip(Credit(events, seed=seed), lots, strict=True)):
        is_wrong = lot < (then if at >= change else wrong)
        if held > 0.2:
            event["label"] = 1 - event["prediction"] if is_wrong else event["prediction"]
        made.append(event)
    return tuple(made)


@cache
def reference(wrong: float = 0.35) -> Reference:
    return build(settings(), list(labelled(8_000, 1, wrong, wrong)))


def lines(stream: tuple[Event, ...], known: Reference, *, partitions: int = 1, **model: object) -> list[dict[str, Any]]:
    parts = {Partition(EVENTS.topic, at): stream[at::partitions] for at in range(partitions)}
    return replayed(settings(model), known, MemorySource(parts))[0]


def test_accuracy_that_falls_from_065_to_035_is_one_page_that_says_so() -> None:
    stream = labelled(6_000, 2, 0.35, 0.65)
    got = lines(stream, reference())
    opened, *others = transitions_in(got)
    assert (opened["transition"], opened["severity"]) == ("opened", "page")
    assert {other["transition"] for other in others} <= {"updated"}
    assert CHANGE < opened["predictions"] <= CHANGE + 650
    (accuracy,) = [one for one in others[-1]["findings"] if one.get("figure") == "accuracy"]
    assert (accuracy["subject"], accuracy["cause"], accuracy["direction"]) == ("credit", "performance", "down")
    assert 0.3 < accuracy["value"] < accuracy["threshold"] < 0.65
    assert accuracy["effect"] == pytest.approx(0.65 - accuracy["value"], abs=0.02)
    assert accuracy["detail"].startswith(f"by {accuracy['window']['events']:,} labels: accuracy 0.65")
    assert re.search(r"of 1,000 predictions about \d+ more are wrong than in the reference", opened["summary"])


def test_labels_of_a_class_that_the_reference_never_had_are_said_where_accuracy_falls() -> None:
    stream = list(labelled(6_000, 2, 0.35, 0.35))
    lots = np.random.default_rng(7).random(6_000).tolist()
    for event, lot in zip(stream[CHANGE:], lots, strict=False):
        if "label" in event and lot < 0.4:
            event["label"] = "withdrawn"
    opened = transitions_in(lines(tuple(stream), reference()))[0]
    share = r"\d\d\.?\d? % of the labels are of a class that the reference never had"
    assert re.search(f"more are wrong than in the reference: {share}", opened["summary"])
    (accuracy,) = [one for one in opened["findings"] if one.get("figure") == "accuracy"]
    assert re.search(share, accuracy["detail"])
    usual = transitions_in(lines(labelled(6_000, 2, 0.35, 0.65), reference()))[0]
    assert "never had" not in json.dumps(usual)


def test_the_share_of_new_classes_is_that_of_labels_whose_class_no_pair_of_the_reference_names() -> None:
    known = LabelTally(pairs={("a", "a"): 5, ("a", "b"): 1})
    assert new_classes(LabelTally(pairs={("a", "b"): 6, ("b", "a"): 2, ("(other)", "a"): 2}), known) == 0.2
    assert new_classes(LabelTally(pairs={("a", "a"): 6}), known) == 0.0
    assert new_classes(LabelTally(pairs={("x", "a"): 6}), LabelTally(labels=3)) == 0.0


def test_the_summary_has_every_figure_of_all_labels() -> None:
    stream = labelled(3_000, 3, 0.3, 0.3)
    summary = lines(stream, reference())[-1]["models"][0]
    pairs = [(event["label"], event["prediction"]) for event in stream if "label" in event]
    right = sum(label == predicted for label, predicted in pairs) / len(pairs)
    assert summary["performance"]["accuracy"]["realised"] == pytest.approx(right)
    assert set(summary["performance"]) >= {"recall", "f1", "mcc", "log_loss", "brier", "roc_auc", "pr_auc"}


def test_fewer_errors_are_no_finding() -> None:
    got = lines(labelled(8_000, 4, 0.35, 0.05), reference())
    found = [one for line in transitions_in(got) for one in line["findings"] if one["cause"] == "performance"]
    assert not found


@pytest.mark.parametrize("partitions", [2, 3])
def test_nothing_depends_on_partitions(partitions: int) -> None:
    stream = labelled(5_000, 5, 0.35, 0.5)
    one, several = lines(stream, reference()), lines(stream, reference(), partitions=partitions)

    def told(of: list[dict[str, Any]]) -> list[Any]:
        return [
            (line["transition"], line["at"], [{**f, "records": {}} for f in line["findings"]])
            for line in transitions_in(of)
        ]

    assert told(one)
    assert told(several) == told(one)


def test_a_tolerated_fall_is_no_finding_and_severity_is_a_setting() -> None:
    stream = labelled(6_000, 6, 0.35, 0.5)
    assert any(line["severity"] == "page" for line in transitions_in(lines(stream, reference())))
    tolerance = dict.fromkeys(("accuracy", "recall", "precision", "calibration_error"), 0.5)
    assert not transitions_in(lines(stream, reference(), tolerance=tolerance))
    milder = {"performance": "ticket", "calibration": "ticket"}
    assert {line["severity"] for line in transitions_in(lines(stream, reference(), severity=milder))} == {"ticket"}


def test_a_page_of_performance_ends_when_the_model_is_right_again() -> None:
    worse = labelled(5_000, 7, 0.35, 0.7)
    again = labelled(4_000, 8, 0.35, 0.35)
    last = worse[-1]["ts"]
    moved = tuple(event | {"ts": last + event["ts"] - again[0]["ts"] + 1} for event in again)
    got = transitions_in(lines((*worse, *moved), reference()))
    ends = [line["transition"] for line in got if line["transition"] in {"opened", "resolved"}]
    assert ends == ["opened", "resolved"]


def test_what_predictions_cost_is_a_finding_in_the_business_unit() -> None:
    costs = {"false_positive": 1, "false_negative": 25}
    got = lines(labelled(6_000, 9, 0.35, 0.65), reference(), costs=costs)
    found = {one.get("figure"): one for one in transitions_in(got)[-1]["findings"]}
    cost = found["cost_per_thousand"]
    assert (cost["cause"], cost["direction"], cost["effect_unit"]) == ("cost", "up", "share of the reference's")
    known = reference().performance
    assert known is not None
    missed = sum(n for (label, predicted), n in known.tally.pairs.items() if (label, predicted) == ("1", "0"))
    wrong = sum(n for (label, predicted), n in known.tally.pairs.items() if (label, predicted) == ("0", "1"))
    before = 1_000 * (25 * missed + wrong) / known.tally.paired
    assert cost["value"] == pytest.approx(before * (1 + cost["effect"]), rel=1e-6)
    assert got[-1]["models"][0]["performance"]["cost_per_thousand"]["realised"] > before


def test_without_labels_in_the_reference_performance_is_shown_and_not_judged() -> None:
    known = credit_reference()
    assert known.performance is None
    got = lines(labelled(6_000, 2, 0.35, 0.65), known)
    assert not [one for line in transitions_in(got) for one in line["findings"] if one["cause"] == "performance"]
    assert got[-1]["models"][0]["performance"]["accuracy"]["realised"] == pytest.approx(0.5, abs=0.03)
    assert [line for line in got if line["kind"] == "finding" and line["figure"] == "error_rate"]


def test_a_reference_file_keeps_its_performance_and_is_checked() -> None:
    body = to_json(reference())
    assert fault_of(body) == ""
    again = from_json(body)
    assert to_json(again) == body
    assert is_judged(again.performance)
    assert again.performance is not None
    assert figures(again.performance.tally, again.meaning)["accuracy"] == pytest.approx(0.65, abs=0.02)
    for spoil, fault in (
        ({"errors": {"luck": body["performance"]["errors"]["accuracy"]}}, "no error of the task"),
        ({"tally": body["performance"]["tally"] | {"label_sums": {"luck": "1"}}}, "a name is not known"),
        ({"windows": -1}, "performance.windows"),
    ):
        assert fault in fault_of(body | {"performance": body["performance"] | spoil})


def test_numbers_are_judged_by_the_size_of_their_errors() -> None:
    def stream(events: int, seed: int, sd: float, then: float, bias: float = 0.0) -> tuple[Event, ...]:
        rng = np.random.default_rng(seed)
        made = []
        for at, event in enumerate(Credit(events, seed=seed)):
            event.pop("score")
            event["prediction"] = round(event["features"]["AGE"] * 2 + float(rng.normal()), 3)
            change = at >= CHANGE
            event["label"] = round(event["prediction"] + float(rng.normal(bias * change, then if change else sd)), 3)
            made.append(event)
        return tuple(made)

    known = build(settings(), list(stream(6_000, 11, 5.0, 5.0)))
    got = lines(stream(6_000, 12, 5.0, 10.0), known)
    found = {one.get("figure"): one for line in transitions_in(got) for one in line["findings"]}
    before, after = 5 * np.sqrt(2 / np.pi), 10 * np.sqrt(2 / np.pi)
    assert before < found["mae"]["threshold"] < found["mae"]["value"] < 1.1 * after
    assert found["mae"]["effect"] == pytest.approx(found["mae"]["value"] / before - 1, abs=0.05)
    assert found["mae"]["severity"] == "page"
    assert got[-1]["models"][0]["performance"]["mae"]["realised"] > 0
    low = lines(stream(6_000, 13, 5.0, 5.0, bias=3.0), known)
    of_bias = [one for line in transitions_in(low) for one in line["findings"] if one.get("figure") == "bias"]
    assert (of_bias[-1]["cause"], of_bias[-1]["direction"]) == ("calibration", "down")
    assert "too low" in next(line["summary"] for line in transitions_in(low))


def test_a_ticket_says_why_it_is_no_page() -> None:
    """A small rise, one in windows that the reference has too few of, and one of what varies slowly."""
    got = lines(labelled(6_000, 2, 0.35, 0.65), reference())
    assert all(
        (one["severity"] == "page") == ("at most a ticket" not in one["detail"])
        for line in transitions_in(got)
        for one in line["findings"]
        if one["cause"] in {"performance", "calibration"}
    )
    nothing = np.zeros(2)
    flags = [np.array(each) for each in ((True, False), (True, True), (False, False))]
    some, all_of, none = flags
    difference = Difference(nothing, nothing, nothing, nothing)
    said = {
        name: Measured(difference, nothing, nothing, nothing, large, known, settled)
        for name, large, known, settled in (
            ("small", some, all_of, True),
            ("few", all_of, none, True),
            ("slow", all_of, all_of, False),
        )
    }
    assert said["small"].large.tolist() == [True, False]
    assert [said["small"].ticket_reason(at) for at in range(2)] == [
        "",
        "the change is not surely above the least effect of a page",
    ]
    assert not said["few"].large.any()
    assert "too few windows of this size" in said["few"].ticket_reason(0)
    assert not said["slow"].large.any()
    assert "varies too slowly" in said["slow"].ticket_reason(0)


def test_fewer_labels_with_scores_than_labels_are_said() -> None:
    stream = [
        {name: value for name, value in one.items() if name != "score" or at % 4}
        for at, one in enumerate(labelled(2_000, 2, 0.35, 0.35))
    ]
    summary = lines(tuple(stream), reference())[-1]
    scored = sum("label" in one and "score" in one for one in stream)
    assert summary["models"][0]["labels_with_scores"] == scored
    assert f"labels, log_loss, brier and areas by {scored:,} with scores: accuracy" in str(human_line(summary))
    whole = lines(labelled(2_000, 2, 0.35, 0.35), reference())[-1]
    assert "labels_with_scores" not in whole["models"][0]
