"""The means of what labels bring in each segment of a model version: what is known of them, and which are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitor.judge.comparison.means import Bounds, Known, Measured, Side
from monitor.judge.comparison.segment_means import InSegment, SegmentSides
from monitor.judge.comparison.segmented import segment_names
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.label_windows import LabelPyramid, LabelWindow
from monitor.reference.performance_part import LEAST_LABELS, ErrorVariation
from monitor.reference.reference import Reference
from monitor.stats.performance.judged_errors import other_side


class KnownSegment(NamedTuple):
    """What a reference knows of a segment: its windows, its rows, and of each of F figures the moments (F, 4) and how
    it varied, None where that is not known."""

    windows: Known
    rows: int
    moments: Floats
    variations: Sequence[ErrorVariation | None]


class Over(NamedTuple):
    """A side that is over in some windows: the place of the worst one, and the start of the shortest one."""

    one: InSegment
    measured: Measured
    at: int
    since_us: int


class MeansInSegments:
    """All sides in all segments."""

    def __init__(
        self, reference: Reference, policy: Policy, known: Mapping[int, KnownSegment], sides: Sequence[Side]
    ) -> None:
        """`known` by the number of the segment; `sides` of all rows."""
        segments = reference.segments
        #: (S,)
        self.names = () if segments is None else segment_names(segments, policy)
        self.known = known
        by = np.zeros(0, np.int64) if segments is None else segments.whole
        self.sides = SegmentSides(tuple(_each(by.tolist(), known, sides)))

    @property
    def tests(self) -> float:
        """Tests that share the page budget."""
        return self.sides.tests

    def over(
        self,
        pyramid: LabelPyramid,
        windows: Sequence[LabelWindow],
        part: Known,
        bounds: Callable[[InSegment], Bounds],
    ) -> Iterator[Over]:
        """Of each side that is over in windows, shortest first: the one that may page first, then the furthest over."""
        if not self.sides.each:
            return
        in_segments, moments = self._moments(pyramid, windows)
        looked = self.sides.look(in_segments, moments, windows, part)
        for place in self.sides.suspects(looked, in_segments, bounds(self.sides.each[0]).alpha):
            one = self.sides.each[place]
            measured = self.sides.measured(place, looked, self.sides.rows(place, in_segments), bounds(one))
            over = np.flatnonzero(measured.over > 1).tolist()
            if over:
                ranks = [(bool(measured.large[at]), float(measured.over[at])) for at in over]
                yield Over(one, measured, over[ranks.index(max(ranks))], windows[over[0]].span.start_us)

    def again(
        self, pyramid: LabelPyramid, window: LabelWindow, part: Known, one: InSegment, bounds: Bounds
    ) -> Measured:
        """One side in one window."""
        in_segments, moments = self._moments(pyramid, (window,))
        place = next(at for at, known in enumerate(self.sides.each) if known is one)
        looked = self.sides.look(in_segments, moments, (window,), part)
        return self.sides.measured(place, looked, self.sides.rows(place, in_segments), bounds)

    def _moments(self, pyramid: LabelPyramid, windows: Sequence[LabelWindow]) -> tuple[Floats, Floats]:
        in_segments = np.array([pyramid.in_segments(window, len(self.names)) for window in windows])
        return in_segments, np.array([window.moments for window in windows])

    def inside(self, segment: str, whole: Side) -> InSegment | None:
        """A side of all rows in the segment of that name."""
        named = (one for one in self.sides.each if one.whole is whole and self.names[one.segment] == segment)
        return next(named, None)


def _each(by: Sequence[int], known: Mapping[int, KnownSegment], sides: Sequence[Side]) -> Iterator[InSegment]:
    """`by` has for each segment the place of its feature."""
    for at, one in sorted(known.items()):
        if one.rows < LEAST_LABELS:
            continue
        share = one.rows / sum(other.rows for number, other in known.items() if by[number] == by[at])
        for side in sides:
            own = one.moments[side.place]
            own = own if side.upwards else other_side(own, side.figure)
            # how a rare segment varied is not known: it varies as all rows do, and a finding of it is no page
            variation = one.variations[side.place] or ErrorVariation(side.variation.long_run)
            made = Side(side.place, side.figure, side.upwards, own, variation, one.windows.windows)
            if made.may_be_judged:
                yield InSegment(at, share, made, one.windows, side)
