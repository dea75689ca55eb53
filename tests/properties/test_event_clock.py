"""The clock of a topic-partition against its rule in plain code, one event after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.count.clocks.event_clock import NO_CLOCK, EventClock
from monitor.state.codec import decode, encode
from tests.oracles import PlainClock

MINUTE = 60


def distances() -> st.SearchStrategy[int]:
    return st.sampled_from([0, 1, 2, 10, -30, 299, 301, 600, 3_540, -3_540, 86_400, -86_400, 10**9])


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(seconds, lateness): a steady stream with jumps there and back, or none."""
    usual = draw(st.sampled_from([1, 2, 20, 400]))
    at, found = 0, []
    for _ in range(draw(st.integers(0, 60))):
        at += usual
        odd = draw(distances()) if draw(st.integers(0, 4)) == 0 else 0
        found.append((at + odd, draw(st.sampled_from([60, 60, 900]))))
        if odd and draw(st.booleans()):
            at += odd  # it stays there
    return found


def ask(clock: EventClock, part: list[tuple[int, int]]) -> list[int]:
    ts, lateness = (np.array(values, np.int64) * SECOND_US for values in zip(*part, strict=True))
    _, held_against = clock.ask(ts, lateness)
    return [int(us) for us in held_against]


@settings(deadline=None, max_examples=300)
@given(streams(), st.sampled_from([1, 3, 7, 1_000]), st.sets(st.integers(0, 8)))
def test_the_clock_is_that_of_the_rule_however_polls_cut_the_stream(
    stream: list[tuple[int, int]], size: int, restored: set[int]
) -> None:
    plain, clock, found = PlainClock(), EventClock(), []
    expected = [plain.ask(at, lateness) for at, lateness in stream]
    for number, first in enumerate(range(0, len(stream), size)):
        found += ask(clock, stream[first : first + size])
        if number in restored:
            again = EventClock()
            again.restore(decode(encode(clock.to_state())))
            again.skewed, clock = clock.skewed, again
    assert found == [NO_CLOCK if one is None else one * SECOND_US for one in expected]
    assert clock.us == (NO_CLOCK if plain.clock is None else plain.clock * SECOND_US)
    assert clock.skewed == plain.skewed


def steady(first: int, number: int, step: int = 1) -> list[tuple[int, int]]:
    return [(first + n * step, 60) for n in range(number)]


@pytest.mark.parametrize("minutes", [6, 59, 60 * 24 * 365 * 70])
@pytest.mark.parametrize("ahead", [1, 3, 9])
def test_one_producer_with_a_fast_clock_moves_none(minutes: int, ahead: int) -> None:
    clock = EventClock()
    ask(clock, [*steady(0, 100), *steady(100 + minutes * MINUTE, ahead), *steady(100, 100)])
    assert clock.us == 199 * SECOND_US
    assert clock.skewed == ahead


def test_a_jump_counts_with_the_eleventh_of_the_last_twenty() -> None:
    clock = EventClock()
    ask(clock, [*steady(0, 100), *steady(3_600, 10)])
    assert clock.us == 99 * SECOND_US
    ask(clock, steady(3_610, 1))
    assert clock.us == 3_610 * SECOND_US


def test_sparse_traffic_steps_as_far_as_it_is_used_to() -> None:
    clock = EventClock()
    ask(clock, [*steady(0, 30, 3_600), (30 * 3_600 + 20_000, 60)])
    assert clock.us == (30 * 3_600 + 20_000) * SECOND_US


def test_a_first_event_that_lies_years_ahead_is_found_out_with_the_fifth() -> None:
    clock = EventClock()
    held_against = ask(clock, [(10**9, 60), *steady(0, 30)])
    assert held_against[4:] == [us * SECOND_US for us in (3, *range(3, 29))]


def test_a_state_without_the_last_times_goes_on_from_its_clock() -> None:
    clock = EventClock()
    clock.restore({"clock": 500 * SECOND_US})
    assert ask(clock, steady(100, 30)) == [500 * SECOND_US] * 30
