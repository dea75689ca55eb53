"""Performance by segment: the figures of each, and findings of what one segment alone has."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from monitor.clock import DAY_US
from monitor.events import Partition
from monitor.judge.causes.segment_errors import LEAST_SHOWN
from monitor.judge.model import ModelJudge
from monitor.reference.configured import as_configured
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.reference import Reference
from monitor.run.human_lines import human_line
from monitor.settings.tree import Settings
from monitor.state.codec import decode, encode
from monitor.stats.performance.label_sums import SCORE_STEPS
from monitor.stats.performance.label_tally import LabelTally, merged_labels
from tests.engine import (
    CREDIT,
    EVENTS,
    Credit,
    Event,
    MemorySource,
    admission_of,
    build,
    event,
    replayed,
    settings,
    transitions_in,
)

CHANGE = 2_500
Wrong = Callable[[str, int], float]


def tree(*names: str, **over: object) -> Settings:
    return settings({"segments": list(names), **over})


def labelled(events: int, seed: int, wrong: Wrong, *, late: float | None = None) -> list[Event]:
    """Labels of which a share `wrong(EDU, place)` is not as predicted; a tag `region` for two of three.

    `late` seconds after their predictions, else with them.
    """
    lots = np.random.default_rng(seed + 100).random(events).tolist()
    made, labels = [], []
    for at, (one, lot) in enumerate(zip(Credit(events, seed=seed), lots, strict=True)):
        is_wrong = lot < wrong(one["features"]["EDU"], at)
        label = 1 - one["prediction"] if is_wrong else one["prediction"]
        tags = {"region": "ns"[at % 2]} if at % 3 else {}
        if late is None:
            made.append(one | {"tags": tags, "label": label})
        else:
            made.append(one | {"tags": tags})
            labels.append(
                {
                    "type": "label",
                    "model": "credit",
                    "id": one["id"],
                    "ts": one["ts"] + round(late * 1e6),
                    "label": label,
                }
            )
    return made + labels if late is None else sorted(made + labels, key=lambda one: one["ts"])


def usual(_edu: str, _at: int) -> float:
    return 0.2


def low_is_worse(edu: str, at: int) -> float:
    return 0.5 if edu == "low" and at >= CHANGE else 0.2


def all_are_worse(_edu: str, at: int) -> float:
    return 0.5 if at >= CHANGE else 0.2


@cache
def reference() -> Reference:
    return build(tree("EDU", "region"), labelled(9_000, 1, usual))


def lines(stream: Sequence[Event], *, partitions: int = 1, windows: bool = False) -> list[dict[str, Any]]:
    parts = {Partition(EVENTS.topic, at): list(stream[at::partitions]) for at in range(partitions)}
    return replayed(tree("EDU", "region"), reference(), MemorySource(parts), windows=windows)[0]


def findings(got: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for line in transitions_in(list(got)) for one in line["findings"]]


def value_of(one: Event, name: str) -> str:
    known = {"EDU": ("high", "middle", "low", "none"), "region": ("n", "s")}[name]
    value = one["features"][name] if name == "EDU" else one.get("tags", {}).get(name)
    return value if value in known else "other"


def test_the_figures_of_each_segment_are_those_of_its_rows_by_scikit_learn() -> None:
    stream = labelled(2_000, 3, low_is_worse)
    summary = lines(stream)[-1]["models"][0]
    wanted = {f"{name}={value_of(one, name)}" for name in ("EDU", "region") for one in stream}
    assert set(summary["segments"]) == wanted
    for segment, own in summary["segments"].items():
        name, value = segment.split("=")
        rows = [one for one in stream if value_of(one, name) == value]
        label, predicted = [one["label"] for one in rows], [one["prediction"] for one in rows]
        got = {figure: of["realised"] for figure, of in own["performance"].items()}
        assert own["labels"] == len(rows)
        assert got["accuracy"] == pytest.approx(metrics.accuracy_score(label, predicted))
        assert got["recall"] == pytest.approx(metrics.recall_score(label, predicted))
        assert got["precision"] == pytest.approx(metrics.precision_score(label, predicted))
        assert got["mcc"] == pytest.approx(metrics.matthews_corrcoef(label, predicted))
        assert got["brier"] == pytest.approx(metrics.brier_score_loss(label, [one["score"] for one in rows]))
        assert got["log_loss"] == pytest.approx(metrics.log_loss(label, [one["score"] for one in rows]))
        assert not {"roc_auc", "pr_auc", "calibration_error"} & set(got), "scores are not kept by segment"
    assert "EDU=low by " in str(
        human_line(
            {"seconds": 1.0, "reasons": {}, "outcomes": {}, "records": 1, "kind": "summary", "models": [summary]}
        )
    )


def test_the_segments_of_a_feature_add_up_to_the_whole() -> None:
    part, segments = reference().performance, reference().segments
    assert part is not None
    assert segments is not None
    assert set(part.segments) == {0, 1, 2, 3, 5, 6, 7}  # no event lacks EDU
    for by in (0, 1):
        whole = merged_labels(one.tally for at, one in part.segments.items() if segments.whole[at] == by)
        sums = {name: total for name, total in part.tally.sums.items() if name not in SCORE_STEPS}
        assert whole == LabelTally(part.tally.labels, part.tally.pairs, {}, sums)


def test_a_fall_in_one_segment_names_it() -> None:
    stream = labelled(5_000, 2, low_is_worse)
    got = lines(stream)
    own = [one for one in findings(got) if one["segment"]]
    assert {one["segment"] for one in own} == {"EDU=low"}
    accuracy = next(one for one in own if one["figure"] == "accuracy")
    assert (accuracy["subject"], accuracy["cause"], accuracy["direction"]) == ("credit", "performance", "down")
    assert accuracy["severity"] == "page"
    assert 0.4 < accuracy["value"] < accuracy["threshold"] < 0.8
    opened = next(line for line in transitions_in(got) if any(one["segment"] for one in line["findings"]))
    assert CHANGE < opened["predictions"] <= CHANGE + 1_500
    rows = [one for one in stream if one["features"]["EDU"] == "low"]
    assert accuracy["detail"].startswith("by ")
    assert int(accuracy["detail"].split()[1].replace(",", "")) < len(rows)
    assert "in EDU=low of 1,000 predictions about" in opened["summary"]
    assert "more are wrong than in the reference, not so in the others" in opened["summary"]


def of_classes(events: int, seed: int, class_of: Callable[[bool, int, float], str]) -> list[Event]:
    """Predictions of a or b where EDU is low, else of a, b or c; one label in ten is a or b, whatever was predicted.

    `class_of(is_low, place, lot)` gives another label, "" where it is as usual.
    """
    lots = np.random.default_rng(seed).random((events, 4)).tolist()
    made = []
    for at, (low, predicted, wrong, lot) in enumerate(lots):
        is_low = low < 0.4
        own = "ab"[int(2 * predicted)] if is_low else "abc"[int(3 * predicted)]
        usual = own if wrong < 0.9 else "ab"[wrong < 0.95]
        label = class_of(is_low, at, lot) or usual
        made.append(
            event(at * 0.5, id=f"p{at}", features={"EDU": "low" if is_low else "high"}, prediction=own, label=label)
        )
    return made


@pytest.mark.parametrize(("label", "is_new"), [("c", False), ("d", True)])
def test_a_class_that_only_a_segment_never_had_is_none_that_the_reference_never_had(label: str, is_new: bool) -> None:
    asked = settings({"task": "multiclass", "segments": ["EDU"]})
    known = build(asked, of_classes(8_000, 1, lambda *_: ""))
    stream = of_classes(6_000, 2, lambda low, at, lot: label if low and at >= CHANGE and lot < 0.3 else "")
    got, _ = replayed(asked, known, MemorySource({EVENTS: stream}))
    found = [one for one in findings(got) if one["segment"] == "EDU=low" and one["cause"] == "performance"]
    assert found
    said = json.dumps([line["summary"] for line in transitions_in(got)] + [one["detail"] for one in found])
    assert ("a class that the reference never had" in said) == is_new


def test_a_fall_of_all_is_told_once() -> None:
    found = findings(lines(labelled(5_000, 4, all_are_worse)))
    assert any(one["figure"] == "accuracy" for one in found)
    assert {one["segment"] for one in found if one["cause"] in {"performance", "calibration"}} == {""}


def test_nothing_depends_on_partitions_nor_on_how_late_labels_come() -> None:
    stream = labelled(4_000, 5, low_is_worse)
    one, several = lines(stream), lines(stream, partitions=3)
    assert several[-1]["models"] == one[-1]["models"]
    told = [[{**found, "records": {}} for found in findings(of)] for of in (one, several)]
    assert told[0] == told[1]
    late = lines(labelled(4_000, 5, low_is_worse, late=30.0))[-1]["models"][0]
    assert late["segments"] == one[-1]["models"][0]["segments"]


def test_windows_have_the_figures_of_segments() -> None:
    stream = labelled(1_200, 6, usual)
    windows = [line for line in lines(stream, windows=True) if line["kind"] == "window" and "labels" in line]
    first = windows[0]
    for segment in ("EDU=high", "region=other"):
        name, value = segment.split("=")
        rows = [one for one in stream[: first["labels"]] if value_of(one, name) == value]
        right = sum(one["label"] == one["prediction"] for one in rows)
        own = first["segments"][segment]
        assert own["labels"] == len(rows)
        assert own["performance"]["accuracy"]["realised"] == pytest.approx(right / len(rows))
    assert all(own["labels"] >= LEAST_SHOWN for one in windows for own in one["segments"].values())


def test_segments_of_a_feature_take_as_much_of_the_budget_as_all_labels() -> None:
    def tests(*names: str) -> tuple[int, float]:
        asked = tree(*names)
        monitored = admission_of(asked, as_configured(reference(), asked.models[0])).monitored(CREDIT)
        assert monitored is not None
        known = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True).judge.performance
        return known.tests(), known.errors.segments.tests

    whole, nothing = tests()
    assert nothing == 0
    for names in (("EDU",), ("region",), ("EDU", "region")):
        both, own = tests(*names)
        assert 0 < own <= whole * len(names) + 1e-9
        assert both == pytest.approx(whole + own, abs=1)


def test_settings_with_fewer_segments_keep_those_of_the_others() -> None:
    part = as_configured(reference(), tree("region").models[0]).performance
    whole = reference().performance
    assert part is not None
    assert whole is not None
    assert {at: one.tally for at, one in part.segments.items()} == {
        at - 5: one.tally for at, one in whole.segments.items() if at >= 5
    }
    assert as_configured(reference(), tree().models[0]).performance == replace(whole, segments={})


def test_a_file_gives_the_segments_back() -> None:
    body = json.loads(json.dumps(to_json(reference())))
    assert fault_of({**body, "hash": reference().hash}) == ""
    back, known = from_json(body).performance, reference().performance
    assert back is not None
    assert known is not None
    assert {at: one.to_plain() for at, one in back.segments.items()} == {
        at: one.to_plain() for at, one in known.segments.items()
    }
    body["performance"]["segments"][0][0] = 99
    assert fault_of({**body, "hash": "sha256:0"}).startswith(
        "performance.segments: not numbers of the file's 8 segments"
    )


def test_a_state_goes_on_where_it_was_saved() -> None:
    """Windows by segment are made again from a saved state, to the last digit."""
    asked = tree("EDU", "region")
    monitored = admission_of(asked, reference()).monitored(CREDIT)
    assert monitored is not None
    judges = [ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True) for _ in range(2)]
    part = reference().performance
    assert part is not None
    cut = {at: LabelTally(0, {("1", "1"): 3, ("0", "1"): 1}) for at in range(3)}
    whole = LabelTally(0, {("1", "1"): 60, ("0", "1"): 20}, segments=cut)
    pyramids = [one.judge.performance.errors.windows for one in judges]
    for at in range(9):
        pyramids[0].add(at, at + 1, whole, {})
    pyramids[1].restore(decode(encode(pyramids[0].to_state())))
    windows = [[one.add(9 + at, 10 + at, whole, {}) for at in range(3)][-1] for one in pyramids]
    assert windows[0]
    for one, other in zip(*windows, strict=True):
        assert one.tally == other.tally
        np.testing.assert_array_equal(pyramids[0].in_segments(one, 8), pyramids[1].in_segments(other, 8))
