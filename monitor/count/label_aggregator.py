"""Counts labels beside their predictions into tallies of labels, whether they came with them or later."""

from __future__ import annotations

from collections import Counter, defaultdict

from monitor.count.label_rows import LabelRows
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

    def count(self, rows: LabelRows) -> dict[int, LabelTally]:
        """One tally for each slot of the rows; signed rows make it a change of such a tally."""
        tallies: defaultdict[int, LabelTally] = defaultdict(LabelTally)
        if not self._classifies:
            for (slot, sign), count in Counter(zip(rows.slots.tolist(), rows.sign.tolist(), strict=True)).items():
                tallies[slot].labels += sign * count
            return tallies
        # classes are few: all that is done for each row is counting
        columns = (rows.slots.tolist(), rows.label, rows.prediction, rows.sign.tolist())
        for (slot, label, prediction, sign), count in Counter(zip(*columns, strict=True)).items():
            if prediction is None:
                tallies[slot].labels += sign * count
            else:
                tallies[slot].add_pair(self._pair(label, prediction), sign * count)
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
