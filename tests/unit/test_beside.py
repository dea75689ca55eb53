"""Work beside the loop: what it raises reaches the loop, once, and it rests as long as it works."""

from __future__ import annotations

import threading
import time

import pytest

from monitor.errors import TransientError
from monitor.loop.beside import AtOnce, Beside, InThread, Rest


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
