"""Two numeric columns that look exchanged: each has the mean and the spread that the other one had.

Told from what tallies keep of each column: sums over all values, not its bins, which are its own. Two columns that were
alike cannot be told apart so; nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from monitor.judge.windows.all_values import moments
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import FEATURE
from monitor.stats.bins.reference_bins import NUMERIC

#: what a person does first about two such columns
LOOK_AT_ORDER: Final = "look at the order of the columns, or at the mapping from their names, where they are produced"
#: least values of a column
LEAST_VALUES: Final = 60
#: how far a mean may lie from the other column's, in its standard deviations; more where few values are uncertain
TOLERANCE: Final = 0.2
ERRORS: Final = 4.0
#: largest ratio of two standard deviations that are the same
SPREAD: Final = 1.5
#: two columns can be told apart if their means differ by so many tolerances and of the larger standard deviations, or
#: one of these is SPREAD squared times the other
APART: Final = 3.0
LEAST_APART: Final = 1.0


def exchanged(prepared: PreparedReference, windows: Windows, window: int) -> Mapping[str, str]:
    """{subject: the one whose values it has}, both ways, of the columns that look exchanged in one window."""
    numeric = [at for at, one in enumerate(prepared.columns) if _is_compared(one.role, one.parent, one.bins.kind)]
    live = [
        moments(prepared.columns[at], windows.counts[window, at], windows.sums[window, at], prepared.width)
        for at in numeric
    ]
    places = [at for at, one in enumerate(live) if one.values >= LEAST_VALUES and one.whole]
    columns = [prepared.columns[numeric[at]] for at in places]
    mean, spread = np.array([one.center for one in columns]), np.array([one.scale for one in columns])
    now = np.array([live[at].mean for at in places]), np.array([live[at].spread for at in places])
    few = np.array([ERRORS / live[at].values ** 0.5 for at in places])
    subjects = [prepared.subjects[numeric[at]] for at in places]
    return {subjects[a]: subjects[b] for a, b in _matches(mean, spread, now, np.maximum(few, TOLERANCE))}


def _is_compared(role: str, parent: str, kind: str) -> bool:
    return role == FEATURE and not parent and kind == NUMERIC


def _matches(mean: Floats, spread: Floats, now: tuple[Floats, Floats], tolerance: Floats) -> list[tuple[int, int]]:
    """Pairs (a, b), each in both orders, of columns that left their own moments for each other's; all (C,).

    Among the columns that left theirs no other one fits.
    """
    wide = np.maximum(spread, 1e-300)
    like = np.abs(now[0][:, None] - mean) <= tolerance[:, None] * wide
    ratio = np.maximum(now[1], 1e-300)[:, None] / wide
    like &= (ratio <= SPREAD) & (ratio >= 1 / SPREAD)
    left = ~np.diag(like)
    like &= left[:, None] & left
    larger = np.maximum(wide[:, None], wide)
    apart = np.abs(mean[:, None] - mean) >= np.maximum(APART * tolerance, LEAST_APART)[:, None] * larger
    apart |= larger >= SPREAD**2 * np.minimum(wide[:, None], wide)
    both = like & like.T & apart & apart.T & (like.sum(1) == 1)[:, None] & (like.sum(1) == 1)
    return [(a, b) for a, b in np.argwhere(both).tolist()]
