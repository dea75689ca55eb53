"""Snapshots are immutable and replaced as a whole; health has the reasons why the process is not ready."""

from __future__ import annotations

import threading
import time

import pytest

from monitor.clock import ManualClock
from monitor.events import Partition
from monitor.publish.snapshot import YIELD_EVERY, YIELD_FOR, Health, Snapshot, SnapshotHolder

PARTITION = Partition("events", 0)


def test_a_board_does_not_change_with_what_it_was_made_from() -> None:
    counts = {PARTITION: 1}
    snapshot = Snapshot(records=counts)
    counts[PARTITION] = 2
    assert snapshot.records == {PARTITION: 1}


def test_a_boards_mappings_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        Snapshot(records={PARTITION: 1}).records[PARTITION] = 2  # type: ignore[index]  # what is tested


def test_a_reader_never_sees_half_of_a_board() -> None:
    snapshots = SnapshotHolder(ManualClock())
    snapshots.show(Snapshot(records={PARTITION: 0}, lags={PARTITION: 0}))
    done = threading.Event()
    torn: list[Snapshot] = []

    def evaluate() -> None:
        while not done.is_set():
            snapshot = snapshots.snapshot
            if snapshot.records[PARTITION] != snapshot.lags[PARTITION]:
                torn.append(snapshot)

    reader = threading.Thread(target=evaluate)
    reader.start()
    for count in range(2_000):
        snapshots.show(Snapshot(records={PARTITION: count}, lags={PARTITION: count}))
    done.set()
    reader.join()
    assert torn == []
    assert snapshots.snapshot.records == {PARTITION: 1_999}


def test_a_loop_is_stuck_only_after_its_limit() -> None:
    health = Health(turned_monotonic=100.0)
    assert health.stuck(now=160.0, limit=60.0) == ""
    assert health.stuck(now=161.0, limit=60.0) == "the loop has not turned for 61 s, the limit is 60 s"


def test_each_missing_step_and_a_failure_are_reasons_not_to_be_ready() -> None:
    assert len(Health(turned_monotonic=0.0).missing()) == 3
    ready = Health(turned_monotonic=0.0, assigned=True, restored=True, caught_up_once=True)
    assert ready.missing() == ()
    troubled = Health(turned_monotonic=0.0, assigned=True, restored=True, caught_up_once=True, failure="no broker")
    assert troubled.missing() == ("no broker",)


def test_a_beat_keeps_what_it_does_not_name() -> None:
    clock = ManualClock()
    snapshots = SnapshotHolder(clock)
    snapshots.beat(assigned=True, failure="no broker answers")
    clock.advance(5.0)
    snapshots.beat(restored=True)
    assert snapshots.health == Health(5.0, assigned=True, restored=True, failure="no broker answers")
    snapshots.beat(caught_up_once=True, failure="")
    assert snapshots.health.missing() == ()


def test_a_loop_that_beats_makes_way_for_other_threads_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = ManualClock()
    snapshots = SnapshotHolder(clock)
    for _ in range(25):
        clock.advance(2 * YIELD_EVERY)
        for _ in range(10):
            snapshots.beat()
    assert slept == [YIELD_FOR] * 25
    assert YIELD_FOR > 0, "a sleep of nothing gives the lock to nobody"
