"""How far the join of labels goes: batches, partitions that stand still, wrong clocks, calls that are not whole yet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.count.clocks import label_progress
from monitor.count.clocks.label_clock import LabelClock
from monitor.count.labels import model_join
from monitor.events import Partition
from tests.engine import EVENTS, START_US, Event
from tests.unit.test_joins import IDLE_SECONDS, LABELS, Made, label, prediction

OTHER_LABELS = Partition("labels", 1)
HORIZON, BATCH, LAST = 60, 100, 600
#: seconds after its prediction at which a label has its time: near the horizon
DELAY = 55


def made_of(records: Mapping[Partition, Sequence[Event]], *, live: bool = True, limits: object = None) -> Made:
    model, windows = {"labels": {"horizon": f"{HORIZON}s"}}, {"allowed_lateness": "0s"}
    if limits is None:
        return Made(records, live=live, model=model, windows=windows)
    return Made(records, live=live, model=model, windows=windows, limits=limits)


def predictions(first: int, end: int) -> list[Event]:
    return [prediction(at, str(at), at % 2) for at in range(first, end)]


def labels(first: int, end: int) -> list[Event]:
    """Of the predictions whose labels have their times in [first, end) seconds."""
    return [label(at + DELAY, str(at)) for at in range(max(first - DELAY, 0), end - DELAY)]


def in_batches(cut: Sequence[int], parts: int = 1) -> Made:
    """Live: labels come in batches of `BATCH` seconds, on a topic of their own that is idle between them.

    `cut` numbers of labels are read one after the other; the rest of the batch then. Of two parts, the second one is
    read a while after the first.
    """
    first = {(LABELS, OTHER_LABELS)[part]: [label(0, "none", None)] for part in range(parts)}
    made = made_of({EVENTS: list[Event](), **first}).run(2)
    for end in range(BATCH, LAST + 1, BATCH):
        made.add(EVENTS, *predictions(end - BATCH, end + 20))
        made.clock.advance(IDLE_SECONDS)
        made.run(2)
        rest = labels(end - BATCH, end)
        for part, partition in enumerate((LABELS, OTHER_LABELS)[:parts]):
            own = [one for one in rest if int(one["id"]) % parts == part]
            for few in cut:
                made.source.unread.add(partition)
                made.add(partition, *own[:few])
                own = own[few:]
            made.source.unread.discard(partition)
            made.add(partition, *own)
            made.clock.advance(5)
        made.clock.advance(IDLE_SECONDS)
        made.run(2)
    made.clock.advance(IDLE_SECONDS)
    return made.run(2)


def at_once(parts: int = 1) -> Made:
    """The same as a recording."""
    rest = [one for end in range(BATCH, LAST + 1, BATCH) for one in labels(end - BATCH, end)]
    of = {(LABELS, OTHER_LABELS)[part]: [x for x in rest if int(x["id"]) % parts == part] for part in range(parts)}
    of = {partition: [label(0, "none", None), *own] for partition, own in of.items()}
    events = [one for end in range(BATCH, LAST + 1, BATCH) for one in predictions(end - BATCH, end + 20)]
    return made_of({EVENTS: events, **of}, live=False).run(40)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("cut", [(), (1, 7, 30)])
def test_a_batch_of_labels_that_comes_late_is_joined_live_as_in_a_replay(cut: Sequence[int], parts: int) -> None:
    made, again = in_batches(cut, parts), at_once(parts)
    assert made.fates() == again.fates() == {"matched": LAST - DELAY, "expired": parts}
    assert made.tally() == again.tally()
    assert Counter(dict(made.stage2.steps)) == Counter(dict(again.stage2.steps))


def test_without_the_pause_labels_near_the_horizon_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail."""
    monkeypatch.setattr(label_progress, "PAUSE", 0)
    assert in_batches(()).fates()["expired"] > 0


def test_a_topic_of_labels_that_ended_holds_the_join_back_for_two_horizons_and_no_longer() -> None:
    made = made_of({EVENTS: predictions(0, 50), LABELS: [label(20, "0")]}).run()
    for end in range(50, 1_000, 50):
        made.add(EVENTS, *predictions(end, end + 50))
        made.clock.advance(IDLE_SECONDS)
        made.run(2)
    join = made.pipeline.joins.models["credit"].join
    behind = (START_US + 999 * SECOND_US - join.until_us) / SECOND_US
    assert 2 * HORIZON - 10 <= behind <= 2 * HORIZON + 20
    assert join.predictions_waiting <= 3 * HORIZON + 40


def test_labels_among_the_events_are_joined_though_a_topic_of_labels_is_idle() -> None:
    made = made_of({EVENTS: predictions(0, 300), LABELS: [label(20, "0")]}).run()
    made.add(EVENTS, label(40, "290"), prediction(330, "330"))  # takes effect where it was read
    made.clock.advance(IDLE_SECONDS)
    assert made.run(2).fates()["matched"] == 2


def test_a_partition_of_labels_that_stands_still_holds_the_join_back_and_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_join, "SPARE_ROWS", 10)
    few = {"waiting_predictions": 100}
    made = made_of({EVENTS: predictions(0, 10), LABELS: [label(5, "0")]}, limits=few).run()
    made.source.unread.add(LABELS)
    for end in range(10, 2_000, 50):
        made.add(EVENTS, *predictions(end, end + 50))
        made.clock.advance(IDLE_SECONDS)
    join = made.pipeline.joins.models["credit"].join
    assert join.until_us < START_US + 20 * SECOND_US
    assert made.pipeline.completeness.labels.slowest[None][0] == LABELS
    assert join.predictions_waiting <= 100 + 12 + 10 + 50
    assert len(join.late_predictions) <= join.predictions_waiting
    made.source.unread.discard(LABELS)
    made.add(LABELS, *labels(1_990, 2_040))
    made.clock.advance(IDLE_SECONDS)
    assert made.run(3).fates()["matched"] >= 40


def test_the_join_waits_for_a_call_whose_other_side_has_not_come() -> None:
    made = made_of({EVENTS: predictions(0, 100), LABELS: labels(0, 100)}).run()
    made.clock.advance(IDLE_SECONDS)
    completeness = made.pipeline.completeness
    until = completeness.until()
    assert completeness.joined_until(until)("credit") > START_US + 15 * SECOND_US
    side_us = START_US + 15 * SECOND_US
    assert completeness.joined_until(until, lambda _: side_us)("credit") == side_us
    assert completeness.joined_until(until, lambda _: None)("credit") < math.inf


times = st.lists(st.integers(0, 600), min_size=1, max_size=40)


@given(times, st.integers(0, 20_000), st.lists(st.integers(1, 40), max_size=6))
def test_a_first_label_far_ahead_delays_three_others_at_most_however_the_stream_is_cut(
    ats: list[int], wild: int, cuts: list[int]
) -> None:
    rising = np.sort(np.array(ats)) * SECOND_US
    of = np.concatenate(([600 * SECOND_US + wild * SECOND_US], rising))
    no_clock = np.full(len(of), -(1 << 62))
    whole = LabelClock()
    effect = whole.effect_us(of, no_clock, 0.0)
    assert (effect >= of).all()
    if wild > 600:
        assert (effect[4:] == of[4:]).all()
    cut = LabelClock()
    edges = sorted({0, len(of), *(min(one, len(of)) for one in cuts)})
    parts = [cut.effect_us(of[first:end], no_clock[first:end], 0.0) for first, end in pairwise(edges)]
    assert np.concatenate(parts).tolist() == effect.tolist()
    assert (cut.us, cut.reached_us) == (whole.us, whole.reached_us)


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=30))
def test_the_join_runs_no_further_ahead_with_a_state_of_a_version_before(read: list[tuple[int, int]]) -> None:
    """Such a state has the newest of both clocks, with the labels' own after the last label, and nothing else."""
    labelled, events = (np.array(of) * SECOND_US for of in zip(*read, strict=True))
    made, again, upgraded = LabelClock(), LabelClock(), LabelClock()
    made.effect_us(labelled, events, 0.0)
    state = made.to_state()
    again.restore(state)
    assert (again.us, again.read_us, again.reached_us) == (made.us, made.read_us, made.reached_us)
    assert state["us"] == max(made.us, made.read_us)
    upgraded.restore({name: of for name, of in state.items() if name != "read"})
    assert upgraded.read_us <= upgraded.us == made.us


def test_labels_are_read_no_later_after_a_restart() -> None:
    """A label moves the clock of those after it, not its own."""
    made, again = LabelClock(), LabelClock()
    made.effect_us(np.array([100, 200]) * SECOND_US, np.array([0, 0]), 0.0)
    again.restore(made.to_state())
    assert again.read_us == made.read_us == 100 * SECOND_US < made.us
