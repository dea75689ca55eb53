"""How many events hits span, against a list of all events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.state.codec import decode, encode
from monitor.stats.bins.hit_places import KEPT, HitPlaces
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.variance.quality_dispersion import spans
from tests.traffic import Ints

COLUMNS = 2
SLOTS = len(QUALITY_COUNTS)
#: of a pane: for each column and quality count which events have it
Pane = Ints


@st.composite
def panes(draw: st.DrawFn) -> Pane:
    """(events, COLUMNS, SLOTS) of zeros and few ones."""
    n = draw(st.integers(0, 5))
    pane = np.zeros((n, COLUMNS, SLOTS), np.int64)
    if n:
        for at, column, slot in draw(
            st.lists(
                st.tuples(st.integers(0, n - 1), st.integers(0, COLUMNS - 1), st.integers(0, SLOTS - 1)), max_size=4
            )
        ):
            pane[at, column, slot] = 1
    return pane


windows_of_panes = st.lists(st.lists(panes(), min_size=1, max_size=4), max_size=6)


def add(places: HitPlaces, windows: list[list[Pane]]) -> None:
    for window in windows:
        for pane in window:
            places.add(pane.sum(0), len(pane))
        places.close_window()


def plain_span(windows: list[list[Pane]], column: int, slot: int) -> int:
    """Events of all panes from the first one with a hit to the last one; 0 where that is one pane."""
    inside = [pane for window in windows for pane in window]
    with_hit = [at for at, pane in enumerate(inside) if pane[:, column, slot].any()]
    if len(with_hit) < 2:
        return 0
    return sum(len(pane) for pane in inside[with_hit[0] : with_hit[-1] + 1])


@settings(deadline=None)
@given(windows_of_panes, st.integers(1, 8))
def test_hits_span_the_events_of_their_panes(windows: list[list[Pane]], newest: int) -> None:
    places = HitPlaces(COLUMNS)
    add(places, windows)
    for column in range(COLUMNS):
        for slot in range(SLOTS):
            assert places.span(newest, column, slot) == plain_span(windows[-newest:], column, slot)


@settings(deadline=None)
@given(windows_of_panes)
def test_it_is_the_span_that_panes_evaluated_together_have(windows: list[list[Pane]]) -> None:
    places = HitPlaces(COLUMNS)
    add(places, windows)
    inside = [pane for window in windows for pane in window]
    if not inside:
        return
    hits = np.array([pane.sum(0).ravel() for pane in inside])
    sizes = np.repeat([[len(pane)] for pane in inside], hits.shape[1], axis=1)
    found = [places.span(KEPT, column, slot) for column in range(COLUMNS) for slot in range(SLOTS)]
    assert found == spans(hits, sizes).tolist()


@settings(deadline=None)
@given(windows_of_panes, st.lists(panes(), max_size=3), windows_of_panes)
def test_it_goes_on_from_its_state_as_if_it_had_never_stopped(
    windows: list[list[Pane]], open_panes: list[Pane], more: list[list[Pane]]
) -> None:
    """Also amid a base window."""
    uncut, stopped = HitPlaces(COLUMNS), HitPlaces(COLUMNS)
    for places in (uncut, stopped):
        add(places, windows)
        for pane in open_panes:
            places.add(pane.sum(0), len(pane))
    restored = HitPlaces.from_state(decode(encode(stopped.to_state())))
    for places in (uncut, restored):
        add(places, [[np.zeros((1, COLUMNS, SLOTS), np.int64)], *more])
    for newest in (1, 2, KEPT):
        for column in range(COLUMNS):
            for slot in range(SLOTS):
                assert restored.span(newest, column, slot) == uncut.span(newest, column, slot)


def test_old_base_windows_are_forgotten() -> None:
    places = HitPlaces(1)
    hit, none = np.ones((1, SLOTS), np.int64), np.zeros((1, SLOTS), np.int64)
    for at in range(2 * KEPT):
        places.add(hit if at in {0, KEPT} else none, 250)
        places.close_window()
    assert places.span(2 * KEPT, 0, 0) == 0  # one of the two is gone
    places.add(hit, 250)
    places.close_window()
    assert places.span(2 * KEPT, 0, 0) == 0  # and now the other
    places.add(hit, 250)
    places.close_window()
    assert places.span(2 * KEPT, 0, 0) == 500
    assert len(places.to_state()["events"]) == KEPT


@pytest.mark.parametrize("columns", [0, 1, 4])
def test_places_of_any_number_of_columns_come_back_from_their_state(columns: int) -> None:
    places = HitPlaces(columns)
    for _ in range(3):
        places = HitPlaces.from_state(decode(encode(places.to_state())))
        places.add(np.ones((columns, SLOTS), np.int64), 10)
        places.close_window()
    assert [places.span(3, column, 0) for column in range(columns)] == [30] * columns
