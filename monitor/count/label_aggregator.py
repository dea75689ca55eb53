"""Counts inline labels (those in prediction events) into tallies of labels, one for each pane."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from monitor.count.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.events import ModelKey, canonical
from monitor.reference.column import PREDICTION
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from monitor.stats.label_tally import LabelTally

#: counts labels of unknown classes; in more brackets if a class has this name
OTHER_CLASS = "(other)"
#: a label of no known class beside a prediction of no known class may still be wrong
ANOTHER_CLASS = "(another)"


class LabelAggregator:
    """Counts the labels of one model version by the classes of its reference."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._classifies = reference.task in {"binary", "multiclass"}
        self._classes = {reference.positive, "0", "1"}
        for column in reference.columns:
            if column.role == PREDICTION:
                self._classes |= set(column.bins.categories)
        self._other, self._another = _unlike(OTHER_CLASS, self._classes), _unlike(ANOTHER_CLASS, self._classes)

    def count(self, group: Group, rows: Rows) -> dict[int, LabelTally]:
        """One tally for each slot of the rows that holds a label."""
        labels = rows.of(group.label)
        if not self._classifies:
            labelled = np.fromiter((label is not None for label in labels), np.bool_, len(labels))
            return {slot: LabelTally(count) for slot, count in Counter(rows.slots[labelled].tolist()).items()}
        tallies: defaultdict[int, LabelTally] = defaultdict(LabelTally)
        # classes are few: all that is done for each row is counting
        combined = Counter(zip(rows.slots.tolist(), labels, rows.of(group.prediction), strict=True))
        for (slot, label, prediction), count in combined.items():
            if label is None:
                continue
            if prediction is None:
                tallies[slot].labels += count
            else:
                tallies[slot].add_pair(self._pair(label, prediction), count)
        return tallies

    def _pair(self, label: object, prediction: object) -> tuple[str, str]:
        """Two classes by name, unknown ones under one word, so that the pairs kept are few; wrong stays wrong."""
        label_text, prediction_text = canonical(label), canonical(prediction)  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
        known = label_text if label_text in self._classes else self._other
        predicted = prediction_text if prediction_text in self._classes else self._other
        if known == predicted == self._other and label_text != prediction_text:
            return known, self._another
        return known, predicted


class LabelAggregators:
    """One aggregator for each model version; it keeps nothing of what it counted."""

    def __init__(self) -> None:
        self._made: dict[ModelKey, LabelAggregator] = {}

    def of(self, monitored: Monitored) -> LabelAggregator:
        """Created on first use, and again when the reference is replaced."""
        known = self._made.get(monitored.key)
        if known is None or known.reference is not monitored.reference:
            known = self._made[monitored.key] = LabelAggregator(monitored.reference)
        return known


def _unlike(word: str, taken: set[str]) -> str:
    while word in taken:
        word = f"({word})"
    return word
