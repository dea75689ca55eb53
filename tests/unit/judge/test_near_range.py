"""What a column may do by itself beyond its range: how far, and on which side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.judge.comparison.near_range import LASTING, NOWHERE, NearRange
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.reference.column import DRIFT_WIDTHS, OUTSIDE_PARTS
from monitor.stats.bins.reference_bins import OUTSIDE
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import FAR_COUNT, FAR_SUM, FAR_UNIT, Tally
from tests.engine import blank, numeric

HITS = 10
AT = (0, 0, OUTSIDE)


def prepared(part: str) -> PreparedReference:
    ticket_only = ((part, "it moves"),) if part else ()
    return PreparedReference.of(blank([replace(numeric("x"), ticket_only=ticket_only)]))


def outside(reference: PreparedReference, value: float) -> Windows:
    """One window with some values outside, all of them this one."""
    column, tally = reference.columns[0], Tally.empty(1, reference.width)
    tally.counts[0, reference.width + OUTSIDE] = HITS
    tally.sums[0, FAR_COUNT] = HITS
    tally.sums[0, FAR_SUM] = round(HITS * (value - column.center) / column.scale * FAR_UNIT)
    return window_of(1, (Block(0, 10, tally),))


@pytest.mark.parametrize("part", OUTSIDE_PARTS)
def test_a_column_is_an_excursion_as_far_as_it_may_get_and_no_farther(part: str) -> None:
    reference = prepared(part)
    near, bins = NearRange(reference), reference.columns[0].bins
    wide, (below, above) = bins.high - bins.low, OUTSIDE_PARTS[part]
    for widths in (0.1, 0.9, 1.1, DRIFT_WIDTHS - 0.1, DRIFT_WIDTHS + 0.1, 1e4):
        low, high = (outside(reference, at) for at in (bins.low - widths * wide, bins.high + widths * wide))
        assert near.is_excursion(low, AT, 1.0) is (widths < below)
        assert near.is_excursion(high, AT, 1.0) is (widths < above)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("part", OUTSIDE_PARTS)
def test_a_column_that_drifts_may_get_a_width_farther_than_it_has_been(part: str, sign: int) -> None:
    reference = prepared(part)
    near, bins = NearRange(reference), reference.columns[0].bins
    drifts = OUTSIDE_PARTS[part][0 if sign < 0 else 1] == DRIFT_WIDTHS

    def at(widths: float) -> Windows:
        wide = bins.high - bins.low
        return outside(reference, bins.high + widths * wide if sign > 0 else bins.low - widths * wide)

    for quarters in range(4 * (DRIFT_WIDTHS + 5)):
        near.follow(at(quarters / 4).parts[0][0])
    reached = DRIFT_WIDTHS + 5
    assert near.is_excursion(at(reached + 0.7), AT, 1.0) is drifts
    assert not near.is_excursion(at(reached + 1.1), AT, 1.0), "it jumped"
    restored = NearRange(reference)
    restored.restore(near.to_state())
    assert restored.is_excursion(at(reached + 0.7), AT, 1.0) is drifts
    assert restored.to_state() == near.to_state()
    assert (near.to_state() != NOWHERE) is drifts


def test_a_column_that_jumps_is_followed_when_that_has_lasted_and_back_again() -> None:
    reference = prepared("outside_drift")
    near, bins = NearRange(reference), reference.columns[0].bins
    wide = bins.high - bins.low
    far = outside(reference, bins.high + (DRIFT_WIDTHS + 20.5) * wide)
    for _ in range(LASTING - 1):
        assert not near.is_excursion(far, AT, 1.0)
        near.follow(far.parts[0][0])
        again = NearRange(reference)
        again.restore(near.to_state())
        near = again
    assert not near.is_excursion(far, AT, 1.0)
    near.follow(far.parts[0][0])
    assert near.is_excursion(far, AT, 1.0), "it has been there"
    assert not near.is_excursion(outside(reference, bins.high + (DRIFT_WIDTHS + 23) * wide), AT, 1.0)
    for _ in range(22):
        near.follow(window_of(1, (Block(0, 10, Tally.empty(1, reference.width)),)).parts[0][0])
    assert near.to_state() == NOWHERE, "it came back"
    assert not near.is_excursion(far, AT, 1.0)


def test_a_few_values_far_out_or_too_far_to_be_summed_are_not_followed() -> None:
    reference = prepared("outside_drift")
    near, bins = NearRange(reference), reference.columns[0].bins
    few = outside(reference, bins.high + (DRIFT_WIDTHS - 0.5) * (bins.high - bins.low)).parts[0][0]
    few.tally.counts[0, 0] = 10 * HITS
    near.follow(few)
    assert near.to_state() == NOWHERE, "a few values are out, not the column"
    unsummed = outside(reference, bins.high).parts[0][0]
    unsummed.tally.sums[0, FAR_COUNT] = 0
    near.follow(unsummed)
    assert near.to_state() == NOWHERE


def test_a_column_that_stays_within_its_range_has_no_excursions() -> None:
    reference = prepared("")
    bins = reference.columns[0].bins
    assert not NearRange(reference).is_excursion(outside(reference, np.nextafter(bins.high, np.inf)), AT, 1.0)
