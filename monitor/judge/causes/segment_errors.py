"""The errors of a model in each of its segments: what cause `performance` looks at beside all labels together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from monitor.judge.comparison.means_in_segments import KnownSegment
from monitor.reference.performance_part import is_judged
from monitor.reference.reference import Reference
from monitor.stats.performance.figures import Meaning, figures, labelled
from monitor.stats.performance.judged_errors import all_moments
from monitor.stats.performance.label_tally import LabelTally

#: labels of a segment from which on its figures are shown
LEAST_SHOWN: Final = 20


class SegmentFigures(NamedTuple):
    """The realised figures of the predictions in one segment, by so many of their labels."""

    segment: str
    labels: int
    figures: tuple[tuple[str, float], ...]


def known_errors(reference: Reference, judged: Sequence[str], meaning: Meaning) -> dict[int, KnownSegment]:
    """What the reference knows of the errors `judged` in each segment, by its number."""
    part = reference.performance
    return {
        at: KnownSegment(
            one,
            labelled(one.tally, meaning.task),
            all_moments(one.tally, judged, meaning),
            [one.variation(figure) if is_judged(one) else None for figure in judged],
        )
        for at, one in sorted((part.segments if part is not None else {}).items())
    }


def segment_figures(names: Sequence[str], tally: LabelTally, meaning: Meaning) -> tuple[SegmentFigures, ...]:
    """The figures of every segment of which enough labels came; `names` (S,) of segments."""
    own = ((at, of, labelled(of, meaning.task)) for at, of in sorted(tally.segments.items()))
    return tuple(
        SegmentFigures(names[at], labels, tuple(figures(of, meaning).items()))
        for at, of, labels in own
        if labels >= LEAST_SHOWN
    )
