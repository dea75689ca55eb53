"""Performance that is estimated before labels come: by what the reference's labelled rows say of such predictions.

The estimate holds as long as scores (or sizes of errors) mean what they meant in the reference. A change of what the
features say of the label is not seen by it: it never makes a finding, and never says that a model is fine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import PREDICTION
from monitor.reference.estimate import BY_SCORE, ClassEstimate, ErrorEstimate
from monitor.reference.reference import Reference
from monitor.reference.score_split import slot_counts
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.performance.class_figures import class_figures, expected_confusion, ranking_figures
from monitor.stats.tallies.tally import BELOW, Tally

Ints = NDArray[np.int64]

#: a gap of accuracy that contradicts an estimate: so many standard errors, and at least so much
ERRORS: Final = 3.0
LEAST_GAP: Final = 0.02
#: ... and the least share of the predictions whose labels are known: the first ones to come may be of another kind
LEAST_LABELLED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Estimated:
    """Figures of performance by name, estimated of so many predictions by so many labelled rows of the reference."""

    figures: tuple[tuple[str, float], ...]
    samples: int
    rows: int = 1

    def contradicted(self, accuracy: float | None, labels: int) -> bool:
        """Whether the realised `accuracy` over so many labels of that time says that the assumption does not hold."""
        said = dict(self.figures).get("accuracy")
        if said is None or accuracy is None or labels < LEAST_LABELLED * self.samples:
            return False
        error = math.sqrt(said * (1 - said) * (1 / max(labels, 1) + 1 / max(self.rows, 1)))
        return abs(accuracy - said) > max(LEAST_GAP, ERRORS * error)


class Estimator:
    """Estimates the performance of one model version by its reference."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._estimate = reference.estimate
        self._pooled = np.array([column.bins.buckets > 0 for column in reference.columns], np.bool_)

    def of_windows(self, windows: Windows) -> list[Estimated | None]:
        """Of each window; None where it cannot be known."""
        estimate = self._estimate
        if isinstance(estimate, ClassEstimate):
            size = estimate.shape[0] * estimate.shape[1]
            return [_of_classes(estimate, counted) for counted in windows.further(BY_SCORE, size)]
        if isinstance(estimate, ErrorEstimate):
            each = zip(windows.counts, windows.sums[..., BELOW], strict=True)
            return [self._of_errors(estimate, counts, below) for counts, below in each]
        return [None] * len(windows.lengths)

    def of_tally(self, tally: Tally | None) -> Estimated | None:
        """The same of a tally of events."""
        estimate = self._estimate
        if tally is None or estimate is None:
            return None
        if isinstance(estimate, ClassEstimate):
            counted = tally.further.get(BY_SCORE)
            return None if counted is None else _of_classes(estimate, counted)
        return self._of_errors(estimate, tally.counts, tally.sums[:, BELOW])

    def _of_errors(self, estimate: ErrorEstimate, counts: Ints, below: Ints) -> Estimated | None:
        """From the counts (C, B + Q) of events and of those `below` the range (C,)."""
        slots = slot_counts(counts[None], below[None], self._pooled)[0]
        carried = slots.sum(1)
        shares = slots / np.maximum(carried, 1)[:, None]
        prediction = next(at for at, column in enumerate(self._reference.columns) if column.role == PREDICTION)
        width = counts.shape[1] - len(QUALITY_COUNTS)
        samples = int(counts[prediction, :width].sum() + slots[prediction, width + 1 :].sum())
        if not samples:
            return None
        absolute = estimate.mean_absolute + float((shares * estimate.absolute).sum())
        squared = estimate.mean_squared + float((shares * estimate.squared).sum())
        figures = (("mae", max(0.0, absolute)), ("rmse", math.sqrt(max(0.0, squared))))
        return Estimated(figures, samples, estimate.rows)


def _of_classes(estimate: ClassEstimate, counted: Ints) -> Estimated | None:
    """From the flat counts ((K + 1) x B,) of predictions by class and bin of the score."""
    counts = counted.reshape(estimate.shape).astype(np.float64)
    samples = int(counts.sum())
    if not samples:
        return None
    confusion = expected_confusion(counts[:-1], estimate.right, estimate.wrong)
    figures = class_figures(confusion, estimate.positive)
    if estimate.positive is not None:
        events, chance = counts.sum(0), estimate.right[estimate.positive]
        figures |= ranking_figures(events * chance, events * (1 - chance))
    return Estimated(tuple(figures.items()), samples, estimate.rows)
