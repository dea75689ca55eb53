"""Work beside the loop: what it raises reaches the loop, once, and it rests as long as it works."""

from __future__ import annotations

import threading
import time

import pytest

from monitor.clock import ManualClock
from monitor.count.exchange import Pane
from monitor.errors import TransientError
from monitor.loop.beside import AtOnce, Beside, InThread, Rest, Work
from monitor.loop.checkpoints import Checkpoints
from monitor.loop.saving import Saving
from monitor.loop.stage2 import StatelessStage2
from monitor.state.parts import Cut, Whole, outbox
from tests.engine import NOW_US, Recorded


@pytest.mark.parametrize("beside", [AtOnce(), InThread("test")])
def test_what_the_work_raises_is_raised_in_the_loop_once(beside: Beside) -> None:
    def fails() -> None:
        raise TransientError("no")

    beside.start(fails)
    with pytest.raises(TransientError, match="no"):
        beside.ended(None)
    assert beside.ended(0)


def test_the_loop_does_not_wait_for_a_thread_it_does_not_ask_to() -> None:
    may_end, beside = threading.Event(), InThread("test")
    beside.start(lambda: assert_true(may_end.wait(60)))
    assert not beside.ended(0)
    assert beside.is_busy(0)
    may_end.set()
    assert beside.ended(None)
    assert not beside.is_busy(0)


def assert_true(value: object) -> None:
    assert value


def test_it_rests_as_long_as_it_worked() -> None:
    rests: list[float] = []
    rest = Rest(rests.append)
    began = time.thread_time()
    sum(range(30_000))
    worked = time.thread_time() - began
    rest()
    rest()
    assert rests[0] >= min(worked, 0.005)
    assert rests[1] <= rests[0]


def test_it_does_not_rest_while_the_process_waits_for_it_to_stop() -> None:
    rests: list[float] = []
    rest = Rest(rests.append)
    rest()
    rest.hurry()
    sum(range(30_000))
    rest()
    assert len(rests) == 1


class Idle(StatelessStage2):
    """Of which nothing is asked."""

    def judge(self, pane: Pane) -> None:
        """Nothing comes."""


class Slow(AtOnce):
    """Every piece of work takes some seconds of the clock."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds, self._left = clock, seconds, 0.0

    def start(self, work: Work) -> None:
        self._left = self._seconds
        super().start(work)

    def ended(self, timeout_s: float | None) -> bool:
        waited = self._left if timeout_s is None else min(timeout_s, self._left)
        self._clock.advance(waited)
        self._left -= waited
        return self._left <= 0 and super().ended(0)


@pytest.mark.parametrize(("seconds", "in_time"), [(2.0, True), (4.0, False), (20.0, False)])
def test_the_last_checkpoint_and_the_one_before_it_have_the_time_of_one(seconds: float, in_time: bool) -> None:
    clock = ManualClock(NOW_US)
    saving = Saving(clock, 1.0)
    cut = Cut(Whole(), [outbox([])])
    made = Checkpoints(Recorded(), Idle(), saving, clock, Slow(clock, seconds), lambda: (cut, {}))
    clock.advance(2.0)
    assert made.step()
    began = clock.monotonic()
    saving.attempt(lambda: made.make(6.0))
    assert (saving.failure == "") is in_time
    assert clock.monotonic() - began <= 6.0


def test_a_checkpoint_that_is_not_done_is_a_reason_until_it_is() -> None:
    clock = ManualClock(NOW_US)
    saving = Saving(clock, 1.0)
    saving.begin()
    assert saving.message(reads=True) == ""
    clock.advance(90.0)
    assert "not done after 90 s" in saving.message(reads=True)
    assert "disk of state.path" in saving.message(reads=True)
    saving.succeeded()
    assert saving.message(reads=True) == ""
