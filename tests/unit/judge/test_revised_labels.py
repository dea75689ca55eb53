"""Labels and outcomes that are revised after they first came: judged when they change no more, as they were learned."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_labels import settled_us
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, replayed, settings, transitions_in

MINUTE_US = 60_000_000
HORIZON = {"labels": {"horizon": "1h"}}
CHANGE = 4_000
LABEL = {"type": "label", "model": "credit", "version": "1"}
#: so long after a label or outcome its final one comes
LATER_US = 20 * MINUTE_US


def stream(
    events: int, seed: int, *, wrong: float = 0.1, lower: float = 0.0, slow_us: int = 0, revises: bool = True
) -> list[Event]:
    """Labels and a judge's score 2 to 6 minutes later; first half of the labels are wrong, and scores twice as high.

    One final label in ten is not as predicted, and from the change on so many; scores are then lower by that, and
    first labels later.
    """
    rng = np.random.default_rng(seed + 50)
    lots, scores = rng.random((events, 3)).tolist(), np.clip(rng.normal(0.6, 0.15, events), 0, 1).tolist()
    made: list[Event] = []
    for at, (event, (lot, first, wait), score) in enumerate(zip(Credit(events, seed=seed), lots, scores, strict=True)):
        is_wrong = lot < (wrong if at >= CHANGE else 0.1)
        final = 1 - event["prediction"] if is_wrong else event["prediction"]
        judge = round(score / 2 - (lower if at >= CHANGE else 0.0), 6)
        ts = event["ts"] + round((2 + 4 * wait) * MINUTE_US)
        of_id = LABEL | {"id": event["id"]}
        made.append(event)
        if revises:
            label = 1 - event["prediction"] if first < 0.5 else event["prediction"]
            made.append(
                of_id | {"ts": ts + (slow_us if at >= CHANGE else 0), "label": label, "outcomes": {"judge": 2 * judge}}
            )
            ts += LATER_US
        made.append(of_id | {"ts": ts, "label": final, "outcomes": {"judge": judge}})
    return sorted(made, key=lambda one: one["ts"])


@cache
def reference(*, revises: bool = True) -> Reference:
    source = partial(MemorySource, {EVENTS: stream(10_000, 1, revises=revises)})
    return build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=8_000))


def found(of: list[Event]) -> list[dict[str, Any]]:
    lines = replayed(settings(HORIZON), reference(), MemorySource({EVENTS: of}))[0]
    return [finding for line in transitions_in(lines) for finding in line["findings"]]


def test_a_reference_learns_until_when_labels_and_outcomes_are_revised() -> None:
    known, outcomes = reference().performance, reference().outcomes
    assert known is not None
    assert outcomes is not None
    for one in (known, outcomes["judge"]):
        assert one.maturity_us is not None
        assert LATER_US + 4 * MINUTE_US < one.settled_us <= one.maturity_us < LATER_US + 7 * MINUTE_US
    assert known.tally.accuracy == pytest.approx(0.9, abs=0.02)
    assert known.usual_us is not None
    assert known.usual_us < 7 * MINUTE_US
    assert reference_text(reference()).count("revised until 2") == 2


def test_without_revisions_nothing_is_waited_for_beyond_the_values() -> None:
    known, outcomes = reference(revises=False).performance, reference(revises=False).outcomes
    assert known is not None
    assert outcomes is not None
    assert (known.settled_us, outcomes["judge"].settled_us) == (0, 0)
    assert known.maturity_us == known.usual_us
    assert "settled_us" not in json.dumps(to_json(reference(revises=False)))


def test_when_labels_come_is_judged_by_when_they_first_came() -> None:
    known, other = reference(), reference(revises=False)
    assert known.performance is not None
    assert other.performance is not None
    assert known.performance.came == other.performance.came
    assert known.facts == other.facts
    slow = found(stream(9_000, 2, slow_us=5 * MINUTE_US))
    assert {one["cause"] for one in slow} == {"label_delay"}


def test_nothing_is_found_where_values_are_revised_as_they_were() -> None:
    assert not found(stream(9_000, 2))


@pytest.mark.parametrize("cause", ["performance", "outcome"])
def test_a_change_of_the_final_values_is_found(cause: str) -> None:
    is_label = cause == "performance"
    own = found(stream(9_000, 2, wrong=0.4) if is_label else stream(9_000, 2, lower=0.1))
    assert cause in {one["cause"] for one in own if one["severity"] == "page"}
    assert {one["cause"] for one in own} <= {cause, "calibration"}


def test_a_reference_keeps_it_and_one_of_before_is_judged_as_before() -> None:
    body = json.loads(json.dumps(to_json(reference())))
    assert fault_of({**body, "hash": reference().hash}) == ""
    assert to_json(from_json(body)) == body
    for part in (body["performance"], body["outcomes"]["judge"]):
        del part["settled_us"]
    before = from_json(body)
    assert before.performance is not None
    assert before.performance.maturity_us == before.performance.usual_us
    assert before.outcomes is not None
    expected = replace((reference().outcomes or {})["judge"], settled_us=0)
    assert before.outcomes["judge"].to_plain() == expected.to_plain()
    assert 5 * MINUTE_US < (before.outcomes["judge"].maturity_us or 0) < 7 * MINUTE_US


def test_revisions_are_settled_when_one_value_in_a_hundred_is_still_revised() -> None:
    assert settled_us({}, 1_000) == 0
    assert settled_us({50: 10}, 1_000) == 0
    assert settled_us({50: 11}, 1_000) == 50
    assert settled_us({30: 500, 10: 400, 70: 10}, 1_000) == 30
    assert settled_us({10: 1_000, 30: 1_000, 90: 11}, 1_000) == 90
