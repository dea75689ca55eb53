"""Counts of the probabilities of every class: they merge exactly, whatever classes they are of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from monitor.stats.performance.class_scores import EDGES, ClassScores, counted, packed, unpacked
from monitor.stats.performance.score_grid import pr_auc, roc_auc

CLASSES = ("a", "b", "c")


def rows(seed: int, count: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a model that knows a little, and labels."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, count)
    scores = np.exp(2 * (label[:, None] == np.arange(classes)) + rng.normal(0, 1.5, (count, classes)))
    return scores / scores.sum(axis=1, keepdims=True), label


def of(seed: int, count: int, classes: tuple[str, ...] = CLASSES, sign: int = 1) -> ClassScores:
    made = rows(seed, count, len(classes))
    return counted(np.zeros(count, np.int64), 1, *made, classes, np.full(count, sign))[0]


scores = st.builds(
    of, st.integers(0, 99), st.integers(0, 9), st.sampled_from([CLASSES, ("b", "d"), ("a", "b", "c", "d")])
)


@given(scores, scores, scores)
def test_sums_are_the_same_in_any_order(a: ClassScores, b: ClassScores, c: ClassScores) -> None:
    assert (a + b) + c == a + (b + c) == c + (b + a)
    both = dict(zip((a + b).classes, (a + b).by_class(), strict=True))
    for name, counts in both.items():
        own = [dict(zip(one.classes, one.by_class(), strict=True)).get(name) for one in (a, b)]
        for place in (0, 1):
            assert (counts[place] == sum(one[place] for one in own if one is not None)).all()


@given(scores)
def test_what_is_taken_back_leaves_nothing(a: ClassScores) -> None:
    assert a + ClassScores(a.classes, a.places, -a.counts) == ClassScores()


@given(st.lists(scores, max_size=4))
def test_several_come_back_from_their_arrays(several: list[ClassScores]) -> None:
    again = unpacked(packed(several), len(several))
    nothing = ClassScores()
    assert [one + nothing for one in again] == again
    for one, other in zip(several, again, strict=True):
        assert ClassScores.from_state(one.to_state()) == one
        found = dict(zip(other.classes, other.by_class(), strict=True))
        for name, counts in zip(one.classes, one.by_class(), strict=True):
            np.testing.assert_array_equal(found[name], counts)


@pytest.mark.parametrize(("seed", "count"), [(1, 40), (2, 5_000)])
def test_areas_are_those_of_scikit_learn_within_their_error(seed: int, count: int) -> None:
    probabilities, label = rows(seed, count)
    counts, one_of = of(seed, count), label[:, None] == np.arange(3)
    for area, theirs in (
        (roc_auc, metrics.roc_auc_score(label, probabilities, multi_class="ovr", average="macro")),
        (pr_auc, metrics.average_precision_score(one_of, probabilities, average="macro")),
    ):
        found = counts.mean_area(area)
        assert found is not None
        assert abs(found.value - theirs) <= found.error + 1e-12
        assert found.error < 0.02


def test_a_class_that_is_no_label_or_every_one_has_no_area() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    slots, sign = np.zeros(2, np.int64), np.ones(2, np.int64)
    [two] = counted(slots, 1, probabilities, np.array([0, 1]), CLASSES, sign)
    [one] = counted(slots, 1, probabilities, np.array([0, 0]), CLASSES, sign)
    found = two.mean_area(roc_auc)
    assert found is not None
    assert found.value == 1
    assert one.mean_area(roc_auc) is one.mean_area(pr_auc) is ClassScores().mean_area(roc_auc) is None


def test_the_grid_rises_and_is_the_same_from_both_ends() -> None:
    assert (np.diff(EDGES) > 0).all()
    np.testing.assert_allclose(EDGES, 1 - EDGES[::-1], atol=1e-15)
