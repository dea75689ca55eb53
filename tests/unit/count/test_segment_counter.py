"""Counts by segment: those of the events with each value, whatever the cut into polls and the order of merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.count.exchange import Pane
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.reference.segments import SEGMENTS, SEGMENTS_BELOW, SegmentedBy, blank_segments
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
    source, panes, tree = MemorySource({EVENTS: stream}, chunk), _Panes(), settings()
    admission = admission_of(tree, reference(by))
    run_to_end(Pipeline(tree, admission, source, ManualClock(NOW_US), Recorded(), stage2=panes, live=False), source)
    return merged(panes.tallies)


def stream(events: int = 600) -> list[Event]:
    rng = np.random.default_rng(7)
    ages = rng.choice([-3.0, 0.5, 1.5, 2.5, 9.0, 99.0], events).tolist()
    out = []
    for at, age in enumerate(ages):
        features = {"AGE": age, "EDU": str(rng.choice(["a", "b", "c", "new"])), "SEX": int(rng.integers(1, 6))}
        left_out = str(rng.choice(["AGE", "EDU", "SEX", "none"], p=[0.1, 0.1, 0.1, 0.7]))
        features.pop(left_out, None)
        made = event(at * 0.2, id=str(at), features=features)
        out.append(made if rng.random() < 0.95 else {name: v for name, v in made.items() if name != "features"})
    return out


def value_of(one: Event, name: str) -> str:
    return str(one.get("features", {}).get(name))


def test_a_segment_has_the_counts_of_its_events_alone() -> None:
    events = stream()
    tally = counted(events)
    shape = (5, len(COLUMNS), tally.counts.shape[1])
    segments, below = tally.further[SEGMENTS].reshape(shape), tally.further[SEGMENTS_BELOW].reshape(shape[:2])
    wanted = [
        [one for one in events if value_of(one, "SEX") == "2"],
        [one for one in events if value_of(one, "SEX") == "1"],
        [one for one in events if value_of(one, "SEX") not in {"1", "2"}],
        [one for one in events if value_of(one, "EDU") == "b"],
        [one for one in events if value_of(one, "EDU") != "b"],
    ]
    width = shape[2] - len(QUALITY_COUNTS)
    for segment, own in enumerate(wanted):
        alone = counted(own, ())
        assert SEGMENTS not in alone.further
        # a never-seen name that shares a bucket is counted there alone, not as never seen too
        pooled = alone.counts.copy()
        pooled[2, width + QUALITY_COUNTS.index("unseen")] = 0
        np.testing.assert_array_equal(segments[segment], pooled)
        np.testing.assert_array_equal(below[segment], alone.counted[:, -1])


@pytest.mark.parametrize("chunk", [1, 7, 250])
def test_the_cut_into_polls_makes_no_difference(chunk: int) -> None:
    events = stream(300)
    some, other = counted(events, chunk=chunk), counted(events)
    for name in (SEGMENTS, SEGMENTS_BELOW):
        np.testing.assert_array_equal(some.further[name], other.further[name])
