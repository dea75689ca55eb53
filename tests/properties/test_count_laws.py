"""Outcomes of events: as the contract words them, and the same however a stream is cut into batches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.stats.performance.label_tally import LabelTally
from tests.engine import (
    CREDIT,
    START_US,
    Event,
    MemorySource,
    admission_of,
    batch_of,
    blank,
    event,
    numeric,
    pipeline_of,
    plain,
    settled,
    trees,
)
from tests.engine import settings as settings_of
from tests.oracles import PlainClock

ID_MEMORY = 4
PANE_US = 10 * SECOND_US
LATENESS_US = {"credit": 60 * SECOND_US, "slow": 120 * SECOND_US}
TOPICS = ("events", "labels")
TREE = settings_of(
    id_memory=ID_MEMORY,
    inputs=[{"topic": topic} for topic in TOPICS],
    models=[
        {"name": "credit", "reference": "c.json", "versions": ["1", "2", "3"]},
        {"name": "slow", "reference": "s.json", "allowed_lateness": 120 * SECOND_US},
    ],
    limits={"versions": 2},
)
#: version 3 has no reference; of `slow` every version has one, and only two are let in
REFERENCES = [
    blank([numeric("x")], ModelKey("credit", "1")),
    blank([numeric("x"), numeric("y")], ModelKey("credit", "2")),
    blank([numeric("x")], ModelKey("slow", "*")),
]
WHO = [
    ("credit", "1"),
    ("credit", "2"),
    ("credit", "3"),
    ("credit", "4"),
    ("slow", "a"),
    ("slow", "b"),
    ("slow", "c"),
    ("nobody", "1"),
]

Sent = tuple[str, Event | bytes | None]


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """A record and its topic."""
    topic = draw(st.sampled_from(TOPICS))
    kind = draw(st.sampled_from(["prediction"] * 6 + ["features", "label", "tombstone", "broken"]))
    if kind == "tombstone":
        return topic, None
    if kind == "broken":
        return topic, b"{"
    model, version = draw(st.sampled_from(WHO))
    made = event(draw(st.integers(0, 400) | st.integers(0, 4_000)), type=kind, model=model, version=version)
    if kind == "label":
        return topic, made | {"id": draw(st.sampled_from("abc")), "label": 1}
    made["features"] = {"x": 1.5}
    if kind == "features":
        return topic, made
    label = draw(st.sampled_from([..., ..., None, 0, 1]))
    brought = {} if label is Ellipsis else {"label": label}
    return topic, made | {"id": draw(st.sampled_from("abc")), "prediction": 1} | brought


@dataclass
class Expected:
    """The contract's questions in plain code, one event after the other."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    accepted: Counter[tuple[ModelKey, str]] = field(default_factory=Counter)
    panes: Counter[tuple[ModelKey, int]] = field(default_factory=Counter)
    labels: dict[ModelKey, LabelTally] = field(default_factory=lambda: defaultdict(LabelTally))
    inline: dict[tuple[ModelKey, int], LabelTally] = field(default_factory=lambda: defaultdict(LabelTally))
    clocks: dict[str, PlainClock] = field(default_factory=lambda: {topic: PlainClock(SECOND_US) for topic in TOPICS})
    _ids: dict[str, list[tuple[str, str, str]]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    _met: list[str] = field(default_factory=list)

    def take(self, topic: str, thing: Event | bytes | None) -> None:
        self.outcomes[(topic, *self._ask(topic, thing))] += 1

    def _ask(self, topic: str, thing: Event | bytes | None) -> tuple[str, str]:
        if thing is None:
            return "ignored", "tombstone"
        if isinstance(thing, bytes):
            return "rejected", "json"
        refused = self._refused(thing)
        if refused is not None:
            return refused
        key, kind, ts = ModelKey(thing["model"], thing["version"]), thing["type"], thing["ts"]
        if kind == "label":
            self.labels[key].labels += 1
            self.accepted[key, kind] += 1
            return "accepted", ""
        clock = self.clocks[topic].ask(ts, LATENESS_US[key.model])
        if clock is not None and ts < clock - LATENESS_US[key.model]:
            return "late", ""
        if kind == "prediction" and self._is_known(topic, (*key, thing["id"])):
            return "duplicate", ""
        self.accepted[key, kind] += 1
        self.panes[key, ts // PANE_US] += 1
        if thing.get("label") is not None:
            for tally in (self.labels[key], self.inline[key, ts // PANE_US]):
                tally.add_pair((str(thing["label"]), "1"), 1)
        return "accepted", ""

    def _refused(self, thing: Event) -> tuple[str, str] | None:
        model, version = thing["model"], thing["version"]
        if model == "nobody":
            return "unknown_model", "not_configured"
        if model == "credit":
            return {"3": ("unknown_model", "no_reference"), "4": ("ignored", "version")}.get(version)
        if thing["type"] == "label":  # names a version and meets none: it cannot take the place of a real one
            return None
        if version not in self._met and len(self._met) == 2:
            return "over_limit", "versions"
        self._met += [version] if version not in self._met else []
        return None

    def _is_known(self, topic: str, key: tuple[str, str, str]) -> bool:
        known = key in self._ids[topic][-ID_MEMORY:]
        self._ids[topic].append(key)
        return known


def pipeline() -> Pipeline:
    partitions: dict[Partition, list[object]] = {Partition(topic, 0): [] for topic in TOPICS}
    return pipeline_of(TREE, admission_of(TREE, *REFERENCES), MemorySource(partitions))[0]


def count(stream: Sequence[Sent], size: int, into: Pipeline, first: int = 0) -> Pipeline:
    """Batches of at most `size` neighbours of one topic."""
    offsets = dict.fromkeys(TOPICS, first)
    waiting: list[Sent] = []
    for one in [*stream, ("", None)]:
        if waiting and (one[0] != waiting[0][0] or len(waiting) == size):
            topic = waiting[0][0]
            into.count([batch_of([thing for _, thing in waiting], offsets[topic], Partition(topic, 0))])
            offsets[topic] += len(waiting)
            waiting = []
        waiting.append(one)
    return into


@settings(deadline=None)
@given(st.lists(sent(), max_size=40))
def test_every_event_has_the_outcome_of_the_contract_however_the_stream_is_cut(stream: list[Sent]) -> None:
    expected = Expected()
    for topic, thing in stream:
        expected.take(topic, thing)
    for size in (1, 7, 1_000):
        counted = count(stream, size, pipeline())
        assert counted.outcomes == expected.outcomes
        assert counted.accepted == expected.accepted
        assert counted.outcomes.total() == len(stream)
        if stream:
            check_unit(counted, expected)


def check_unit(counted: Pipeline, expected: Expected) -> None:
    task = counted.tasks[0]
    clocks = {
        topic: partition_state.clock_us
        for topic, partition_state in task.partition_states.items()
        if partition_state.clock_us > 0
    }
    assert clocks == {topic: one.clock for topic, one in expected.clocks.items() if one.clock is not None}
    assert task.outcomes == expected.outcomes
    panes = {(key.key, pane): tally.events for key, by_pane in task.open.items() for pane, tally in by_pane.items()}
    panes = {at: events for at, events in panes.items() if events}  # others hold facts alone, such as repeated ids
    assert panes == dict(expected.panes)
    cohorts = {(cohort.key, cohort.start_us // PANE_US): cohort.tally for cohort in task.labels.inline}
    assert cohorts == dict(expected.inline)
    for key, tally in counted.totals.events.items():
        assert tally.events == sum(n for (of, _), n in expected.panes.items() if of == key)
        assert counted.totals.labels.of(key) == expected.labels[key]


@settings(deadline=None)
@given(st.lists(sent(), max_size=40))
def test_the_state_is_the_same_however_the_stream_is_cut(stream: list[Sent]) -> None:
    states = [settled(plain(trees(count(stream, size, pipeline()).to_state()))) for size in (1, 7, 1_000)]
    assert states[0] == states[1] == states[2]


@settings(deadline=None)
@given(st.lists(sent(), max_size=30), st.lists(sent(), max_size=30))
def test_counting_goes_on_from_a_state_as_if_it_had_never_stopped(first: list[Sent], second: list[Sent]) -> None:
    uncut = count(second, 7, count(first, 7, pipeline()), first=100)
    restored = pipeline()
    restored.restore(count(first, 7, pipeline()).to_state().state())
    assert plain(trees(count(second, 7, restored, first=100).to_state())) == plain(trees(uncut.to_state()))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=30))
def test_a_label_takes_effect_at_the_later_of_its_time_and_the_clock(times: list[tuple[int, bool]]) -> None:
    stream = [
        ("events", event(at, type="label", id="a", label=1) if is_label else event(at, id=f"{at}", prediction=1))
        for at, is_label in times
    ]
    expected: Counter[int] = Counter()
    clock, of_labels = PlainClock(), PlainClock()
    for at, is_label in times:
        if is_label:  # a label that comes out of order does not take effect before the labels' own clock
            known = (of_labels.ask(at, 0), clock.clock)
            reached = max((one for one in known if one is not None), default=-1)
            expected[(START_US + max(at, reached) * SECOND_US) // PANE_US] += 1
        else:
            clock.ask(at, 60)
    task = count(stream, 7, pipeline()).tasks[0]
    assert {(cohort.key, cohort.start_us // PANE_US): cohort.tally.total for cohort in task.labels.open} == {
        (CREDIT, number): labels for number, labels in expected.items()
    }


@pytest.mark.parametrize(
    ("at", "outcome"), [(300.0, "accepted"), (240.0, "accepted"), (239.999999, "late"), (1_000.0, "accepted")]
)
def test_the_bound_of_lateness_is_exact(at: float, outcome: str) -> None:
    counted = count([("events", event(300, prediction=1)), ("events", event(at, prediction=1))], 7, pipeline())
    assert counted.outcomes["events", outcome, ""] == 1 + (outcome == "accepted")


def test_an_array_counts_each_of_its_events_and_a_bad_one_alone_is_rejected() -> None:
    array = [event(0, id="a", prediction=1), {"type": "what"}, event(0, id="a", prediction=1), event(1, features={})]
    counted = pipeline()
    counted.count([batch_of([array])])
    assert counted.outcomes == {
        ("events", "rejected", "type"): 1,
        ("events", "duplicate", ""): 1,
        ("events", "accepted", ""): 2,
    }
    assert counted.records == {Partition("events", 0): 1}
