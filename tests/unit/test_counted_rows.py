"""Rows of a reference come in one order however polls cut the stream, counted as tallies count them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.count.exchange import Pane
from monitor.events import Partition
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.run.counted_rows import NO_VALUE, RowKeeper, RowsOfPane
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.stats.bins.name_bins import hash_of
from monitor.stats.bins.reference_bins import NUMERIC, OUTSIDE
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
    categorical,
    event,
    numeric,
)
from tests.engine import settings as settings_of
from tests.oracles import category_of, slot_of

TREE = settings_of(inputs=[{"topic": "events"}, {"topic": "more"}])
PARTITIONS = (Partition("events", 0), Partition("events", 1), Partition("more", 0))
REFERENCE = blank(
    [
        numeric("AGE", edges=(1, 2, 3.5), low=-1, high=10),
        categorical("EDU", ("a", "1"), others=("7", "x")),
        categorical("SEX", ("f", "m")),
        numeric("score", edges=(0.5,), low=0, high=1, role=SCORE),
        categorical("prediction", ("0", "1"), role=PREDICTION),
    ]
)
PANE_US = 10 * SECOND

cells: dict[str, list[object]] = {
    "AGE": [..., None, -5, 0.5, 1, 3.6, 11, "2", True],
    "EDU": [..., None, "a", 1, 7, "x", "never", [1]],
    "SEX": [..., "f", "m", "other"],
    "score": [..., 0, 0.7, 1],
    "prediction": [..., 0, 1, True],
}
Element = tuple[Partition, int, Event]


@st.composite
def rows(draw: st.DrawFn) -> Event:
    values = {name: draw(st.sampled_from(choices)) for name, choices in cells.items()}
    features = {name: values[name] for name in ("AGE", "EDU", "SEX") if values[name] is not Ellipsis}
    made = event(draw(st.integers(0, 19)), features=features)
    if draw(st.integers(0, 5)) == 0:
        return made | {"type": "features"}
    return made | {name: values[name] for name in ("score", "prediction") if values[name] is not Ellipsis}


#: by partition records of one event or of several in an array
streams = st.fixed_dictionaries({p: st.lists(st.lists(rows(), min_size=1, max_size=3), max_size=8) for p in PARTITIONS})


class Collected(StatelessStage2):
    """Stage 2 that takes the rows of every pane."""

    def __init__(self, keeper: RowKeeper) -> None:
        super().__init__()
        self.keeper = keeper
        self.rows: dict[int, RowsOfPane | None] = {}
        self.events: dict[int, int] = {}

    def judge(self, pane: Pane) -> None:
        self.rows[pane.start_us // PANE_US] = self.keeper.take(pane.start_us)
        self.events[pane.start_us // PANE_US] = pane.tally.events


def collected(stream: dict[Partition, list[list[Event]]], chunk: int, turns: Sequence[Partition]) -> Collected:
    source = MemorySource(stream, chunk, turns)
    stage2 = Collected(RowKeeper(PANE_US))
    pipeline = Pipeline(
        TREE,
        admission_of(TREE, REFERENCE),
        source,
        ManualClock(NOW_US),
        Recorded(),
        stage2=stage2,
        aggregators=stage2.keeper,
        live=False,
    )
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
    return stage2


def code_of(column: Column, element: Event) -> int:
    """Bin of the element's value, what is outside in the nearest one; `NO_VALUE` where it has none."""
    own = column.role in {SCORE, PREDICTION}
    if own and element["type"] != "prediction":
        return NO_VALUE
    fields = element if own else element["features"]
    slot = slot_of(column, REFERENCE.width, fields)
    if slot < REFERENCE.width:
        return slot
    if slot != REFERENCE.width + OUTSIDE:
        return NO_VALUE
    return 0 if fields[column.name] < column.bins.low else column.bins.bins - 1


def hash_in(column: Column, element: Event) -> int:
    """Hash of a category, known or not; 0 where there is none."""
    own = column.role == PREDICTION
    if own and element["type"] != "prediction":
        return 0
    name = category_of((element if own else element["features"]).get(column.name))
    return 0 if name is None else hash_of(name)


def number_in(column: Column, element: Event) -> float:
    return float((element if column.role in {SCORE, PREDICTION} else element["features"])[column.name])


@settings(deadline=None, max_examples=60)
@given(streams, st.integers(1, 9), st.permutations(PARTITIONS))
def test_rows_are_in_order_of_time_partition_offset_and_place_however_polls_cut_the_stream(
    stream: dict[Partition, list[list[Event]]], chunk: int, turns: list[Partition]
) -> None:
    found = collected(stream, chunk, turns)
    elements = [
        (one["ts"], partition, offset, place, one)
        for partition, records in stream.items()
        for offset, record in enumerate(records)
        for place, one in enumerate(record)
    ]
    in_order = [one for *_, one in sorted(elements, key=lambda element: element[:4])]
    panes = {one["ts"] // PANE_US for one in in_order}
    assert set(found.rows) == panes
    for pane, counted in found.rows.items():
        inside = [one for one in in_order if one["ts"] // PANE_US == pane]
        assert counted is not None
        assert found.events[pane] == len(inside)
        assert counted.codes.tolist() == [[code_of(column, one) for one in inside] for column in REFERENCE.columns]
        for column, codes, values in zip(REFERENCE.columns, counted.codes, counted.values, strict=True):
            if column.bins.kind != NUMERIC:
                assert values.tolist() == [hash_in(column, one) for one in inside]
            else:
                there = codes != NO_VALUE
                numbers = [
                    number_in(column, one) for one, is_value in zip(inside, there.tolist(), strict=True) if is_value
                ]
                assert values[there].view(np.float64).tolist() == numbers


def test_rows_are_given_once_and_a_pane_without_any_has_none() -> None:
    found = collected({EVENTS: [[event(0, features={"AGE": 1})]], PARTITIONS[1]: [], PARTITIONS[2]: []}, 10, ())
    assert list(found.rows) == [START_US // PANE_US]
    assert found.keeper.take(START_US) is None
    assert found.keeper.take(START_US + PANE_US) is None


def test_rows_of_panes_that_are_not_judged_say_nothing_of_the_reference() -> None:
    """Events before and after the stretch, and those of panes that its ends cut."""
    stream = list(Credit(3_000))
    start, end = START_US + 305 * SECOND, START_US + 1_298 * SECOND
    inside = [one for one in stream if start <= one["ts"] < end]
    cut_range = EventRange(start_us=start, end_us=end)

    def built(events: list[Event]) -> Any:  # noqa: ANN401 - a reference's JSON
        made = build_reference(
            settings_of(), CREDIT, lambda: MemorySource({EVENTS: events}), ManualClock(NOW_US), cut_range
        )
        return made.hash

    assert len(inside) < len(stream)
    assert built(stream) == built(inside)


def test_what_order_says_is_the_same_for_any_cut() -> None:
    """A reference of dependent columns in which the order of rows decides the variances."""
    rng = np.random.default_rng(3)
    levels = np.repeat(rng.standard_normal(60), 50)
    stream = [event(at * 0.5, features={"x": float(levels[at])}, id=str(at)) for at in range(3_000)]

    def variances(chunk: int) -> list[float]:
        source = lambda: MemorySource({EVENTS: stream}, chunk)  # noqa: E731
        made = build_reference(settings_of(), CREDIT, source, ManualClock(NOW_US), EventRange(rows=3_000))
        (run,) = made.variability.long_runs
        return list(run.variance.tolist())

    assert variances(7) == variances(500) == variances(3_000)
    assert max(variances(500)) > 10
