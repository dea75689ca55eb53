"""Performance figures from merged tallies are those of scikit-learn, and of River, on the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from river.metrics import Accuracy, ConfusionMatrix, MacroF1
from sklearn import metrics

from monitor.stats.performance import label_sums, score_grid
from monitor.stats.performance.figures import (
    BINARY,
    MULTICLASS,
    REGRESSION,
    Meaning,
    curve,
    figures,
    labelled,
)
from monitor.stats.performance.label_tally import LabelTally, merged_labels
from monitor.stats.performance.score_grid import Scores

N = 6_000
ONE = np.ones(N, np.int64)


class Rows:
    """Labels, scores and predicted classes of a model whose scores are a little too low."""

    def __init__(self, seed: int, rate: float = 0.3, digits: int = 12) -> None:
        rng = np.random.default_rng(seed)
        logit = rng.normal(np.log(rate / (1 - rate)), 1.5, N)
        self.label = rng.random(N) < 1 / (1 + np.exp(-logit))
        self.score = np.round(1 / (1 + np.exp(0.3 - 0.8 * logit)), digits)
        self.predicted = self.score > 0.4


def binary_tally(rows: Rows, chosen: np.ndarray, sign: int = 1) -> LabelTally:
    """The tally of some of the rows, as stage 1 makes it."""
    slots, signs = np.zeros(len(chosen), np.int64), np.full(len(chosen), sign)
    of_scores = slots, 1, rows.score[chosen], rows.label[chosen], signs
    tally = LabelTally(scores=label_sums.score_counts(*of_scores)[0], sums=label_sums.of_scores(*of_scores)[0])
    for label, predicted in zip(rows.label[chosen].tolist(), rows.predicted[chosen].tolist(), strict=True):
        tally.add_pair((str(int(label)), str(int(predicted))), sign)
    return tally


def parts(seed: int) -> Iterator[np.ndarray]:
    """The rows in a random order, cut into eleven parts."""
    yield from np.array_split(np.random.default_rng(seed).permutation(N), 11)


@pytest.mark.parametrize(("seed", "rate"), [(1, 0.3), (2, 0.5), (3, 0.02)])
def test_binary_figures_are_those_of_scikit_learn(seed: int, rate: float) -> None:
    rows = Rows(seed, rate)
    tally = merged_labels(binary_tally(rows, part) for part in parts(seed))
    got = figures(tally, Meaning(BINARY))
    y, p, c = rows.label, rows.predicted, rows.score
    exact = {
        "accuracy": metrics.accuracy_score(y, p),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p),
        "precision": metrics.precision_score(y, p),
        "recall": metrics.recall_score(y, p),
        "f1": metrics.f1_score(y, p),
        "mcc": metrics.matthews_corrcoef(y, p),
        "log_loss": metrics.log_loss(y, c),
        "brier": metrics.brier_score_loss(y, c),
    }
    assert {name: got[name] for name in exact} == pytest.approx(exact, rel=1e-10)
    scores = Scores.of(tally.scores)
    for name, area, theirs in (
        ("roc_auc", score_grid.roc_auc(scores), metrics.roc_auc_score(y, c)),
        ("pr_auc", score_grid.pr_auc(scores), metrics.average_precision_score(y, c)),
    ):
        assert area is not None
        assert got[name] == area.value
        assert abs(area.value - theirs) <= area.error + 1e-12
        assert area.error < 0.005
        assert abs(area.value - theirs) < 0.001  # the bound is far from what happens
    assert labelled(tally, BINARY) == N


def test_areas_are_exact_where_scores_that_differ_lie_in_different_steps() -> None:
    rows = Rows(4, digits=2)
    tally = binary_tally(rows, np.arange(N))
    scores = Scores.of(tally.scores)
    roc, pr = score_grid.roc_auc(scores), score_grid.pr_auc(scores)
    assert roc is not None
    assert pr is not None
    assert roc.value == pytest.approx(metrics.roc_auc_score(rows.label, rows.score), abs=1e-12)
    assert pr.value == pytest.approx(metrics.average_precision_score(rows.label, rows.score), abs=1e-12)


def test_the_calibration_curve_is_that_of_its_ten_steps() -> None:
    rows = Rows(5)
    tally = merged_labels(binary_tally(rows, part) for part in parts(5))
    step = np.clip(np.ceil(rows.score * 10).astype(int) - 1, 0, 9)
    want = [
        (int((step == k).sum()), rows.score[step == k].mean(), rows.label[step == k].mean())
        for k in range(10)
        if (step == k).any()
    ]
    assert [tuple(point) for point in curve(tally)] == [pytest.approx(point, rel=1e-9) for point in want]
    error = sum(n * abs(score - share) for n, score, share in want) / N
    assert figures(tally, Meaning(BINARY))["calibration_error"] == pytest.approx(error, rel=1e-9)


def test_classes_are_those_of_scikit_learn_and_of_river() -> None:
    rng = np.random.default_rng(6)
    label = rng.choice(["a", "b", "c"], N, p=[0.6, 0.3, 0.1])
    predicted = np.where(rng.random(N) < 0.6, label, rng.choice(["a", "b", "c", "d"], N))
    tally, theirs = LabelTally(), ConfusionMatrix()  # type: ignore[no-untyped-call]
    for y, p in zip(label.tolist(), predicted.tolist(), strict=True):
        tally.add_pair((y, p), 1)
    for (y, p), count in tally.pairs.items():
        theirs.update(y, p, count)  # type: ignore[no-untyped-call]
    got = figures(tally, Meaning(MULTICLASS))
    exact = {
        "accuracy": metrics.accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted, average="macro", zero_division=0),
        "recall": metrics.recall_score(label, predicted, average="macro", zero_division=0),
        "f1": metrics.f1_score(label, predicted, average="macro", zero_division=0),
        "mcc": metrics.matthews_corrcoef(label, predicted),
    }
    assert {name: got[name] for name in exact} == pytest.approx(exact, rel=1e-12)
    recalls = metrics.recall_score(label, predicted, average=None, labels=["a", "b", "c"])
    assert got["balanced_accuracy"] == pytest.approx(recalls.mean(), rel=1e-12)
    for name, metric in (("accuracy", Accuracy(theirs)), ("f1", MacroF1(theirs))):  # type: ignore[no-untyped-call]
        assert got[name] == pytest.approx(metric.get(), rel=1e-12)  # type: ignore[no-untyped-call]


def test_numbers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(7)
    label = rng.normal(40, 12, N)
    predicted = label + rng.normal(1, 5, N)
    meaning = Meaning(REGRESSION, center=37.0, scale=9.5)
    slots = np.sort(rng.integers(0, 5, N))
    sums = label_sums.of_numbers(slots, 5, predicted, label, meaning.center, meaning.scale, ONE)
    tally = merged_labels(LabelTally(sums=one) for one in sums)
    assert figures(tally, meaning) == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(label, predicted),
            "rmse": metrics.root_mean_squared_error(label, predicted),
            "mape": metrics.mean_absolute_percentage_error(label, predicted),
            "r2": metrics.r2_score(label, predicted),
            "bias": float((predicted - label).mean()),
        },
        rel=1e-6,
    )
    for alpha in (0.1, 0.5, 0.9):
        theirs = metrics.mean_pinball_loss(label, predicted, alpha=alpha)
        mae, bias = figures(tally, meaning)["mae"], figures(tally, meaning)["bias"]
        assert (1 - alpha) * (mae + bias) / 2 + alpha * (mae - bias) / 2 == pytest.approx(theirs, rel=1e-9)
    assert labelled(tally, REGRESSION) == N


def test_labels_of_zero_are_left_out_of_relative_errors() -> None:
    label, predicted = np.array([0.0, 2.0, 4.0]), np.array([5.0, 3.0, 4.0])
    (sums,) = label_sums.of_numbers(np.zeros(3, np.int64), 1, predicted, label, 0.0, 1.0, np.ones(3, np.int64))
    assert figures(LabelTally(sums=sums), Meaning(REGRESSION))["mape"] == pytest.approx(0.25)


def test_what_is_taken_back_leaves_nothing() -> None:
    rows, chosen = Rows(8), np.arange(500)
    tally = binary_tally(rows, chosen)
    tally.merge(binary_tally(rows, chosen, sign=-1))
    assert tally == LabelTally()
    predicted, label = (np.tile(values, 2) for values in (rows.score[chosen] * 1_000, rows.score[chosen] * 900 + 3))
    slots, signs = np.zeros(1_000, np.int64), np.repeat([1, -1], 500)
    (sums,) = label_sums.of_numbers(slots, 1, predicted, label, 10.0, 3.0, signs)
    assert sums == {}


def test_what_is_not_defined_is_left_out() -> None:
    assert figures(LabelTally(labels=5), Meaning(BINARY)) == {}
    only_right = LabelTally(pairs={("0", "0"): 7})
    assert figures(only_right, Meaning(BINARY)) == {"accuracy": 1.0}
    assert figures(LabelTally(), Meaning(REGRESSION)) == {}
    assert figures(only_right, Meaning("none")) == {}


def test_costs_are_per_thousand_predictions() -> None:
    tally = LabelTally(pairs={("1", "1"): 10, ("1", "0"): 4, ("0", "1"): 6, ("0", "0"): 80})
    meaning = Meaning(BINARY, costs={(False, True): 1.0, (True, False): 25.0})
    assert figures(tally, meaning)["cost_per_thousand"] == pytest.approx(1000 * (4 * 25 + 6) / 100)


def test_a_score_of_an_edge_lies_below_it_and_the_ends_are_on_the_grid() -> None:
    places = score_grid.place_of(np.array([0.0, *score_grid.EDGES, 1.0]), np.zeros(len(score_grid.EDGES) + 2, bool))
    assert (places // 2).tolist() == [0, *range(len(score_grid.EDGES)), score_grid.PLACES - 1]
    assert (np.diff(score_grid.EDGES) > 0).all()
    assert {round(k / 10, 1) for k in range(1, 10)} <= {round(edge, 10) for edge in score_grid.EDGES.tolist()}
