"""Learns from a reference's predictions how many have no label, and how many of the labels came late."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from monitor.stats.testing.fact_share import FactShare, learned

#: the names of these facts in a reference
UNLABELLED: Final = "unlabelled"
LATE_LABELS: Final = "late_labels"
#: least predictions, or late labels, of a block
LEAST_OF_BLOCK: Final = 250


class LabelledCohort(NamedTuple):
    """Predictions of a stretch of time, how many of them have a label, how many of these came later than their
    prediction, and how many of those later than nearly all."""

    predictions: int
    labels: int
    came: int = 0
    late: int = 0


def label_facts(cohorts: Iterable[LabelledCohort]) -> tuple[tuple[str, FactShare], ...]:
    """The facts of cohorts in time order; none where no prediction has a label."""
    known = list(cohorts)
    if not any(one.labels > 0 for one in known):
        return ()
    missing = [(max(one.predictions - one.labels, 0), one.predictions) for one in known]
    late = [(min(max(one.late, 0), one.came), one.came) for one in known if one.came > 0]
    found = [(UNLABELLED, _share(missing))]
    return (*found, (LATE_LABELS, _share(late))) if late else tuple(found)


def _share(parts: Iterable[tuple[int, int]]) -> FactShare:
    """Of (hits, events) in time order, in blocks as they are judged."""
    blocks, hits, events = list[tuple[int, int]](), 0, 0
    for more_hits, more in parts:
        hits, events = hits + more_hits, events + more
        if events >= LEAST_OF_BLOCK:
            blocks.append((hits, events))
            hits, events = 0, 0
    return learned([one for one, _ in blocks], [of for _, of in blocks])
