"""A reference that is replaced while running: the same as a new start with it, and nothing of the one before stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.events import ModelKey, Partition
from monitor.findings import FindingKey, Transition
from monitor.judge.fleet import Fleet
from monitor.pipeline import Pipeline
from monitor.reference.column import FEATURE
from monitor.reference.file.encoding import with_hash
from monitor.reference.reference import Reference
from monitor.run.outputs import KafkaOutputs
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.state.model_part import name_of
from monitor.stats.tallies.tally import Tally
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    batch_of,
    blank,
    build,
    categorical,
    credit_reference,
    event,
    numeric,
    pipeline_of,
    plain,
    run_to_end,
    settings,
    trees,
)

OTHER = ModelKey("loan", "1")
TREE = settings(
    models=[{"name": "credit", "reference": "c.json"}, {"name": "loan", "reference": "l.json"}], id_memory=500
)
SECOND_PARTITION = Partition("events", 1)
CHUNK = 150
PANE_US = settings().windows.pane


def older(made: Event, _rng: np.random.Generator) -> None:
    """From the change on, everybody is older."""
    made["features"]["AGE"] += 6


@cache
def older_reference() -> Reference:
    """Of people who are older, without the column BILL: other bins, and another number of them."""
    events = []
    for made in Credit(6_000, seed=8, change=0, fault=older):
        del made["features"]["BILL"]
        events.append(made)
    return build(settings(), events)


@cache
def stream() -> dict[Partition, list[Any]]:
    """Two models on two partitions; both change after 800 events."""
    parts: dict[Partition, list[Any]] = {EVENTS: [], SECOND_PARTITION: []}
    for number, made in enumerate(Credit(2_400, seed=5, change=800, fault=older)):
        part = parts[EVENTS if number % 3 else SECOND_PARTITION]
        part += [made | ({"label": number % 2} if number % 7 == 0 else {}), made | {"model": "loan"}]
        if number % 40 == 0:
            part.append(event(number, type="label", id=made["id"], label=1))
    return parts


def begun(reference: Reference) -> tuple[Pipeline, Admission, MemorySource, Recorded]:
    admission = admission_of(TREE, reference, with_hash(replace(credit_reference(), key=OTHER)))
    source, outputs = MemorySource(stream(), CHUNK), Recorded()
    return pipeline_of(TREE, admission, source, outputs)[0], admission, source, outputs


def sent(outputs: Recorded) -> list[dict[str, Any]]:
    return [one.to_json() for one in outputs.reported]


def of_credit(outputs: Recorded) -> list[Transition]:
    return [one for one in outputs.reported if one.key == CREDIT]


@cache
def unreplaced() -> tuple[Any, list[dict[str, Any]]]:
    pipeline, _, source, outputs = begun(credit_reference())
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    return plain(trees(pipeline.to_state())), sent(outputs)


@pytest.mark.parametrize("turns", [0, 3, 6, 12])
def test_to_replace_is_the_same_as_to_begin_again_with_the_other_reference(turns: int) -> None:
    replaced, admission, source, outputs = begun(credit_reference())
    again, _, rest, later = begun(older_reference())
    for _ in range(turns):
        replaced.turn()
    replaced.checkpoint()
    restored = again.restore(replaced.to_state().state())
    assert restored == ([CREDIT] if turns else [])
    rest.next.update({partition: source.next[partition] for partition in rest.next})
    before = len(outputs.reported)

    admission.replace(CREDIT, older_reference())
    run_to_end(replaced, source)
    run_to_end(again, rest)
    replaced.checkpoint()
    again.checkpoint()
    assert plain(trees(replaced.to_state())) == plain(trees(again.to_state()))
    assert sent(outputs)[before:] == sent(later)


def test_from_then_on_events_are_judged_by_the_new_reference_and_the_other_model_goes_on_as_it_would_have() -> None:
    state, expected = unreplaced()
    assert {(one["model"], one["transition"], one["severity"]) for one in expected} >= {
        ("credit", "opened", "page"),
        ("loan", "opened", "page"),
    }
    pipeline, admission, source, outputs = begun(credit_reference())
    while not of_credit(outputs):
        pipeline.turn()
    opened, events = of_credit(outputs)[-1], pipeline.totals.events[CREDIT].events
    admission.replace(CREDIT, older_reference())
    assert CREDIT not in pipeline.totals.events
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    resolved, new = of_credit(outputs)[-2:]
    assert (resolved.transition, resolved.incident) == ("resolved", opened.incident)
    assert resolved.summary.startswith("credit 1: resolved (reference changed) after ")
    assert (new.severity, new.summary) == ("ticket", "credit 1: BILL is a new column")  # to the other reference
    judge = cast("Fleet", pipeline.fleet).judges[CREDIT]
    assert judge.monitored.reference.hash == older_reference().hash
    assert list(judge.book.open) == [FindingKey("BILL", "schema")]
    assert 250 < judge.predictions <= 2_400 - events
    of_loan = [one for one in sent(outputs) if one["model"] == "loan"]
    assert of_loan == [one for one in expected if one["model"] == "loan"]
    loan = name_of(OTHER)
    assert plain(trees(pipeline.to_state()))[loan] == state[loan]


def test_a_pane_that_is_open_holds_nothing_that_was_counted_by_the_bins_before() -> None:
    """Of one width on purpose: nothing but the order would tell that the counts mean other things."""
    first, second = blank([numeric("x", edges=(1, 2, 3))]), blank([numeric("x", edges=(5, 6, 7))])
    admission = admission_of(settings(), first)
    pipeline, _ = pipeline_of(settings(), admission, MemorySource({EVENTS: []}))
    pipeline.count([batch_of([event(at, prediction=1, features={"x": 0.5}) for at in range(3)])])
    admission.replace(CREDIT, second)
    pipeline.count([batch_of([event(at, prediction=1, features={"x": 5.5}) for at in (4, 5)], 3)])
    (tallies,) = pipeline.tasks[0].open.values()
    (tally,) = tallies.values()
    assert tally.counts[0].tolist()[:4] == [0, 2, 0, 0]
    assert pipeline.totals.events[CREDIT].counts.tolist() == tally.counts.tolist()
    assert pipeline.tasks[0].outcomes == {("events", "accepted", ""): 5}


class ReplacingFleet(Fleet):
    """Replaces the reference as soon as the first pane is judged, while others of the same turn wait."""

    replacement: tuple[Admission, Reference] | None = None
    panes: list[Pane]

    def judge(self, pane: Pane) -> None:
        super().judge(pane)
        self.panes.append(pane)
        if self.replacement is not None:
            (admission, reference), self.replacement = self.replacement, None
            admission.replace(CREDIT, reference)


def test_no_mark_of_what_was_judged_before_comes_again_with_the_other_reference() -> None:
    """Else a store would keep the judge of before, where the new one has taken as many panes."""
    admission = admission_of(settings(), blank([numeric("x")]))
    fleet = Fleet(admission, settings())
    marks = []
    for _ in range(2):
        for number in range(3):
            start_us = START_US + number * PANE_US
            fleet.judge(Pane(PaneKey(CREDIT, ""), start_us, start_us + PANE_US, Tally.empty(1, 4)))
            marks.append(fleet.mark(CREDIT))
        fleet.forget(CREDIT)
        marks.append(fleet.mark(CREDIT))
    assert len(set(marks)) == len(marks)


def test_panes_of_the_same_turn_that_were_counted_before_are_not_judged() -> None:
    first, second = blank([numeric("x")]), blank([numeric("x", edges=(5, 6, 7)), numeric("y")])
    admission = admission_of(settings(), first)
    fleet = ReplacingFleet(admission, settings())
    fleet.panes = []
    stream = [event(60 * at, prediction=1, features={"x": 0.5, "y": 1}) for at in range(12)]
    source = MemorySource({EVENTS: stream}, 6)
    pipeline = Pipeline(settings(), admission, source, ManualClock(NOW_US), Recorded(), stage2=fleet, live=False)
    fleet.replacement = admission, second
    run_to_end(pipeline, source)
    assert [pane.tally.counts.shape[0] for pane in fleet.panes] == [1, *[2] * (len(fleet.panes) - 1)]
    assert len(fleet.panes) >= 2
    assert fleet.judges[CREDIT].predictions == sum(pane.tally.events for pane in fleet.panes[1:])


def test_a_version_that_had_none_is_let_in_and_its_features_are_read() -> None:
    """Also one that the decoder met before, and of which it knows that nobody wanted its features."""
    tree = settings()
    admission = admission_of(tree)
    pipeline, _ = pipeline_of(tree, admission, MemorySource({EVENTS: []}))
    one = event(0, prediction=1, features={"x": 1.5, "word": "a"})
    pipeline.count([batch_of([one, one])])
    assert admission.of(CREDIT)[:2] == ("unknown_model", "no_reference")
    admission.replace(CREDIT, blank([numeric("x"), categorical("word")]))
    pipeline.count([batch_of([one], 2)])
    assert pipeline.totals.events[CREDIT].counts[:, :2].tolist() == [[0, 1], [1, 0]]
    assert pipeline.tasks[0].outcomes == {("events", "unknown_model", "no_reference"): 2, ("events", "accepted", ""): 1}


def test_one_for_all_versions_is_replaced_for_the_version_that_was_named_alone() -> None:
    admission = admission_of(settings(), blank([numeric("x")], ModelKey("credit", "*")))
    second = ModelKey("credit", "2")
    assert [admission.of(key).outcome for key in (CREDIT, second)] == ["accepted", "accepted"]
    before, other = admission.monitored(CREDIT), blank([numeric("x", edges=(4, 5))])
    admission.replace(second, other)
    assert admission.monitored(CREDIT) is before
    assert (now := admission.monitored(second)) is not None
    assert now.reference.hash == other.hash
    assert now.settings_hash != getattr(before, "settings_hash", None)
    assert list(admission.seen) == [CREDIT, second]


def test_the_settings_hold_for_the_new_one_as_for_one_from_a_file() -> None:
    admission = admission_of(
        settings({"features": {"BILL": {"kind": "ignore"}}, "positive": "yes"}), credit_reference()
    )
    admission.replace(CREDIT, credit_reference())
    held = admission.references.of(CREDIT)
    assert held is not None
    assert [column.name for column in held.columns if column.role == FEATURE] == ["AGE", "EDU", "LIMIT"]
    assert held.positive == "yes"


@pytest.mark.parametrize(("key", "of"), [(ModelKey("cat", "1"), ModelKey("cat", "1")), (CREDIT, ModelKey("cat", "1"))])
def test_a_model_that_is_not_in_the_settings_and_a_reference_of_another_are_refused(
    key: ModelKey, of: ModelKey
) -> None:
    admission = admission_of(settings(), blank([numeric("x")]))
    before = admission.monitored(CREDIT)
    with pytest.raises(ValueError, match="cannot be compared with a reference of"):
        admission.replace(key, blank([numeric("x")], of))
    assert admission.monitored(CREDIT) is before


class _Outputs:
    checkpoint_us = None
    checkpoint_bytes = 0
    checkpoint_parts = 0


def columns_of(builder: SnapshotBuilder) -> dict[str, Sequence[int]]:
    model = next(one for one in builder.snapshot({}).models if one.key == CREDIT)
    return {column.name: column.total for column in model.columns}


def test_what_is_shown_starts_from_scratch_with_the_new_reference() -> None:
    before, _, source, _ = begun(credit_reference())
    run_to_end(before, source)
    pipeline, admission, source, _ = begun(credit_reference())
    pipeline.restore(before.to_state().state())
    builder = SnapshotBuilder(
        TREE, admission, pipeline, cast("Fleet", pipeline.fleet), cast("KafkaOutputs", _Outputs())
    )
    assert "BILL" in columns_of(builder)
    admission.replace(CREDIT, older_reference())
    model = next(one for one in builder.snapshot({}).models if one.key == CREDIT)
    assert (model.reference, model.columns, model.predictions) == (older_reference().hash, (), 0)

    source.next.update({partition: len(things) for partition, things in source.records.items()})
    source.records[EVENTS] += list(Credit(900, seed=9, change=0, fault=older, begin=1_500))
    run_to_end(pipeline, source)
    shown = columns_of(builder)
    assert "BILL" not in shown
    assert sum(shown["AGE"]) == 900
    judge = pipeline.fleet.to_state(CREDIT)
    assert judge is not None
    assert judge.context.reference == older_reference().hash
