"""What is read of `scores` {class: probability}, beside the score of the positive class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.decode.columns import MISSING_BITS
from tests.unit.decode.test_native import KEY, SHAPE, decode, event


def test_the_confidence_is_the_score_of_the_predicted_class_where_it_is_wanted() -> None:
    values = (
        event(prediction="b", scores={"a": 0.25, "b": 0.75}),
        event(prediction=True, scores={"0": 0.5, "1": 0.375}),
        event(prediction="c", scores={"a": 0.25, "c": None}),
        event(scores={"a": 1}),
        event(prediction="a", score=0.5),
        event(type="features", prediction="a", scores={"a": 1}),
    )
    (group,) = decode(*values, shapes={KEY: replace(SHAPE, confidence=True)}.get).groups
    assert group.confidence is not None
    assert group.confidence[:2].tolist() == [0.75, 0.375]
    assert group.confidence.view(np.uint64)[2:].tolist() == [MISSING_BITS] * 4
    assert decode(*values).groups[0].confidence is None


def test_the_probabilities_of_all_wanted_classes_are_those_of_scores_or_unknown() -> None:
    values = (
        event(scores={"b": 0.75, "a": 0.25}),
        event(scores={"a": 1, "new": 0}),  # b is left out, and 0
        event(scores={"a": 0.5, "b": None}),  # b may be anything
        event(scores={"a": 0.25, "b": 0.25}),  # others have the rest
        event(scores={"new": 1}),
        event(score=0.5),
    )
    unknown, shapes = np.nan, {KEY: replace(SHAPE, classes=("a", "b"))}
    expected = [[0.25, 0.75], [1, 0], [0.5, unknown], [0.25, 0.25], [unknown, unknown], [unknown, unknown]]
    (group,) = decode(*values, shapes=shapes.get).groups
    np.testing.assert_array_equal(group.probabilities, np.array(expected, np.float32))
    (group,) = decode(values[0], shapes=shapes.get).groups
    np.testing.assert_array_equal(group.probabilities, np.array(expected[:1], np.float32))
    assert decode(*values).groups[0].probabilities is None
