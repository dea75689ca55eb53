"""Labels in stage 1: admission, the cohort of each label, and when a cohort closes.

Labels are separate from events all the way to stage 2. They only read the clock of their topic-partition, at the offset
where they stand, and never move it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission import Admission
from monitor.count.admitted import admit
from monitor.count.event_clock import NO_CLOCK
from monitor.count.label_keys import LabelKeys
from monitor.count.labels import LabelCount, WaitingLabels
from monitor.count.losses import Refused
from monitor.count.task_state import OpenLabels
from monitor.count.totals import Totals
from monitor.decode.columns import Events
from monitor.events import LABEL, ModelKey


class LabelsTaken(NamedTuple):
    """Outcomes of the labels of a batch: accepted ones by the model version they count for, and the others."""

    accepted: Counter[ModelKey]
    refused: list[Refused]


class TaskLabels:
    """The labels of one task: its open cohorts, and the newest label of each topic."""

    def __init__(self, admission: Admission, totals: Totals, cohort_us: int) -> None:
        self.open = WaitingLabels()
        #: {topic: largest time of a label}: a label out of order takes effect at that time
        self.newest_us: dict[str, int] = {}
        self._label_keys = LabelKeys(admission)
        self._totals = totals
        self._cohort_us = cohort_us
        #: the argument of the last `close`, None if labels came since
        self._closed_by: Callable[[str], float] | None = None

    def take(self, topic: str, events: Events, clock_us: NDArray[np.int64]) -> LabelsTaken:
        """Count the labels of a decoded batch; `clock_us` (n,) is the clock where each of its events was read."""
        rows = events.label_rows
        if not len(rows):
            return LabelsTaken(Counter(), [])
        admitted = admit(events, events.kind == LABEL, self._label_keys.decision)
        effect_us = self._effect_us(topic, events.ts[rows], clock_us[rows])
        accepted = admitted.rows[rows]
        counted = self._count(events.keys, events.key[rows[accepted]], effect_us[accepted])
        return LabelsTaken(counted, admitted.refused)

    def _effect_us(self, topic: str, ts: NDArray[np.int64], clock_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """When labels take effect: at the later of their own time and the clock, never before an earlier label."""
        newest = np.maximum.accumulate(np.concatenate(([self.newest_us.get(topic, NO_CLOCK)], ts)))
        self.newest_us[topic] = int(newest[-1])
        return np.maximum(newest[1:], clock_us)

    def _count(self, keys: list[ModelKey], key: NDArray[np.int32], effect_us: NDArray[np.int64]) -> Counter[ModelKey]:
        """Count labels of `keys[key]` in the cohort in which they take effect: their predictions' times are unknown.

        The order of the keys decides which versions are counted separately.
        """
        used, first, slots = np.unique(key, return_index=True, return_inverse=True)
        numbers, places = np.unique(effect_us // self._cohort_us, return_inverse=True)
        counts = np.bincount(slots * len(numbers) + places, minlength=len(used) * len(numbers))
        counts = counts.reshape(len(used), len(numbers))
        accepted: Counter[ModelKey] = Counter()
        for at in np.argsort(first).tolist():
            counted_for = self._totals.label_key(self._label_keys.key_of(keys[used[at]]))
            self._add(
                LabelCount(counted_for, int(numbers[place]) * self._cohort_us, int(counts[at, place]))
                for place in np.flatnonzero(counts[at]).tolist()
            )
            accepted[counted_for] += int(counts[at].sum())
        self._totals.labels.add(accepted)
        return accepted

    def _add(self, cohorts: Iterable[LabelCount]) -> None:
        self.open.add(cohorts)
        self._closed_by = None

    def close(self, until_us: Callable[[str], float]) -> list[LabelCount]:
        """Remove and return the cohorts that end at or before `until_us(model name)`; labels that arrive for one later
        are returned with the next ones."""
        if until_us is self._closed_by:
            return []
        self._closed_by = until_us
        return [
            cohort
            for key in tuple(self.open.keys())
            for cohort in self.open.take_before(key, until_us(key.model) - self._cohort_us + 1)
        ]

    def forget(self, key: ModelKey) -> None:
        self.open.forget(key)

    def mark(self) -> Hashable:
        """Changes whenever the open cohorts do."""
        return self.open.mark()

    def to_state(self) -> list[OpenLabels]:
        """The open cohorts."""
        return [OpenLabels(key, start_us // self._cohort_us, labels) for key, start_us, labels in self.open]

    def restore(self, cohorts: Iterable[OpenLabels], newest_us: Mapping[str, int]) -> None:
        """Restore the open cohorts and the newest label by topic."""
        self._add(LabelCount(key, number * self._cohort_us, labels) for key, number, labels in cohorts)
        self.newest_us.update(newest_us)
