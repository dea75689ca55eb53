"""A distribution that differs from the day before: an `info` finding beside what is said against the reference.

A day is compared with the day before it every three hours, so that both hold every time of day. Where the reference's
traffic has fewer than 64 base windows a day, as many days are compared as hold them. Variances are the reference's: how
much a share varies by chance. Tests have a budget of their own, one false finding in 30 days; no page is spent on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.findings import DOWN, INFO, UP, Finding, FindingKey, Span
from monitor.judge.causes.cause import SequentialCause, places
from monitor.judge.causes.distribution import STATISTICS
from monitor.judge.comparison.columns import Compared, sides_of
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import TicketBudget
from monitor.judge.promise.detectable import cause_of
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, FASTER, MIN_LENGTHS, PreparedReference
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.slots import Slots
from monitor.stats.testing.directional import Evaluation, evaluate
from monitor.stats.testing.directions import BIN
from monitor.text import many

#: the `figure` of its findings
PREVIOUS: Final = "previous"
#: slots of a compared stretch, and of it and the one before
SLOTS: Final = 8
KEPT: Final = 2 * SLOTS
#: least values of a column on either side, in base windows
LEAST_WINDOWS: Final = 16
#: categories that a finding names
MOST_NAMED: Final = 3

Ints = NDArray[np.int64]


class Consecutive(SequentialCause):
    """The shape of a column's values, against the day before."""

    names = ()  # its findings have those of `Distribution`
    state_name = "days"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._sides = sides_of(prepared)
        self._days = days_compared(prepared.reference.base_us)
        self._slot_us = self._days * DAY_US // SLOTS
        self._slots = Slots(len(prepared.columns), prepared.width, KEPT + 1)
        tests = max(sum(side.tests for side in self._sides), 1)
        self._alpha = TicketBudget(tests).alpha(self._slot_us)
        #: the slot that the newest base window has opened; the ones before it are complete
        self._opened: int | None = None

    def observe(self, pane: Block, base: Block | None) -> None:
        """A base window counts in the slot in which it ends."""
        self._opened = None
        if base is None:
            return
        number, tally = (base.end_us - 1) // self._slot_us, base.tally
        counts = np.zeros((len(self.prepared.columns), self.prepared.width), np.int64)
        for side in self._sides:
            counts[side.places] = side.values_of(tally.counts[None], tally.sums[None], self.prepared.width)[0]
        newest = self._slots.newest
        self._opened = number if newest is not None and number > newest else None
        self._slots.add(number, counts)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        now, first = self._opened, self._slots.first
        if now is None or first is None or first >= now - KEPT:  # the first slot may have begun before driftd
            return
        before, after = self._slots.between(now - KEPT, now - SLOTS), self._slots.between(now - SLOTS, now)
        for side in self._sides:
            if len(side.places):
                yield from self._of_side(side, before[side.places], after[side.places], now)

    def _of_side(self, side: Compared, before: Ints, after: Ints, now: int) -> Iterator[Finding]:
        """Of columns (C, B) of one kind, in the stretches that end where the slot `now` begins."""
        values = np.minimum(before.sum(1), after.sum(1))
        rate = self.prepared.rate(Span(0, SLOTS * self._slot_us, int(after.sum(1).max(initial=0))))
        variance = side.reference.faster(after.sum(1)[None], rate)[0] if rate > FASTER else side.reference.variance
        found = evaluate(side.reference.against(before, variance), after[None], self._alpha)
        distance = np.abs(found.moved[0]).max(1, initial=0.0)
        over = (found.exceedance[0] > 1) & found.large[0] & side.settled & (values >= LEAST_WINDOWS * BASE_EVENTS)
        over &= side.independent | (distance > self._allowed()[side.places])
        for (place,) in places(over):
            yield self._finding(side, place, (before[place], after[place]), found, now)

    def _allowed(self) -> NDArray[np.float64]:
        """The distance (C,) of two windows by chance: each is as far from the reference as its own windows at most."""
        largest = self.prepared.table.max_reference_distance[self.prepared.table.longest_learned]
        return np.where(np.isnan(largest), np.inf, math.sqrt(2) * DISTANCE_FACTOR * largest)

    def _finding(self, side: Compared, place: int, counts: tuple[Ints, Ints], found: Evaluation, now: int) -> Finding:
        column, at = int(side.places[place]), int(found.at[0, place])
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        kind = int(side.reference.directions.kind[place, at])
        before, after = (one / max(int(one.sum()), 1) for one in counts)
        began, ended = (now - SLOTS) * self._slot_us, now * self._slot_us
        what = self._cut(column, kind, int(side.reference.directions.at[place, at]), before, after)
        rising = float(np.cumsum(after - before)[:-1].sum()) < 0
        z = float(found.z[0, place])
        than = "the day before" if self._days == 1 else f"the {many(self._days, 'day')} before"
        return Finding(
            key=FindingKey(subject, cause_of(about), figure=PREVIOUS),
            severity=INFO,
            window=Span(began, ended, int(counts[1].sum())),
            base_windows=max(int(counts[1].sum()) // BASE_EVENTS, 1),
            statistic=STATISTICS[kind],
            value=abs(z),
            threshold=float(found.critical[0, place]),
            p=side.reference.chance(z, place, at),
            effect=abs(float(found.moved[0, place, at])),
            effect_unit="share moved",
            exceedance=float(found.exceedance[0, place]),
            direction=(UP if rising else DOWN) if side.numeric else "",
            detail=f"changed against {than}: {what}",
            headline=f"{subject} changed against {than}",
        )

    def _cut(self, column: int, kind: int, at: int, before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
        """The share that changed, before and after."""
        bins = self.prepared.columns[column].bins
        if not self.prepared.ordered[column]:
            names = self.policy.labels(bins)
            most = np.argsort(-np.abs(after - before), kind="stable")[:MOST_NAMED].tolist()
            shares = [f"{names[i]}: {_share(before[i], after[i])}" for i in most if i < len(names)]
            return "share of " + ", ".join(shares)
        points = told_apart([bins.low, *bins.edges, bins.high], 4)
        if kind == BIN:
            return f"share from {points[at]} to {points[at + 1]}: {_share(before[at], after[at])}"
        cut = int(np.abs(np.cumsum(after - before)[: len(bins.edges)]).argmax())
        return f"share above {points[cut + 1]}: {_share(before[cut + 1 :].sum(), after[cut + 1 :].sum())}"

    def to_state(self) -> dict[str, Any]:
        return {"slot_us": self._slot_us, **self._slots.to_state()}

    def restore(self, state: dict[str, Any]) -> None:
        if state["slot_us"] == self._slot_us:
            self._slots.restore(state)


def days_compared(base_us: int) -> int:
    """Days on either side: one, or as many as hold 64 base windows of `base_us` microseconds."""
    return max(1, -(-MIN_LENGTHS * base_us // DAY_US))


def _share(before: float, after: float) -> str:
    return before_and_after(float(before), float(after), 3)
