"""The smallest lasting change that pages, by a rule of thumb: for those who ask what a reference is good for."""

from __future__ import annotations

import math
from typing import Final

#: about so many standard errors of a mean, and of a share, are seen within n effective events, 95 times in 100
MEAN_ERRORS: Final = 9.0
SHARE_ERRORS: Final = 8.5


def smallest_shift(events: float, reference_events: float, overdispersion: float) -> float:
    """Of a mean, in standard deviations of the column: of n events against m, which vary so many times too much."""
    return MEAN_ERRORS * _error(events, reference_events, overdispersion)


def smallest_share_change(events: float, reference_events: float, overdispersion: float) -> float:
    """Of a share of one half, where it is largest; above 1 where no change of a share is seen."""
    return SHARE_ERRORS * 0.5 * _error(events, reference_events, overdispersion)


def _error(events: float, reference_events: float, overdispersion: float) -> float:
    return math.sqrt(overdispersion * (1 / events + 1 / reference_events))
