"""The join of late labels equals one by dictionaries, in whatever order they come and however the stream is cut."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US, ManualClock
from monitor.count.exchange import Pane
from monitor.count.labels import model_join
from monitor.count.labels.cohorts import LabelCohort
from monitor.events import ModelKey, Partition, canonical
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.reference.segments import SegmentedBy, blank_segments
from monitor.settings.tree import Settings
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import UNIT, OutcomeTally, place_of
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
    by_class,
    categorical,
    event,
    numeric,
)
from tests.engine import settings as settings_of

OTHER = ModelKey("credit", "2")
SECOND, LABELS, MORE_LABELS = Partition("events", 1), Partition("labels", 0), Partition("labels", 1)
HORIZON = 60
#: what the oracle calls the value of labels
VALUE = "$value"
#: partitions of a memory source are read in turn: all of these hold back the join until they are read to their end
Streams = Mapping[Partition, Sequence[Event]]


@pytest.fixture(autouse=True, scope="module")
def _tables_are_rewritten() -> Iterator[None]:
    """Few rows are enough, so that the examples reach what tables of thousands of rows do."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(model_join, "LEAST_ROWS", 0)
        yield


def tree_of(horizon: int = HORIZON, **limits: int) -> Settings:
    model = {"versions": ["1", "2"], "labels": {"horizon": f"{horizon}s"}}
    return settings_of(model, limits=limits, id_memory=0, windows={"allowed_lateness": "10m"})


class Taken(StatelessStage2):
    """Stage 2 that records the steps it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[ModelKey, int, int, LabelTally]] = []
        self.panes: list[tuple[ModelKey, int, int]] = []

    def judge(self, pane: Pane) -> None:
        self.panes.append((pane.pane_key.key, pane.end_us, len(self.steps)))

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        self.steps += [(one.key, until_us, one.start_us, one.tally) for one in cohorts if one.joined]

    def of(self, key: ModelKey) -> tuple[object, object]:
        """The steps of a model version, and after how many of them each of its panes was judged."""
        before = [sum(one[0] == key for one in self.steps[:steps]) for of_key, _, steps in self.panes if of_key == key]
        ends = [end for of_key, end, _ in self.panes if of_key == key]
        return [one for one in self.steps if one[0] == key], list(zip(ends, before, strict=True))


#: by what the labels are cut, and the values that are segments of their own: `t` is a tag
CUT: Mapping[str, str] = {"g": "ba", "t": "u"}


def reference_of(key: ModelKey) -> Reference:
    made = replace(blank([numeric("x"), categorical("g", ("a", "b", "c"))], key), task="binary")
    by = [SegmentedBy(name, tuple(values), is_tag=name == "t") for name, values in CUT.items()]
    return replace(made, segments=blank_segments(by, *made.counts.shape))


def segments_of(one: Event) -> list[int]:
    """The numbers of a prediction's segments."""
    first, numbers = 0, []
    for name, values in CUT.items():
        value = (one["features"] if name == "g" else one.get("tags", {})).get(name)
        numbers.append(first + (values.index(value) if value is not None and value in values else len(values)))
        first += len(values) + 1
    return numbers


def pipeline(
    streams: Streams, chunk: int, turns: Sequence[Partition], tree: Settings
) -> tuple[Pipeline, MemorySource, Taken]:
    source, taken = MemorySource({at: list(events) for at, events in streams.items()}, chunk, turns), Taken()
    references = [reference_of(key) for key in (CREDIT, OTHER)]
    admission = admission_of(tree, *references)
    return Pipeline(tree, admission, source, ManualClock(START_US), Recorded(), stage2=taken, live=False), source, taken


def run(
    streams: Streams,
    chunk: int = 500,
    turns: Sequence[Partition] = (),
    restarts: Container[int] = (),
    tree: Settings | None = None,
) -> tuple[Pipeline, Taken]:
    """Run to the end of the streams, and begin again from the state after some of the turns."""
    tree = tree or tree_of()
    made, source, taken = pipeline(streams, chunk, turns, tree)
    for turn in itertools.count():
        ended = source.ended()
        made.turn()
        if ended:
            return made, taken
        if turn in restarts:
            state, steps = made.to_state().state(), taken
            read = dict(source.next)
            made, source, taken = pipeline(streams, chunk, turns, tree)
            source.next = read
            made.restore(state)
            taken.steps, taken.panes = steps.steps, steps.panes
    raise AssertionError


# an oracle


class Row:
    """A prediction, and the label it has now; `order` is that of the label."""

    def __init__(self, at: int, one: Event) -> None:
        self.at, self.key, self.prediction = at, ModelKey("credit", one["version"]), one.get("prediction")
        self.brought = self.label = one.get("label")
        self.segments = segments_of(one)
        self.order: tuple[Any, ...] = () if self.label is None else (at,)
        #: by name: the outcome it has now, and the order of that one
        self.outcomes: dict[str, tuple[object, tuple[Any, ...]]] = {}


class Oracle:
    """The join by dictionaries, one event after the other in the order of time.

    No event is late and no time jumps: a label takes effect at the newest time before it in its partition, or its own.
    """

    def __init__(self, streams: Streams, horizon: int = HORIZON) -> None:
        self.horizon_us = horizon * SECOND_US
        self.rows: list[Row] = []
        self.fates: Counter[str] = Counter()
        #: by the outcome's name and the fate
        self.outcome_fates: Counter[tuple[str, str]] = Counter()
        self.by_id: dict[str, list[Row]] = {}
        self.waiting: list[tuple[tuple[Any, ...], Event, str]] = []
        predictions: dict[int, list[Event]] = {}
        labels: list[tuple[tuple[Any, ...], Event]] = []
        for partition, stream in streams.items():
            newest = -(2**62)
            for number, one in enumerate(stream):
                newest = max(newest, one["ts"])
                if one["type"] == "label":
                    labels.append(((newest, partition, number), one))
                else:
                    predictions.setdefault(one["ts"], []).append(one)
        times = sorted({*predictions, *(order[0] for order, _ in labels)})
        for at in times:
            self.predict(at, predictions.get(at, []))
            for order, one in sorted((entry for entry in labels if entry[0][0] == at), key=lambda entry: entry[0]):
                for name in results_of(one):
                    self.label(order, one, name)
        for _, _, name in self.waiting:
            self.count(name, "expired")

    def predict(self, at: int, come: Sequence[Event]) -> None:
        new = [(one["id"], Row(at, one)) for one in come]
        for name, row in new:
            self.rows.append(row)
            self.by_id.setdefault(name, []).append(row)
        still = []
        for order, one, what in self.waiting:
            found = [row for name, row in new if name == one["id"] and self.fits(row, order[0], one)]
            for row in found:
                self.meet(row, order, one, what)
            if not found:
                still.append((order, one, what))
        self.waiting = still

    def label(self, order: tuple[Any, ...], one: Event, what: str) -> None:
        """`what` is the name of an outcome, "" is the label."""
        first: dict[ModelKey, Row] = {}
        for row in self.by_id.get(one["id"], []):
            if self.fits(row, order[0], one):
                first.setdefault(row.key, row)
        for row in first.values():
            self.meet(row, order, one, what)
        if not first:
            self.waiting.append((order, one, what))

    def fits(self, row: Row, at: int, one: Event) -> bool:
        return one.get("version", row.key.version) == row.key.version and abs(at - row.at) <= self.horizon_us

    def meet(self, row: Row, order: tuple[Any, ...], one: Event, what: str) -> None:
        value, (old, newest) = results_of(one)[what], row.outcomes.get(what, (None, ()))
        if not what:
            old, newest = row.label, row.order
        if value is None:
            self.count(what, "retracted")
        else:
            self.count(what, "matched" if old is None and order >= newest else "replaced")
        if order < newest:
            return
        if what:
            row.outcomes[what] = value, order
        else:
            row.label, row.order = value, order

    def count(self, what: str, fate: str) -> None:
        if what not in {"", VALUE}:
            self.outcome_fates[what, fate] += 1
        elif not what:
            self.fates[fate] += 1

    def outcomes(self, key: ModelKey) -> dict[str, OutcomeTally]:
        """Counts by the values themselves: all numbers of the examples are on the grid."""
        found: dict[str, OutcomeTally] = {}
        for row in self.rows:
            for name, (value, _) in row.outcomes.items() if row.key == key else ():
                if value is not None:
                    tally = found.setdefault("" if name == VALUE else name, OutcomeTally())
                    cell = "(other)" if isinstance(value, str) else int(place_of(np.array([float(value)]))[0])  # type: ignore[arg-type]  # a number
                    tally.merge(OutcomeTally({cell: 1}, 0 if isinstance(value, str) else round(float(value) * UNIT)))  # type: ignore[arg-type]  # a number
        return found

    def pairs(self, key: ModelKey, segment: int | None = None) -> dict[tuple[str, str], int]:
        labelled = [row for row in self.rows if row.key == key and None not in (row.label, row.prediction)]
        own = (row for row in labelled if segment is None or segment in row.segments)
        return dict(Counter((named(row.label), named(row.prediction)) for row in own))


def results_of(one: Event) -> dict[str, object]:
    """What a label event brings, by name; "" is the label, of which null says nothing beside outcomes."""
    found: dict[str, object] = dict(one.get("outcomes", {}))
    if not found or one.get("label") is not None:
        found[""] = one["label"]
    if "value" in one or found.get("", 0) is None:
        found[VALUE] = one.get("value")
    return found


def named(answer: object) -> str:
    text = canonical(answer)  # type: ignore[arg-type]  # a number or a text
    return text if text in {"0", "1"} else "(other)"


# streams

times = st.integers(0, 200)
ids = st.sampled_from(["a", "b", "c", "d"])
versions = st.sampled_from(["1", "1", "2"])


def cut_at(at: int) -> dict[str, Any]:
    """Features and tags that cut a prediction, one or both of them missing now and then."""
    features = {"x": at % 7} | ({"g": "abc?"[at % 4]} if at % 5 else {})
    return {"features": features} | ({"tags": {"t": "uv"[at % 2]}} if at % 3 else {})


predictions = st.builds(
    lambda at, name, version, answer, own: event(
        at, type="prediction", id=name, version=version, prediction=answer, score=0.5, label=own, **cut_at(at)
    ),
    times,
    ids,
    versions,
    st.sampled_from([0, 1]),
    st.sampled_from([..., ..., 0, 1]),
)
outcomes = st.dictionaries(
    st.sampled_from(["judge", "refund"]), st.sampled_from([0.25, 0.75, 3, -2, True, None, "late"]), max_size=2
)
labels = st.builds(
    lambda at, name, version, answer, more, value: event(
        at, type="label", id=name, version=version, label=answer, outcomes=more or ..., value=value
    ),
    times,
    ids,
    st.sampled_from(["1", "2", ...]),
    st.sampled_from([0, 1, None, "7"]),
    st.just({}) | outcomes,
    st.sampled_from([..., ..., 5, -2.5]),
)
mixed = st.lists(predictions | labels, max_size=25)


def streams_of(first: list[Event], second: list[Event], of_first: list[Event], of_second: list[Event]) -> Streams:
    """Without two predictions of one version, id and time: which of them comes first is arbitrary."""
    seen: set[tuple[object, ...]] = set()
    kept: dict[Partition, list[Event]] = {}
    for partition, stream in zip(
        (EVENTS, SECOND, LABELS, MORE_LABELS), (first, second, of_first, of_second), strict=True
    ):
        kept[partition] = []
        for one in stream:
            name = (one["ts"], one["version"], one["id"]) if one["type"] == "prediction" else (partition, id(one))
            if name not in seen:
                kept[partition].append(one)
            seen.add(name)
    return kept


streams = st.builds(streams_of, mixed, mixed, st.lists(labels, max_size=15), st.lists(labels, max_size=15))


def check(made: Pipeline, oracle: Oracle) -> None:
    for key in (CREDIT, OTHER):
        total = made.totals.labels.of(key)
        assert total.pairs == oracle.pairs(key)
        by_segment = {at: pairs for at in range(5) if (pairs := oracle.pairs(key, at))}
        assert {at: one.pairs for at, one in total.segments.items() if one.pairs} == by_segment
        assert total.outcomes == oracle.outcomes(key)
    fates: Counter[str] = Counter()
    outcome_fates: Counter[tuple[str, str]] = Counter()
    for known in made.joins.models.values():
        for (_, fate), count in known.fates.items():
            fates[fate] += count
        for (_, name, fate), count in known.outcome_fates.items():
            outcome_fates[name, fate] += count
    assert +fates == +oracle.fates
    assert +outcome_fates == +oracle.outcome_fates
    assert not made.joins.waiting().total()


horizons = st.sampled_from([10, 25, HORIZON, 200])
turn_orders = st.lists(st.sampled_from([EVENTS, SECOND, LABELS, MORE_LABELS]), unique=True, min_size=4, max_size=4)


@settings(deadline=None, max_examples=100)
@given(streams, st.sampled_from([1, 3, 500]), turn_orders, st.sets(st.integers(0, 30), max_size=3), horizons)
def test_the_join_equals_one_by_dictionaries(
    of_partitions: Streams, chunk: int, turns: list[Partition], restarts: set[int], horizon: int
) -> None:
    made = run(of_partitions, chunk, turns, restarts, tree_of(horizon))[0]
    check(made, Oracle(of_partitions, horizon))


@settings(deadline=None)
@given(
    streams,
    st.sampled_from([1, 3]),
    turn_orders,
    st.sets(st.integers(0, 30), max_size=3),
    horizons,
    st.sampled_from([3, 8, 1_000]),
)
def test_every_label_takes_effect_in_the_same_step_however_the_stream_is_cut(
    of_partitions: Streams, chunk: int, turns: list[Partition], restarts: set[int], horizon: int, limit: int
) -> None:
    """Also where more predictions come within the horizon than may wait."""
    tree = tree_of(horizon, waiting_predictions=limit)
    made, whole = run(of_partitions, tree=tree)
    other, cut = run(of_partitions, chunk, turns, restarts, tree)
    for key in (CREDIT, OTHER):
        assert cut.of(key) == whole.of(key)
    for known, again in zip(made.joins.models.values(), other.joins.models.values(), strict=True):
        assert known.fates == again.fates
        assert known.outcome_fates == again.outcome_fates


@settings(deadline=None)
@given(streams)
def test_the_steps_of_a_model_version_are_its_joined_labels(of_partitions: Streams) -> None:
    made, taken = run(of_partitions)
    oracle = Oracle(of_partitions)
    for key in (CREDIT, OTHER):
        brought = [row for row in oracle.rows if row.key == key and None not in (row.brought, row.prediction)]
        total = LabelTally(0, dict(Counter((named(row.brought), named(row.prediction)) for row in brought)))
        for of_key, _, _, tally in taken.steps:
            if of_key == key:
                total.merge(tally)
        assert by_class(total) == LabelTally(0, oracle.pairs(key))
        assert total.outcomes == oracle.outcomes(key)
        starts = {start % made.joins.models["credit"].join.cohort_us for of_key, _, start, _ in taken.steps}
        assert starts <= {0}
