"""The newest meeting of each prediction under each name, as one chain of meetings for each prediction.

A prediction costs one number however many names there are, and a meeting one more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from monitor.stats.tallies.number_table import NumberTable, Positions

Names = NDArray[np.int64]


class NewestMeetings:
    """Of the rows of a table of predictions and of one of meetings, which it has as many of as these have."""

    def __init__(self, first_prediction: int = 0, first_meeting: int = 0) -> None:
        #: for each prediction the position of its newest meeting and one more, or 0; for each meeting that of the one
        #: before it of the same prediction
        self._head, self._before = NumberTable(1), NumberTable(1)
        self._head.first = self._head.end = first_prediction
        self._before.first = self._before.end = first_meeting

    def add_predictions(self, count: int) -> None:
        self._head.add([np.zeros(count, np.uint64)])

    def add_meetings(self, count: int) -> None:
        self._before.add([np.zeros(count, np.uint64)])

    def find(self, predictions: Positions, name: Names, names_of: Callable[[Positions], Names]) -> Positions:
        """The newest meeting (n,) of each prediction under its name; -1 where there is none."""
        at = _less_one(self._head.at(predictions))
        found, left = np.full(len(predictions), -1), np.flatnonzero(at >= 0)
        while len(left):
            hit = names_of(at[left]) == name[left]
            found[left[hit]] = at[left[hit]]
            left = left[~hit]
            at[left] = _less_one(self._before.at(at[left]))
            left = left[at[left] >= 0]
        return found

    def set(self, predictions: Positions, meetings: Positions) -> None:
        """These meetings (n,) are the newest ones of their predictions, which rise, and of their names, which differ
        for one prediction."""
        if not len(predictions):
            return
        is_first = np.ones(len(predictions), np.bool_)
        is_first[1:] = np.diff(predictions) != 0
        behind = np.empty(len(predictions), np.int64)
        behind[1:] = meetings[:-1] + 1
        behind[is_first] = self._head.at(predictions[is_first])[:, 0].view(np.int64)
        self._before.column(0)[meetings - self._before.first] = behind
        is_last = np.append(is_first[1:], True)
        self._head.column(0)[predictions[is_last] - self._head.first] = meetings[is_last] + 1

    def drop_before(self, prediction: int, meeting: int) -> None:
        """Drop what belongs to rows before these, which their tables have dropped."""
        self._head.drop_before(prediction)
        self._before.drop_before(meeting)


def _less_one(rows: NDArray[np.uint64]) -> Positions:
    return rows[:, 0].view(np.int64) - 1
