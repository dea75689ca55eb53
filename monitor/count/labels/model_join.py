"""The join of one model's late labels with its predictions, by the hash of the id.

A label meets the predictions of its id, one of each version that it is for, that were made at most a horizon before or
after the label takes effect. What becomes of both depends on event times alone: everything is taken in their order once
it is complete, so that neither the order of arrival nor the cut into polls matters, and every result stands in the pane
in which it takes effect.

Two ids of a model share a hash with a probability of 2^-64; with a million predictions waiting, a label meets a wrong
one once in 10^13 labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.labels.answers import NULL, Answers
from monitor.count.labels.cohorts import cohort_us
from monitor.count.labels.id_runs import IdRuns
from monitor.count.labels.join_changes import Changes, Met, met
from monitor.count.labels.join_state import JoinState
from monitor.count.labels.join_tables import (
    DONE,
    NO_LABEL,
    PENDING,
    WAITING,
    Columns,
    Ids,
    Ints,
    JoinTables,
    L,
    Mask,
    P,
    Probabilities,
    any_version_in,
    code_in,
    counted,
)
from monitor.count.labels.pending import Pending
from monitor.count.labels.predictions_by_pane import PredictionsByPane
from monitor.events import ModelKey
from monitor.stats.tallies.growing import Growing

#: rows above the limit, as a share of it, that wait until they are dropped together
SPARE: Final = 0.125
#: ... and as many more, where none of them may go by its time: then the first ones that came go
SPARE_ROWS: Final = 10_000
#: rows below which a table is never made smaller
LEAST_ROWS: Final = 4_096


class Joined(NamedTuple):
    """What one step of a join gives; `expired` counts labels by the codes of their version and of their name."""

    changes: Changes
    met: Met
    expired: Counter[tuple[int, int]]


class ModelJoin:
    """The waiting predictions and labels of one model. Steps are in whole panes."""

    def __init__(self, horizon_us: int, pane_us: int, limit: int) -> None:
        self.horizon_us, self.cohort_us = horizon_us, cohort_us(horizon_us, pane_us)
        self._pane_us, self._limit = pane_us, limit
        self.tables = JoinTables()
        self.answers = Answers()
        #: the model version of each code
        self.codes: list[ModelKey] = []
        #: codes of versions that started afresh: their labels meet predictions, and are counted nowhere
        self.retired: set[int] = set()
        self._code_of: dict[ModelKey, int] = {}
        #: the first code of the same model version, by code
        self._same: list[int] = []
        #: all that takes effect before it has been taken
        self.until_us = NO_CLOCK
        self.by_pane = PredictionsByPane(pane_us, limit)
        self.late_predictions, self.late_labels = Pending(), Pending()
        self._runs, self._waiting_runs = IdRuns(), IdRuns()
        self._indexed = 0
        self._tidied_us = NO_CLOCK
        self._waiting = 0
        #: labels that expired for want of room, until the next step, by code
        self._overflowed: Counter[tuple[int, int]] = Counter()
        self.changes = 0

    # what comes in

    def code(self, key: ModelKey) -> int:
        """The code of a model version."""
        known = self._code_of.get(key)
        if known is None:
            known = self._code_of[key] = len(self.codes)
            self._same.append(next((at for at, other in enumerate(self.codes) if other == key), known))
            self.codes.append(key)
        return known

    def retire(self, key: ModelKey) -> None:
        """The model version starts afresh: its predictions so far are counted nowhere any more."""
        code = self._code_of.pop(key, None)
        if code is not None:
            self.retired.add(code)
            self.changes += 1

    def add_predictions(
        self,
        codes: Ids,
        ids: Ids,
        times_us: Ints,
        score: NDArray[np.float64],
        answers: list[object],
        own: list[object],
        probabilities: Probabilities | None = None,
    ) -> None:
        """Predictions (n,) with these `coded` codes; `own` are the labels that came with them, which are counted
        already, `probabilities` (n, W) what is kept beside them."""
        self.changes += 1
        answer = self.answers.bits(answers)
        columns: Columns = [ids, times_us, score.view(np.uint64), answer, codes]
        positions = self.tables.add_predictions(columns, probabilities)
        self.late_predictions.add(positions, times_us)
        self.by_pane.add(times_us)
        if own.count(None) < len(own):
            value = self.answers.bits(own)
            at = np.flatnonzero(value != NULL)
            of_own: Columns = [positions[at], NO_LABEL, times_us[at], value[at], code_in(codes[at])]
            self.tables.set_newest(positions[at], self.tables.add_meetings(of_own))
        if len(self.tables.predictions) > self._limit * (1 + SPARE):
            self._make_room()

    def add_labels(self, ids: Ids, effect_us: Ints, values: Ids, meta: Ids) -> None:
        """Labels (n,), in the order of their partition; `meta` as `join_tables.pack` gives it."""
        self.changes += 1
        positions = self.tables.add_labels([ids, effect_us, values, meta])
        self.late_labels.add(positions, effect_us)
        if len(self.tables.labels) > self._limit * (1 + SPARE) + SPARE_ROWS:
            self._drop()
            self._expire_oldest(len(self.tables.labels) - self._limit)

    # a step

    def step(self, until_us: int) -> Joined | None:
        """Take all that takes effect before `until_us`; None if there is nothing new."""
        until_us = max(until_us // self._pane_us * self._pane_us, self.until_us)
        labels, predictions = self.late_labels.take(until_us), self.late_predictions.take(until_us)
        if not len(labels) and not len(predictions) and until_us == self.until_us and not self._overflowed:
            return None
        self.changes += 1
        before, self.until_us = self.until_us, until_us
        pairs = [self._meet_earlier(labels), self._meet_waiting(predictions)]
        of_label, of_prediction = (np.concatenate(part) for part in zip(*pairs, strict=True))
        joined = met(self.tables, of_label, of_prediction, before)
        return Joined(*joined, self._tidy())

    def _meet_earlier(self, labels: Ints) -> tuple[Ints, Ints]:
        """Labels that have predictions from before they take effect, and these; the other ones wait."""
        labels = labels[labels >= self.tables.labels.first]
        labels = labels[self.tables.states.at(labels)[:, 0] == PENDING]
        if not len(labels):
            return labels, labels
        self._index()
        rows = self.tables.labels.at(labels)
        asked, predictions = self._runs.find(rows[:, L.ID])
        held = predictions >= self.tables.predictions.first
        asked, predictions = asked[held], predictions[held]
        before = self._times(predictions) <= rows[asked, L.EFFECT].view(np.int64)
        asked, predictions = asked[before], predictions[before]
        fits = self._fit(labels[asked], predictions)
        asked, predictions = asked[fits], predictions[fits]
        chosen = self._first_of_version(labels[asked], predictions)
        asked, predictions = asked[chosen], predictions[chosen]
        without = np.ones(len(labels), np.bool_)
        without[asked] = False
        self.tables.set_states(labels, DONE)
        self.tables.set_states(labels[without], WAITING)
        self._waiting_runs.add(rows[without, L.ID], labels[without])
        self._waiting += int(np.count_nonzero(without))
        return labels[asked], predictions

    def _meet_waiting(self, predictions: Ints) -> tuple[Ints, Ints]:
        """Labels that waited for one of these predictions, and the first ones to come for each."""
        none = np.empty(0, np.int64)
        if not len(predictions) or not self._waiting:
            return none, none
        predictions = predictions[predictions >= self.tables.predictions.first]
        asked, labels = self._waiting_runs.find(self.tables.predictions.at(predictions)[:, P.ID])
        held = labels >= self.tables.labels.first
        asked, labels = asked[held], labels[held]
        waits = self.tables.states.at(labels)[:, 0] == WAITING
        of_label, of_prediction = labels[waits], predictions[asked[waits]]
        fits = self._fit(of_label, of_prediction)
        of_label, of_prediction = of_label[fits], of_prediction[fits]
        if not len(of_label):
            return none, none
        times = self._times(of_prediction)
        order = np.lexsort((times, of_label))
        starts = np.flatnonzero(np.concatenate(([True], np.diff(of_label[order]) != 0)))
        first = np.repeat(times[order][starts], np.diff(np.append(starts, len(order))))
        order = order[times[order] == first]
        of_label, of_prediction = of_label[order], of_prediction[order]
        chosen = self._first_of_version(of_label, of_prediction)
        self.tables.set_states(of_label, DONE)
        self._waiting -= len(np.unique(of_label))
        return of_label[chosen], of_prediction[chosen]

    def _times(self, predictions: Ints) -> Ints:
        return self.tables.predictions.at(predictions)[:, P.TIME].view(np.int64)

    def _fit(self, labels: Ints, predictions: Ints) -> Mask:
        """Pairs (n,) that lie within the horizon, the limit and the version."""
        rows, meta = self.tables.predictions.at(predictions), self.tables.labels.at(labels)[:, L.META]
        effect = self.tables.labels.at(labels)[:, L.EFFECT].view(np.int64)
        time = rows[:, P.TIME].view(np.int64)
        near = np.abs(effect - time) <= self.horizon_us
        same = np.array(self._same, np.int64)
        version = any_version_in(meta) | (same[code_in(meta)] == same[code_in(rows[:, P.CODE])])
        fits: Mask = near & version & (time >= self.by_pane.kept_from(np.maximum(effect, time)))
        return fits

    def _first_of_version(self, labels: Ints, predictions: Ints) -> Ints:
        """Of pairs (n,), one of each label and version: with the first prediction, should its id be there again."""
        rows = self.tables.predictions.at(predictions)
        same = np.array(self._same, np.int64)[code_in(rows[:, P.CODE])] if len(rows) else labels
        beside = self.tables.probabilities_of(predictions)
        ties = rows[:, P.CODE], rows[:, P.SCORE], rows[:, P.ANSWER]
        keys = (*ties, rows[:, P.TIME].view(np.int64), same, labels)
        order = np.lexsort((*(() if beside is None else beside.T), *keys))
        first = np.ones(len(order), np.bool_)
        first[1:] = (np.diff(labels[order]) != 0) | (np.diff(same[order]) != 0)
        return order[first]

    def _index(self) -> None:
        table = self.tables.predictions
        first = max(self._indexed, table.first)
        self._runs.add(table.column(P.ID)[first - table.first :], np.arange(first, table.end))
        self._indexed = table.end

    # what is let go

    def _tidy(self) -> Counter[tuple[int, int]]:
        """Once a cohort: labels expire, and what nothing can meet any more is dropped; the labels that expired."""
        due_us = self.until_us // self.cohort_us * self.cohort_us
        gone, self._overflowed = self._overflowed, Counter()
        if due_us <= self._tidied_us:
            return gone
        self._tidied_us = due_us
        labels = self.tables.labels
        expired = self.tables.states.column(0) == WAITING
        expired &= labels.signed(L.EFFECT) < due_us - self.horizon_us
        gone += counted(labels.column(L.META)[expired])
        self.tables.set_states(np.flatnonzero(expired) + labels.first, DONE)
        self._waiting -= int(np.count_nonzero(expired))
        self.by_pane.let_go(self.until_us, due_us - self.horizon_us)
        self._drop()
        return gone

    def _expire_oldest(self, over: int) -> None:
        """More labels than the limit are held, and nothing may go: the first ones expire."""
        if over > self._limit * SPARE + SPARE_ROWS:
            states, meta = self.tables.states.column(0), self.tables.labels.column(L.META)
            self._waiting -= int(np.count_nonzero(states[:over] == WAITING))
            self._overflowed += counted(meta[:over][states[:over] != DONE])
            states[:over] = DONE
            self._drop()
            self.late_labels.drop_before(self.tables.labels.first)

    def _alive(self) -> Mask:
        alive: Mask = self.tables.predictions.signed(P.TIME) >= self.by_pane.first_us
        return alive

    def _drop(self) -> None:
        self.tables.drop(self._alive())
        self._runs.drop_before(self.tables.predictions.first)
        self._waiting_runs.drop_before(self.tables.labels.first)
        rows = len(self.tables.predictions) + len(self.tables.labels) + len(self.tables.meetings)
        if rows > LEAST_ROWS and self.tables.is_sparse(alive := self._alive()):
            self._rewrite(alive)

    def _rewrite(self, alive: Mask) -> None:
        firsts = self.tables.predictions.first, self.tables.labels.first
        maps = self.tables.keep(alive)
        for pending, first, new in zip((self.late_predictions, self.late_labels), firsts, maps, strict=True):
            pending.move(first, new)
        self.find_ids()

    def find_ids(self) -> None:
        """Make the index of waiting labels anew; that of predictions is made when it is asked."""
        self._runs, self._waiting_runs, self._indexed = IdRuns(), IdRuns(), self.tables.predictions.first
        waiting = np.flatnonzero(self.tables.states.column(0) == WAITING)
        self._waiting_runs.add(self.tables.labels.column(L.ID)[waiting], waiting + self.tables.labels.first)
        self._waiting = len(waiting)

    def _make_room(self) -> None:
        """More predictions than the limit are held: drop what may go, else the oldest."""
        self.by_pane.let_go(self.until_us, self.until_us - self.horizon_us)
        self._drop()
        table = self.tables.predictions
        if (over := len(table) - self._limit) > self._limit * SPARE + SPARE_ROWS:
            # their labels are far behind: nothing that was joined may wait for these
            self.by_pane.drop_oldest(table.signed(P.TIME)[:over])
            alive = np.ones(len(table), np.bool_)
            alive[:over] = False
            self.tables.drop(alive)
            self._runs.drop_before(table.first)
            self.late_predictions.drop_before(table.first)

    # state

    def mark(self) -> Hashable:
        """The same as long as `to_state` would give the same."""
        return self.changes

    def rows(self, name: str) -> list[Growing]:
        """The tables as growing rows, which a store may keep apart; `name` is the join's."""
        return self.tables.growing(name)

    def to_state(self, name: str) -> JoinState:
        """The state as values; `name` is the join's."""
        return JoinState(
            codes=list(self.codes),
            retired=sorted(self.retired),
            texts=list(self.answers.texts),
            until_us=self.until_us,
            tidied_us=self._tidied_us,
            late_predictions=self.late_predictions.before(self.until_us),
            late_labels=self.late_labels.before(self.until_us),
            panes=dict(self.by_pane.counts),
            kept_from_us=self.by_pane.first_us,
            gone=self.by_pane.gone,
            rows=list(self.rows(name)),
            width=0 if (beside := self.tables.probabilities) is None else beside.width,
            uncut_before=self.tables.uncut_before,
        )

    def restore(self, state: JoinState) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: its tables do not fit each other.
        """
        for key in state.codes:
            self._same.append(next((at for at, other in enumerate(self.codes) if other == key), len(self.codes)))
            self._code_of[key] = len(self.codes)
            self.codes.append(key)
        self.retired = set(state.retired)
        for code in self.retired:
            if self._code_of.get(self.codes[code]) == code:
                del self._code_of[self.codes[code]]
        self.answers.restore(state.texts)
        self.until_us, self._tidied_us = state.until_us, state.tidied_us
        self.by_pane.counts, self.by_pane.total = dict(state.panes), sum(state.panes.values())
        self.by_pane.first_us, self.by_pane.gone = state.kept_from_us, state.gone
        tables = self.tables
        tables.restore(state.rows, state.width, state.uncut_before)
        tables.find_states(self.until_us, state.late_labels)
        expired = tables.labels.signed(L.EFFECT) < self._tidied_us - self.horizon_us
        waiting = tables.states.column(0) == WAITING
        tables.set_states(np.flatnonzero(expired & waiting) + tables.labels.first, DONE)
        self._wait_again(state)
        self.find_ids()

    def _wait_again(self, state: JoinState) -> None:
        """Note again which rows have not been taken."""
        predictions, labels = self.tables.predictions, self.tables.labels
        for pending, table, column, late in (
            (self.late_predictions, predictions, P.TIME, state.late_predictions),
            (self.late_labels, labels, L.EFFECT, state.late_labels),
        ):
            times = table.signed(column)
            ahead = times >= self.until_us
            ahead[late[late >= table.first] - table.first] = True
            at = np.flatnonzero(ahead)
            pending.add(at + table.first, times[at])

    # what is shown

    @property
    def predictions_waiting(self) -> int:
        return len(self.tables.predictions)

    def labels_waiting(self) -> Counter[int]:
        """Labels without a fate, by the code of the version they were counted for."""
        states = self.tables.states.column(0)
        waiting = counted(self.tables.labels.column(L.META)[(states == PENDING) | (states == WAITING)])
        return Counter({code: count for (code, name), count in waiting.items() if not name})
