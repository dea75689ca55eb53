"""What is shown and said is of all values: distances against SciPy, moments against NumPy, wherever the values lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from monitor.judge.windows.all_values import distances, in_reference, in_window, moments
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.stats.bins.reference_bins import OUTSIDE, QUALITY_COUNTS, UNSEEN
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from tests.engine import blank, categorical
from tests.unit.judge.test_unit_change import column_of, tally_of

Floats = NDArray[np.float64]


def baseline_of(reference: Floats) -> PreparedReference:
    column = column_of(reference)
    return PreparedReference.of(
        replace(blank([column]), counts=tally_of(column, reference).counts, events=len(reference))
    )


numbers = st.lists(st.integers(-300, 300).map(lambda n: n / 10), min_size=2, max_size=60)


@settings(deadline=None)
@given(numbers, numbers)
def test_distances_are_those_of_all_values(reference: list[float], live: list[float]) -> None:
    """Each value is put at the place of its bin, with a place below all bins and one above."""
    prepared = baseline_of(np.array(reference))
    bins = prepared.columns[0].bins
    borders = [np.nextafter(bins.low, -np.inf), *bins.edges, bins.high]
    sides = [np.searchsorted(borders, side, side="left") for side in (reference, live)]
    windows = window_of(1, (Block(0, 1, tally_of(prepared.columns[0], np.array(live))),))
    counts = [np.bincount(side, minlength=len(borders) + 1) for side in sides]
    assert in_reference(prepared, 0).tolist() == counts[0].tolist()
    assert in_window(prepared, windows, 0, 0).tolist() == counts[1].tolist()
    (found,) = distances(prepared, windows, 0)
    assert found["ks"] == pytest.approx(ks_2samp(sides[0], sides[1], method="asymp").statistic, abs=1e-12)
    expected = float(jensenshannon(counts[0].astype(float), counts[1].astype(float), base=2))
    assert found["jensen_shannon"] == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-7)


def test_the_worst_drift_is_the_largest_distance() -> None:
    prepared = baseline_of(np.random.default_rng(1).normal(size=5_000))
    live = np.random.default_rng(2).normal(size=500) + 40
    (found,) = distances(prepared, window_of(1, (Block(0, 1, tally_of(prepared.columns[0], live)),)), 0)
    assert found["psi"] > 5
    assert [found[name] for name in ("ks", "linf", "hellinger", "jensen_shannon")] == pytest.approx([1] * 4, abs=0.9e-1)


def test_never_seen_categories_count_in_a_distance() -> None:
    made = replace(blank([categorical("c", "ab")]), counts=np.array([[50, 50, 0, 0, 0, 0, 0]]), events=100)
    tally = Tally.empty(1, 2)
    tally.counts[0, 2 + UNSEEN] = 80
    tally.counts[0, 0] = 20
    (found,) = distances(PreparedReference.of(made), window_of(1, (Block(0, 1, tally),)), 0)
    assert found["linf"] == pytest.approx(0.8)


@settings(deadline=None)
@given(numbers, numbers, st.integers(0, 3))
def test_mean_and_spread_are_of_all_values(reference: list[float], live: list[float], decades: int) -> None:
    column, values = column_of(np.array(reference)), np.array(live) * 10.0**decades
    tally = tally_of(column, values)
    seen = moments(column, tally.counts[0], tally.sums[0], tally.counts.shape[1] - len(QUALITY_COUNTS))
    inside = (values >= column.bins.low) & (values <= column.bins.high)
    assert int(tally.counts[0, column.bins.bins + OUTSIDE]) == (~inside).sum()
    if not seen.whole:
        values = values[inside]
    assert seen.values == len(values)
    if len(values):
        assert seen.mean == pytest.approx(values.mean(), rel=1e-12, abs=column.scale / 1_000)
