"""Decoded events with all of their raw fields, by column, for `reference build`, which does not know the features yet.

A decoder fills `RawFields`; all rules about an event's outcome, score and prediction are in the `Events` that its
`decode` returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Events, Group
from monitor.decode.raw import RawColumn, RawFields
from monitor.events import PREDICTION

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The prediction and features events of one model version in a batch, in their order.

    `ts` (microseconds of Unix time), `offset`, `is_prediction`, `score` (MISSING if there is none) are (n,),
    `prediction` has n of str, int, float, bool, or None if there is none: all as they are counted.
    """

    ts: Ints
    offset: Ints
    is_prediction: Flags
    score: Floats
    prediction: list[object]
    fields: RawFields

    @classmethod
    def of(cls, events: Events, group: Group, fields: RawFields) -> Surveyed:
        rows = group.rows
        is_prediction = events.kind[rows] == PREDICTION
        return cls(events.ts[rows], events.offset[rows], is_prediction, group.score, group.prediction, fields)

    def __len__(self) -> int:
        return len(self.ts)

    def picked(self, keep: Flags) -> Surveyed:
        """The rows (n,) that are kept."""
        if keep.all():
            return self
        place = np.cumsum(keep) - 1
        fields = RawFields(
            {name: _picked_column(column, keep, place) for name, column in self.fields.features.items()},
            {name: place[rows[keep[rows]]] for name, rows in self.fields.score_classes.items()},
            {name: place[rows[keep[rows]]] for name, rows in self.fields.unread.items()},
            {name: _picked_column(column, keep, place) for name, column in self.fields.tags.items()},
        )
        prediction = list(compress(self.prediction, keep.tolist()))
        return Surveyed(
            self.ts[keep], self.offset[keep], self.is_prediction[keep], self.score[keep], prediction, fields
        )


def _picked_column(column: RawColumn, keep: Flags, place: Ints) -> RawColumn:
    of_column = keep[column.rows]
    return RawColumn(place[column.rows[of_column]], tuple(compress(column.values, of_column.tolist())))
