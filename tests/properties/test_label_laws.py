"""Labels go their own way: they move no clock and no pane, and each is handed on once, whatever order they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US, ManualClock
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.exchange import LabelExchange, Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.events import ModelKey, Partition
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.stats.performance.label_tally import LabelTally
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    batch_of,
    blank,
    by_class,
    event,
    numeric,
    plain,
    run_to_end,
)
from tests.engine import settings as settings_of
from tests.oracles import PlainClock

PANE_US = 10 * SECOND_US
SECOND_PARTITION = Partition("events", 1)
OTHER = ModelKey("credit", "2")
TREE = settings_of({"versions": ["1", "2"]})

#: no jump of a clock among them: five minutes
times = st.integers(0, 250)
#: of a host with a wrong clock, and of predictions of long ago
any_times = times | st.sampled_from([-10_000_000, 100_000, 40_000_000])
versions = st.sampled_from(["1", "2", "7", ...])


def label(at: int, version: object = "1") -> Event:
    return event(at, type="label", id="a", label=1, version=version)


def prediction(at: int) -> Event:
    return event(at, prediction=1, features={"x": at % 7})


class Judged(StatelessStage2):
    """Stage 2 that records its input."""

    def __init__(self) -> None:
        super().__init__()
        self.panes: list[Pane] = []
        self.labels: list[LabelCohort] = []
        #: labels that were taken before each pane, and since the beginning
        self.labels_at: list[int] = []

    def judge(self, pane: Pane) -> None:
        self.panes.append(pane)
        self.labels_at.append(sum(taken.tally.total for taken in self.labels))

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        self.labels.extend(cohorts)


def pipeline(records: dict[Partition, list[Event]], chunk: int) -> tuple[Pipeline, MemorySource, Judged]:
    source, judged = MemorySource(records, chunk), Judged()
    admission = admission_of(TREE, blank([numeric("x")]), blank([numeric("x")], OTHER))
    clock = ManualClock(START_US)
    return Pipeline(TREE, admission, source, clock, Recorded(), stage2=judged, live=False), source, judged


def run(records: dict[Partition, list[Event]], chunk: int) -> tuple[Pipeline, Judged]:
    made, source, judged = pipeline(records, chunk)
    run_to_end(made, source)
    return made, judged


def with_labels(events: list[Event], labels: Sequence[tuple[int, Event]]) -> list[Event]:
    """Each label before the event of its number."""
    mixed = list(events)
    for number, one in labels:
        mixed.insert(number % (len(mixed) + 1), one)
    return mixed


def seen_of_events(made: Pipeline, judged: Judged) -> object:
    """All that the events' way knows, but for offsets: clocks, outcomes, panes and what is in them."""
    states = made.partition_states()
    return (
        {at: (one.clock_us, one.read_clock_us, one.clock.arrived_us, one.clock.skewed) for at, one in states.items()},
        {key: count for key, count in made.accepted.items() if key[1] != "label"},
        [(pane.pane_key, pane.start_us, pane.tally.events, pane.tally.counts.tolist()) for pane in judged.panes],
        made.exchange.unjudged,
        made.open_panes(),
    )


@settings(deadline=None)
@given(
    st.lists(times, max_size=20),
    st.lists(times, max_size=20),
    st.lists(st.tuples(st.integers(0, 40), st.builds(label, any_times, versions)), max_size=10),
    st.lists(st.tuples(st.integers(0, 40), st.builds(label, any_times, versions)), max_size=10),
    st.sampled_from([1, 3, 500]),
)
def test_a_label_moves_no_clock_and_reaches_no_pane(
    first: list[int],
    second: list[int],
    of_first: list[tuple[int, Event]],
    of_second: list[tuple[int, Event]],
    chunk: int,
) -> None:
    events = {EVENTS: list(map(prediction, first)), SECOND_PARTITION: list(map(prediction, second))}
    labels = {EVENTS: of_first, SECOND_PARTITION: of_second}
    mixed = {at: with_labels(of_it, labels[at]) for at, of_it in events.items()}
    assert seen_of_events(*run(mixed, chunk)) == seen_of_events(*run(events, chunk))


def labelled(at: int, prediction: object, label: object, kind: str) -> Event:
    """A prediction that brings its own label, or a features event with something called so."""
    return event(at, type=kind, prediction=prediction, label=label, features={"x": at % 7})


brought = st.builds(
    labelled,
    times,
    st.sampled_from([..., None, 0, 1]),
    st.sampled_from([..., None, 0, 1, "7"]),
    st.sampled_from(["prediction", "prediction", "features"]),
)


@settings(deadline=None)
@given(st.lists(brought, max_size=20), st.lists(brought, max_size=20), st.sampled_from([1, 3, 500]))
def test_a_label_that_comes_with_its_prediction_reaches_no_pane(
    first: list[Event], second: list[Event], chunk: int
) -> None:
    labels = {EVENTS: first, SECOND_PARTITION: second}
    bare = {at: [{name: one[name] for name in one if name != "label"} for one in of_it] for at, of_it in labels.items()}
    (with_them, judged), (without, bare_judged) = run(labels, chunk), run(bare, chunk)
    assert seen_of_events(with_them, judged) == seen_of_events(without, bare_judged)
    tallies, bare_tallies = ([plain(pane.tally.to_state()) for pane in one.panes] for one in (judged, bare_judged))
    assert tallies == bare_tallies


def accepted(stream: Sequence[Event]) -> list[Event]:
    """Those of one partition that are not late."""
    clock = PlainClock()
    found = []
    for one in stream:
        at = (one["ts"] - START_US) // SECOND_US
        before = clock.ask(at, 60)
        if before is None or at >= before - 60:
            found.append(one)
    return found


@settings(deadline=None)
@given(st.lists(brought, max_size=30), st.lists(brought, max_size=30))
def test_a_pane_is_judged_with_the_labels_of_its_own_predictions_however_the_stream_is_cut(
    first: list[Event], second: list[Event]
) -> None:
    expected: dict[int, LabelTally] = {}
    for one in accepted(first) + accepted(second):
        label, prediction = one.get("label"), one.get("prediction")
        if one["type"] == "prediction" and label is not None:
            tally = expected.setdefault(one["ts"] // PANE_US * PANE_US, LabelTally())
            if prediction is None:
                tally.labels += 1
            else:
                tally.add_pair(("(other)" if label == "7" else str(label), str(prediction)), 1)
    for chunk in (1, 4, 500):
        made, judged = run({EVENTS: first, SECOND_PARTITION: second}, chunk)
        assert {one.start_us: by_class(one.tally) for one in judged.labels} == expected
        assert len(judged.labels) == len(expected)
        # with its own pane, neither before nor behind it
        by_end = {pane.end_us: taken for pane, taken in zip(judged.panes, judged.labels_at, strict=True)}
        totals = {start_us: tally.total for start_us, tally in expected.items()}
        assert by_end == {end: sum(n for at, n in totals.items() if at < end) for end in by_end}
        assert made.totals.labels.of(CREDIT).total == sum(totals.values())


class Effects:
    """When the labels of one partition take effect, microseconds: at their own time or at the clock, if that is later.

    The clock is the later of that of the events, whose times make no jump, and that of the labels.
    """

    def __init__(self) -> None:
        self.events = NO_CLOCK
        self.labels = PlainClock(SECOND_US)

    def of(self, ts: int) -> int:
        before = self.labels.ask(ts, 0)
        return max(ts, self.events, NO_CLOCK if before is None else before)


def effects(stream: Sequence[Event]) -> list[int]:
    """When each label of one partition takes effect."""
    of_labels, found = Effects(), []
    for one in stream:
        if one["type"] == "label":
            found.append(of_labels.of(one["ts"]))
        else:
            of_labels.events = max(of_labels.events, one["ts"])
    return found


@settings(deadline=None)
@given(
    st.lists(st.builds(prediction, times) | st.builds(label, any_times), max_size=30),
    st.lists(st.builds(prediction, times) | st.builds(label, any_times), max_size=30),
)
def test_a_pane_is_judged_with_all_labels_that_took_effect_before_its_end_however_the_stream_is_cut(
    first: list[Event], second: list[Event]
) -> None:
    took_effect = effects(first) + effects(second)
    for chunk in (1, 4, 500):
        made, judged = run({EVENTS: first, SECOND_PARTITION: second}, chunk)
        ends = [pane.end_us for pane in judged.panes]
        assert judged.labels_at == [sum(at < end_us for at in took_effect) for end_us in ends]
        assert made.totals.labels.of(CREDIT) == LabelTally(len(took_effect))
        # a label waits for the next pane: none is lost, none comes twice
        waiting = made.label_exchange.ready(CREDIT, 2**62)
        assert sum(one.tally.total for one in judged.labels + waiting) == len(took_effect)


@settings(deadline=None)
@given(st.lists(st.builds(label, any_times, versions), max_size=30), st.randoms(use_true_random=False))
def test_labels_come_to_the_same_totals_in_any_order(labels: list[Event], random: Random) -> None:
    shuffled = random.sample(labels, len(labels))
    (one, _), (other, _) = run({EVENTS: labels}, 500), run({EVENTS: shuffled}, 3)
    assert one.totals.labels.tallies == other.totals.labels.tallies
    assert one.accepted == other.accepted
    assert one.outcomes == other.outcomes


@cache
def bound(until_us: float) -> Callable[[str], float]:
    """Every model is complete up to then; the same object where nothing moved."""
    return lambda _model: until_us


near = st.integers(0, 45)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(near | any_times, st.sampled_from(["1", "2"])), min_size=1, max_size=4) | near | any_times,
        max_size=20,
    )
)
@example([100_000, [(5, "1")], 100_000])
def test_a_cohort_closes_once_and_what_comes_late_for_it_is_counted(
    steps: list[list[tuple[int, str]] | int],
) -> None:
    """A step is labels that come, or the time up to which all is complete, seconds."""
    made, _, _ = pipeline({EVENTS: []}, 500)
    task, of_labels, offset = made.task(0), Effects(), 0
    expected: Counter[tuple[ModelKey, int]] = Counter()
    for step in steps:
        if isinstance(step, list):
            made.count([batch_of([label(at, version) for at, version in step], offset)])
            offset += len(step)
            for at, version in step:
                effect_us = of_labels.of(START_US + at * SECOND_US)
                expected[ModelKey("credit", version), effect_us // PANE_US * PANE_US] += 1
            continue
        until_us = START_US + step * SECOND_US
        closed = task.labels.close(bound(until_us))
        due = {which: labels for which, labels in expected.items() if which[1] + PANE_US <= until_us}
        assert len(closed) == len(due)
        assert {(one.key, one.start_us): one.tally.total for one in closed} == due
        expected = Counter({which: labels for which, labels in expected.items() if which not in due})
    assert {(one.key, one.start_us): one.tally.total for one in task.labels.open} == expected


closed_cohorts = st.builds(
    LabelCohort,
    st.sampled_from([CREDIT, OTHER]),
    st.integers(0, 9),
    st.builds(LabelTally, st.integers(1, 5), st.dictionaries(st.just(("0", "1")), st.integers(1, 5))),
    st.booleans(),
    joined=st.just(False),
)


def copied(cohorts: Iterable[LabelCohort]) -> list[LabelCohort]:
    """The same with tallies of their own: an exchange adds to those it takes."""
    return [cohort._replace(tally=cohort.tally.copy()) for cohort in cohorts]


@settings(deadline=None)
@given(
    st.lists(closed_cohorts, max_size=20),
    st.lists(st.integers(0, 10), max_size=4).map(sorted),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_the_exchange_of_labels_gives_the_same_in_any_order_and_cut(
    cohorts: list[LabelCohort], ends: list[int], random: Random, size: int
) -> None:
    one, other = LabelExchange(), LabelExchange()
    one.put(copied(cohorts))
    shuffled = random.sample(copied(cohorts), len(cohorts))
    for at in range(0, len(shuffled), size):
        other.put(shuffled[at : at + size])
    before = -1
    for end in ends:
        given_out = one.ready(CREDIT, end)
        assert given_out == other.ready(CREDIT, end)
        for inline in (False, True):
            of_it = [
                taken
                for taken in cohorts
                if (taken.key, taken.inline) == (CREDIT, inline) and before <= taken.start_us < end
            ]
            of_kind = [taken for taken in given_out if taken.inline == inline]
            assert sum(taken.tally.total for taken in of_kind) == sum(taken.tally.total for taken in of_it)
            assert [taken.start_us for taken in of_kind] == sorted({taken.start_us for taken in of_it})
        before = end
    left = one.keys()
    assert other.keys() == left
    assert [one.to_state(key) for key in left] == [other.to_state(key) for key in left]
