"""Tallies of labels: merging is exact in any order, and inline labels are counted the same however events are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.events import canonical
from monitor.reference.column import PREDICTION
from monitor.state.codec import decode, encode
from monitor.stats.performance.class_scores import PLACES, ClassScores
from monitor.stats.performance.label_sums import UNITS
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import OutcomeTally
from tests.engine import (
    CREDIT,
    EVENTS,
    Event,
    MemorySource,
    admission_of,
    batch_of,
    blank,
    by_class,
    categorical,
    event,
    numeric,
    pipeline_of,
)
from tests.engine import settings as settings_of

PANE_US = 10 * SECOND_US
TREE = settings_of()
REFERENCE = blank([numeric("x"), categorical("prediction", ("0", "1", "a"), role=PREDICTION)])

classes = st.sampled_from("01a")
class_scores = st.builds(
    lambda counts: ClassScores.from_state({"classes": "01", "places": list(counts), "counts": list(counts.values())}),
    st.dictionaries(st.integers(0, 4 * PLACES - 1), st.integers(1, 9), max_size=9),
)
tallies = st.builds(
    LabelTally,
    st.integers(0, 50),
    st.dictionaries(st.tuples(classes, classes), st.integers(1, 9)),
    st.dictionaries(st.integers(0, 40), st.integers(1, 9)),
    st.dictionaries(st.sampled_from(sorted(UNITS)), st.integers(-(1 << 70), 1 << 70).filter(bool)),
    st.just({}),
    st.just({}),
    class_scores,
)


def merged(*parts: LabelTally) -> LabelTally:
    total = LabelTally()
    for part in parts:
        total.merge(part)
    return total


@given(tallies, tallies, tallies)
def test_merging_is_associative_and_commutative(a: LabelTally, b: LabelTally, c: LabelTally) -> None:
    before = a.copy(), b.copy(), c.copy()
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, b, a)
    assert (a, b, c) == before  # what was merged is as it was


@given(tallies, tallies)
def test_a_copy_is_one_to_add_to(a: LabelTally, b: LabelTally) -> None:
    before, copy = a.copy(), a.copy()
    copy.merge(b)
    assert a == before
    assert copy == merged(a, b)


@given(tallies)
def test_its_figures_are_those_of_the_labels_one_by_one(a: LabelTally) -> None:
    pairs = list(Counter(a.pairs).elements())
    wrong = [label for label, prediction in pairs if label != prediction]
    assert (a.paired, a.total, a.errors) == (len(pairs), len(pairs) + a.labels, len(wrong))
    assert a.accuracy == (pytest.approx((len(pairs) - len(wrong)) / len(pairs)) if pairs else None)


@given(tallies, tallies)
def test_it_comes_back_from_its_state_which_no_order_changes(a: LabelTally, b: LabelTally) -> None:
    state = encode(merged(a, b).to_state())
    assert LabelTally.from_state(decode(state)) == merged(a, b)
    assert encode(merged(b, a).to_state()) == state


CELLS: Mapping[str, list[object]] = {
    "prediction": [..., None, 0, 1, True, "1", "a", "2", "3", 2.0],
    "label": [..., None, 0, 1, 1.0, "a", "2", "3"],
}


@st.composite
def labelled_events(draw: st.DrawFn) -> Event:
    """A prediction, or a features event (whose label says nothing), within three panes."""
    made = event(draw(st.integers(0, 29)), type=draw(st.sampled_from(["prediction"] * 4 + ["features"])), features={})
    cells = {name: draw(st.sampled_from(values)) for name, values in CELLS.items()}
    return made | {name: value for name, value in cells.items() if value is not Ellipsis}


@st.composite
def cuts(draw: st.DrawFn) -> list[list[Event]]:
    """Some events, cut into batches anywhere."""
    events = draw(st.lists(labelled_events(), min_size=1, max_size=25))
    places = sorted(draw(st.lists(st.integers(0, len(events)), max_size=5)))
    return [events[a:b] for a, b in zip([0, *places], [*places, len(events)], strict=True)]


def counted(batches: Sequence[Sequence[Event]], task: str) -> dict[int, LabelTally]:
    """By pane the labels that are open after the batches; and the totals under -1."""
    admission = admission_of(TREE, replace(REFERENCE, task=task))
    pipeline, _ = pipeline_of(TREE, admission, MemorySource({EVENTS: []}))
    first = 0
    for batch in batches:
        pipeline.count([batch_of(batch, first)])
        first += len(batch)
    cohorts = list(pipeline.tasks[0].labels.inline)
    assert all(cohort.inline and cohort.key == CREDIT for cohort in cohorts)
    assert list(pipeline.tasks[0].labels.open) == []  # of label events there are none
    of_panes = {cohort.start_us // PANE_US: by_class(cohort.tally) for cohort in cohorts}
    assert len(of_panes) == len(cohorts)
    return of_panes | {-1: by_class(pipeline.totals.labels.of(CREDIT))}


def recount(events: Sequence[Event], *, classifies: bool) -> LabelTally:
    """Classes the reference does not know share a name; two different ones stay different."""
    tally = LabelTally()
    for one in events:
        label, prediction = one.get("label"), one.get("prediction")
        if one["type"] != "prediction" or label is None:
            continue
        if prediction is None or not classifies:
            tally.labels += 1
            continue
        names = [name if name in "01a" else "(other)" for name in map(canonical, (label, prediction))]
        if names == ["(other)"] * 2 and canonical(label) != canonical(prediction):
            names[1] = "(another)"
        tally.add_pair((names[0], names[1]), 1)
    return tally


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "none"])
@settings(deadline=None, max_examples=50)
@given(cuts())
def test_every_label_is_counted_once_in_its_predictions_pane_however_the_stream_is_cut(
    task: str, batches: list[list[Event]]
) -> None:
    events, classifies = [one for batch in batches for one in batch], task in {"binary", "multiclass"}
    by_pane: dict[int, list[Event]] = {-1: events}
    for one in events:
        by_pane.setdefault(one["ts"] // PANE_US, []).append(one)
    expected = {pane: recount(inside, classifies=classifies) for pane, inside in by_pane.items()}
    expected = {pane: tally for pane, tally in expected.items() if tally.total or pane == -1}
    assert counted(batches, task) == expected
    assert counted([[one] for one in events], task) == expected


def test_a_change_that_moves_a_label_between_segments_is_one_with_and_without_an_outcome() -> None:
    moved = LabelTally()
    for segment, sign in ((0, -1), (1, 1)):
        moved.add_segment(segment, LabelTally(pairs={("1", "1"): sign}))
    with_outcome = moved.copy()
    with_outcome.outcomes = {"refund": OutcomeTally({1: 1}, 1)}
    assert moved.of_labels() == moved == with_outcome.of_labels()
    with_outcome.segments = {}
    assert with_outcome.of_labels() is None


def test_outcomes_of_segments_are_no_labels_and_are_found_by_name() -> None:
    """A change that gives one prediction the value that another one had is none of all values."""
    moved = LabelTally()
    for segment, sign in ((0, -1), (1, 1)):
        moved.add_segment(segment, LabelTally(outcomes={"refund": OutcomeTally({"yes": sign})}))
    assert moved.of_labels() is None
    assert moved.of_outcome("refund") == moved
    assert moved.of_outcome("judge") is None
    both = merged(
        moved, LabelTally(2, segments={1: LabelTally(2)}), LabelTally(outcomes={"judge": OutcomeTally({3: 1}, 9)})
    )
    assert both.of_labels() == LabelTally(2, segments={1: LabelTally(2)})
    assert both.of_outcome("refund") == moved
    assert both.of_outcome("judge") == LabelTally(outcomes={"judge": OutcomeTally({3: 1}, 9)})
