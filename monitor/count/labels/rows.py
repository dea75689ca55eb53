"""Labels beside the predictions they belong to, as columns: the form in which all labels reach their tallies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import Group

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelRows:
    """Labels (n,) of predictions of one model version; none of them is None.

    `slots` number the tallies they are counted in, from 0. `prediction` is str, int, float, bool, or None if there is
    none; `score` is MISSING if there is none. `sign` is 1 for a label that is counted, and -1 for one that was counted
    before and is taken out again: it was replaced, or taken back. `segments` (F, n) are the numbers of the segments
    that the prediction is in, by each of the F features that cut the events; -1 where that is not known.
    `probabilities` (n, W) are as `probabilities_of` has them; None without any.
    """

    slots: NDArray[np.int64]
    label: list[object]
    prediction: list[object]
    score: NDArray[np.float64]
    sign: NDArray[np.int64]
    segments: NDArray[np.int64]
    probabilities: Probabilities | None = None

    @classmethod
    def inline(cls, group: Group, rows: Rows, segments: NDArray[np.int64]) -> LabelRows:
        """The labels that came with their predictions; the slots are those of the rows, `segments` (F, n) theirs."""
        labels = rows.of(group.label)
        held = np.fromiter((label is not None for label in labels), np.bool_, len(labels))
        at = np.flatnonzero(held)
        predictions, probabilities = rows.of(group.prediction), probabilities_of(group)
        return cls(
            rows.slots[at],
            [labels[i] for i in at.tolist()],
            [predictions[i] for i in at.tolist()],
            group.score[rows.picked[at]],
            np.ones(len(at), np.int64),
            segments[:, at],
            None if probabilities is None else probabilities[rows.picked[at]],
        )

    def in_segments(self, segments: int) -> LabelRows:
        """Each once for every feature by which its segment is known, in slots of its own by slot and segment, of
        `segments`."""
        by, at = np.nonzero(self.segments >= 0)
        kept = at.tolist()
        return replace(
            self,
            slots=self.slots[at] * segments + self.segments[by, at],
            label=[self.label[i] for i in kept],
            prediction=[self.prediction[i] for i in kept],
            score=self.score[at],
            sign=self.sign[at],
            segments=self.segments[:, at],
            probabilities=None if self.probabilities is None else self.probabilities[at],
        )


def probabilities_of(group: Group) -> Probabilities | None:
    """What is kept of predictions of more than two classes: the probabilities (n, W) of all, in the order of the
    reference's `probability_classes`, or of the predicted one where these are none.

    They are kept with 24 bits, which changes a log loss by less than 1e-7.
    """
    if group.probabilities is not None:
        return group.probabilities
    return None if group.confidence is None else group.confidence.astype(np.float32)[:, None]
