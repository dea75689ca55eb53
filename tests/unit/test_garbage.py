"""The collector runs between turns: soon when idle, at the latest after a minute, and is given back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from monitor.clock import ManualClock
from monitor.garbage import BUSY_SECONDS, IDLE_SECONDS, GarbageSchedule


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
