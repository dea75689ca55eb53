"""Probabilities of all classes wait for their labels: late ones count as those that came with their predictions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.count.exchange import Pane
from monitor.count.labels import model_join
from monitor.count.labels.cohorts import LabelCohort
from monitor.events import ModelKey, Partition
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.state import codec
from monitor.state.join_part import decode, encode
from monitor.stats.performance.label_tally import LabelTally, merged_labels
from tests.engine import CREDIT, EVENTS, START_US, Event, MemorySource, Recorded, admission_of, blank, event, numeric
from tests.engine import settings as settings_of

WIDER, MANY = ModelKey("credit", "2"), ModelKey("credit", "3")
#: the second version has more classes, the third too many for all of them to be kept
CLASSES: Mapping[ModelKey, Sequence[str]] = {
    CREDIT: "abc",
    WIDER: "abcde",
    MANY: [f"c{at:02}" for at in range(17)],
}
LABELS = Partition("labels", 0)
TREE = settings_of(
    {"versions": ["1", "2", "3"], "labels": {"horizon": "90s"}}, id_memory=0, windows={"allowed_lateness": "10m"}
)


class Judges(StatelessStage2):
    """Stage 2 that judges nothing."""

    def judge(self, pane: Pane) -> None:
        pass

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        pass


@pytest.fixture(autouse=True, scope="module")
def _tables_are_rewritten() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(model_join, "LEAST_ROWS", 0)
        yield


@st.composite
def predictions(draw: st.DrawFn) -> list[Event]:
    """Each of an id of its own, by time; some leave classes out, some have no scores."""
    made: list[Event] = []
    for at in sorted(draw(st.lists(st.integers(0, 80), max_size=20))):
        key = draw(st.sampled_from([CREDIT, CREDIT, WIDER, MANY]))
        names = [*CLASSES[key], "new"]
        weights = [draw(st.sampled_from([0, 1, 2, 9])) for _ in CLASSES[key]]
        whole = sum(weights) + draw(st.sampled_from([0, 0, 0, 1])) or 1
        given = {name: weight / whole for name, weight in zip(CLASSES[key], weights, strict=True)}
        left_out = draw(st.sampled_from([0, 0, 0, 1]))
        made.append(
            event(
                at,
                id=str(len(made)),
                version=key.version,
                prediction=draw(st.sampled_from([*names, ...])),
                scores=draw(st.sampled_from([dict(list(given.items())[left_out:])] * 4 + [...])),
                features={"x": 1},
            )
        )
    return made


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[Event], list[Event], dict[str, object]]:
    """Predictions, labels by time of which later ones replace earlier ones, and the label that each has at last."""
    of, labels, last = draw(predictions()), [], dict[str, object]()
    for at in sorted(draw(st.lists(st.integers(81, 160), max_size=25))):
        one = draw(st.sampled_from(of)) if of else None
        if one is None or at * 1_000_000 + START_US - one["ts"] > 90_000_000:
            continue
        last[one["id"]] = draw(st.sampled_from([*CLASSES[ModelKey("credit", one["version"])], "new", None]))
        labels.append(event(at, type="label", id=one["id"], version=one["version"], label=last[one["id"]]))
    return of, labels, last


def pipeline(streams: Mapping[Partition, list[Event]], chunk: int) -> tuple[Pipeline, MemorySource]:
    source = MemorySource(streams, chunk)
    references = [
        replace(blank([numeric("x")], key), task="multiclass", score_classes=tuple(names))
        for key, names in CLASSES.items()
    ]
    made = Pipeline(
        TREE,
        admission_of(TREE, *references),
        source,
        ManualClock(START_US),
        Recorded(),
        stage2=Judges(),
        live=False,
    )
    return made, source


def counted(
    streams: Mapping[Partition, list[Event]], chunk: int = 500, restarts: Container[int] = ()
) -> list[LabelTally]:
    """By version, at the end of the streams; begun again from the state after some of the turns."""
    made, source = pipeline(streams, chunk)
    for turn in range(1_000):
        ended = source.ended()
        made.turn()
        if ended:
            # a label that was replaced stays counted in `labels`
            return [replace(made.totals.labels.of(key), labels=0) for key in CLASSES]
        if turn in restarts:
            state = made.to_state().state()
            joins = [decode(codec.decode(codec.encode(encode(one)))) for one in state.joins]
            read = dict(source.next)
            made, source = pipeline(streams, chunk)
            source.next = read
            made.restore(replace(state, joins=joins))
    raise AssertionError


@settings(deadline=None, max_examples=30)
@given(labelled(), st.sampled_from([1, 3, 500]), st.sets(st.integers(0, 30), max_size=3))
def test_late_labels_count_as_those_that_came_with_their_predictions(
    made: tuple[list[Event], list[Event], dict[str, object]], chunk: int, restarts: set[int]
) -> None:
    predictions, labels, last = made
    own = [one | {"label": last[one["id"]]} for one in predictions if last.get(one["id"]) is not None]
    expected = counted({EVENTS: own})
    assert counted({EVENTS: [*predictions, *labels]}, chunk, restarts) == expected
    assert counted({EVENTS: predictions, LABELS: labels}, chunk, restarts) == expected
    for tally in expected:
        again = LabelTally.from_state(codec.decode(codec.encode(tally.to_state())))
        assert again == tally
        twice = merged_labels([tally, again])
        assert twice.class_scores.classes == tally.class_scores.classes
        assert (twice.class_scores.counts == 2 * tally.class_scores.counts).all()


def test_probabilities_are_of_whole_predictions_beside_known_labels_and_many_classes_have_the_predicted_one() -> None:
    sure = {"a": 0.5, "b": 0.25, "c": 0.25}
    rows = [
        event(0, prediction="a", label="a", scores=sure),
        event(0, prediction="a", label="b", scores={"a": 0.75, "b": 0.25}),  # c is 0
        event(0, prediction="a", label="a", scores={"a": 0.75}),  # of the others it is not known
        event(0, prediction="a", label="new", scores=sure),
        event(0, prediction="c00", label="c00", version="3", scores={"c00": 0.5}),
    ]
    few, _, many = counted({EVENTS: rows})
    assert (few.sums["classed"], few.sums["scored"], few.class_scores.counts.sum()) == (2, 4, 2 * 3)
    assert (many.sums["scored"], "classed" in many.sums, bool(many.class_scores)) == (1, False, False)


@pytest.mark.parametrize(("version", "later"), [("1", "1"), ("2", "2"), ("2", "1"), ("2", "3")])
def test_predictions_that_waited_in_a_state_of_before_count_for_the_confusion_alone(version: str, later: str) -> None:
    # predictions of another version may have made the kept probabilities narrower than this one's
    key, other = ModelKey("credit", version), ModelKey("credit", later)
    first = [event(at, id=f"p{at}", prediction="a", version=version, scores=of(key)) for at in range(3)]
    more = [event(20 + at, id=f"q{at}", prediction="a", version=later, scores=of(other)) for at in range(2)]
    labels = [event(40, type="label", id=one["id"], version=one["version"], label="a") for one in (*first, *more)]
    stream = {EVENTS: [*first, *more, *labels]}
    made, source = pipeline(stream, len(first))
    made.turn()
    state, read = made.to_state().state(), dict(source.next)
    trees = [codec.decode(codec.encode(encode(one))) for one in state.joins]
    for tree in trees:
        del tree["probabilities_width"], tree["tables"]["probabilities"]
    made, source = pipeline(stream, 500)
    source.next = read
    made.restore(replace(state, joins=[decode(tree) for tree in trees]))
    while not source.ended():
        made.turn()
    made.turn()
    tally, known = made.totals.labels.of(key), 2 * (version == later)
    assert tally.pairs == {("a", "a"): 3 + known}
    assert (tally.sums.get("classed", 0), tally.sums.get("scored", 0)) == (known, known)


def of(key: ModelKey) -> dict[str, float]:
    """Scores of all classes of a version, half of which is the first one's."""
    names = CLASSES[key]
    return dict.fromkeys(names, 0.5 / (len(names) - 1)) | {names[0]: 0.5}
