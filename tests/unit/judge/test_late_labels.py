"""Performance by labels that come later: when a cohort is judged, and what labels that stop or slow down do not say."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from monitor.clock import HOUR_US, ManualClock
from monitor.judge.causes.performance import Performance
from monitor.judge.policy import Policy
from monitor.judge.windows.late_cohorts import LateCohorts
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.notes.performance import horizon_notes
from monitor.reference.performance_part import is_judged
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_labels import MOST_COHORTS, delays_of, learned_cohort_us
from monitor.stats.performance.label_tally import LabelTally
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, replayed, settings, transitions_in

MINUTE, US = 60.0, 1_000_000
HORIZON = {"labels": {"horizon": "1h"}}
CHANGE = 4_000
LABEL = {"type": "label", "model": "credit", "version": "1"}


def stream(events: int, seed: int, then: float, *, slow: bool = False, stop: bool = False, run: int = 1) -> list[Event]:
    """One label in ten is not as predicted, and from the change on so many; labels come 2 to 6 minutes later.

    `slow`: from the change on 50 minutes later. `stop`: from the change on none comes. So many in a `run` are all right
    or all wrong.
    """
    drawn = np.random.default_rng(seed + 50).random((events, 2))
    drawn[:, 0] = np.repeat(drawn[::run, 0], run)[:events]
    lots = drawn.tolist()
    made: list[Event] = []
    for at, (event, (lot, wait)) in enumerate(zip(Credit(events, seed=seed), lots, strict=True)):
        changed = at >= CHANGE
        wrong = lot < (then if changed else 0.1)
        delay = (2 + 4 * wait) * MINUTE + (50 * MINUTE if changed and slow else 0)
        made.append(event)
        if not (stop and changed):
            label = 1 - event["prediction"] if wrong else event["prediction"]
            ts = event["ts"] + round(delay * US)
            made.append(LABEL | {"id": event["id"], "ts": ts, "label": label})
    return sorted(made, key=lambda one: one["ts"])


@cache
def reference() -> Reference:
    events = stream(10_000, 1, 0.1)
    source = partial(MemorySource, {EVENTS: events})
    return build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000))


def lines(of: list[Event], **model: object) -> list[dict[str, Any]]:
    return replayed(settings(HORIZON | model), reference(), MemorySource({EVENTS: of}))[0]


def test_a_reference_learns_from_late_labels_and_how_late_they_come() -> None:
    known = reference().performance
    assert is_judged(known)
    assert known is not None
    assert known.tally.accuracy == pytest.approx(0.9, abs=0.02)
    assert known.maturity_us is not None
    assert 5 * MINUTE < known.maturity_us / US < 7 * MINUTE
    assert [share for _, share in known.came] == sorted(share for _, share in known.came)


def test_a_horizon_shorter_than_the_references_labels_took_is_noted_with_what_it_misses() -> None:
    known = reference().performance
    assert known is not None
    assert list(horizon_notes(reference(), HOUR_US)) == [], "the one it was built with"
    assert list(horizon_notes(reference(), known.came[-1][0])) == []
    by_share = {share: delay for delay, share in known.came}
    (half,) = horizon_notes(reference(), by_share[0.5] - 1)
    assert "only a part came within it: fewer than 50 % of labels (all after " in half
    assert half.endswith("); the others are never joined")
    (rest,) = horizon_notes(reference(), by_share[1.0] - 1)
    assert ("fewer than 99 %" if by_share[0.99] == by_share[1.0] else "not all of labels") in rest
    (none,) = horizon_notes(reference(), 0)
    assert none == "0s: labels are counted and not joined, so what came late in the reference is not judged: labels"
    for horizon, notes in (("1h", []), ("0s", [f"credit 1: labels.horizon: {none}"])):
        tree = settings({"labels": {"horizon": horizon}})
        lost = replayed(tree, reference(), MemorySource({EVENTS: stream(600, 2, 0.1)}))[1].lost
        assert [line for line in lost if "horizon" in line] == notes


def test_a_horizon_as_long_as_the_labels_take_is_not_noted() -> None:
    tight = settings({"labels": {"horizon": "6m"}})
    source = partial(MemorySource, {EVENTS: stream(4_000, 1, 0.1)})
    built = build_reference(tight, CREDIT, source, ManualClock(NOW_US), EventRange(rows=3_000))
    assert list(horizon_notes(built, tight.models[0].labels.horizon)) == []


@pytest.mark.parametrize(
    ("horizon", "said"),
    [
        ("0s", r"\.labels\.horizon: 0s: labels are not joined, so 3,\d+ label events are not in the reference"),
        ("3m", r": only \d+ of 3,\d+ labels and outcomes met a .* within labels\.horizon \(3m\): .*"),
        ("1h", ""),
    ],
)
def test_a_build_says_of_labels_that_the_horizon_leaves_out_that_it_does(horizon: str, said: str) -> None:
    source, notes = partial(MemorySource, {EVENTS: stream(4_000, 1, 0.1)}), list[str]()
    tree = settings({"labels": {"horizon": horizon}})
    build_reference(tree, CREDIT, source, ManualClock(NOW_US), EventRange(rows=3_500), notes.append)
    about = [note for note in notes if "horizon" in note]
    assert len(about) == bool(said)
    assert not said or re.fullmatch(rf"models\[0\]{said}", about[0])


@pytest.mark.parametrize("run", [1, 10])
def test_errors_in_runs_are_learned_where_a_cohort_is_longer_than_the_runs(run: int) -> None:
    daily = settings({"labels": {"horizon": "24h"}})  # in cohorts of a quarter of an hour, eleven in all
    source = partial(MemorySource, {EVENTS: stream(10_000, 1, 0.1, run=run)})
    known = build_reference(daily, CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000)).performance
    assert known is not None
    found = known.errors["accuracy"].long_run
    assert (found.reason == "independent") is (run == 1)
    assert run / 2 < found.variance[0] < 2 * run


def test_learned_cohorts_cut_the_judged_ones_and_are_no_more_than_can_be_held() -> None:
    for width, span in ((1, 1), (360, 100), (360, 10_000_000), (605, 60_480), (361, 10_000_000)):
        learned = learned_cohort_us(width * 10, 10, span * 10)
        assert width * 10 % learned == 0
        assert learned == width * 10 or span * 10 <= MOST_COHORTS * learned
    assert learned_cohort_us(8_640_000_000, 10_000_000, 3_600_000_000) == 10_000_000


def test_a_fall_of_accuracy_pages_once_its_labels_have_come() -> None:
    got = lines(stream(8_000, 2, 0.4))
    opened = transitions_in(got)[0]
    accuracy = next(one for one in opened["findings"] if one.get("figure") == "accuracy")
    assert (opened["transition"], opened["severity"], accuracy["severity"]) == ("opened", "page", "page")
    assert CHANGE + 600 < opened["predictions"] < CHANGE + 2_000  # six minutes of events, then the evidence
    assert accuracy["window"]["end"] < opened["at"]
    assert got[-1]["models"][0]["labels"] == pytest.approx(8_000, abs=1_000)


def test_an_informational_fall_of_late_accuracy_is_reported_and_opens_no_incident() -> None:
    got = lines(stream(8_000, 2, 0.4), severity={"performance": "info"})
    found = [one for one in got if one["kind"] == "finding" and one["cause"] == "performance"]
    assert "accuracy" in {one["figure"] for one in found}
    assert {one["severity"] for one in found} == {"info"}
    assert not [one for line in transitions_in(got) for one in line["findings"] if one["cause"] == "performance"]


def test_labels_that_slow_down_or_stop_say_nothing_of_performance() -> None:
    for of in (stream(8_000, 3, 0.1, slow=True), stream(8_000, 3, 0.4, stop=True)):
        found = [one for line in transitions_in(lines(of)) for one in line["findings"]]
        assert not [one for one in found if one["cause"] in {"performance", "calibration"}]


def cohorts(maturity_us: int | None = 100) -> LateCohorts:
    return LateCohorts("binary", 10, 1_000, maturity_us, 1.0)


def labels(right: int, wrong: int = 0) -> LabelTally:
    return LabelTally(pairs={("1", "1"): right, ("1", "0"): wrong})


def test_a_cohort_is_judged_once_when_nearly_all_labels_have_come() -> None:
    late = cohorts()
    late.predicted(3, 100)
    late.add(0, labels(50))
    assert not list(late.mature(5_00))  # old enough, and half of its labels are missing
    late.add(0, labels(45, 5))
    assert not list(late.mature(109))
    (one,) = late.mature(110)
    assert (one.start_us, one.end_us, one.tally.paired) == (0, 10, 100)
    late.add(0, labels(3))
    assert not list(late.mature(900))


def test_a_cohort_with_too_few_labels_is_never_judged_and_holds_no_other_back() -> None:
    late = cohorts()
    for start in (0, 10):
        late.predicted(start, 100)
    late.add(0, labels(10))
    late.add(10, labels(90))
    assert [one.start_us for one in late.mature(500)] == [10]
    assert not list(late.mature(2_000))
    again = cohorts()
    again.restore(late.to_state())
    assert again.to_state() == late.to_state()


def test_a_cohort_whose_predictions_were_not_seen_is_never_judged() -> None:
    late = cohorts()
    late.add(0, labels(90, 10))
    assert not list(late.mature(500))
    assert not list(late.mature(2_000))


def test_labels_beside_those_that_came_with_predictions_are_judged_by_what_is_expected_of_them() -> None:
    """Half of the predictions come with their label: the others' labels are all that a cohort waits for."""
    events = stream(10_000, 4, 0.1)
    own = {one["id"]: one["label"] for one in events if one["type"] == "label" and int(one["id"][2:]) % 2}
    mixed = [
        one | ({"label": own[one["id"]]} if one["type"] == "prediction" and one["id"] in own else {})
        for one in events
        if one["type"] == "prediction" or one["id"] not in own
    ]
    source = partial(MemorySource, {EVENTS: mixed})
    known = build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000))
    assert known.performance is not None
    assert known.performance.late == pytest.approx(4_500, abs=100)
    late = Performance(PreparedReference.of(known), Policy(settings(HORIZON).models[0])).errors.late
    late.predicted(0, 50)
    late.add(0, labels(45, 5))
    (one,) = late.mature(late.end_us(0) + late.maturity_us)
    assert one.tally.paired == 50


def test_without_a_learned_delay_cohorts_wait_for_the_horizon() -> None:
    late = cohorts(None)
    late.predicted(0, 10)
    late.add(0, labels(10))
    assert not list(late.mature(1_009))
    assert list(late.mature(1_010))


def test_delays_are_kept_by_share() -> None:
    assert delays_of({100: 50, 200: 40, 300: 10}) == (
        (100, 0.1), (100, 0.25), (100, 0.5), (200, 0.75), (200, 0.9), (300, 0.95), (300, 0.99), (300, 1.0),
    )  # fmt: skip
