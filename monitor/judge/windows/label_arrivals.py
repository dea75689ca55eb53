"""How many predictions of each cohort have their label, and how late it came, until nearly no more come.

A cohort is counted when all labels had come in the reference, twice over: one that has fewer by then lacks them. What
is counted with it depends on that time alone, not on when labels or panes are handed on: labels may come in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

#: a cohort is waited for so many times as long as any label of the reference took, from its start
TIMES_LONGEST: Final = 2


@dataclass(slots=True)
class _Cohort:
    """Predictions, labels that came with them, labels that came later, those of them that came later than usual, and
    the sum of how long after the end of the cohort they came, microseconds."""

    predictions: int = 0
    inline: int = 0
    came: int = 0
    late: int = 0
    waited_us: int = 0


class CountedCohort(NamedTuple):
    """Predictions of [start, end) microseconds: see `_Cohort`.

    It was counted at `at_us`; `again` are labels alone, which took effect then, after it was counted.
    """

    at_us: int
    again: bool
    start_us: int
    end_us: int
    predictions: int
    inline: int
    came: int
    late: int
    waited_us: int

    @property
    def missing(self) -> int:
        """Predictions without a label."""
        return max(self.predictions - self.inline - self.came, 0)


class LabelArrivals:
    """The cohorts that are open, and the labels that came for one whose time was over."""

    def __init__(
        self,
        width_us: int,
        horizon_us: int,
        usual_us: int,
        longest_us: int | None,
        excluded: Callable[[int, int], bool] = lambda _start_us, _end_us: False,
    ) -> None:
        """Cohorts of `width_us`. In the reference nearly all labels came `usual_us` after the end of their cohort, and
        all `longest_us`; None: no label came later than its prediction. Nothing is said of cohorts of which
        `excluded(start, end)` is true: their labels are not taken."""
        self.width_us = max(width_us, 1)
        self._horizon_us, self._usual_us = horizon_us, usual_us
        waited = 0 if longest_us is None else TIMES_LONGEST * (longest_us + self.width_us)
        #: a cohort is counted so long after its end
        self.waits_us = min(horizon_us, waited)
        self._excluded = excluded
        self._open: dict[int, _Cohort] = {}
        self._counted: set[int] = set()
        #: by the end of the pane in which they took effect, and cohort: labels that came after its time
        self._stragglers: dict[tuple[int, int], int] = {}

    def predicted(self, at_us: int, predictions: int, inline: int) -> None:
        """Count predictions of a pane that begins at that time, and the labels that came with them."""
        start_us = at_us // self.width_us * self.width_us
        if start_us not in self._counted:
            known = self._open.setdefault(start_us, _Cohort())
            known.predictions += predictions
            known.inline += inline

    def add(self, start_us: int, labels: int, until_us: int) -> None:
        """Labels of a cohort took effect in the pane that ends at `until_us`; fewer than none were taken back."""
        waited_us = max(until_us - start_us - self.width_us, 0)
        if waited_us == 0 and start_us not in self._counted:  # they are handed on before the predictions of their pane
            self._open.setdefault(start_us, _Cohort())
        known = self._open.get(start_us)
        if known is not None and waited_us <= self.waits_us:
            known.came += labels
            known.late += labels if waited_us > self._usual_us else 0
            known.waited_us += labels * waited_us
        elif known is not None or start_us in self._counted:
            place = until_us, start_us
            self._stragglers[place] = self._stragglers.get(place, 0) + labels

    def count(self, until_us: float) -> list[CountedCohort]:
        """What is known at `until_us` and was not before, in time order: the cohorts whose time is over, each once, and
        labels that took effect after the time of theirs.

        All labels that took effect until then have been added.
        """
        found = sorted([*self._close(until_us), *self._straggled(until_us)], key=_order)
        over = until_us - self._horizon_us - 2 * self.width_us
        if self._counted and min(self._counted) < over:
            self._counted = {start for start in self._counted if start >= over}
        return found

    def _close(self, until_us: float) -> Iterator[CountedCohort]:
        for start_us in sorted(self._open):
            end_us = start_us + self.width_us
            at_us = end_us + self.waits_us
            if at_us > until_us:
                break
            of = self._open.pop(start_us)
            self._counted.add(start_us)
            if of.predictions and not self._excluded(start_us, end_us):
                yield CountedCohort(
                    at_us, False, start_us, end_us, of.predictions, of.inline, of.came, of.late, of.waited_us
                )

    def _straggled(self, until_us: float) -> Iterator[CountedCohort]:
        for place in sorted(place for place in self._stragglers if place[0] <= until_us):
            labels, (at_us, start_us) = self._stragglers.pop(place), place
            end_us = start_us + self.width_us
            if labels > 0:
                waited_us = labels * (at_us - end_us)
                yield CountedCohort(at_us, True, start_us, end_us, 0, 0, labels, labels, waited_us)

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        return {
            "open": [
                [start, of.predictions, of.inline, of.came, of.late, of.waited_us]
                for start, of in sorted(self._open.items())
            ],
            "counted": sorted(self._counted),
            "stragglers": [[*place, labels] for place, labels in sorted(self._stragglers.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self._open = {start: _Cohort(*counts) for start, *counts in state["open"]}
        self._counted = set(state["counted"])
        self._stragglers = {(until, start): labels for until, start, labels in state["stragglers"]}


def _order(one: CountedCohort) -> tuple[int, bool, int]:
    """Labels that take effect at the time of a cohort are known before it."""
    return one.at_us, not one.again, one.start_us
