"""Whether the mean of what labels bring is higher in a segment than in its reference, and not so in the other labels.

A segment is compared with itself in the reference, moved by as much as the labels of all other predictions became worse
in the same window: what all of them share is said once, of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtri

from monitor.judge.comparison.means import (
    ERRORS_ABOVE_LEAST,
    LEAST_IN_WINDOW,
    Bounds,
    Known,
    Measured,
    Side,
    crowding,
)
from monitor.judge.incidents.incident import Floats
from monitor.judge.windows.label_windows import LabelWindow
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR
from monitor.stats.performance.judged_errors import other_side
from monitor.stats.testing.mean_difference import ROWS, SMALLEST, Difference, critical, difference

#: a segment explains a rise of which the other labels have at most this part
LEAST_OWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class InSegment:
    """One side of one error in the segment with a number, which has a `share` of the reference's labels.

    `side` is that of the segment, compared with windows of the sizes that `known` had; `whole` that of all labels.
    """

    segment: int
    share: float
    side: Side
    known: Known
    whole: Side


class Looked(NamedTuple):
    """Differences (W, T) of T sides in W windows: how much the segment and the others are worse, and the error of
    both."""

    own: Difference
    others: Floats
    error: Floats

    @property
    def net(self) -> Floats:
        """How much worse a segment is than the others became."""
        return self.own.higher - np.maximum(self.others, 0.0)


class SegmentSides:
    """All sides of all segments of one model version, looked at together."""

    def __init__(self, each: Sequence[InSegment]) -> None:
        self.each = tuple(each)
        self._at = (
            np.array([one.segment for one in each], np.int64),
            np.array([one.side.place for one in each], np.int64),
        )
        self._signs = np.array([_signs(one.side) for one in each]).reshape(len(each), 4)
        self._own = np.array([one.side.reference for one in each]).reshape(len(each), 4)
        self._others = np.array([one.whole.reference for one in each]).reshape(len(each), 4) - self._own
        self._variance = np.array([(_v(one.side), _v(one.whole)) for one in each]).reshape(len(each), 2)
        self._shares = np.array([one.share for one in each])
        #: tests that share the page budget: all of a feature's segments take as much as one of all labels
        self.tests = float(self._shares.sum())

    def look(self, in_segments: Floats, moments: Floats, windows: Sequence[LabelWindow], part: Known) -> Looked:
        """In windows (W,) with moments (W, S, F, 4) by segment, (W, F, 4) of all labels."""
        segments, places = self._at
        own = in_segments[:, segments, places] * self._signs
        others = moments[:, places] * self._signs - own
        crowded = np.array([crowding(window, part) for window in windows])[:, None, None]
        variance = 1 + crowded * (self._variance - 1)
        mine, rest = difference(own, self._own, variance[..., 0]), difference(others, self._others, variance[..., 1])
        return Looked(mine, rest.higher, np.sqrt(mine.error**2 + rest.error**2))

    def suspects(self, looked: Looked, in_segments: Floats, alpha: float) -> Iterator[int]:
        """The places of sides that may be over in a window: exact tests of these tell."""
        segments, places = self._at
        rows = in_segments[:, segments, places, ROWS]
        bound = -ndtri(np.maximum(alpha * self._shares, SMALLEST))  # of a normal tail: all others are heavier
        over = (rows >= LEAST_IN_WINDOW) & (looked.net > bound * looked.error)
        yield from np.flatnonzero(over.any(0)).tolist()

    def measured(self, at: int, looked: Looked, rows: Floats, bounds: Bounds) -> Measured:
        """The side at a place in all windows; `rows` (W,) are the segment's. `bounds.alpha` is that of all labels."""
        one, run = self.each[at], self.each[at].side.variation.long_run
        net, error = looked.net[:, at], looked.error[:, at]
        skew = looked.own.skew[:, at] * (looked.own.error[:, at] / np.maximum(error, 1e-150)) ** 3
        bound = critical(bounds.alpha * one.share, skew, float(run.freedom[0]))
        largest = np.array([one.side.largest(float(n), one.known) for n in rows])
        held = np.zeros(len(net)) if one.side.is_free else np.nan_to_num(DISTANCE_FACTOR * largest)
        moved = np.maximum(looked.others[:, at], 0.0)
        beyond = np.minimum(
            (net - bounds.allowed) / np.maximum(bound * error, 1e-150),
            np.where(held > 0, net / np.where(held > 0, held, 1.0), np.inf),
        )
        higher = looked.own.higher[:, at]
        is_own = (rows >= LEAST_IN_WINDOW) & (net > 0) & (moved <= LEAST_OWN * higher)
        known = one.side.is_free | ~np.isnan(largest)
        return Measured(
            Difference(looked.own.mean[:, at], net, error, skew),
            bound,
            moved + np.maximum(bounds.allowed + bound * error, held),
            np.where(is_own, beyond, 0.0),
            net >= bounds.least + ERRORS_ABOVE_LEAST * error,
            known,
            run.settled,
        )

    def rows(self, at: int, in_segments: Floats) -> Floats:
        """(W,) rows of the error of a side."""
        segments, places = self._at
        return np.asarray(in_segments[:, segments[at], places[at], ROWS], np.float64)


def _signs(side: Side) -> Floats:
    return np.ones(4) if side.upwards else other_side(np.ones(4), side.figure)


def _v(side: Side) -> float:
    return float(side.variation.long_run.variance[0])
