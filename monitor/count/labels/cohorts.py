"""Counted labels that wait for stage 2, by model version and cohort.

The cohort of a label that came with its prediction is the prediction's pane. Until label events are joined to their
predictions, their cohort is the stretch of time in which they take effect. Both stand beside the panes of events and
teach those nothing: not what is complete, not what was judged. A transition says how many labels took effect before its
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, KeysView, Mapping
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from monitor.events import ModelKey
from monitor.stats.performance.label_tally import LabelTally

#: most cohorts over all model versions; above that, the oldest ones of the version with the most are merged, and handed
#: on with the newest of them
MAX_COHORTS: Final = 20_000
#: cohorts of predictions in the time that their labels are waited for
COHORTS: Final = 100


def cohort_us(horizon_us: int, pane_us: int) -> int:
    """The width of a cohort of predictions: a hundredth of the horizon in whole panes, at least one."""
    return max(1, -(-horizon_us // (COHORTS * pane_us))) * pane_us


class LabelCohort(NamedTuple):
    """Labels of a model version that belong to one cohort, which begins at `start_us`.

    `inline` ones came with their predictions. `joined` ones came later; their tally is a change: labels that were
    replaced or taken back are in it with a negative count.
    """

    key: ModelKey
    start_us: int
    tally: LabelTally
    inline: bool = False
    joined: bool = False


class WaitingLabels:
    """Cohorts of one kind by model version and start, each given out once."""

    def __init__(self, most: float = MAX_COHORTS) -> None:
        self._most = most
        self._cohorts: dict[ModelKey, dict[int, LabelCohort]] = {}
        #: heaps of the same cohorts' starts
        self._order: dict[ModelKey, list[int]] = {}
        self._held = 0
        #: how often those of a model version changed, and of all
        self._changes: Counter[ModelKey] = Counter()
        self._all_changes = 0

    def add(self, cohorts: Iterable[LabelCohort]) -> None:
        """Add cohorts, in any order; takes over their tallies."""
        for cohort in cohorts:
            self._changed(cohort.key)
            of_key = self._cohorts.setdefault(cohort.key, {})
            known = of_key.setdefault(cohort.start_us, cohort)
            if known is not cohort:
                known.tally.merge(cohort.tally)
                continue
            heappush(self._order.setdefault(cohort.key, []), cohort.start_us)
            self._held += 1
            if self._held > self._most:
                self._fold()

    def _changed(self, key: ModelKey) -> None:
        self._changes[key] += 1
        self._all_changes += 1

    def mark(self, key: ModelKey | None = None) -> Hashable:
        """Changes whenever the waiting labels of a model version do; without a key, of any."""
        return self._all_changes if key is None else self._changes[key]

    def _fold(self) -> None:
        """Merge the older half of the longest list of cohorts into its last one: none is handed on too early."""
        key = max(self._cohorts, key=lambda one: len(self._cohorts[one]))
        self._changed(key)
        longest = self._cohorts[key]
        older = sorted(longest)[: max(2, len(longest) // 2)]
        for start_us in older[:-1]:
            longest[older[-1]].tally.merge(longest.pop(start_us).tally)
        self._order[key] = list(longest)
        heapify(self._order[key])
        self._held -= len(older) - 1

    def take_before(self, key: ModelKey, end_us: float) -> list[LabelCohort]:
        """The cohorts of a model version that begin before `end_us` and were not taken yet, in time order."""
        of_key, order, taken = self._cohorts.get(key, {}), self._order.get(key, []), []
        if order and order[0] < end_us:
            self._changed(key)
        while order and order[0] < end_us:
            taken.append(of_key.pop(heappop(order)))
            self._held -= 1
        if not order:
            self._cohorts.pop(key, None)
            self._order.pop(key, None)
        return taken

    def take_due(self, end_us: Callable[[str], float]) -> list[LabelCohort]:
        """The same for all model versions, before `end_us(model name)`."""
        due = [(key, end) for key, order in self._order.items() if order[0] < (end := end_us(key.model))]
        return [cohort for key, end in due for cohort in self.take_before(key, end)]

    def keys(self) -> KeysView[ModelKey]:
        return self._cohorts.keys()

    def of(self, key: ModelKey) -> list[LabelCohort]:
        """The waiting cohorts of a model version, in time order."""
        return [cohort for _, cohort in sorted(self._cohorts.get(key, {}).items())]

    def recount(self, key: ModelKey, tallies: Mapping[int, LabelTally]) -> None:
        """Replace the tallies of a model version's waiting cohorts, by the start of each."""
        self._changed(key)
        cohorts = self._cohorts.get(key, {})
        for start_us, cohort in cohorts.items():
            if start_us in tallies:
                cohorts[start_us] = cohort._replace(tally=tallies[start_us])

    def forget(self, key: ModelKey) -> None:
        self._changed(key)
        self._held -= len(self._cohorts.pop(key, ()))
        self._order.pop(key, None)

    def __iter__(self) -> Iterator[LabelCohort]:
        """Every cohort, in a fixed order."""
        for key in sorted(self._cohorts):
            yield from self.of(key)
