"""Stage 1's corners: labels without a version, unknown models, what is handed on and what is forgotten."""

from __future__ import annotations

import math

import pytest

from monitor.clock import SECOND_US
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Exchange, LabelExchange
from monitor.count.labels.cohorts import LabelCohort, WaitingLabels
from monitor.count.task import ClosedPane
from monitor.count.task_state import PaneKey
from monitor.count.totals import MAX_LABEL_VERSIONS
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.tally import Tally
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    MemorySource,
    Recorded,
    admission_of,
    batch_of,
    blank,
    event,
    numeric,
    pipeline_of,
    settings,
)

PANE = 10 * SECOND_US
WHOLE = PaneKey(CREDIT, "")
OTHER = PaneKey(ModelKey("other", ""), "")


def pipeline(model: dict[str, object] | None = None, version: str = "1", **over: object) -> tuple[Pipeline, Recorded]:
    tree, outputs = settings(model, **over), Recorded()
    admission = admission_of(tree, blank([numeric("x")], ModelKey("credit", version)))
    return pipeline_of(tree, admission, MemorySource({EVENTS: []}), outputs)[0], outputs


def tally(events: int) -> Tally:
    made = Tally.empty(1, 4)
    made.predictions = events
    return made


def test_a_label_without_version_goes_to_the_models_only_version() -> None:
    counted, _ = pipeline({"versions": ["1"]})
    counted.count([batch_of([event(0, prediction=1), event(1, type="label", id="a", label=1, version=...)])])
    assert counted.accepted == {(CREDIT, "prediction"): 1, (CREDIT, "label"): 1}
    assert counted.totals.labels.of(CREDIT) == LabelTally(1)


def test_a_label_is_never_late_and_moves_no_clock() -> None:
    counted, _ = pipeline()
    label = {"type": "label", "id": "a", "label": 1}
    counted.count([batch_of([event(900, **label), event(0, id="a", prediction=1), event(-9_000, **label)])])
    assert counted.outcomes == {("events", "accepted", ""): 3}
    assert counted.tasks[0].partition_states["events"].clock_us == START_US


def test_a_tombstone_is_ignored() -> None:
    counted, outputs = pipeline()
    counted.count([batch_of([None, event(0, prediction=1)])])
    assert counted.outcomes == {("events", "ignored", "tombstone"): 1, ("events", "accepted", ""): 1}
    assert outputs.letters == []


@pytest.mark.parametrize("unknown", ["ignore", "reject"])
def test_an_event_of_an_unknown_model_is_counted_and_dead_lettered_only_where_that_is_asked_for(unknown: str) -> None:
    counted, outputs = pipeline(unknown_models=unknown)
    counted.count([batch_of([event(0, model="nobody", prediction=1), event(0, prediction=1), {"type": "x"}], 40)])
    counted.checkpoint()
    assert counted.outcomes["events", "unknown_model", "not_configured"] == 1
    expected = {(42, "type")} | ({(40, "unknown_model")} if unknown == "reject" else set())
    assert {(letter.offset, letter.reason) for letter in outputs.letters} == expected
    assert counted.dead_letters == len(expected)


def test_a_dead_letter_carries_the_record_and_the_places_in_its_array() -> None:
    counted, outputs = pipeline()
    batch = batch_of([[event(0, prediction=1), {"type": "x"}, 7]], 5)
    counted.count([batch])
    counted.checkpoint()
    (letter,) = outputs.letters
    assert (letter.partition, letter.offset, letter.value) == (EVENTS, 5, batch.values[0])
    assert letter.indices == (1, 2)


def test_a_pane_closes_when_the_clock_has_passed_its_end() -> None:
    counted, _ = pipeline()
    counted.count([batch_of([event(0, prediction=1), event(9.9, prediction=1), event(10, prediction=1)])])
    task = counted.tasks[0]
    assert task.close(lambda _: START_US + PANE - 1) == []
    (closed,) = task.close(lambda _: START_US + PANE)
    assert (closed.pane_key, closed.start_us, closed.tally.events) == (WHOLE, START_US, 2)
    assert task.open_panes == 1
    assert counted.totals.events[CREDIT].events == 3  # totals keep what was closed


def test_what_is_forgotten_starts_from_scratch_and_outcomes_stay() -> None:
    counted, _ = pipeline()
    counted.count([batch_of([event(0, prediction=1)])])
    task = counted.tasks[0]
    task.forget(CREDIT)
    assert task.open_panes == 0
    assert task.outcomes == {("events", "accepted", ""): 1}


def test_panes_of_all_units_are_merged_and_come_in_time_order() -> None:
    exchange = Exchange(PANE)
    exchange.put([ClosedPane(WHOLE, 3 * PANE, tally(1)), ClosedPane(OTHER, PANE, tally(2))])
    exchange.put([ClosedPane(WHOLE, 0, tally(4)), ClosedPane(WHOLE, 3 * PANE, tally(8))])
    panes = [(pane.pane_key, pane.start_us, pane.end_us, pane.tally.events) for pane in exchange.ready()]
    assert panes == [(WHOLE, 0, PANE, 4), (OTHER, PANE, 2 * PANE, 2), (WHOLE, 3 * PANE, 4 * PANE, 9)]
    assert list(exchange.ready()) == []


def test_what_comes_for_a_judged_pane_is_counted_and_never_judged() -> None:
    exchange = Exchange(PANE)
    exchange.put([ClosedPane(WHOLE, PANE, tally(1))])
    list(exchange.ready())
    exchange.put([ClosedPane(WHOLE, 0, tally(5)), ClosedPane(WHOLE, PANE, tally(6)), ClosedPane(OTHER, 0, tally(7))])
    assert [pane.pane_key for pane in exchange.ready()] == [OTHER]
    assert exchange.unjudged == {CREDIT: 11}
    again = Exchange(PANE)
    again.restore(CREDIT, exchange.to_state(CREDIT))
    again.put([ClosedPane(WHOLE, PANE, tally(6)), ClosedPane(WHOLE, 2 * PANE, tally(1))])
    assert again.unjudged == {CREDIT: 17}
    assert [pane.start_us for pane in again.ready()] == [2 * PANE]
    again.forget(CREDIT)
    again.put([ClosedPane(WHOLE, 0, tally(1))])
    assert len(list(again.ready())) == 1


def admission_of_credit(model: dict[str, object] | None = None, version: str = "*", **over: object) -> Admission:
    return admission_of(settings(model, **over), blank([numeric("x")], ModelKey("credit", version)))


def test_a_version_beyond_the_limit_is_over_it_for_good_and_the_first_ones_stay() -> None:
    found = admission_of_credit(limits={"versions": 2})
    outcomes = [found.of(ModelKey("credit", version)).outcome for version in ("1", "2", "3", "1", "3", "2")]
    assert outcomes == ["accepted", "accepted", "over_limit", "accepted", "over_limit", "accepted"]
    assert list(found.seen) == [ModelKey("credit", "1"), ModelKey("credit", "2")]
    restored = admission_of_credit(limits={"versions": 2})
    restored.restore([ModelKey("credit", "3"), ModelKey("credit", "2")])
    assert restored.of(ModelKey("credit", "1")).outcome == "over_limit"


def test_a_version_that_is_not_listed_is_ignored_and_one_without_reference_unknown() -> None:
    found = admission_of_credit({"versions": ["1", "2"]}, version="1")
    assert found.of(ModelKey("credit", "1")).outcome == "accepted"
    assert found.of(ModelKey("credit", "2"))[:2] == ("unknown_model", "no_reference")
    assert found.of(ModelKey("credit", "3"))[:2] == ("ignored", "version")
    assert found.monitored(ModelKey("credit", "3")) is None


def test_the_models_own_lateness_wins() -> None:
    assert admission_of_credit().of(CREDIT).lateness_us == 60 * SECOND_US
    assert admission_of_credit({"allowed_lateness": 5 * SECOND_US}).of(CREDIT).lateness_us == 5 * SECOND_US


def test_topics_of_one_partition_number_share_a_unit_and_keep_their_own_clocks() -> None:
    counted, _ = pipeline(inputs=[{"topic": "events"}, {"topic": "more"}])
    counted.count([batch_of([event(100, id="a", prediction=1)], 0, EVENTS)])
    counted.count([batch_of([event(0, id="a", prediction=1)], 0, Partition("more", 0))])
    assert list(counted.tasks) == [0]
    assert counted.tasks[0].outcomes == {("events", "accepted", ""): 1, ("more", "accepted", ""): 1}
    assert counted.positions() == {EVENTS: 1, Partition("more", 0): 1}


def test_a_label_that_names_no_version_makes_none_and_counts_for_the_nameless_one() -> None:
    label = event(2, type="label", id="a", label=1, version=...)
    prediction = event(1, prediction=1, features={"x": 1})
    named, _ = pipeline({"versions": []}, version="*")
    named.count([batch_of([prediction, label])])
    assert named.fleet.judged() == []
    assert named.to_state().whole.seen == [CREDIT]
    assert named.totals.labels.of(CREDIT) == LabelTally()
    nameless, _ = pipeline({"versions": []}, version="*")
    nameless.count([batch_of([{**prediction, "version": ""}, label])])
    assert nameless.totals.labels.of(ModelKey("credit", "")) == LabelTally(1)
    (closed,) = nameless.task(0).labels.close(lambda _: math.inf)
    assert (closed.key, closed.tally) == (ModelKey("credit", ""), LabelTally(1))


def test_labels_of_versions_that_never_come_take_no_version_its_place() -> None:
    crowded, _ = pipeline({"versions": []}, version="*", limits={"versions": 2})
    labels = [event(n, type="label", id="a", label=1, version=f"bogus-{n}") for n in range(20)]
    predictions = [event(30, prediction=1, features={"x": 1}, version=version) for version in ("1", "2")]
    crowded.count([batch_of([*labels, *predictions])])
    assert crowded.outcomes == {("events", "accepted", ""): 22}


def cohorts(*numbered: tuple[int, int], key: ModelKey = CREDIT, inline: bool = False) -> list[LabelCohort]:
    """Cohorts of (number, labels)."""
    return [LabelCohort(key, number * PANE, LabelTally(labels), inline) for number, labels in numbered]


def test_labels_are_handed_on_to_the_first_pane_that_ends_after_they_took_effect() -> None:
    exchange = LabelExchange()
    exchange.put(cohorts((10, 1), (12, 5)))
    assert exchange.ready(CREDIT, 11 * PANE) == cohorts((10, 1))
    exchange.put(cohorts((0, 3)) + cohorts((0, 7), key=ModelKey("other", "")))
    again = LabelExchange()
    again.restore(CREDIT, exchange.to_state(CREDIT))
    for one in (exchange, again):
        assert one.ready(CREDIT, 12 * PANE) == cohorts((0, 3))
        assert one.ready(CREDIT, 14 * PANE) == cohorts((12, 5))


def test_labels_that_came_with_predictions_of_a_judged_pane_are_never_handed_on() -> None:
    exchange = LabelExchange()
    exchange.put(cohorts((10, 1), inline=True) + cohorts((10, 2)))
    assert exchange.ready(CREDIT, 11 * PANE) == cohorts((10, 2)) + cohorts((10, 1), inline=True)
    again = LabelExchange()
    again.restore(CREDIT, exchange.to_state(CREDIT))
    for one in (exchange, again):
        one.put(cohorts((9, 4), (10, 8), (11, 16), inline=True) + cohorts((9, 32)))
        assert one.ready(CREDIT, 12 * PANE) == cohorts((9, 32)) + cohorts((11, 16), inline=True)
    again.forget(CREDIT)
    assert again.keys() == []
    again.put(cohorts((9, 4), inline=True))
    assert again.ready(CREDIT, 11 * PANE) == cohorts((9, 4), inline=True)


def test_labels_that_wait_are_bounded_and_none_is_given_out_too_early() -> None:
    waiting, taken = WaitingLabels(most=10), 0
    waiting.add(LabelCohort(CREDIT, at, LabelTally(1)) for at in range(100))
    assert len(list(waiting)) <= 10
    for at in range(0, 100, 7):
        taken += sum(cohort.tally.total for cohort in waiting.take_before(CREDIT, at + 1))
        assert taken <= at + 1
    assert taken + sum(cohort.tally.total for cohort in waiting.take_before(CREDIT, 100)) == 100
    assert list(waiting) == []


def test_versions_that_labels_alone_name_are_bounded_by_name_in_totals_and_series() -> None:
    crowded, _ = pipeline({"versions": []}, version="*")
    labels = [event(n, type="label", id="a", label=1, version=f"bogus-{n}") for n in range(3 * MAX_LABEL_VERSIONS)]
    crowded.count([batch_of(labels)])
    nameless = ModelKey("credit", "")
    counted = {key: tally.total for key, tally in crowded.totals.labels.tallies.items()}
    assert len(counted) == MAX_LABEL_VERSIONS + 1
    assert counted[nameless] == crowded.accepted[nameless, "label"] == 2 * MAX_LABEL_VERSIONS
    assert crowded.accepted.keys() == {(key, "label") for key in counted}


def test_a_version_that_labels_named_first_makes_room_once_its_events_come_as_after_a_restart() -> None:
    labels = [event(n, type="label", id="a", label=1, version=f"v{n}") for n in range(MAX_LABEL_VERSIONS)]
    begun, _ = pipeline({"versions": []}, version="*")
    begun.count([batch_of(labels)])
    begun.count([batch_of([event(0, prediction=1, version="v0")], len(labels))])
    restored, _ = pipeline({"versions": []}, version="*")
    restored.restore(begun.to_state().state())
    more = [event(n, type="label", id="a", label=1, version=version) for n, version in enumerate(("new", "late"))]
    for one in (begun, restored):
        one.count([batch_of(more, len(labels) + 1)])
    counted = begun.totals.labels.tallies
    assert counted == restored.totals.labels.tallies
    assert counted[ModelKey("credit", "new")] == counted[ModelKey("credit", "")] == LabelTally(1)
