"""A stalled partition is reported with its probable reason; one at its end is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.events import Partition
from monitor.kafka.stalls import PATIENCE, Place, Stalls
from monitor.publish.snapshot import Health, Snapshot
from monitor.publish.status.model_cards import FINE
from monitor.publish.status.page import monitor_state

A, B = Partition("events", 0), Partition("events", 1)


def reported(stalls: Stalls, now: float, waiting: tuple[Partition, ...] = (), **places: Place) -> set[Partition]:
    named = {{"a": A, "b": B}[name]: place for name, place in places.items()}
    return {stall.partition for stall in stalls.check(now, named, waiting)}


def test_a_stall_is_reported_after_a_minute_until_the_position_moves() -> None:
    stalls = Stalls()
    for now in range(int(PATIENCE) + 1):
        assert not reported(stalls, now, a=Place(10, 20 + now), b=Place(now, now + 5))
    assert reported(stalls, PATIENCE + 1, a=Place(10, 90), b=Place(61, 66)) == {A}
    assert reported(stalls, PATIENCE + 2, a=Place(10, 90), b=Place(62, 66)) == {A}
    assert not reported(stalls, PATIENCE + 3, a=Place(11, 90), b=Place(63, 66))
    assert reported(stalls, 2 * PATIENCE + 4, a=Place(11, 90), b=Place(64, 66)) == {A}


def test_a_partition_at_its_end_is_not_stalled_and_the_minute_starts_with_new_records() -> None:
    stalls = Stalls()
    for now in range(300):
        assert not reported(stalls, now, a=Place(10, 10))
    assert not reported(stalls, 299 + PATIENCE, a=Place(10, 11))
    assert reported(stalls, 300 + PATIENCE, a=Place(10, 11)) == {A}


def test_a_waiting_partition_is_reported_only_if_no_other_one_moves() -> None:
    stalls = Stalls()
    for now in range(200):
        assert not reported(stalls, now, (A,), a=Place(10, 20), b=Place(now, 500))
    assert not reported(stalls, 199 + PATIENCE, (A,), a=Place(10, 20), b=Place(199, 500))
    assert reported(stalls, 200 + PATIENCE, (A,), a=Place(10, 20), b=Place(199, 500)) == {A, B}


def test_a_stopped_partition_is_not_reported_but_one_that_waits_for_it_is() -> None:
    stalls, places = Stalls(), {A: Place(10, 20, 20), B: Place(5, 9, 9)}
    stalls.check(0, places, (A, B), stopped=(A,))
    (stall,) = stalls.check(PATIENCE + 1, places, (A, B), stopped=(A,))
    assert stall.partition == B
    assert "it waits for partitions that are further behind" in stall.why


def test_after_a_reset_the_minute_starts_again() -> None:
    stalls = Stalls()
    reported(stalls, 0, a=Place(10, 20))
    stalls.reset()
    assert not reported(stalls, PATIENCE + 5, a=Place(10, 20))
    assert reported(stalls, 2 * PATIENCE + 6, a=Place(10, 20)) == {A}


def test_a_partition_whose_end_is_not_known_is_forgotten() -> None:
    stalls = Stalls()
    reported(stalls, 0, a=Place(10, 20))
    assert not reported(stalls, PATIENCE + 1)
    assert not reported(stalls, PATIENCE + 2, a=Place(10, 20))


@pytest.mark.parametrize(
    ("place", "waiting", "words"),
    [
        (Place(10, 20, 10), (), "an open transaction holds it back"),
        (Place(10, 20), (), "an open transaction?"),
        (Place(10, 20, 20), (), "its leader gives nothing"),
        (Place(10, 20, 20), (A,), "it waits for partitions that are further behind"),
    ],
)
def test_the_reason_is_as_precise_as_the_offsets_allow(
    place: Place, waiting: tuple[Partition, ...], words: str
) -> None:
    stalls = Stalls()
    stalls.check(0, {A: place}, waiting)
    (stall,) = stalls.check(PATIENCE + 1, {A: place}, waiting)
    assert stall.why.startswith("events-0 stands still at offset 10 while its end is at 20: ")
    assert words in stall.why


def test_on_the_page_a_stall_is_not_fine_and_a_failure_comes_before_it() -> None:
    snapshot = Snapshot(restored=True, references=True, stalled=("events-0 stands still: why",))
    well = Health(0.0, assigned=True, restored=True, caught_up_once=True)
    assert monitor_state(snapshot, well, "")[1:] == (
        "stands still",
        "It reads, but not all: events-0 stands still: why.",
    )
    assert monitor_state(snapshot, well, "")[0] != FINE
    assert monitor_state(snapshot, replace(well, failure="no broker"), "")[2] == "It cannot go on: no broker."
