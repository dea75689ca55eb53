"""Labels in stage 1: admission, when each takes effect, and when what was counted closes.

Labels are separate from events all the way to stage 2. Label events only read the clock of their topic-partition, at
the offset where they stand, and never move it; they are counted when they come, and go to the join with predictions. An
inline label is admitted and closed as its prediction is, but counted in a tally of labels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.batch import admit
from monitor.count.admission.label_keys import LabelKeys
from monitor.count.admission.versions import Admission
from monitor.count.clocks.label_clock import LabelClock
from monitor.count.columns.pane_rows import Rows
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.cohorts import LabelCohort, WaitingLabels
from monitor.count.labels.joins import Joins, LabelColumns
from monitor.count.labels.outcome_counts import with_amounts
from monitor.count.labels.rows import LabelRows
from monitor.count.losses import Refused
from monitor.count.task_state import OpenLabels, TaskLabelsState
from monitor.count.totals import Totals
from monitor.decode.columns import ABSENT_VALUE, Events, Group
from monitor.events import LABEL, ModelKey, Partition
from monitor.reference.monitored import Monitored
from monitor.stats.performance.label_tally import LabelTally


class LabelsTaken(NamedTuple):
    """Outcomes of the label events of a batch: accepted ones by the model version they count for, and refused ones."""

    accepted: Counter[ModelKey]
    refused: list[Refused]


class TaskLabels:
    """The labels of one task: its open cohorts, and the newest label of each topic."""

    def __init__(
        self,
        number: int,
        admission: Admission,
        aggregators: LabelAggregators,
        totals: Totals,
        cohort_us: int,
        joins: Joins | None = None,
    ) -> None:
        """A cohort of labels that are counted as they come is as wide as a pane of events."""
        self.open = WaitingLabels()
        #: cohorts of inline labels; no more of these than open panes
        self.inline = WaitingLabels(most=math.inf)
        #: by topic
        self.clocks: dict[str, LabelClock] = {}
        self._number = number
        self._label_keys = LabelKeys(admission)
        self._aggregators = aggregators
        self._totals = totals
        self._joins = joins
        self._cohort_us = cohort_us
        #: the argument of the last `close`, None if labels came since
        self._closed_by: Callable[[str], float] | None = None

    def take(self, topic: str, events: Events, clock_us: NDArray[np.int64], now: float = 0.0) -> LabelsTaken:
        """Count the label events of a decoded batch; `clock_us` (n,) is the clock where each of its events was read."""
        rows = events.label_rows
        if not len(rows):
            return LabelsTaken(Counter(), [])
        admitted = admit(events, events.kind == LABEL, self._label_keys.decision)
        effect_us = self.clock(topic).effect_us(events.ts[rows], clock_us[rows], now)
        accepted = admitted.rows[rows]
        key, effect_us = events.key[rows[accepted]], effect_us[accepted]
        counted_for = self._counted_for(events.keys, key)
        values, outcomes = events.label_values, events.outcomes
        if not accepted.all():
            values = [values[i] for i in np.flatnonzero(accepted).tolist()]
            outcomes = outcomes.of(accepted)
        if self._joins is not None and len(key):
            ids = events.join_key[rows[accepted]]
            of_labels = with_amounts(outcomes, values, events.label_amounts[accepted])
            labels = LabelColumns(ids, effect_us, values, key, events.keys, counted_for, of_labels)
            self._joins.add_labels(Partition(topic, self._number), labels)
        taken = Counter[ModelKey]()
        for one, count in zip(*(part.tolist() for part in np.unique(key, return_counts=True)), strict=True):
            taken[counted_for[one]] += count
        if len(outcomes):
            with_label = np.array([value is not ABSENT_VALUE for value in values], np.bool_)
            key, effect_us = key[with_label], effect_us[with_label]
        self._count(counted_for, key, effect_us)
        return LabelsTaken(taken, admitted.refused)

    def take_predictions(
        self, monitored: Monitored, group: Group, rows: Rows, panes: Sequence[int], events: Events
    ) -> None:
        """A group's accepted predictions: their inline labels are counted, and they wait for others.

        `panes` (P,) are the numbers of the panes they fall into, and of their cohorts.
        """
        unlabelled = group.label.count(None) == len(group.label)
        if unlabelled and self._joins is None:
            return
        aggregator = self._aggregators.of(monitored)
        segments = aggregator.segments.of(group, rows)
        if self._joins is not None:
            self._joins.add_predictions(group, rows, events, aggregator.segments.packed(segments))
        if unlabelled:
            return
        tallies = aggregator.count(LabelRows.inline(group, rows, segments))
        for slot, tally in tallies.items():
            self._totals.labels.add(group.key, tally)
            self.inline.add((LabelCohort(group.key, panes[slot] * self._cohort_us, tally, inline=True),))
            self._closed_by = None

    def clock(self, topic: str) -> LabelClock:
        if topic not in self.clocks:
            self.clocks[topic] = LabelClock()
        return self.clocks[topic]

    def _counted_for(self, keys: list[ModelKey], key: NDArray[np.int32]) -> list[ModelKey]:
        """The model version that labels of each of `keys` are counted for, where `key` names it.

        The order in which they come decides which versions are counted separately.
        """
        counted_for = list(keys)
        used, first = np.unique(key, return_index=True)
        for at in used[np.argsort(first)].tolist():
            counted_for[at] = self._totals.label_key(self._label_keys.key_of(keys[at]))
        return counted_for

    def _count(self, counted_for: list[ModelKey], key: NDArray[np.int32], effect_us: NDArray[np.int64]) -> None:
        """Count labels of `counted_for[key]` by the pane in which they take effect: their predictions are unknown."""
        used, slots = np.unique(key, return_inverse=True)
        numbers, places = np.unique(effect_us // self._cohort_us, return_inverse=True)
        counts = np.bincount(slots * len(numbers) + places, minlength=len(used) * len(numbers))
        counts = counts.reshape(len(used), len(numbers))
        for at, one in enumerate(used.tolist()):
            self.open.add(
                LabelCohort(counted_for[one], int(numbers[place]) * self._cohort_us, LabelTally(int(counts[at, place])))
                for place in np.flatnonzero(counts[at]).tolist()
            )
            self._totals.labels.add(counted_for[one], LabelTally(int(counts[at].sum())))
        self._closed_by = None

    def close(self, until_us: Callable[[str], float]) -> list[LabelCohort]:
        """Give out the cohorts that end at or before `until_us(model name)`, which is where panes of events close too;
        what comes for one later is given out with the next ones."""
        if until_us is self._closed_by:
            return []
        self._closed_by = until_us
        return [
            cohort
            for kind in (self.open, self.inline)
            for cohort in kind.take_due(lambda model: until_us(model) - self._cohort_us + 1)
        ]

    def forget(self, key: ModelKey) -> None:
        self.open.forget(key)
        self.inline.forget(key)

    def mark(self) -> Hashable:
        """The same as long as `to_state` would give the same."""
        clocks = tuple((topic, clock.read_us, clock.us, *clock.clock.recent) for topic, clock in self.clocks.items())
        return self.open.mark(), self.inline.mark(), clocks

    def to_state(self) -> TaskLabelsState:
        return TaskLabelsState(
            self._number,
            {topic: clock.to_state() for topic, clock in sorted(self.clocks.items())},
            self._open_labels(self.open),
            self._open_labels(self.inline),
        )

    def _open_labels(self, kind: WaitingLabels) -> list[OpenLabels]:
        return [OpenLabels(cohort.key, cohort.start_us // self._cohort_us, cohort.tally) for cohort in kind]

    def restore(self, state: TaskLabelsState) -> None:
        """Restore from a state; takes over its tallies."""
        for topic, clock in state.clocks.items():
            self.clock(topic).restore(clock)
        self.open.add(self._cohorts(state.waiting, inline=False))
        self.inline.add(self._cohorts(state.inline, inline=True))
        self._closed_by = None

    def _cohorts(self, labels: Iterable[OpenLabels], *, inline: bool) -> Iterator[LabelCohort]:
        return (LabelCohort(key, cohort * self._cohort_us, tally, inline) for key, cohort, tally in labels)
