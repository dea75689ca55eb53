"""Named outcomes of label events, as they are decoded."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.decode.columns import ABSENT_VALUE
from monitor.events import LABEL, PREDICTION
from tests.unit.decode.test_native import decode, event


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (event(type="label", outcomes={}), "label"),
        (event(type="label", outcomes=None), "label"),
        (event(type=..., features=..., outcomes={}), "label"),
        (event(type="label", outcomes=[5]), "outcomes"),
        (event(type="label", label=1, outcomes="5"), "outcomes"),
        (event(type="label", outcomes={"rating": [5]}), "outcomes"),
        (event(type="label", outcomes={"": 5}), "outcomes"),
        (event(type="label", outcomes={"r" * 257: 5}), "outcomes"),
        (event(type="label", outcomes={f"f{i}": i for i in range(41)}), "outcomes"),
        (event(type="label", outcomes={"a\nb": 5}), "names"),
        ('{"model":"credit","id":"a","type":"label","outcomes":{"rating":NaN}}', "outcomes"),
    ],
)
def test_what_is_no_outcome_rejects_the_event(one: str | dict[str, Any], reason: str) -> None:
    events = decode(one)
    assert [rejected.reason for rejected in events.rejected] == [reason]
    assert len(events) == 0


def test_outcomes_of_labels_are_columns_of_their_own() -> None:
    events = decode(
        event(type="label", label=1, outcomes={"judge": 0.5, "refund": True}),
        event(type="label", outcomes={"judge": None}),
        event(type=..., features=..., outcomes={"topic": "late"}),
        event(type="label", label=None, outcomes={"judge": 1}),
        event(type="label", label=None),
        event(outcomes={"judge": 1}),
    )
    assert events.kind.tolist() == [LABEL] * 5 + [PREDICTION]
    assert events.label_values == [1, ABSENT_VALUE, ABSENT_VALUE, ABSENT_VALUE, None]
    of = events.outcomes
    assert [(label, of.names[name]) for label, name in zip(of.label.tolist(), of.name.tolist(), strict=True)] == [
        (0, "judge"), (0, "refund"), (1, "judge"), (2, "topic"), (3, "judge"),
    ]  # fmt: skip
    assert of.values == [0.5, True, None, "late", 1]
    assert events.first(2).outcomes.values == [0.5, True, None]
