"""The smallest lasting change that pages, by a rule of thumb: shows how sensitive a reference is."""

from __future__ import annotations

import math
from typing import Final

#: standard errors of a mean, and of a share, that are detected within n effective events with probability 0.95
MEAN_ERRORS: Final = 9.0
SHARE_ERRORS: Final = 8.5


def smallest_shift(events: float, reference_events: float, overdispersion: float) -> float:
    """Smallest shift of a mean, in standard deviations of the column, between n events and m reference events."""
    return MEAN_ERRORS * _error(events, reference_events, overdispersion)


def smallest_share_change(events: float, reference_events: float, overdispersion: float) -> float:
    """Smallest change of a share of one half (the worst case); above 1 if no change is detected."""
    return SHARE_ERRORS * 0.5 * _error(events, reference_events, overdispersion)


def _error(events: float, reference_events: float, overdispersion: float) -> float:
    return math.sqrt(overdispersion * (1 / events + 1 / reference_events))
