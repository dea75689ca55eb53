"""Findings of named outcomes by segment: how large a change is, and how one ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, replayed, transitions_in
from tests.unit.judge.test_segment_outcomes import CHANGE, LABEL, MINUTE_US, findings, lines, stream, tree


def refunds(events: int, seed: int, share: Callable[[str, int], float]) -> list[Event]:
    """A refund of 10 for so many predictions, else one of 0."""
    lots = np.random.default_rng(seed).random((events, 2)).tolist()
    made: list[Event] = []
    for at, (event, (lot, wait)) in enumerate(zip(Credit(events, seed=seed), lots, strict=True)):
        refund = 10.0 if lot < share(event["features"]["EDU"], at) else 0.0
        ts = event["ts"] + round((2 + 4 * wait) * MINUTE_US)
        made += [event, LABEL | {"id": event["id"], "ts": ts, "label": 1, "outcomes": {"refund": refund}}]
    return sorted(made, key=lambda one: one["ts"])


def refund_findings(usual_share: float, **outcome: object) -> list[dict[str, Any]]:
    """Of a tenth of EDU=high, which never had any, where the others have them as in the reference."""
    asked = tree("EDU", outcomes={"refund": outcome})

    def before(edu: str, _at: int) -> float:
        return 0.0 if edu == "high" else usual_share

    def after(edu: str, at: int) -> float:
        return 0.1 if edu == "high" and at >= CHANGE else before(edu, at)

    source = partial(MemorySource, {EVENTS: refunds(10_000, 1, before)})
    known = build_reference(asked, CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_500))
    got = findings(replayed(asked, known, MemorySource({EVENTS: refunds(9_000, 2, after)}))[0])
    assert got
    return got


def test_a_change_of_a_segment_that_had_one_value_alone_is_measured_by_all_values() -> None:
    found = [one for one in refund_findings(0.3) if one["segment"] == "EDU=high"]
    assert found
    for one in found:
        assert one["effect"] == pytest.approx(one["value"] / 4.0, rel=0.2)  # a deviation of about 10 sqrt(0.17 x 0.83)
    assert {one["severity"] for one in refund_findings(0.3, least_effect=1e6)} == {"ticket"}


def test_a_change_of_an_outcome_that_had_one_value_alone_is_told_in_its_own_unit() -> None:
    found = refund_findings(0.0)
    for one in found:
        assert one["effect"] <= one["value"] < 10
        assert one["effect_unit"] == "in its own unit"
    assert {one["severity"] for one in refund_findings(0.0, least_effect=5)} == {"ticket"}


def without_low(of: Sequence[Event], begin: int) -> list[Event]:
    """No prediction from that one on is of EDU=low."""
    gone = {one["id"] for one in of if one["type"] == "prediction" and one["features"]["EDU"] == "low"}
    return [one for one in of if one["id"] not in gone or int(one["id"][2:]) < begin]


@pytest.mark.parametrize("moved", [-0.15, 0.15])
def test_a_finding_of_a_segment_that_goes_away_ends_and_says_so(moved: float) -> None:
    def worse(edu: str, at: int) -> tuple[float, float]:
        return (moved, 0.0) if edu == "low" and at >= 2_500 else (0.0, 0.0)

    muted = {"topic": {"mute": True}}
    got = transitions_in(lines(without_low(stream(14_000, 5, worse), 6_000), outcomes=muted))
    of_low = [any(one["segment"] == "EDU=low" and one["cause"] == "outcome" for one in of["findings"]) for of in got]
    opened = of_low.index(True)
    ended = of_low.index(False, opened)
    assert not any(of_low[ended:])
    assert "no more values in EDU=low" in got[ended]["summary"]
    assert "no more values in EDU=low" not in json.dumps(got[:ended])


def test_a_finding_of_a_segment_that_recovers_ends_by_its_windows() -> None:
    def worse(edu: str, at: int) -> tuple[float, float]:
        return (-0.15, 0.0) if edu == "low" and 2_500 <= at < 6_000 else (0.0, 0.0)

    got = transitions_in(lines(stream(12_000, 5, worse), outcomes={"topic": {"mute": True}}))
    assert got[-1]["transition"] == "resolved"
    assert "values in EDU=low" not in json.dumps(got)
