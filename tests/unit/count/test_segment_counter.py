"""Counts by segment: those of the events with each value, whatever the cut into polls and the order of merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.count.columns import segment_counter
from monitor.count.exchange import Pane
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.reference.segments import SegmentedBy, below_name, blank_segments, counts_name
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import Tally, merged
from tests.engine import (
    EVENTS,
    NOW_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
    categorical,
    event,
    numeric,
    run_to_end,
    settings,
)

COLUMNS = (numeric("AGE"), categorical("EDU", ("a", "b", "c")), categorical("SEX", ("1", "2"), ["3", "4"]))
BY = (SegmentedBy("SEX", ("2", "1")), SegmentedBy("EDU", ("b",)))


class _Panes(StatelessStage2):
    def __init__(self) -> None:
        super().__init__()
        self.tallies: list[Tally] = []

    def judge(self, pane: Pane) -> None:
        self.tallies.append(pane.tally)


def reference(by: Sequence[SegmentedBy] = BY) -> Reference:
    made = blank(COLUMNS)
    return replace(made, segments=blank_segments(by, *made.counts.shape))


def counted(stream: Sequence[Event], by: Sequence[SegmentedBy] = BY, chunk: int = 500) -> Tally:
    """All panes of a stream, merged."""
    return merged(panes_of(stream, by, chunk))


def panes_of(stream: Sequence[Event], by: Sequence[SegmentedBy] = BY, chunk: int = 500) -> list[Tally]:
    source, panes, tree = MemorySource({EVENTS: stream}, chunk), _Panes(), settings()
    admission = admission_of(tree, reference(by))
    run_to_end(Pipeline(tree, admission, source, ManualClock(NOW_US), Recorded(), stage2=panes, live=False), source)
    return panes.tallies


def stream(events: int = 600, apart: float = 0.2) -> list[Event]:
    rng = np.random.default_rng(7)
    ages = rng.choice([-3.0, 0.5, 1.5, 2.5, 9.0, 99.0], events).tolist()
    out = []
    for at, age in enumerate(ages):
        features = {"AGE": age, "EDU": str(rng.choice(["a", "b", "c", "new"])), "SEX": int(rng.integers(1, 6))}
        left_out = str(rng.choice(["AGE", "EDU", "SEX", "none"], p=[0.1, 0.1, 0.1, 0.7]))
        features.pop(left_out, None)
        made = event(at * apart, id=str(at), features=features)
        out.append(made if rng.random() < 0.95 else {name: v for name, v in made.items() if name != "features"})
    return out


def value_of(one: Event, name: str) -> str:
    return str(one.get("features", {}).get(name))


def test_a_segment_has_the_counts_of_its_events_alone() -> None:
    events = stream()
    tally = counted(events)
    slots = tally.counts.shape[1]
    wanted = [
        [one for one in events if value_of(one, "SEX") == "2"],
        [one for one in events if value_of(one, "SEX") == "1"],
        [one for one in events if value_of(one, "SEX") not in {"1", "2"}],
        [one for one in events if value_of(one, "EDU") == "b"],
        [one for one in events if value_of(one, "EDU") != "b"],
    ]
    width = slots - len(QUALITY_COUNTS)
    for segment, own in enumerate(wanted):
        alone = counted(own, ())
        assert not any(name.startswith("segment") for name in alone.further)
        # a never-seen name that shares a bucket is counted there alone, not as never seen too
        pooled = alone.counts.copy()
        pooled[2, width + QUALITY_COUNTS.index("unseen")] = 0
        np.testing.assert_array_equal(tally.further[counts_name(segment)].reshape(pooled.shape), pooled)
        np.testing.assert_array_equal(tally.further[below_name(segment)], alone.counted[:, -1])


@pytest.mark.parametrize("chunk", [1, 7, 250])
def test_the_cut_into_polls_makes_no_difference(chunk: int) -> None:
    events = stream(300)
    some, other = counted(events, chunk=chunk), counted(events)
    for name in (of(segment) for segment in range(5) for of in (counts_name, below_name)):
        np.testing.assert_array_equal(some.further[name], other.further[name])


@pytest.mark.parametrize("most", [1, 200])
def test_so_many_counts_at_once_make_no_difference(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few panes at a time are counted where they have many counts."""
    events = stream(200, apart=6.0)
    before = panes_of(events)
    monkeypatch.setattr(segment_counter, "PART_COUNTS", most)
    after = panes_of(events)
    assert len(before) > 50
    for one, other in zip(before, after, strict=True):
        assert one.further.keys() == other.further.keys()
        for name, counts in one.further.items():
            np.testing.assert_array_equal(counts, other.further[name])


def test_a_pane_holds_counts_of_its_segments_alone() -> None:
    """One batch of many panes with an event each: a segment of each feature, and a byte a count."""
    panes = panes_of([event(at * 61.0, id=str(at), features={"AGE": 1.5, "EDU": "b", "SEX": 1}) for at in range(40)])
    assert len(panes) == 40
    for tally in panes:
        held = {name: counts for name, counts in tally.further.items() if name.startswith("segment")}
        assert set(held) == {counts_name(1), counts_name(3)}
        assert all(counts.nbytes == tally.counts.size for counts in held.values())


def test_more_than_a_byte_holds_is_counted_over_several_batches() -> None:
    events = [event(at * 0.01, id=str(at), features={"AGE": 1.5, "EDU": "b", "SEX": 1}) for at in range(900)]
    tally = panes_of(events, chunk=100)[0]
    assert int(tally.further[counts_name(3)].max()) == tally.events == 900
