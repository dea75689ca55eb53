"""An import is completed in the first live windows: whatever polls and kills do, and nothing is reported before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.count.admission.versions import Admission
from monitor.findings import PAGE, Transition
from monitor.judge import warmup
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.imports.columns import imported_reference
from monitor.reference.imports.shape import ImportedData
from monitor.reference.imports.table import table_columns
from monitor.reference.reference import Reference
from monitor.reference.references import EVERY_VERSION, References
from monitor.run.warmup_learning import learn
from monitor.stats.bins.reference_bins import NUMERIC
from tests.engine import (
    CREDIT,
    EVENTS,
    Credit,
    Event,
    MemorySource,
    Recorded,
    build,
    pipeline_of,
    plain,
    settled,
    trees,
)
from tests.engine import settings as settings_of
from tests.restarts import run_killed

#: base windows of these warm-ups; with the usual 40 a run would take 10,000 events
WINDOWS = 6
CHUNK = 150
TREE = settings_of(id_memory=500)


@pytest.fixture(autouse=True, scope="module")
def few_windows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warmup, "BASE_WINDOWS", WINDOWS)
        patch.setattr("monitor.settings.model.WARMUP_PREDICTIONS", 1_500)
        yield


def older(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 12


@cache
def live() -> list[Event]:
    return list(Credit(3_600, seed=4, change=2_400, fault=older))


def table(events: Sequence[Event]) -> dict[str, list[object]]:
    names = list(events[0]["features"])
    return {name: [made["features"].get(name) for made in events] for name in names}


@cache
def imported() -> Reference:
    """The features of 10,000 usual predictions as a table, read again as a restart would."""
    data = ImportedData("azure", list(table_columns(table(list(Credit(10_000))))))
    made = imported_reference(data, CREDIT)
    return from_json(to_json(made) | {"hash": made.hash})


def start(chunk: int = CHUNK, events: Sequence[Event] | None = None) -> tuple[Pipeline, MemorySource, Recorded]:
    outputs, source = Recorded(), MemorySource({EVENTS: live() if events is None else events}, chunk)
    references = References({}, {"credit": {EVERY_VERSION: imported()}})
    pipeline, _ = pipeline_of(TREE, Admission(TREE, references, warms_up=True), source, outputs, learn=learn)
    return pipeline, source, outputs


def run(pipeline: Pipeline, source: MemorySource) -> None:
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()


@cache
def uncut() -> tuple[list[Transition], Any, Reference]:
    pipeline, source, outputs = start()
    run(pipeline, source)
    reference = pipeline.warming.warmups[CREDIT].state.reference
    assert reference is not None
    return outputs.reported, settled(plain(trees(pipeline.to_state()))), reference


def test_counts_are_those_of_the_import_and_how_they_vary_is_that_of_the_live_windows() -> None:
    learned, known = uncut()[2], imported()
    assert learned.base_windows >= WINDOWS
    assert not learned.is_import_alone
    for at, column in enumerate(known.columns):
        place = next(i for i, one in enumerate(learned.columns) if one.name == column.name)
        assert learned.columns[place].bins == column.bins
        bins = column.bins.bins
        assert learned.counts[place, :bins].tolist() == known.counts[at, :bins].tolist()
    assert {column.name for column in learned.columns} > {column.name for column in known.columns}  # score, prediction


def test_a_table_gives_the_bins_and_counts_of_a_native_reference() -> None:
    native, known = build(settings_of(), list(Credit(10_000))), imported()
    for at, column in enumerate(known.columns):
        place = next(i for i, one in enumerate(native.columns) if one.name == column.name)
        same = native.columns[place].bins
        assert column.bins.edges == same.edges
        assert column.bins.categories == same.categories
        assert (column.bins.low, column.bins.high) == (same.low, same.high)
        bins = column.bins.bins
        assert known.counts[at, :bins].tolist() == native.counts[place, :bins].tolist()
        if column.bins.kind == NUMERIC:
            assert native.columns[place].log_spread == pytest.approx(column.log_spread, rel=1e-9)


def test_nothing_is_reported_of_the_warm_up_and_the_fault_behind_it_is() -> None:
    reported, _, learned = uncut()
    assert reported
    assert all(one.at_us > learned.end_us for one in reported)
    assert any(one.severity == PAGE for one in reported)
    assert {finding.key.subject for one in reported for finding in one.findings} >= {"AGE"}


def test_what_was_so_before_the_warm_up_is_found_behind_it() -> None:
    pipeline, source, outputs = start(events=list(Credit(3_600, seed=4, change=0, fault=older)))
    run(pipeline, source)
    assert {finding.key.subject for one in outputs.reported for finding in one.findings} >= {"AGE"}


@pytest.mark.parametrize("chunk", [1, 37, 5_000])
def test_it_is_the_same_however_polls_cut_the_stream(chunk: int) -> None:
    pipeline, source, outputs = start(chunk)
    run(pipeline, source)
    assert outputs.reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]


@given(cuts=st.sets(st.integers(0, 24), max_size=4))
@settings(max_examples=8, deadline=None)
def test_it_is_the_same_wherever_the_process_was_killed(cuts: set[int]) -> None:
    pipeline, reported = run_killed(start, cuts)
    assert reported == uncut()[0]
    assert settled(plain(trees(pipeline.to_state()))) == uncut()[1]
