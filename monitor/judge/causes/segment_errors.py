"""The errors of a model in each of its segments: what cause `performance` looks at beside all labels together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from monitor.judge.comparison.means import Bounds, Measured, Side
from monitor.judge.comparison.segment_means import InSegment, SegmentSides
from monitor.judge.comparison.segmented import segment_names
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.label_windows import LabelPyramid, LabelWindow
from monitor.reference.performance_part import LEAST_LABELS, ErrorVariation, ReferencePerformance, is_judged
from monitor.reference.reference import Reference
from monitor.stats.performance.figures import Meaning, figures, labelled
from monitor.stats.performance.judged_errors import all_moments, other_side
from monitor.stats.performance.label_tally import LabelTally

#: labels of a segment from which on its figures are shown
LEAST_SHOWN: Final = 20


class Over(NamedTuple):
    """A side that is over in some windows: the place of the worst one, and the start of the shortest one."""

    one: InSegment
    measured: Measured
    at: int
    since_us: int


class SegmentFigures(NamedTuple):
    """The realised figures of the predictions in one segment, by so many of their labels."""

    segment: str
    labels: int
    figures: tuple[tuple[str, float], ...]


class SegmentErrors:
    """The sides of all errors in all segments."""

    def __init__(
        self, reference: Reference, policy: Policy, judged: Sequence[str], sides: Sequence[Side], meaning: Meaning
    ) -> None:
        """`sides` of the errors `judged`, of all labels, which have a `meaning`."""
        segments = reference.segments
        #: (S,)
        self.names = () if segments is None else segment_names(segments, policy)
        #: what the reference knows of each segment, by its number
        self.known = {} if reference.performance is None else dict(reference.performance.segments)
        self._task = reference.task
        self.sides = SegmentSides(tuple(_each(reference, judged, sides, meaning)))

    @property
    def tests(self) -> float:
        """Tests that share the page budget."""
        return self.sides.tests

    def tally(self, segment: int) -> LabelTally:
        """The reference's labels of a segment."""
        return self.known[segment].tally

    def over(
        self,
        pyramid: LabelPyramid,
        windows: Sequence[LabelWindow],
        part: ReferencePerformance,
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
        self, pyramid: LabelPyramid, window: LabelWindow, part: ReferencePerformance, one: InSegment, bounds: Bounds
    ) -> Measured:
        """One side in one window."""
        in_segments, moments = self._moments(pyramid, (window,))
        place = next(at for at, known in enumerate(self.sides.each) if known is one)
        looked = self.sides.look(in_segments, moments, (window,), part)
        return self.sides.measured(place, looked, self.sides.rows(place, in_segments), bounds)

    def _moments(self, pyramid: LabelPyramid, windows: Sequence[LabelWindow]) -> tuple[Floats, Floats]:
        in_segments = np.array([pyramid.in_segments(window, len(self.names)) for window in windows])
        return in_segments, np.array([window.moments for window in windows])

    def side_of(self, segment: str, figure: str, *, upwards: bool) -> InSegment | None:
        """The side that a finding is of."""
        for one in self.sides.each:
            if (self.names[one.segment], one.side.figure, one.side.upwards) == (segment, figure, upwards):
                return one
        return None

    def figures(self, tally: LabelTally, meaning: Meaning) -> tuple[SegmentFigures, ...]:
        """The figures of every segment of which enough labels came."""
        own = ((at, of, labelled(of, self._task)) for at, of in sorted(tally.segments.items()))
        return tuple(
            SegmentFigures(self.names[at], labels, tuple(figures(of, meaning).items()))
            for at, of, labels in own
            if labels >= LEAST_SHOWN
        )


def _each(reference: Reference, judged: Sequence[str], sides: Sequence[Side], meaning: Meaning) -> Iterator[InSegment]:
    part, places = reference.performance, {figure: place for place, figure in enumerate(judged)}
    whole = np.zeros(0, np.int64) if reference.segments is None else reference.segments.whole
    if part is None:
        return
    rows = {at: labelled(one.tally, reference.task) for at, one in part.segments.items()}
    for at, one in sorted(part.segments.items()):
        labels = sum(n for other, n in rows.items() if whole[other] == whole[at])
        moments = all_moments(one.tally, judged, meaning) if rows[at] >= LEAST_LABELS else None
        for side in sides if moments is not None else ():
            assert moments is not None  # noqa: S101  # as the line above says
            own = moments[places[side.figure]]
            own = own if side.upwards else other_side(own, side.figure)
            known = one.variation(side.figure) if is_judged(one) else None
            # how a rare segment varied is not known: it varies as all labels do, and a finding of it is no page
            variation = ErrorVariation(side.variation.long_run) if known is None else known
            made = Side(side.place, side.figure, side.upwards, own, variation, one.windows)
            if made.may_be_judged:
                yield InSegment(at, rows[at] / labels, made, one, side)
