"""Figures of classifiers against scikit-learn's, and isotonic regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

from monitor.stats.isotonic import isotonic
from monitor.stats.performance.class_figures import class_figures, expected_confusion, ranking_figures

COUNTS = st.integers(0, 50)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=40))
def test_isotonic_shares_are_those_of_scikit_learn(counted: list[tuple[int, int]]) -> None:
    hits, misses = np.array(counted, np.float64).T
    found, events = isotonic(hits, hits + misses), hits + misses
    some = events > 0
    assert (np.diff(found) >= 0).all()
    if some.any():
        places = np.flatnonzero(some)
        expected = IsotonicRegression().fit(places, hits[some] / events[some], events[some]).predict(places)
        assert found[some] == pytest.approx(expected, abs=1e-12)
        assert set(found) == set(found[some]), "a place without events has the share of a neighbour"


def rows_of(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions with that table."""
    label, predicted = (np.repeat(one.ravel(), table.ravel()) for one in np.indices(table.shape))
    return label, predicted


@given(st.lists(COUNTS, min_size=4, max_size=4))
def test_figures_of_two_classes_are_those_of_scikit_learn_or_absent(counts: list[int]) -> None:
    table = np.array(counts).reshape(2, 2)
    label, predicted = rows_of(table)
    found = class_figures(table.astype(np.float64), 1)
    if not len(label):
        assert found == {}
        return
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(label, predicted))
    for name, defined, score in (
        ("precision", predicted.any(), metrics.precision_score),
        ("recall", label.any(), metrics.recall_score),
        ("f1", label.any() or predicted.any(), metrics.f1_score),
        ("mcc", len(set(label)) > 1 and len(set(predicted)) > 1, metrics.matthews_corrcoef),
    ):
        assert found.get(name) == (pytest.approx(score(label, predicted)) if defined else None)
    both = np.mean([(predicted[label == one] == one).mean() for one in set(label.tolist())])
    assert found["balanced_accuracy"] == pytest.approx(both)


@given(st.lists(COUNTS, min_size=9, max_size=9))
def test_figures_of_more_classes_are_means_over_them(counts: list[int]) -> None:
    table = np.array(counts).reshape(3, 3)
    label, predicted = rows_of(table)
    found = class_figures(table.astype(np.float64), None)
    if not len(label):
        assert found == {}
        return
    of_each = {"average": "macro", "zero_division": 0}
    assert found["precision"] == pytest.approx(metrics.precision_score(label, predicted, **of_each))
    assert found["recall"] == pytest.approx(metrics.recall_score(label, predicted, **of_each))
    assert found["f1"] == pytest.approx(metrics.f1_score(label, predicted, **of_each))
    if "mcc" in found:
        assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(label, predicted))


def test_a_label_that_is_no_predicted_class_is_an_error_of_each_prediction() -> None:
    found = class_figures(np.array([[6.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), None)
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["precision"] == pytest.approx((6 / 7 + 2 / 3) / 2)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=12))
def test_areas_are_those_of_scikit_learn_with_bins_as_scores(counted: list[tuple[int, int]]) -> None:
    positives, negatives = np.array(counted).T
    bins = np.arange(len(counted))
    score = np.concatenate([np.repeat(bins, positives), np.repeat(bins, negatives)])
    label = np.concatenate([np.ones(positives.sum()), np.zeros(negatives.sum())])
    found = ranking_figures(positives.astype(np.float64), negatives.astype(np.float64))
    if positives.sum() and negatives.sum():
        assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(label, score))
        assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(label, score))
    else:
        assert found == {}


def test_expected_labels_add_up_to_the_predictions() -> None:
    rng = np.random.default_rng(0)
    counts, right = rng.integers(0, 9, (3, 5)).astype(np.float64), rng.random((3, 5))
    wrong = rng.random((3, 4))
    wrong[np.diag_indices(3)] = 0
    wrong /= wrong.sum(1, keepdims=True)
    confusion = expected_confusion(counts, right, wrong)
    assert confusion.sum(0) == pytest.approx(counts.sum(1))
    assert confusion.diagonal() == pytest.approx((counts * right).sum(1))
