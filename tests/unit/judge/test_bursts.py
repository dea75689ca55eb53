"""A burst: many events that are far off, and then no more. What is over already wakes nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.findings import PAGE
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)

BURST = 120
#: events of a pane at the most, and of a base window
PANE, BASE = 40, 290


class Fault:
    """The LIMIT of so many events grows twentyfold, of the others not."""

    def __init__(self, events: int, again_after: int = 1 << 30) -> None:
        self._events, self._again_after, self._so_far = events, again_after, 0

    def __call__(self, made: Event, _rng: np.random.Generator) -> None:
        if self._so_far % self._again_after < self._events:
            made["features"]["LIMIT"] *= 20
        self._so_far += 1


def incidents(change: int, fault: Fault) -> list[dict[str, Any]]:
    stream = list(Credit(5_000, seed=3, change=change, fault=fault))
    lines, _ = replayed(settings(), credit_reference(), MemorySource({EVENTS: stream}))
    return transitions_in(lines)


def pages_at(change: int, fault: Fault) -> list[int]:
    """Predictions from the change to each page."""
    first: dict[object, int] = {}
    for one in incidents(change, fault):
        if one["severity"] == PAGE and any(found["cause"] == "distribution" for found in one["findings"]):
            first.setdefault(one["incident"], int(one["predictions"]) - change)
    return list(first.values())


PLACES = range(2_000, 2_250, 50)


@pytest.mark.parametrize("change", PLACES)
def test_a_burst_pages_at_most_while_it_lasts(change: int) -> None:
    assert all(delay <= BURST + PANE for delay in pages_at(change, Fault(BURST)))


def test_most_bursts_are_over_when_a_window_is_judged() -> None:
    assert sum(bool(pages_at(change, Fault(BURST))) for change in PLACES) <= len(PLACES) / 2


@pytest.mark.parametrize("change", PLACES)
def test_the_same_change_pages_if_it_stays_or_comes_again(change: int) -> None:
    (delay,) = pages_at(change, Fault(1 << 30))
    assert delay <= BASE
    assert pages_at(change, Fault(BURST, again_after=240))


@pytest.mark.parametrize("change", PLACES)
def test_what_a_burst_opened_ends_with_the_third_base_window_after_it(change: int) -> None:
    *_, last = incidents(change, Fault(BURST))
    assert last["transition"] == "resolved"
    assert int(last["predictions"]) <= change + BURST + 4 * BASE
