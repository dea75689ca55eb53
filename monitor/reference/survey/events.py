"""The first pass over events finds the columns, a sample of the values of each, and their forms.

It takes decoded columns, so it is the same for every format.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.decode.surveyed import Ints, Surveyed
from monitor.events import Partition
from monitor.reference.survey.values import NUMBERS, Sample
from monitor.reference.survey.vectors import VectorSample
from monitor.stats.derived.texts import WordCounts
from monitor.visible import one_line

#: most names kept of fields that driftd does not read, and of classes in `scores`
MAX_NAMES: Final = 100
#: characters kept of the name of a field that driftd does not read
NAME_LENGTH: Final = 60


@dataclass(slots=True)
class Survey:
    """What was found in the events of one model version."""

    features: dict[str, Sample] = field(default_factory=dict)
    #: of features with lists of numbers, and the words of features that the settings call texts
    vectors: dict[str, VectorSample] = field(default_factory=dict)
    words: dict[str, WordCounts] = field(default_factory=dict)
    #: of tags by which the settings cut the events
    tags: dict[str, Sample] = field(default_factory=dict)
    scores: Sample = field(default_factory=Sample)
    predictions: Sample = field(default_factory=Sample)
    #: most classes that the `scores` of a prediction name
    score_classes: int = 0
    #: predictions with `scores`, by the names in it
    score_names: Counter[str] = field(default_factory=Counter)
    #: events, and those with a field that nobody reads, by its name
    events: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    #: the features of every event in their order; empty if events differ in it, None before the first one
    order: tuple[str, ...] | None = None

    def add(self, found: Surveyed, partition: Partition) -> None:
        """Add the next events."""
        self._add_features(found, partition)
        self._add_tags(found, partition)
        self._add_order(found)
        has_score = ~np.isnan(found.score)
        self.scores.add(found.score[has_score].tolist(), found.ts[has_score])
        has_prediction = np.array([value is not None for value in found.prediction], np.bool_)
        predictions = [value for value in found.prediction if value is not None]
        self.predictions.add(predictions, found.ts[has_prediction])
        self._add_names(found)
        self.events += len(found)

    def _add_order(self, found: Surveyed) -> None:
        """Take the order of features if all events have them all."""
        columns = found.fields.features
        if not len(found) or not columns:
            return
        in_all = all(len(column.rows) == len(found) for column in columns.values())
        order = tuple(columns) if in_all else ()
        self.order = order if self.order in {None, order} else ()

    def _add_features(self, found: Surveyed, partition: Partition) -> None:
        for name, column in found.fields.features.items():
            rows = column.rows
            if not len(rows):
                continue
            sample = self.features.get(name)
            if sample is None:
                sample = self.features[name] = Sample()
            in_all = len(rows) == len(found)
            ts, offset = (found.ts, found.offset) if in_all else (found.ts[rows], found.offset[rows])
            sample.note(column.values, self.events + 1 + rows, offset, partition)
            sample.add(column.values, ts)
            if sample.forms[NUMBERS]:
                self.vectors.setdefault(name, VectorSample()).add(column.values, ts)
            if name in self.words:
                self.words[name].add([value for value in column.values if isinstance(value, str)])

    def _add_tags(self, found: Surveyed, partition: Partition) -> None:
        for name, sample in self.tags.items():
            column = found.fields.tags.get(name)
            if column is not None and len(column.rows):
                rows = column.rows
                sample.note(column.values, self.events + 1 + rows, found.offset[rows], partition)
                sample.add(column.values, found.ts[rows])

    def _add_names(self, found: Surveyed) -> None:
        for name, rows in found.fields.unread.items():
            shown = one_line(name)[:NAME_LENGTH]
            if len(rows) and (shown in self.unread or len(self.unread) < MAX_NAMES):
                self.unread[shown] += len(rows)
        classes = found.fields.score_classes
        if classes:
            named: Ints = np.concatenate(list(classes.values()))
            self.score_classes = max(self.score_classes, *np.bincount(named, minlength=1).tolist())
        for name, rows in classes.items():
            if len(rows) and (name in self.score_names or (len(self.score_names) < MAX_NAMES and name.isprintable())):
                self.score_names[name] += len(rows)
