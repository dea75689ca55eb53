"""The tables of a join of labels with predictions: waiting predictions, labels, and which label met which prediction.

All three are added to at the end and dropped at the front, so that a checkpoint writes only what was added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.labels.answers import NULL
from monitor.count.labels.newest import NewestMeetings
from monitor.stats.tallies.growing import Growing
from monitor.stats.tallies.number_table import NumberTable, Positions

Ids = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Probabilities = NDArray[np.float32]
Columns = Sequence[Ids | Ints | int]


class P(IntEnum):
    """Columns of a prediction: hash of the id, event time, bits of score and prediction, and what `coded` gives."""

    ID = 0
    TIME = 1
    SCORE = 2
    ANSWER = 3
    CODE = 4


class L(IntEnum):
    """Columns of a label: hash of the id, when it takes effect, bits of its value, and what `pack` gives."""

    ID = 0
    EFFECT = 1
    VALUE = 2
    META = 3


class J(IntEnum):
    """Columns of a meeting: position of the prediction, of the label (`NO_LABEL`: inline), and the label's columns."""

    PREDICTION = 0
    LABEL = 1
    EFFECT = 2
    VALUE = 3
    META = 4


#: of a label that came with its prediction, or whose row is gone
NO_LABEL: Final = (1 << 63) - 1
_WORD: Final = 0xFFFF
#: two probabilities that are not known
_UNKNOWN: Final = int(np.full(2, np.nan, np.float32).view(np.uint64)[0])
#: states of a label: it has not taken effect, it waits for its prediction, or it met one or expired
PENDING, WAITING, DONE = 0, 1, 2


def coded(code: int, segments: Ints) -> Ids:
    """The code of a version, and what `SegmentCodes.packed` gives of its predictions (n,)."""
    return (code | segments << 16).astype(np.uint64)


def segments_in(codes: Ids) -> Ints:
    return (codes >> np.uint64(16)).astype(np.int64)


def pack(code: Ints, name: Ints, place: int, any_version: Mask) -> Ids:
    """Codes of the version that labels count for, of their name, of their place, and whether any version fits."""
    packed: Ids = (code | name << 16 | place << 32 | any_version.astype(np.int64) << 48).astype(np.uint64)
    return packed


def named(meta: Ids, name: Ints) -> Ids:
    """The same for outcomes with these codes of names."""
    return meta | (name << 16).astype(np.uint64)


def code_in(meta: Ids) -> Ints:
    return (meta & np.uint64(_WORD)).astype(np.int64)


def name_in(meta: Ids) -> Ints:
    return (meta >> np.uint64(16) & np.uint64(_WORD)).astype(np.int64)


def counted(meta: Ids) -> Counter[tuple[int, int]]:
    """Labels by the codes of their version and name."""
    used, counts = np.unique(meta & np.uint64(_WORD << 16 | _WORD), return_counts=True)
    pairs = zip(code_in(used).tolist(), name_in(used).tolist(), strict=True)
    return Counter(dict(zip(pairs, counts.tolist(), strict=True)))


def place_in(meta: Ids) -> Ints:
    return (meta >> np.uint64(32) & np.uint64(_WORD)).astype(np.int64)


def any_version_in(meta: Ids) -> Mask:
    return (meta >> np.uint64(48)).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class Current:
    """The newest label (n,) of a prediction under a name; without one `is_there` is False and `value` NULL."""

    is_there: Mask
    value: Ids
    effect: Ints
    place: Ints


class JoinTables:
    """Predictions, labels and meetings by position; `states` has the state of each label."""

    def __init__(self) -> None:
        self.predictions = NumberTable(len(P))
        self.labels = NumberTable(len(L))
        self.meetings = NumberTable(len(J))
        self.states = NumberTable(1)
        #: probabilities of the predictions, two in each number; None until some have any
        self.probabilities: NumberTable | None = None
        #: by number of a topic-partition: its place in their order; 0 are labels that came with their predictions
        self.rank: Ints = np.zeros(1, np.int64)
        self._newest = NewestMeetings()
        #: outcomes of the predictions before this position are not counted by segment: those that had come were not
        self.uncut_before = 0
        #: about how many meetings are no longer, or never were, the newest one of their prediction and name
        self.superseded = 0

    def add_predictions(self, columns: Columns, probabilities: Probabilities | None = None) -> Positions:
        """Add predictions; returns their positions. `probabilities` (n, W) are kept beside them."""
        if probabilities is not None:
            self._widen(-(-probabilities.shape[1] // 2))
        positions = self.predictions.add(columns)
        if self.probabilities is not None:
            self.probabilities.add(list(_in_pairs(probabilities, len(positions), self.probabilities.width).T))
        self._newest.add_predictions(len(positions))
        return positions

    def segments_of(self, predictions: Positions, name: Ints) -> Ints:
        """Those that the labels with these codes of names (n,) of predictions are counted in, as one number each."""
        packed = segments_in(self.predictions.at(predictions)[:, P.CODE])
        return np.where((name != 0) & (predictions < self.uncut_before), 0, packed)

    def _widen(self, width: int) -> None:
        """Keep so many numbers of probabilities beside each prediction; of those that are there, further ones are not
        known."""
        known = self.probabilities
        if known is not None and known.width >= width:
            return
        self.probabilities = made = NumberTable(width)
        made.first = made.end = self.predictions.first
        before = np.full((len(self.predictions), width), _UNKNOWN, np.uint64)
        if known is not None:
            before[:, : known.width] = known.rows
        made.add(list(before.T))

    def probabilities_of(self, predictions: Positions) -> Probabilities | None:
        """Those of predictions (n, W), NaN where they are not known; None where those of none are."""
        return None if self.probabilities is None else self.probabilities.at(predictions).view(np.float32)

    def add_labels(self, columns: Columns) -> Positions:
        """Add labels that have not taken effect; returns their positions."""
        positions = self.labels.add(columns)
        self.states.add([np.zeros(len(positions), np.uint64)])
        return positions

    def set_states(self, labels: Positions, state: int) -> None:
        self.states.column(0)[labels - self.states.first] = state

    def add_meetings(self, columns: Columns) -> Positions:
        """Add meetings of labels that are done with it."""
        positions = self.meetings.add(columns)
        self._newest.add_meetings(len(positions))
        return positions

    def set_newest(self, predictions: Positions, meetings: Positions) -> None:
        """These meetings (n,) are the newest ones: see `NewestMeetings.set`."""
        self._newest.set(predictions, meetings)

    def _names(self, meetings: Positions) -> Ints:
        return name_in(self.meetings.column(J.META)[meetings - self.meetings.first])

    def current(self, predictions: Positions, name: Ints) -> Current:
        """The newest label of each prediction under the name with each code."""
        meeting = self._newest.find(predictions, name, self._names)
        there = meeting >= 0
        rows = self.meetings.at(meeting[there])
        value, effect = np.full(len(meeting), NULL, np.uint64), np.zeros(len(meeting), np.int64)
        place = np.zeros(len(meeting), np.int64)
        value[there], effect[there] = rows[:, J.VALUE], rows[:, J.EFFECT].view(np.int64)
        place[there] = self.rank[place_in(rows[:, J.META])]
        return Current(there, value, effect, place)

    def drop(self, alive: Mask) -> None:
        """Drop at the front: predictions that are not `alive` (n,), labels that are done, and meetings of neither."""
        self.predictions.drop_before(self.predictions.first + _leading(~alive))
        self.labels.drop_before(self.labels.first + _leading(self.states.column(0) == DONE))
        self.states.drop_before(self.labels.first)
        for beside in self._beside():
            beside.drop_before(self.predictions.first)
        gone = _leading(~self._met_by_any())
        self.superseded -= self.superseded * gone // max(len(self.meetings), 1)
        self.meetings.drop_before(self.meetings.first + gone)
        self._newest.drop_before(self.predictions.first, self.meetings.first)

    def _beside(self) -> list[NumberTable]:
        return [] if self.probabilities is None else [self.probabilities]

    def growing(self, name: str) -> list[Growing]:
        """The tables as growing rows: predictions, labels and meetings, and the probabilities if there are any.

        Wider rows of probabilities are other ones, and have another name.
        """
        named = {"predictions": self.predictions, "labels": self.labels, "met": self.meetings}
        named |= {f"probabilities-{table.width}": table for table in self._beside()}
        return [table.growing(f"{name}/{what}") for what, table in named.items()]

    def restore(self, rows: Sequence[Mapping[str, Any]], width: int, uncut_before: int | None) -> None:
        """Take the rows of `growing`; `width` is that of probabilities, 0 without any, and `uncut_before` None of a
        state whose outcomes were not counted by segment.

        Raises:
            ValueError: they do not fit each other.
        """
        tables = [self.predictions, self.labels, self.meetings]
        if width:
            self.probabilities = NumberTable(width)
            tables.append(self.probabilities)
        for table, own in zip(tables, rows, strict=True):
            table.restore(own)
        self.uncut_before = self.predictions.end if uncut_before is None else uncut_before
        if self.probabilities is not None and len(self.probabilities) != len(self.predictions):
            raise ValueError("the probabilities are not those of the predictions")
        self.find_newest()

    def _met_by_any(self) -> Mask:
        """Meetings whose prediction is held, or whose label is: that one is done."""
        labels = self.meetings.signed(J.LABEL)
        has_label = (labels >= self.labels.first) & (labels != NO_LABEL)
        held: Mask = (self.meetings.signed(J.PREDICTION) >= self.predictions.first) | has_label
        return held

    def is_sparse(self, alive: Mask) -> bool:
        """Whether more than half of the rows are not needed, or of the meetings; `alive` (n,) of the predictions."""
        if 2 * self.superseded > len(self.meetings):
            return True
        done = np.count_nonzero(self.states.column(0) == DONE)
        unneeded = len(alive) - np.count_nonzero(alive) + done
        return bool(2 * unneeded > len(self.predictions) + len(self.labels))

    def keep(self, alive: Mask) -> tuple[Positions, Positions]:
        """Keep only the predictions that are `alive` (n,), labels that are not done, and newest meetings of the former.

        All rows get new positions; returns those of the predictions (n,) and labels, -1 for rows that are gone.
        """
        before = self.predictions.first
        uncut = int(np.count_nonzero(alive[: max(self.uncut_before - before, 0)]))
        predictions = self.predictions.keep(alive)
        self.uncut_before = self.predictions.first + uncut if uncut else 0
        for beside in self._beside():
            beside.keep(alive)
        waiting = self.states.column(0) != DONE
        labels = self.labels.keep(waiting)
        self.states.keep(waiting)
        self.states.first, self.states.end = self.labels.first, self.labels.end
        rows = self.meetings.signed(J.PREDICTION) - before
        held = np.zeros(len(rows), np.bool_)
        held[self._newest_rows(before)] = True
        held[held] = alive[rows[held]]
        self.meetings.keep(held)
        self.meetings.rows[:, J.PREDICTION] = predictions[rows[held]].view(np.uint64)
        self.meetings.rows[:, J.LABEL] = NO_LABEL
        self.find_newest()
        return predictions, labels

    def find_newest(self) -> None:
        """Find the newest meeting of each prediction and name, from the meetings alone."""
        self._newest = NewestMeetings(self.predictions.first, self.meetings.first)
        self._newest.add_predictions(len(self.predictions))
        self._newest.add_meetings(len(self.meetings))
        newest = self._newest_rows(self.predictions.first)
        self.superseded = len(self.meetings) - len(newest)
        self.set_newest(self.meetings.signed(J.PREDICTION)[newest], newest + self.meetings.first)

    def _newest_rows(self, first: int) -> Positions:
        """The places among the meetings of the newest one of each prediction from `first` on and name, in their
        order."""
        rows = self.meetings.rows
        held = np.flatnonzero(rows[:, J.PREDICTION].view(np.int64) >= first)
        rows = rows[held]
        name, place = name_in(rows[:, J.META]), self.rank[place_in(rows[:, J.META])]
        prediction = rows[:, J.PREDICTION].view(np.int64)
        order = np.lexsort((held, place, rows[:, J.EFFECT].view(np.int64), name, prediction))
        last = np.ones(len(order), np.bool_)
        name, prediction = name[order], prediction[order]
        last[:-1] = (name[1:] != name[:-1]) | (prediction[1:] != prediction[:-1])
        return held[order[last]]

    def find_states(self, until_us: int, pending: Positions) -> None:
        """Find the state of each label; `pending` ones were not taken though they take effect before `until_us`."""
        effect = self.labels.signed(L.EFFECT)
        states = np.where(effect >= until_us, PENDING, WAITING)
        states[pending[pending >= self.labels.first] - self.labels.first] = PENDING
        met = self.meetings.signed(J.LABEL)
        met = met[(met >= self.labels.first) & (met != NO_LABEL)]
        states[met - self.labels.first] = DONE
        self.states = NumberTable(1)
        self.states.first = self.states.end = self.labels.first
        self.states.add([states])


def _in_pairs(probabilities: Probabilities | None, count: int, width: int) -> Ids:
    """(count, width) numbers of two probabilities each."""
    wide = np.full((count, 2 * width), np.nan, np.float32)
    if probabilities is not None:
        wide[:, : probabilities.shape[1]] = probabilities
    return wide.view(np.uint64)


def _leading(mask: Mask) -> int:
    """How many of the first ones are True."""
    return len(mask) if mask.all() else int(np.argmin(mask))
