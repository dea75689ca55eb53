"""An export that goes on: what is told when, and what becomes of a server that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from monitor.clock import MINUTE_US, ManualClock
from monitor.errors import ExternalError, PermanentError, TransientError
from monitor.exports.following import follow
from monitor.exports.picked import Picked

START_US = 1_764_000_000_000_000


class Following:
    """Looks that a test follows, a minute apart; `failures` are raised by the first of them."""

    def __init__(self, *failures: Exception | None) -> None:
        self.clock = ManualClock(START_US)
        self.failures = list(failures)
        self.asked: list[int | None] = []
        self.said: list[str] = []

    def find(self, from_us: int | None) -> Picked:
        self.asked.append(from_us)
        return cast("Picked", len(self.asked))

    def tell(self, found: Picked) -> Iterator[str]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        yield f"look {found}"

    def wait(self) -> bool:
        self.clock.advance(60)
        return len(self.asked) == 3

    def run(self, start_us: int | None) -> None:
        follow(self.find, self.tell, start_us, self.clock, self.wait, self.said.append)


def test_each_look_begins_some_minutes_before_the_last_one() -> None:
    following = Following()
    following.run(7)
    assert following.said == ["look 1", "look 2", "look 3"]
    assert following.asked == [7, START_US - 10 * MINUTE_US, START_US - 9 * MINUTE_US]


@pytest.mark.parametrize("failure", [TransientError("no answer"), ExternalError("no broker")])
def test_a_look_without_an_answer_is_made_again_from_where_it_began(failure: Exception) -> None:
    following = Following(failure)
    following.run(None)
    assert following.said == [f"{failure}; tried again", "look 2", "look 3"]
    assert following.asked == [None, None, START_US + MINUTE_US - 10 * MINUTE_US]


def test_a_refusal_ends_it() -> None:
    following = Following(None, PermanentError("401"))
    with pytest.raises(PermanentError):
        following.run(None)
    assert following.said == ["look 1"]
