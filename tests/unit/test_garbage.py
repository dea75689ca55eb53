"""The collector runs between turns: soon when idle, at the latest after a minute or much garbage, and is given back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from monitor.clock import ManualClock
from monitor.run.garbage import BUSY_SECONDS, IDLE_SECONDS, MOST_NEW_CONTAINERS, GarbageSchedule


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def schedule(clock: ManualClock) -> Iterator[GarbageSchedule]:
    made = GarbageSchedule(clock)
    made.start()
    yield made
    made.close()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def collections() -> int:
    return int(gc.get_stats()[2]["collections"])


@pytest.mark.parametrize(("records", "seconds"), [(0, IDLE_SECONDS), (500, BUSY_SECONDS)])
def test_it_collects_when_it_is_due_and_not_before(
    schedule: GarbageSchedule, clock: ManualClock, records: int, seconds: float
) -> None:
    assert not gc.isenabled()
    before = collections()
    clock.advance(seconds - 1)
    schedule.after_turn(records)
    assert collections() == before
    clock.advance(1)
    schedule.after_turn(records)
    schedule.after_turn(records)
    assert collections() == before + 1


def test_it_collects_at_once_when_much_garbage_came_up(schedule: GarbageSchedule) -> None:
    before = collections()
    kept = [[] for _ in range(MOST_NEW_CONTAINERS // 2)]  # type: list[list[object]]
    schedule.after_turn(500)
    assert collections() == before
    for _ in range(MOST_NEW_CONTAINERS):
        circle: list[object] = []
        circle.append(circle)
    schedule.after_turn(500)
    schedule.after_turn(500)
    assert collections() == before + 1
    assert len(kept) < MOST_NEW_CONTAINERS


def test_what_is_freed_again_calls_for_no_collection(schedule: GarbageSchedule) -> None:
    before = collections()
    for _ in range(3 * MOST_NEW_CONTAINERS):
        [[]]  # noqa: B018  # made and freed
    schedule.after_turn(500)
    assert collections() == before
