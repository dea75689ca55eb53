"""Labels that stop, come later, or for fewer predictions: each is said as what it is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SECOND_US, ManualClock
from monitor.count.labels.cohorts import cohort_us
from monitor.events import Partition
from monitor.findings import Finding
from monitor.judge.windows.fact_blocks import FactBlock, FactBlocks
from monitor.judge.windows.label_arrivals import TIMES_LONGEST, CountedCohort, LabelArrivals
from monitor.pipeline import Pipeline
from monitor.reference.learn.label_facts import LATE_LABELS, UNLABELLED, LabelledCohort, label_facts
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    replayed,
    run_to_end,
    settings,
    transitions_in,
)
from tests.unit.judge.test_late_labels import HORIZON, reference, stream

CHANGE = 3_000
EVENTS_OF_STREAM = 6_000
MINUTE_US = 60 * SECOND_US
DAY_HORIZON = {"labels": {"horizon": "24h"}}
LABELS = Partition("labels", 0)
#: labels of the reference come 2 to 6 minutes after their predictions
Change = Callable[[int, Event], Event | None]


def number(one: Event) -> int:
    """Of a prediction, or of that of a label."""
    return int(one["id"].partition("-")[2])


def changed(change: Change, events: int = EVENTS_OF_STREAM, seed: int = 5) -> list[Event]:
    """A stream whose labels of predictions from `CHANGE` on are changed, or left out."""
    made = []
    for one in stream(events, seed, 0.1):
        if one["type"] == "label" and number(one) >= CHANGE:
            label = change(number(one), one)
            made += [] if label is None else [label]
        else:
            made.append(one)
    return sorted(made, key=lambda one: one["ts"])


def later(minutes: float) -> Change:
    return lambda _at, label: label | {"ts": label["ts"] + round(minutes * MINUTE_US)}


def said(of: Iterable[Event], known: Reference | None = None, chunk: int = 500) -> list[dict[str, Any]]:
    source = MemorySource({EVENTS: list(of)}, chunk)
    return transitions_in(replayed(settings(HORIZON), known or reference(), source)[0])


def findings(transitions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for transition in transitions for one in transition["findings"]]


def causes(transitions: Iterable[dict[str, Any]]) -> set[str]:
    return {one["cause"] for one in findings(transitions)}


@cache
def stopped() -> list[Event]:
    return changed(lambda _at, _label: None)


def test_the_reference_knows_how_many_labels_come_and_how_late() -> None:
    facts = dict(reference().facts)
    assert facts[UNLABELLED].share < 0.02
    assert 0.01 < facts[LATE_LABELS].share < 0.06
    assert facts[UNLABELLED].largest
    assert facts[LATE_LABELS].largest
    assert reference().performance is not None
    assert reference().performance.late > 8_500  # type: ignore[union-attr]  # asserted


def test_labels_that_come_as_in_the_reference_are_no_finding() -> None:
    assert not said(stream(EVENTS_OF_STREAM, 6, 0.1))


def test_labels_that_stop_are_said_to_be_missing_and_nothing_else() -> None:
    got = said(stopped())
    assert causes(got) == {"label_coverage"}
    opened, found = got[0], got[0]["findings"][0]
    assert (opened["transition"], opened["severity"], found["severity"]) == ("opened", "ticket", "ticket")
    assert CHANGE < opened["predictions"] < CHANGE + 2_500  # 14 minutes of waiting, then a block
    assert "of the predictions of credit got a label, 100 % before" in opened["summary"]  # a part of the first block
    assert "have their label 13.3 min later" in found["detail"]


def test_that_no_labels_come_is_said_since_when_the_finding_is_open() -> None:
    lines = replayed(settings(HORIZON), reference(), MemorySource({EVENTS: stopped()}, 500))[0]
    opened, summary = transitions_in(lines)[0], lines[-1]
    (words,) = summary["models"][0]["at_the_end"]
    assert words == f"no labels for the newest predictions of credit: they are missing since {opened['since']}"
    assert opened["findings"][0]["since"] == opened["since"]


def test_labels_that_come_later_are_said_to_be_late_and_nothing_else() -> None:
    got = said(changed(later(8)))
    assert causes(got) == {"label_delay"}
    assert got[0]["severity"] == "ticket"
    said_to_be = re.search(r"come later: about ([0-9.]+) min after", got[0]["summary"])
    assert said_to_be is not None
    assert 6 < float(said_to_be[1]) < 14  # of a cohort of which a part came 4 minutes later, and others 12


def test_fewer_labels_are_said_with_their_share() -> None:
    got = said(changed(lambda at, label: label if at % 10 < 6 else None))
    assert causes(got) == {"label_coverage"}
    assert findings(got)[0]["value"] == pytest.approx(0.4, abs=0.06)
    assert not said(changed(lambda at, label: label if at % 20 else None))  # five in a hundred are less than the least


def test_labels_later_than_anyone_could_wait_for_are_missing_until_they_come() -> None:
    got = said(changed(later(25), events=8_000))
    first = got[0]["findings"][0]
    assert first["cause"] == "label_coverage"
    ended = [at for at, one in enumerate(got) if at and "label_coverage" not in causes([one])]
    assert ended, [one["summary"] for one in got]
    assert causes(got[ended[-1] :]) == {"label_delay"}


def test_labels_that_come_again_end_the_finding() -> None:
    got = said(changed(lambda at, label: None if at < 4_000 else label, events=9_000))
    assert causes(got) == {"label_coverage"}
    assert [one["transition"] for one in got][-1] == "resolved"


def test_what_is_said_does_not_depend_on_how_the_stream_is_read() -> None:
    assert said(stopped(), chunk=61) == said(stopped())


def outline(transitions: Iterable[tuple[str, Sequence[Finding]]]) -> list[tuple[str, list[tuple[str, float, int]]]]:
    """What is said of labels, without when."""
    return [
        (name, [(one.key.cause, one.value, one.window.start_us) for one in of])
        for name, of in transitions
        if not any(one.key.cause == "traffic" for one in of)
    ]


def test_a_batch_of_labels_gives_what_a_replay_gives() -> None:
    """25 minutes late, on a topic of their own: missing at first, then late; a batch that comes after that says both,
    one after the other."""
    both = changed(later(25), events=8_000)
    events, labels = ([one for one in both if (one["type"] == "label") == of_labels] for of_labels in (False, True))
    tree = settings(HORIZON, inputs=[{"topic": "events"}, {"topic": "labels"}])

    def run(live: bool) -> list[tuple[str, list[tuple[str, float, int]]]]:
        held = {EVENTS: list[Event](), LABELS: list[Event]()} if live else {EVENTS: events, LABELS: labels}
        source, clock, outputs = MemorySource(held, 100_000, live=live), ManualClock(NOW_US), Recorded()
        pipeline = Pipeline(tree, admission_of(tree, reference()), source, clock, outputs, live=live)
        if not live:
            run_to_end(pipeline, source)
        for end_us in range(both[0]["ts"], both[-1]["ts"] + 40 * MINUTE_US, 5 * MINUTE_US) if live else ():
            clock.advance(300)
            batch = (end_us - both[0]["ts"]) % (30 * MINUTE_US) == 5 * MINUTE_US
            for partition, of in ((EVENTS, events), (LABELS, labels)):
                if partition == EVENTS or batch:
                    come = source.records[partition]
                    come.extend([one for one in of[len(come) :] if one["ts"] < end_us])
            pipeline.turn()
            pipeline.turn()
        pipeline.checkpoint()
        return outline((one.transition, one.findings) for one in outputs.reported)

    replay = run(live=False)
    assert [name for name, _ in replay] == ["opened", "resolved", "opened"]
    assert run(live=True) == replay


def inline(of: Iterable[Event], share: int) -> list[Event]:
    """`share` of ten predictions come with their label."""
    known = {one["id"]: one["label"] for one in of if one["type"] == "label"}
    predictions = [one for one in of if one["type"] == "prediction"]
    return [one | ({"label": known[one["id"]]} if number(one) % 10 < share else {}) for one in predictions]


def test_labels_that_come_with_predictions_are_counted_at_once() -> None:
    events = inline(stream(6_000, 7, 0.1), 10)
    source = partial(MemorySource, {EVENTS: events})
    known = build_reference(settings(HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=5_500))
    assert LATE_LABELS not in dict(known.facts)
    without = [one if number(one) < 2_000 else {k: v for k, v in one.items() if k != "label"} for one in events]
    got = said(without, known)
    assert causes(got) == {"label_coverage"}
    assert 2_000 < got[0]["predictions"] < 3_000


# the parts


def test_a_cohort_is_counted_once_with_what_took_effect_until_then() -> None:
    arrivals = LabelArrivals(10, 1_000, usual_us=20, longest_us=40)
    assert arrivals.waits_us == TIMES_LONGEST * 50
    arrivals.predicted(3, 8, 2)
    arrivals.add(0, 3, 30)
    arrivals.add(0, 2, 100)
    arrivals.add(0, 1, 200)  # after the time of its cohort, whenever it is added
    assert not arrivals.count(109)
    (one,) = arrivals.count(110)
    assert (one.at_us, one.predictions, one.inline, one.came, one.late, one.missing) == (110, 8, 2, 5, 2, 1)
    assert one.waited_us == 3 * 20 + 2 * 90
    arrivals.add(0, 1, 300)
    assert [(late.at_us, late.came, late.waited_us) for late in arrivals.count(300)] == [(200, 1, 190), (300, 1, 290)]
    assert not arrivals.count(300)
    arrivals.add(10, 1, 300)  # of predictions that were not seen
    assert not arrivals.count(1_000)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30), st.integers(-2, 9)), max_size=30),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([0, 3, 60]),
)
def test_cohorts_and_labels_are_counted_the_same_however_far_the_join_is_behind(
    labels: list[tuple[int, int, int]], stands: list[int], pause: int
) -> None:
    """Labels of one cohort that take effect so many panes after it; the join goes on at some panes alone."""
    due = sorted((of // 2 * 20, of // 2 * 20 + after * 10 + 10, labels) for of, after, labels in labels)
    of_effect = sorted(due, key=lambda one: one[1])

    def counted(joined_us: Callable[[int], int], restart: bool) -> list[CountedCohort]:
        arrivals, found, given = LabelArrivals(20, 1_000, 20, 40), list[CountedCohort](), 0
        for end_us in range(10, 900, 10):
            until_us = min(end_us, joined_us(end_us))
            while given < len(of_effect) and of_effect[given][1] <= until_us:
                start_us, at_us, came = of_effect[given]
                arrivals.add(start_us, came, at_us)
                given += 1
            if end_us <= 200 or end_us % 50 == 0:  # later panes are sparse
                arrivals.predicted(end_us - 10, 5, 1)
                found += arrivals.count(until_us)
            if restart:
                state, arrivals = arrivals.to_state(), LabelArrivals(20, 1_000, 20, 40)
                arrivals.restore(state)
        return found

    stops = sorted({*(10 * at for at in stands), 880})

    def behind(end_us: int) -> int:
        return max([0, *(at for at in stops if at <= end_us - pause)])

    one_by_one = counted(lambda end_us: end_us, restart=False)
    in_batches = counted(behind, restart=True)
    until_us = max((one.at_us for one in in_batches), default=0)
    assert in_batches == [one for one in one_by_one if one.at_us <= until_us]
    assert [one.at_us for one in one_by_one] == sorted(one.at_us for one in one_by_one)


def test_labels_after_the_time_of_a_cohort_are_not_lost_while_the_join_is_behind() -> None:
    def counted(untils: Iterable[int]) -> list[CountedCohort]:
        arrivals, found = LabelArrivals(10, 1_000, 20, 40), list[CountedCohort]()
        arrivals.predicted(0, 300, 0)
        for until_us in untils:
            if until_us >= 130:
                arrivals.add(0, 200, 130)
            found += arrivals.count(until_us)
        return found

    assert counted([110, 130]) == counted([105, 130]) == counted([130])
    assert [(one.again, one.came) for one in counted([130])] == [(False, 0), (True, 200)]


def test_labels_that_are_handed_on_before_the_first_pane_of_their_cohort_count() -> None:
    arrivals = LabelArrivals(10, 1_000, 20, 40)
    arrivals.add(0, 3, 10)
    arrivals.predicted(0, 4, 0)
    (one,) = arrivals.count(1_000)
    assert (one.predictions, one.came) == (4, 3)


def test_cohorts_and_blocks_go_on_from_their_state() -> None:
    arrivals, blocks = LabelArrivals(10, 1_000, 20, 40), FactBlocks(10, 3)
    for at in range(7):
        arrivals.predicted(at * 10, 4, 1)
        arrivals.add(at * 10, 2, at * 10 + 25)
        blocks.add(FactBlock(at * 10, at * 10 + 10, at, 4))
    assert len(arrivals.count(115)) == 1
    arrivals.add(0, 1, 135)
    again, others = LabelArrivals(10, 1_000, 20, 40), FactBlocks(10, 3)
    again.restore(arrivals.to_state())
    others.restore(blocks.to_state())
    assert others.closed == blocks.closed
    found = arrivals.count(140)
    assert again.count(140) == found
    assert [one.again for one in found] == [False, False, True, False]
    assert others.add(FactBlock(70, 80, 0, 9)) == blocks.add(FactBlock(70, 80, 0, 9))
    assert others.closed == blocks.closed


def test_a_cohort_that_overlaps_an_excluded_time_is_not_counted() -> None:
    arrivals = LabelArrivals(10, 1_000, 20, 40, lambda start_us, end_us: start_us < 14 and end_us > 13)
    for at in (3, 18, 20):
        arrivals.predicted(at, 4, 0)
    assert [one.start_us for one in arrivals.count(10_000)] == [0, 20]


@cache
def day_reference() -> Reference:
    source = partial(MemorySource, {EVENTS: stream(10_000, 1, 0.1)})
    return build_reference(settings(DAY_HORIZON), CREDIT, source, ManualClock(NOW_US), EventRange(rows=9_000))


@pytest.mark.parametrize("traffic", [True, False])
def test_an_excluded_time_is_no_lack_of_labels_with_events_or_without(traffic: bool) -> None:
    """Labels of a cohort that it overlaps are not taken; the others of that cohort were counted as missing."""
    events = stream(9_000, 6, 0.1)
    width_us = cohort_us(settings(DAY_HORIZON).models[0].labels.horizon, 10 * SECOND_US)
    start_us = (events[0]["ts"] // width_us + 2) * width_us + 400 * SECOND_US
    end_us = start_us + MINUTE_US
    gone = {one["id"] for one in events if one["type"] != "label" and start_us <= one["ts"] < end_us}
    assert 0 < len(gone) < 1_000
    if not traffic:
        events = [one for one in events if one["id"] not in gone]
    tree = settings(DAY_HORIZON | {"exclude": [{"from": start_us, "to": end_us}]})
    assert not transitions_in(replayed(tree, day_reference(), MemorySource({EVENTS: events}, 500))[0])


def test_facts_of_a_reference_are_of_blocks_as_they_are_judged() -> None:
    cohorts = [LabelledCohort(100, 90, 50, 5)] * 18
    facts = dict(label_facts(cohorts))
    assert (facts[UNLABELLED].hits, facts[UNLABELLED].events) == (180, 1_800)
    assert (facts[LATE_LABELS].hits, facts[LATE_LABELS].events) == (75, 750)
    assert facts[UNLABELLED].largest[0] == facts[LATE_LABELS].largest[0] == 0.1
    assert not label_facts([LabelledCohort(100, 0)] * 10)
