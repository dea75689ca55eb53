"""The grid finds the bins that a search among the edges finds, to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.count.columns.binning import Binning

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1, 1) | st.integers(-5, 5).map(float)
Column = tuple[NDArray[np.float64], float, float]


@st.composite
def columns(draw: st.DrawFn) -> Column:
    """Edges and a range around them."""
    edges = np.unique(np.array(draw(st.lists(NUMBERS, max_size=12)), np.float64))
    ends = [*edges.tolist(), draw(NUMBERS), draw(NUMBERS)]
    return edges, min(ends), max(ends)


def near(column: Column) -> NDArray[np.float64]:
    """Every edge and end with its neighbours, as far as they lie in the range."""
    edges, low, high = column
    places = np.array([*edges, low, high, 0.0, -0.0, low / 2 + high / 2])
    with np.errstate(over="ignore"):
        values = np.concatenate([places, np.nextafter(places, np.inf), np.nextafter(places, -np.inf)])
    clipped: NDArray[np.float64] = np.clip(values, low, high)
    return clipped


@settings(max_examples=500, deadline=None)
@given(st.lists(columns(), min_size=1, max_size=4), st.lists(NUMBERS, max_size=20))
def test_bins_are_those_of_a_search_among_the_edges(drawn: list[Column], more: list[float]) -> None:
    binning = Binning(
        [edges for edges, _, _ in drawn],
        np.array([[low] for _, low, _ in drawn]),
        np.array([[high] for _, _, high in drawn]),
    )
    length = max(len(near(column)) for column in drawn)
    values = np.array(
        [np.clip(np.concatenate([np.resize(near(column), length), more]), column[1], column[2]) for column in drawn]
    )
    expected = [edges.searchsorted(row).tolist() for (edges, _, _), row in zip(drawn, values, strict=True)]
    assert binning.codes(values).tolist() == expected


def test_no_column_is_no_work() -> None:
    assert Binning([], np.zeros((0, 1)), np.zeros((0, 1))).codes(np.zeros((0, 3))).shape == (0, 3)
