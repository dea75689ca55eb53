"""What a board shows of a state that was restored: figures of the state, counters of the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from monitor.events import ModelKey
from monitor.findings import Figures, FindingKey, Span
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation
from monitor.judge.fleet import Fleet
from monitor.judge.promise.promised import Traffic, promise_of
from monitor.judge.windows.pyramid import Windows
from monitor.pipeline import Pipeline
from monitor.publish.series import render
from monitor.publish.snapshot import FindingView, IncidentView, ModelView, Snapshot
from monitor.publish.status.incident_cards import open_incidents
from monitor.reference.reference import Reference
from monitor.run.outputs import KafkaOutputs
from monitor.run.snapshot_builder import SnapshotBuilder
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Credit,
    Event,
    MemorySource,
    admission_of,
    blank,
    credit_reference,
    numeric,
    pipeline_of,
    run_to_end,
    settings,
)

TREE = settings({"versions": ["1"]})
#: of missing values
SHARE = 0.15


class _Outputs:
    checkpoint_us = None
    checkpoint_bytes = 0
    checkpoint_parts = 0


def begun(
    stream: Sequence[Event], before: Pipeline | None = None, reference: Reference | None = None
) -> tuple[Pipeline, MemorySource, SnapshotBuilder]:
    """A pipeline on a stream, from the state of another one, and what shows it."""
    admission, source = admission_of(TREE, reference or credit_reference()), MemorySource({EVENTS: stream})
    pipeline, _ = pipeline_of(TREE, admission, source)
    if before is not None:
        pipeline.restore(before.to_state().state())
    outputs = cast("KafkaOutputs", _Outputs())
    return pipeline, source, SnapshotBuilder(TREE, admission, pipeline, cast("Fleet", pipeline.fleet), outputs)


def ages(snapshot: Snapshot) -> int:
    """Values of AGE that were counted in bins."""
    (model,) = snapshot.models
    return sum(sum(column.total) for column in model.columns if column.name == "AGE")


def test_counters_begin_with_the_process_and_figures_are_the_states() -> None:
    first, source, snapshot_builder = begun(list(Credit(1_000)))
    run_to_end(first, source)
    assert ages(snapshot_builder.snapshot({})) == 1_000

    second, source, snapshot_builder = begun(list(Credit(600, seed=2, begin=700)), first)
    snapshot = snapshot_builder.snapshot({EVENTS: 0})
    assert ages(snapshot) == 0
    (model,) = snapshot.models
    assert (model.predictions, model.pages - model.pages_before) == (1_000, 0)
    assert 0 < model.expected_before == model.expected_false_pages
    run_to_end(second, source)
    snapshot = snapshot_builder.snapshot({EVENTS: 0})
    assert ages(snapshot) == 600
    assert snapshot.models[0].predictions == 1_600
    assert snapshot.models[0].expected_false_pages > snapshot.models[0].expected_before


def test_gaps_and_unjudged_events_of_the_state_are_not_told_again() -> None:
    first, source, _ = begun(list(Credit(600)))
    run_to_end(first, source)
    first.gaps[EVENTS] = 5_000
    first.exchange.unjudged[CREDIT] = 700
    second, _, snapshot_builder = begun([], first)
    snapshot = snapshot_builder.snapshot({EVENTS: 0})
    assert (dict(snapshot.retention_gaps), dict(snapshot.unjudged)) == ({EVENTS: 0}, {})
    second.gaps[EVENTS] += 3
    second.exchange.unjudged[CREDIT] += 2
    snapshot = snapshot_builder.snapshot({EVENTS: 0})
    assert (dict(snapshot.retention_gaps), dict(snapshot.unjudged)) == ({EVENTS: 3}, {CREDIT: 2})


def test_a_model_is_judged_with_its_first_base_window_and_there_before_its_first_event() -> None:
    pipeline, source, snapshot_builder = begun(list(Credit(200)))
    snapshot = snapshot_builder.snapshot({})
    assert [(model.key, model.predictions, model.judged_us) for model in snapshot.models] == [(CREDIT, 0, None)]
    run_to_end(pipeline, source)
    snapshot = snapshot_builder.snapshot({})
    assert (snapshot.models[0].predictions, snapshot.models[0].judged_us, snapshot.incidents) == (200, None, ())
    longer, source, snapshot_builder = begun(list(Credit(600)))
    run_to_end(longer, source)
    snapshot = snapshot_builder.snapshot({})
    assert snapshot.models[0].judged_us is not None
    assert [(one.key, one.severity) for one in snapshot.incidents] == [(CREDIT, "")]
    _, _, restarted = begun([], longer)
    assert restarted.snapshot({}).incidents == snapshot.incidents


def test_an_incident_that_is_over_stays_on_the_board_with_its_words_through_a_restart() -> None:
    def without_age(event: Event, _rng: object) -> None:
        del event["features"]["AGE"]

    fault = list(Credit(1_000, seed=2, change=500, fault=without_age))
    after = list(Credit(3_000, seed=3, begin=(fault[-1]["ts"] - fault[0]["ts"]) / 1e6 + 2))
    pipeline, source, snapshot_builder = begun([*fault, *after])
    run_to_end(pipeline, source)
    snapshot = snapshot_builder.snapshot({})
    [exceedance] = snapshot.ended
    assert (exceedance.key, exceedance.severity, snapshot.findings) == (CREDIT, "page", ())
    assert fault[500]["ts"] <= exceedance.opened_us < exceedance.ended_us
    assert abs(exceedance.since_us - fault[500]["ts"]) <= TREE.windows.pane
    assert exceedance.summary.startswith("credit 1: resolved after ")
    assert any("AGE" in words for words in exceedance.findings)
    _, _, restarted = begun([], pipeline)
    assert restarted.snapshot({}).ended == snapshot.ended


def test_a_column_that_cannot_be_seen_to_change_says_why() -> None:
    pipeline, source, snapshot_builder = begun(list(Credit(600)), reference=blank([numeric("AGE")]))
    run_to_end(pipeline, source)
    assert [column.unwatched for column in snapshot_builder.snapshot({}).models[0].columns] == ["it has no values"]
    pipeline, source, snapshot_builder = begun(list(Credit(600)))
    run_to_end(pipeline, source)
    assert {column.unwatched for column in snapshot_builder.snapshot({}).models[0].columns} == {""}


class _MadeUp(Cause[None]):
    """A cause about the model itself."""

    names = (CauseName("made_up"),)

    def tests(self) -> int:
        return 0

    def measure(self, evaluation: Evaluation) -> None:
        """Nothing."""

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return iter(())

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return None

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        yield "credit", Figures("made_up", 12.0, 30.0, 0.4, 0.5, 250, 0.4)


def test_figures_of_what_is_not_a_column_are_series_too_and_stand_by_their_finding() -> None:
    pipeline, source, builder = begun(list(Credit(600)))
    run_to_end(pipeline, source)
    (judge,) = cast("Fleet", pipeline.fleet).judges.values()
    judge.judge.causes = (*judge.judge.causes, _MadeUp(judge.prepared, judge.policy))
    snapshot = builder.snapshot({EVENTS: 0})
    labels = '{cause="made_up",model="credit",segment="",subject="credit",version="1"}'
    assert f"driftd_finding_value{labels} 12.0" in render(snapshot).decode().splitlines()
    (newest,) = [one for name, one in snapshot.models[0].figures if name == "credit" and one.cause == "made_up"]
    window = Span(START_US, START_US + 1, 600)
    found = FindingView(CREDIT, FindingKey("credit", "made_up"), "ticket", window=window, exceedance=3, newest=newest)
    opened = replace(snapshot, findings=(found,), incidents=(IncidentView(CREDIT, "ticket", 0),))
    page = "".join(open_incidents(opened, 0))
    assert ": 3 times the threshold. The newest 250 events alone: effect 0.4, statistic 12 (threshold 30)" in page


def test_an_open_finding_is_shown_with_figures_of_after_its_start() -> None:
    def often_missing(event: Event, rng: np.random.Generator) -> None:
        if rng.random() < SHARE:
            event["features"]["AGE"] = None

    stream = list(Credit(5_000, seed=2, change=2_000, fault=often_missing))
    pipeline, source, snapshot_builder = begun(stream)
    shown: list[tuple[float, float]] = []
    while not source.ended():
        pipeline.turn()
        snapshot = snapshot_builder.snapshot({})
        if pipeline.records.total() < 2_700:
            continue
        (found,) = snapshot.findings
        (age,) = [column for column in snapshot.models[0].columns if column.name == "AGE"]
        assert found.window is not None
        assert found.since_us is not None
        assert found.window.start_us >= found.since_us
        assert (age.live_since_us or found.since_us) >= found.since_us
        (now,) = [now for name, _, now in age.quality_counts if name == "missing"]
        said = float(found.headline.split(" in ")[1].removesuffix(" %")) / 100
        assert found.newest is not None
        shown.append((now, sum(age.live) / (1 - SHARE)))
        shown.append((said, found.window.events))
        shown.append((found.newest.value, found.newest.samples))
    assert len(shown) >= 12
    for share, of in shown:
        assert abs(share - SHARE) < 4.5 * (SHARE * (1 - SHARE) / of) ** 0.5


def promised(snapshot_builder: SnapshotBuilder) -> ModelView:
    """The only model, once its promise is computed."""
    assert snapshot_builder.snapshot({}).models[0].promise is None
    while snapshot_builder.promise():
        pass
    return snapshot_builder.snapshot({}).models[0]


def test_a_promise_in_steps_is_the_one_of_its_first_moment_computed_in_one_go() -> None:
    pipeline, source, snapshot_builder = begun(list(Credit(1_500)))
    assert not snapshot_builder.promise(), "nothing was judged"
    run_to_end(pipeline, source)
    judge = cast("Fleet", pipeline.fleet).judges[CREDIT]
    snapshot_builder.snapshot({})
    at_once = promise_of(judge, Traffic.today(judge), cast("Fleet", pipeline.fleet).share(CREDIT))
    steps, (begin, *_) = 1, list(Credit(1))
    assert snapshot_builder.promise()
    source.records[EVENTS].extend(list(Credit(1_500, seed=5, begin=(begin["ts"] - START_US) / 1e6 + 1_600)))
    run_to_end(pipeline, source)
    while snapshot_builder.promise():
        steps += 1
    assert snapshot_builder.snapshot({}).models[0].promise == at_once
    assert steps > len(at_once.columns)


def test_the_columns_of_a_model_are_the_same_while_nothing_comes_and_no_others_than_built_anew() -> None:
    pipeline, source, snapshot_builder = begun(list(Credit(700)))
    outputs = cast("KafkaOutputs", _Outputs())
    while True:
        ended = source.ended()
        pipeline.turn()
        fresh = SnapshotBuilder(TREE, admission_of(TREE, credit_reference()), *_parts(pipeline), outputs)
        fresh._parts._before.clear()
        first, second = snapshot_builder.snapshot({}).models[0], snapshot_builder.snapshot({}).models[0]
        assert first.columns is second.columns
        assert first.columns == fresh.snapshot({}).models[0].columns
        if ended:
            break


def _parts(pipeline: Pipeline) -> tuple[Pipeline, Fleet]:
    return pipeline, cast("Fleet", pipeline.fleet)


def test_the_promise_is_of_todays_traffic_and_kept_while_that_is_alike() -> None:
    pipeline, source, snapshot_builder = begun(list(Credit(1_500)))
    assert snapshot_builder.snapshot({}).models[0].promise is None
    run_to_end(pipeline, source)
    model = promised(snapshot_builder)
    promise = model.promise
    assert promise is not None
    assert [column.name for column in promise.columns] == [view.name for view in model.columns]
    assert promise.of_reference == pytest.approx(1, abs=0.1)
    assert snapshot_builder.snapshot({}).models[0].promise is promise

    slower = [{**one, "ts": START_US + 4 * (one["ts"] - START_US)} for one in Credit(1_500)]
    pipeline, source, snapshot_builder = begun(slower)
    run_to_end(pipeline, source)
    of_slow = promised(snapshot_builder).promise
    assert of_slow is not None
    assert of_slow.of_reference == pytest.approx(0.25, abs=0.03)
    assert of_slow.columns[0].named.us > 2 * promise.columns[0].named.us


def test_predictions_without_ids_are_told_where_ids_are_asked_for() -> None:
    for asked, with_id in ((True, True), (True, False), (False, False)):
        tree = settings({"labels": {"horizon": "1h"}} if asked else {})
        stream = [one if with_id else {**one, "id": None} for one in Credit(300)]
        known, source = admission_of(tree, credit_reference()), MemorySource({EVENTS: stream})
        pipeline, _ = pipeline_of(tree, known, source)
        fleet, outputs = cast("Fleet", pipeline.fleet), cast("KafkaOutputs", _Outputs())
        builder = SnapshotBuilder(tree, known, pipeline, fleet, outputs)
        run_to_end(pipeline, source)
        assert builder.snapshot({}).unwatched == (
            ("credit 1: none of 300 predictions has an id: labels cannot be joined, repeats cannot be told",)
            if asked and not with_id
            else ()
        )


def test_informational_findings_and_events_of_other_versions_are_shown() -> None:
    quiet = settings({"versions": ["1"], "features": {"AGE": {"mute": True}}})
    stream = [one | ({"version": "9"} if at % 1_000 == 0 else {}) for at, one in enumerate(Credit(2_000, seed=5))]
    for one in stream[500:]:
        one["features"]["AGE"] += 8
    known, source = admission_of(quiet, credit_reference()), MemorySource({EVENTS: stream})
    pipeline, _ = pipeline_of(quiet, known, source)
    fleet, outputs = cast("Fleet", pipeline.fleet), cast("KafkaOutputs", _Outputs())
    builder = SnapshotBuilder(quiet, known, pipeline, fleet, outputs)
    run_to_end(pipeline, source)
    fleet.reported.clear()  # they were logged
    snapshot = builder.snapshot({})
    assert {(one.key, one.finding.subject) for one in snapshot.notices} == {(CREDIT, "AGE")}
    assert snapshot.unwatched == (
        '2 events in events: version "9" of credit is not watched: models[0].versions lists "1"',
    )


MANY = settings()
VERSIONS = tuple(f"{number}" for number in range(1, 5))


def many_begun(events: int) -> tuple[Pipeline, MemorySource, SnapshotBuilder]:
    """A stream of several versions in turn, each compared with a reference of its own."""
    stream = [one | {"version": VERSIONS[at % len(VERSIONS)]} for at, one in enumerate(Credit(events, seed=3))]
    references = [replace(credit_reference(), key=ModelKey("credit", version)) for version in VERSIONS]
    admission, source = admission_of(MANY, *references), MemorySource({EVENTS: stream}, chunk=40)
    pipeline, _ = pipeline_of(MANY, admission, source)
    outputs = cast("KafkaOutputs", _Outputs())
    return pipeline, source, SnapshotBuilder(MANY, admission, pipeline, cast("Fleet", pipeline.fleet), outputs)


def test_a_snapshot_made_over_many_turns_ends_as_one_made_at_once_and_no_count_goes_back() -> None:
    pipeline, source, slow = many_begun(8_000)
    other, other_source, at_once = many_begun(8_000)
    before: dict[ModelKey, tuple[int, int, float, int]] = {}
    rounds, turns = 0, 0
    while not source.ended():
        pipeline.turn()
        turns += 1
        if not slow.advance(0):
            continue
        rounds += 1
        for model in (shown := slow.snapshot({})).models:
            bins = sum(sum(column.total) for column in model.columns)
            counts = model.predictions, model.pages, model.expected_false_pages, bins
            assert all(now >= then for now, then in zip(counts, before.get(model.key, counts), strict=True))
            before[model.key] = counts
        assert {one.key for one in shown.models} >= set(before)
    assert 1 < rounds < turns / 2, "snapshots were made over several turns"
    pipeline.turn()
    run_to_end(other, other_source)
    slow.advance(0)  # of the last turn; the others are made with the snapshot
    last, fresh = slow.snapshot({}), at_once.snapshot({})
    by_key = {model.key: model for model in fresh.models}
    assert {model.key: model for model in last.models} == by_key
    assert (last.incidents, last.findings, last.ended) == (fresh.incidents, fresh.findings, fresh.ended)
    assert {model.predictions for model in last.models} == {2_000}


def more(pipeline: Pipeline, source: MemorySource, version: str, number: int) -> None:
    """Events of one version behind those that came."""
    begin = (cast("Event", source.records[EVENTS][-1])["ts"] - START_US) / 1e6 + 1
    source.records[EVENTS].extend(one | {"version": version} for one in Credit(number, seed=number, begin=begin))
    run_to_end(pipeline, source)


def test_what_changes_while_a_snapshot_is_made_is_in_the_next() -> None:
    pipeline, source, builder = many_begun(4_000)
    run_to_end(pipeline, source)
    builder.snapshot({})
    more(pipeline, source, "1", 40)
    assert builder.advance(0) is False, "half of version 1: it has a new evaluation"
    assert builder.advance(0) is False, "version 1 is made, the others have to be looked at"
    more(pipeline, source, "1", 60)
    first = _predictions(builder.snapshot({}))
    assert first == {"1": 1_040, "2": 1_000, "3": 1_000, "4": 1_000}
    assert builder.advance(0) is False
    assert _predictions(builder.snapshot({})) == first | {"1": 1_100}


def test_what_did_not_change_is_the_same_object_in_the_next_snapshot() -> None:
    pipeline, source, builder = many_begun(4_000)
    run_to_end(pipeline, source)
    first = {model.key: model for model in builder.snapshot({}).models}
    more(pipeline, source, "2", 40)
    second = {model.key: model for model in builder.snapshot({}).models}
    assert {key.version for key in first if first[key] is not second[key]} == {"2"}
    assert builder.advance(0), "nothing is to be made"


def _predictions(snapshot: Snapshot) -> dict[str, int]:
    return {model.key.version: model.predictions for model in snapshot.models}
