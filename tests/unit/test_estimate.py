"""Performance estimated before labels come, against an oracle that goes through the events row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from monitor.clock import ManualClock, parse_rfc3339
from monitor.reference.estimate import ClassEstimate, ErrorEstimate
from monitor.reference.file.encoding import from_json, to_json, with_hash
from monitor.reference.file.validity import fault_of
from monitor.reference.learn import estimate as learn_estimate
from monitor.reference.notes.estimate import ESTIMATED, estimate_note
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.human_lines import human_line
from monitor.run.reference_build import build_reference
from monitor.stats.bins.name_bins import hash_of
from monitor.stats.performance.figures import figures
from tests.engine import CREDIT, EVENTS, NOW_US, Event, MemorySource, build, event, replayed, settings

TOLERANCE = 1e-6
ROWS = 4_000
Floats = NDArray[np.float64]


def two_classes(rows: int, seed: int = 0, shift: float = 0.0, **over: Any) -> Iterator[Event]:  # noqa: ANN401  # fields of an event
    """Scores that are not calibrated: the true chance is their square root."""
    rng = np.random.default_rng(seed)
    for at in range(rows):
        score = float(np.clip(rng.beta(1, 2) + shift, 0, 1))
        own = {"score": score, "prediction": int(score > 0.4), "label": int(rng.random() < np.sqrt(score))}
        yield event(at / 10, **({"features": {"x": score}} | own | over))


def three_classes(rows: int, seed: int = 0) -> Iterator[Event]:
    rng = np.random.default_rng(seed)
    for at in range(rows):
        scores = rng.dirichlet([0.5, 1, 2])
        predicted, label = "abc"[int(scores.argmax())], "abcd"[int(rng.choice(4, p=[*(scores * 0.9), 0.1]))]
        by_class = dict(zip("abc", scores.tolist(), strict=True))
        yield event(at / 10, features={"x": float(scores[0])}, scores=by_class, prediction=predicted, label=label)


def numbers(rows: int, seed: int = 0, level: float = 0.0) -> Iterator[Event]:
    """The error grows with x, and is large in group b."""
    rng = np.random.default_rng(seed)
    for at in range(rows):
        x, group = float(rng.normal(level)), "ab"[int(rng.random() < 0.3)]
        predicted = 3 * x
        error = rng.normal() * (0.2 + np.exp(x / 2) + 2 * (group == "b"))
        yield event(at / 10, features={"x": x, "group": group}, prediction=predicted, label=predicted + float(error))


TASKS = {"binary": two_classes, "multiclass": three_classes, "regression": numbers}


@cache
def reference_of(task: str) -> Reference:
    return build(settings({"task": task}), list(TASKS[task](ROWS)))


def summary_of(task: str, stream: list[Event], reference: Reference | None = None, chunk: int = 500) -> dict[str, Any]:
    """By figure what the summary of a replay says."""
    source = MemorySource({EVENTS: stream}, chunk)
    _, ran = replayed(settings({"task": task}), reference or reference_of(task), source)
    found: dict[str, Any] = ran.summary["models"][0]["performance"]
    return found


def estimated_of(task: str, stream: list[Event], reference: Reference | None = None) -> dict[str, float]:
    performance = summary_of(task, stream, reference)
    return {figure: of["estimated"] for figure, of in performance.items() if "estimated" in of}


def without_labels(stream: Iterator[Event]) -> list[Event]:
    return [{name: value for name, value in one.items() if name != "label"} for one in stream]


def test_two_classes_are_estimated_as_row_by_row() -> None:
    estimate = reference_of("binary").estimate
    assert isinstance(estimate, ClassEstimate)
    stream = without_labels(two_classes(3_000, seed=1, shift=0.1))
    score, predicted = (np.array([one[name] for one in stream]) for name in ("score", "prediction"))
    # the calibrated score of each row: the first edge that is not below it ends its bin
    chance = np.array([estimate.right[1][sum(edge < one for edge in estimate.edges)] for one in score.tolist()])
    is_one = predicted == 1
    hits, alarms, misses = chance[is_one].sum(), (1 - chance[is_one]).sum(), chance[~is_one].sum()
    rejections = (1 - chance[~is_one]).sum()
    bins = np.searchsorted(estimate.edges, score)
    both = np.repeat([1, 0], len(score)), np.tile(bins, 2), np.concatenate([chance, 1 - chance])
    expected = {
        "accuracy": np.where(is_one, chance, 1 - chance).mean(),
        "precision": hits / (hits + alarms),
        "recall": hits / (hits + misses),
        "f1": 2 * hits / (2 * hits + alarms + misses),
        "balanced_accuracy": (hits / (hits + misses) + rejections / (rejections + alarms)) / 2,
        "roc_auc": roc_auc_score(both[0], both[1], sample_weight=both[2]),
        "pr_auc": average_precision_score(both[0], both[1], sample_weight=both[2]),
    }
    found = estimated_of("binary", stream)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=TOLERANCE)


def test_the_calibration_is_that_of_the_reference_not_the_scores_own() -> None:
    stream = list(two_classes(20_000, seed=2))
    performance = summary_of("binary", stream)
    error = np.sqrt(0.25 / len(stream)) + np.sqrt(0.25 / ROWS)
    found = performance["accuracy"]
    assert found["estimated"] == pytest.approx(found["realised"], abs=3 * error)
    raw = np.mean([one["score"] if one["prediction"] else 1 - one["score"] for one in stream])
    assert abs(raw - found["realised"]) > 6 * error, "else nothing is shown"


def test_three_classes_are_estimated_as_row_by_row() -> None:
    estimate = reference_of("multiclass").estimate
    assert isinstance(estimate, ClassEstimate)
    assert estimate.classes == ("a", "b", "c")
    stream = without_labels(three_classes(3_000, seed=1))
    table = np.zeros((4, 3))
    for one in stream:
        place = estimate.classes.index(one["prediction"])
        confidence = one["scores"][one["prediction"]]
        right = estimate.right[place][sum(edge < confidence for edge in estimate.edges)]
        for label in range(4):
            table[label, place] += right if label == place else (1 - right) * estimate.wrong[place, label]
    precision, recall = table.diagonal() / table.sum(0), table.diagonal() / table.sum(1)[:3]
    expected = {"accuracy": table.trace() / len(stream), "precision": precision.mean(), "recall": recall.mean()}
    expected |= {"balanced_accuracy": recall.mean()}
    found = estimated_of("multiclass", stream)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=TOLERANCE)


def test_three_classes_have_what_labels_say_of_all_probabilities_in_a_replay_and_in_the_reference() -> None:
    body = json.loads(json.dumps(to_json(reference_of("multiclass"))))
    assert fault_of(body) == ""
    kept, stream = from_json(body), list(three_classes(3_000, seed=1))
    realised = {name: of["realised"] for name, of in summary_of("multiclass", stream).items() if "realised" in of}
    assert kept.performance is not None
    learned = list(three_classes(ROWS))[: kept.performance.tally.total]
    for found, rows in ((realised, stream), (figures(kept.performance.tally, kept.meaning), learned)):
        known = [one for one in rows if one["label"] != "d"]  # it has no probability
        label, scores = [one["label"] for one in known], [list(one["scores"].values()) for one in known]
        exact = {"log_loss": log_loss(label, scores), "brier": brier_score_loss(label, scores)}
        assert {name: found[name] for name in exact} == pytest.approx(exact, abs=TOLERANCE)
        assert found["roc_auc"] == pytest.approx(roc_auc_score(label, scores, multi_class="ovr"), abs=1e-3)
        assert found["accuracy"] == pytest.approx(np.mean([one["label"] == one["prediction"] for one in rows]))


def test_a_regression_is_estimated_as_row_by_row() -> None:
    reference = reference_of("regression")
    estimate = reference.estimate
    assert isinstance(estimate, ErrorEstimate)
    stream = without_labels(numbers(3_000, seed=1, level=0.5))
    absolute, squared = [], []
    for one in stream:
        values = one["features"] | {"prediction": one["prediction"]}
        own = [0.0, 0.0]
        for at, column in enumerate(reference.columns):
            value, bins = values[column.name], column.bins
            slot = bins.categories.index(value) if bins.categories else sum(edge < value for edge in bins.edges)
            own = [own[0] + estimate.absolute[at, slot], own[1] + estimate.squared[at, slot]]
        absolute.append(estimate.mean_absolute + own[0])
        squared.append(estimate.mean_squared + own[1])
    expected = {"mae": np.mean(absolute), "rmse": np.sqrt(np.mean(squared))}
    assert estimated_of("regression", stream) == pytest.approx(expected, abs=TOLERANCE)


def test_a_regression_whose_inputs_move_to_larger_errors_is_estimated_to_be_worse() -> None:
    usual, moved = (
        [abs(one["label"] - one["prediction"]) for one in numbers(8_000, seed=3, level=level)] for level in (0.0, 1.0)
    )
    found = estimated_of("regression", without_labels(numbers(8_000, seed=3, level=1.0)))
    assert np.mean(usual) * 1.2 < np.mean(moved)
    assert found["mae"] == pytest.approx(np.mean(moved), rel=0.1)


@pytest.mark.parametrize("task", TASKS)
def test_polls_change_nothing(task: str) -> None:
    stream = list(TASKS[task](1_500, seed=5))
    assert summary_of(task, stream, chunk=7) == summary_of(task, stream, chunk=500)


@pytest.mark.parametrize("task", TASKS)
def test_a_file_gives_the_same_reference_and_one_of_an_older_version_no_estimate(task: str) -> None:
    reference = reference_of(task)
    body = json.loads(json.dumps(to_json(reference)))
    assert fault_of(body) == ""
    read = from_json(body)
    assert to_json(read) == to_json(reference)
    assert estimated_of(task, list(TASKS[task](500)), read) == estimated_of(task, list(TASKS[task](500)), reference)
    del body["estimate"]
    assert fault_of(body) == ""
    assert from_json(body).estimate is None
    assert estimated_of(task, list(TASKS[task](500)), from_json(body)) == {}


def test_each_window_says_from_how_many_predictions_it_is_estimated() -> None:
    """Every third prediction has no score."""
    stream = [one if at % 3 else one | {"score": None} for at, one in enumerate(two_classes(1_500, seed=6))]
    lines, _ = replayed(
        settings({"task": "binary"}), reference_of("binary"), MemorySource({EVENTS: stream}), windows=True
    )
    found = [line for line in lines if line["kind"] == "window" and "samples" in line]
    assert {line["base_windows"] for line in found} == {1, 2, 4}
    for line in found:
        start, end = (parse_rfc3339(line["window"][name]) for name in ("start", "end"))
        scored = [one for one in stream if start <= one["ts"] < end and one["score"] is not None]
        assert line["samples"] == {"estimated": len(scored)}
        assert 0 < line["performance"]["accuracy"]["estimated"] < 1


@pytest.mark.parametrize(
    ("over", "task", "why"),
    [
        ({"label": ...}, "binary", "no row of the reference has a label"),
        ({"score": ...}, "binary", "no event has a score"),
        ({}, "none", "the task is none"),
        ({"label": 1}, "binary", "of one class"),
        ({}, "multiclass", "no event has `scores`"),
    ],
)
def test_what_cannot_be_estimated_is_absent_and_says_why(over: dict[str, Any], task: str, why: str) -> None:
    reference = build(settings({"task": task}), list(two_classes(1_000, **over)))
    assert reference.estimate is None
    assert why in estimate_note(reference)
    assert estimated_of(task, list(two_classes(500, seed=1)), reference) == {}


def test_too_few_labels_are_not_learned_from() -> None:
    stream = [one if at < 150 else one | {"label": None} for at, one in enumerate(two_classes(1_000))]
    reference = build(settings({"task": "binary"}), stream)
    assert reference.estimate is None
    assert "it takes 200 labelled rows, and there are 150" in estimate_note(reference)


def test_a_positive_prediction_that_the_reference_never_had_is_one() -> None:
    reference = build(settings({"task": "binary"}), list(two_classes(ROWS, prediction=0)))
    estimate = reference.estimate
    assert isinstance(estimate, ClassEstimate)
    stream = without_labels(two_classes(1_000, seed=4))
    score, predicted = (np.array([one[name] for one in stream]) for name in ("score", "prediction"))
    chance = estimate.right[1][np.searchsorted(estimate.edges, score)]
    expected = np.where(predicted == 1, chance, 1 - chance).mean()
    assert estimated_of("binary", stream, reference)["accuracy"] == pytest.approx(expected, abs=TOLERANCE)


def test_scores_without_a_predicted_class_give_the_areas_alone() -> None:
    reference = build(settings({"task": "binary"}), list(two_classes(ROWS, prediction=...)))
    assert estimated_of("binary", list(two_classes(500, prediction=...)), reference).keys() == {"roc_auc", "pr_auc"}


BREAKS: dict[str, tuple[str, Any]] = {
    "edges do not rise": ("binary", lambda row: row["edges"].reverse()),
    "right is not 2 lists": ("binary", lambda row: row["right"].pop()),
    "wrong is not 3 lists": ("multiclass", lambda row: row["wrong"][0].pop()),
    "positive is not the place": ("binary", lambda row: row.update(positive=2)),
    "listed twice": ("multiclass", lambda row: row.update(classes=["a", "a", "b"])),
    "absolute does not have one list": ("regression", lambda row: row["absolute"].pop()),
    "does not have": ("regression", lambda row: row["squared"][0].pop()),
    "no feature of that name": ("regression", lambda row: row["columns"].__setitem__(0, ["feature", "gone"])),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_a_faulty_part_of_a_file_is_named(fault: str) -> None:
    task, change = BREAKS[fault]
    body = json.loads(json.dumps(to_json(reference_of(task))))
    change(body["estimate"])
    assert fault_of(body).startswith("estimate.")
    assert fault in fault_of(body)


@pytest.mark.parametrize(("swapped", "labelled", "contradicted"), [(0.0, 1, False), (0.2, 1, True), (0.2, 10, False)])
def test_labels_contradict_an_estimate_once_most_of_them_are_known(
    swapped: float, labelled: int, contradicted: bool
) -> None:
    """A share of the labels is swapped; of every `labelled` predictions one brings its label."""
    rng = np.random.default_rng(0)
    stream = [
        one | {"label": one["label"] ^ int(rng.random() < swapped) if at % labelled == 0 else None}
        for at, one in enumerate(two_classes(3_000, seed=7))
    ]
    lines, ran = replayed(settings({"task": "binary"}), reference_of("binary"), MemorySource({EVENTS: stream}))
    assert ran.summary["models"][0].get("estimate_contradicted", False) == contradicted
    words = human_line(lines[-1])
    assert words is not None
    assert ESTIMATED["binary"] in words
    assert ("the labels contradict it" in words) == contradicted


def test_an_estimate_is_part_of_the_hash() -> None:
    reference = reference_of("binary")
    assert with_hash(replace(reference, estimate=None)).hash != reference.hash


def test_labels_that_come_late_calibrate_as_those_that_come_with_their_predictions() -> None:
    stream = [one | {"id": f"p{at}"} for at, one in enumerate(two_classes(ROWS))]
    late = [
        {"type": "label", "model": "credit", "version": "1", "id": one["id"], "ts": one["ts"], "label": one["label"]}
        for one in stream
    ]
    bare = without_labels(iter(stream))
    both = [event for pair in zip(bare, late, strict=True) for event in pair]
    tree = settings({"task": "binary"})
    reference = build_reference(
        tree, CREDIT, lambda: MemorySource({EVENTS: both}), ManualClock(NOW_US), EventRange(rows=ROWS)
    )
    estimate, inline = reference.estimate, reference_of("binary").estimate
    assert isinstance(estimate, ClassEstimate)
    assert isinstance(inline, ClassEstimate)
    assert estimate.rows == ROWS
    later = without_labels(two_classes(2_000, seed=8, shift=0.1))
    found, expected = estimated_of("binary", later, reference), estimated_of("binary", later)
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("parts", [1, 7, 300])
def test_the_rows_kept_are_bounded_and_the_same_in_any_parts(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_estimate, "MOST_ROWS", 1_000)
    columns, rng = build(settings(), list(two_classes(500))).columns, np.random.default_rng(7)
    scores = rng.random(9_000)
    values = np.repeat(scores.view(np.uint64)[None], len(columns), axis=0)
    labels = np.where(rng.random(9_000) < scores, hash_of("1"), hash_of("0")).astype(np.uint64)
    codes, nothing = np.zeros(values.shape, np.uint8), np.full(9_000, np.nan)

    def kept(cuts: int) -> learn_estimate.LabelledRows:
        rows = learn_estimate.LabelledRows(columns, "binary", "1", 255)
        for at in np.array_split(np.arange(9_000), cuts):
            rows.add(codes[:, at], values[:, at], labels[at], nothing[at])
        return rows

    found, whole = kept(parts).finish(), kept(1).finish()
    assert isinstance(found, ClassEstimate)
    assert isinstance(whole, ClassEstimate)
    assert 500 <= found.rows <= 1_000
    assert np.array_equal(found.right, whole.right)
    assert np.abs(found.right[1] - (np.arange(32) + 0.5) / 32).max() < 0.2
