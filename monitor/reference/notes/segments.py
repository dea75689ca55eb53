"""What a reference says of its segments, for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.reference.performance_part import LEAST_LABELS, is_judged
from monitor.reference.reference import Reference
from monitor.reference.segments import MOST_CELLS
from monitor.stats.performance.figures import labelled
from monitor.text import listed, many, percent
from monitor.visible import one_line

#: segments of a feature that are listed
MOST_LISTED = 5


def segment_lines(reference: Reference) -> Iterator[str]:
    """A line for each feature that cuts the events: its values, with their shares of the events that have it."""
    segments = reference.segments
    if segments is None:
        return
    shares = segments.event_shares(reference.width)
    seen = np.count_nonzero(segments.counts[:, :, : reference.width], axis=(1, 2))
    for at, one in enumerate(segments.by):
        own = shares[segments.whole == at].tolist()
        names = [f"{value} {percent(share)}" for value, share in zip(one.values, own, strict=False)]
        others = [f"other {percent(own[-1])}"] if seen[segments.whole == at][-1] else []
        yield f"segments by {one.feature}: {listed([*names, *others], MOST_LISTED)}"


def segment_outcomes(reference: Reference) -> str:
    """In which segments each outcome is compared with the reference's, or why in none; "" without any."""
    segments = reference.segments
    known = {name: one for name, one in sorted((reference.outcomes or {}).items()) if one.is_judged}
    if segments is None or not known:
        return ""
    number = many(len(segments.keys), "segment")
    if not reference.cuts_outcomes:
        return (
            f"outcomes by segment: not judged: {many(len(reference.outcomes or {}), 'outcome')} in {number} have "
            f"{reference.outcome_cells:,} cells, and {MOST_CELLS:,} fit in memory; name fewer features in segments"
        )
    if not any(one.segments for one in known.values()):
        return (
            "outcomes by segment: not judged: the outcomes of this reference are not cut by segment; build it again "
            "(driftd reference build)"
        )
    enough = [
        (name or "the value of labels", sum(of.counted(of.tally) >= LEAST_LABELS for of in one.segments.values()))
        for name, one in known.items()
    ]
    told = ", ".join(f"{one_line(name)} in {of}" for name, of in enough)
    few = any(of < len(segments.keys) for _, of in enough)
    words = f"; the others have fewer than {LEAST_LABELS} values" if few else ""
    return f"outcomes by segment: judged of {number}: {told}{words}"


def segment_performance(reference: Reference) -> str:
    """In which segments errors are compared with the reference's, or why in none; "" without segments or labels."""
    segments, known = reference.segments, reference.performance
    if segments is None or not is_judged(known):
        return ""
    assert known is not None  # noqa: S101  # as the line above says
    number = many(len(segments.keys), "segment")
    if not reference.cuts_performance:
        return (
            f"performance by segment: not judged: the confusion matrices of {number} and "
            f"{many(len(reference.classes), 'class', 'classes')} have more than {MOST_CELLS:,} cells"
        )
    if not known.segments:
        return (
            "performance by segment: not judged: the labels of this reference are not cut by segment, as in a warm-up; "
            "build it again (driftd reference build)"
        )
    enough = sum(labelled(one.tally, reference.task) >= LEAST_LABELS for one in known.segments.values())
    few = f"; the others have fewer than {LEAST_LABELS} labels" if enough < len(segments.keys) else ""
    return f"performance by segment: judged in {enough} of {number}{few}"
