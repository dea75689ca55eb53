"""Cause `distribution` (`score` and `prediction` for the model's own columns): the shape of the values changed.

Over its threshold is a window (a) in which the share of a direction (a set of bins) is too unlikely for this
evaluation, with the variance learned from the reference's rows, or the chi-square of joined categories; and (b), unless
the column is independent, which is further from the reference than any window of that size was inside it. (b) survives
seasons and slow waves. A change is a ticket where the reference cannot tell how much chance to expect, while live
traffic varies more than the reference does, and where the newest panes show that it is over already.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from monitor.cached import cached_property
from monitor.findings import DOWN, PAGE, UP, Figures, Finding, FindingKey
from monitor.judge.causes.cause import (
    Candidate,
    Cause,
    CauseName,
    Evaluation,
    PlannedWindows,
    TicketReason,
    limit,
    places,
)
from monitor.judge.causes.distribution_words import DistributionWords
from monitor.judge.comparison.columns import Compared, sides_of
from monitor.judge.comparison.daily_shift import DailyShift
from monitor.judge.comparison.lazy_comparison import LazyComparison, Measured
from monitor.judge.policy import Policy
from monitor.judge.promise.detectable import cause_of, share_detections
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.stats.bins.agreement import Agreement
from monitor.stats.season.fit import ENOUGH_DAYS
from monitor.stats.tallies.block import Block
from monitor.stats.testing.directional import ERRORS_ABOVE_LEAST
from monitor.stats.testing.directions import BIN, BUCKETS, CATEGORY, CUT, LEAST_MOVE, OUTER
from monitor.stats.testing.ending import joined, left_of_cut, left_of_shares
from monitor.stats.testing.evidence import chi_square_tail
from monitor.stats.testing.promise import ShareDetection
from monitor.stats.variance.live_watch import Watch
from monitor.stats.variance.long_run import FEW_DAYS
from monitor.text import number

DISTRIBUTION: Final = "distribution"
#: total variation of categories that somebody is woken for
LEAST_SPREAD = 0.05
STATISTICS: Final = {CUT: "cut_point", BIN: "bin_share", OUTER: "outer_share", CATEGORY: "share", BUCKETS: "share"}
#: why a distribution is at most a ticket, as series and words have it
UNSETTLED, TOO_SHORT, RESTLESS, ORDER, NEW = "unsettled", "too_short", "restless", "order", "new"
ENDING: Final = "ending"
SETTINGS: Final = "settings"
REASONS: Final = {
    UNSETTLED: "the reference is too short for how slowly this column varies",
    FEW_DAYS: f"it has a daily wave, and only a reference of {ENOUGH_DAYS} days or more tells how much days differ",
    TOO_SHORT: "the reference has no windows of this length",
    RESTLESS: "live windows differ from each other more than the reference's windows do",
    ORDER: "near events are more alike than in the reference, as if its rows were shuffled",
    NEW: "driftd has seen too few windows since its start",
    ENDING: "it is ending: the newest events have less than half of the change",
    SETTINGS: "the settings make it less than a page",
}


class Distribution(Cause[Measured]):
    """The shape of a column's values."""

    names = tuple(
        CauseName(
            name,
            in_alert="distribution changed",
            on_page="distribution changed",
            share="effect",
            next_step=next_step,
        )
        for name, next_step in (
            (DISTRIBUTION, "ask what changed at that time where it is produced, or among the clients"),
            ("score", "look at the columns that moved with it, then at what was deployed at that time"),
            ("prediction", "look at the score and the threshold of the model, then at what was deployed at that time"),
        )
    )
    state_name = "watch"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.sides = sides_of(prepared)
        #: (side, place in it) of each column
        self._place = {
            int(at): (s, c) for s, side in enumerate(self.sides) for c, at in enumerate(side.places.tolist())
        }
        self._words = DistributionWords(prepared, policy, self.sides, self._place)
        seasons = prepared.reference.seasons
        self._daily_shift = None if seasons is None else DailyShift(seasons, self.sides)
        self._watches = [side.watch() for side in self.sides]
        self._agreement = Agreement(len(prepared.columns), prepared.width)

    def tests(self) -> int:
        return sum(side.tests for side in self.sides)

    def tests_made(self, evaluation: Evaluation) -> int:
        if not any(evaluation.windows.lengths):  # the newest panes are not compared
            return 0
        return evaluation.of(self).tests

    def observe(self, pane: Block, base: Block | None) -> None:
        """Live traffic is watched: whether it varies as the reference says."""
        width = self.prepared.width
        self._agreement.add(pane.tally.counts[:, :width], pane.tally.events)
        if self._daily_shift is not None:
            self._daily_shift.observe(pane, base, width)
        if base is None:
            return
        self._forget_objections()
        same, pairs = self._agreement.close()
        for side, watch in zip(self.sides, self._watches, strict=True):
            if len(side.places):
                counts = base.tally.counts[side.places, :width]
                waves = side.waves(base.tally, counts)
                watch.add(side.reference, counts, same[side.places], pairs[side.places], waves)

    def to_state(self) -> dict[str, Any]:
        return {
            "sides": [watch.to_state() for watch in self._watches],
            "agreement": self._agreement.to_state(),
            **({} if self._daily_shift is None else {"moved_day": self._daily_shift.to_state()}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._forget_objections()
        self._watches = [Watch.from_state(one) for one in state["sides"]]
        self._agreement = Agreement.from_state(state["agreement"])
        if self._daily_shift is not None and "moved_day" in state:
            self._daily_shift.restore(state["moved_day"])

    def measure(self, evaluation: Evaluation) -> Measured:
        windows, prepared = evaluation.windows, self.prepared
        rates = np.array([prepared.rate(span) for span in windows.spans])
        # a window of faster traffic is as long as one of fewer events was in the reference
        sizes = [span.events / max(rate, 1.0) for span, rate in zip(windows.spans, rates.tolist(), strict=True)]
        comparisons = tuple(
            LazyComparison(side, side.values(windows, prepared.width), rates, evaluation.alpha, side.expected(windows))
            for side in self.sides
        )
        return Measured(comparisons, self._place, prepared, evaluation.known_sizes(sizes))

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        exceedance = np.zeros(measured.may_be_over.shape)
        for column in np.flatnonzero(measured.may_be_over.any(0)).tolist():
            exceedance[:, column] = measured.exceedance_of(column)
        for window, column in places(exceedance > 1):
            if not self._is_reported(measured, window, column):
                continue
            yield Candidate(
                self._key(column),
                self._severity(evaluation.windows, measured, window, column, recent),
                float(exceedance[window, column]),
                evaluation.windows.start_us(window),
                partial(self._words.began_us, evaluation.windows, window, column),
                partial(self._finding, evaluation, window, column, recent),
            )

    def _is_reported(self, measured: Measured, window: int, column: int) -> bool:
        """Whether a change that is over is a finding of this cause."""
        return True

    def _key(self, column: int) -> FindingKey:
        return FindingKey(self.prepared.subjects[column], self._cause_of(column))

    def _column_of(self, key: FindingKey) -> int | None:
        """The column of a finding of this cause; one with a figure or a segment is another cause's."""
        column = self.prepared.column_of.get(key.subject)
        return None if column is None or key != self._key(column) else column

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self._column_of(key)
        if column is None:
            return None
        if not self.policy.wants(self.prepared.columns[column].feature, self._way(evaluation.windows, 0, column)):
            return 0.0
        return float(evaluation.of(self).exceedance_of(column)[0])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """Of the shares of the bins as they are compared, in order."""
        column = self._column_of(key)
        if column is None:
            return None
        s, place = self._place[column]
        change, values = self.sides[s].share_change(windows, window, place)
        return change if self.sides[s].numeric else joined(change, self.sides[s].shares(place), values)

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        """At the opening's largest cumulative change; of categories, of all their changes together."""
        column = self._column_of(key)
        if column is None:
            return float("nan")
        s, place = self._place[column]
        now, values = self.sides[s].share_change(evaluation.windows, 0, place)
        if not values:
            return float("nan")
        if self.sides[s].numeric:
            return left_of_cut(now, then)
        return left_of_shares(now, then, self.sides[s].shares(place))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self._column_of(key)
        return None if column is None else evaluation.of(self).effect_of(0, column)

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Of columns in which something was compared."""
        measured, columns = evaluation.of(self), range(len(self.prepared.columns))
        for column, worst in zip(columns, measured.exceedance.argmax(0).tolist(), strict=True):
            _, value, threshold, p = self._evidence(measured, worst, column)
            if np.isfinite(threshold) and measured.exceedance[worst, column] > 0:
                yield (
                    self.prepared.subjects[column],
                    Figures(
                        cause=self._cause_of(column),
                        value=value,
                        threshold=threshold,
                        effect=measured.effect_of(worst, column),
                        p=p,
                        samples=int(self.prepared.values(evaluation.windows.counts[worst])[column]),
                        exceedance=float(measured.exceedance[worst, column]),
                    ),
                )

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return f"share moved {number(figures.effect)}, statistic {number(figures.value)}{limit(figures)}"

    def ticket_reasons(self) -> dict[str, TicketReason]:
        """Of columns whose distribution is at most a ticket now, whatever the length of the window."""
        reasons: dict[str, TicketReason] = {}
        for side, objections in zip(self.sides, self._objections, strict=True):
            for at, word in zip(side.places.tolist(), objections, strict=True):
                if reason := word or (SETTINGS if self._may_never_page(at) else ""):
                    reasons[self.prepared.subjects[at]] = TicketReason(reason, REASONS[reason])
        return reasons

    def objections(self) -> dict[int, str]:
        """By column why it may not page, in a word; "" where it may."""
        sides = zip(self.sides, self._objections, strict=True)
        return {at: word for side, words in sides for at, word in zip(side.places.tolist(), words, strict=True)}

    def is_restless(self, column: int) -> bool:
        """Whether live windows of a column differ from each other more than the reference's do."""
        s, place = self._place.get(column, (0, -1))
        return place >= 0 and self._objections[s][place] == RESTLESS

    def _may_never_page(self, column: int) -> bool:
        """Whether the settings make the largest change less than a page."""
        feature = self.prepared.columns[column].feature
        return self.policy.most_severe(self._cause_of(column), feature) != PAGE

    def share_detections(self, planned: PlannedWindows) -> list[ShareDetection]:
        """A watch that has only begun says nothing of what is promised for later."""
        detections: dict[int, ShareDetection] = {}
        for side, objections in zip(self.sides, self._objections, strict=True):
            reasons = ["" if word == NEW else REASONS.get(word, "") for word in objections]
            detections.update(share_detections(side, self.prepared, self.policy, planned, reasons))
        return [detections[at] for at in range(len(detections))]

    @cached_property
    def _objections(self) -> tuple[list[str], ...]:
        """By side and place why a column may not page; asked for when something is over, once a base window."""
        return tuple(self._of_side(side, watch) for side, watch in zip(self.sides, self._watches, strict=True))

    def _forget_objections(self) -> None:
        self.__dict__.pop("_objections", None)

    def _of_side(self, side: Compared, watch: Watch) -> list[str]:
        restless, alike, too_new = side.objects(watch)
        words = np.where(restless, RESTLESS, "").astype(object)
        words[alike] = ORDER
        words[too_new] = NEW
        runs = [self.prepared.reference.variability.long_runs[at] for at in side.places.tolist()]
        few_days = np.array([run.reason == FEW_DAYS for run in runs], np.bool_)
        words[~side.settled] = UNSETTLED
        words[~side.settled & few_days] = FEW_DAYS
        return list(words)

    def _ticket_reason(self, measured: Measured, window: int, column: int, recent: Windows | None) -> str:
        """Why a change in this window is at most a ticket; "" where it may page."""
        s, place = self._place[column]
        if objection := self._objections[s][place]:
            return objection
        if not self.sides[s].free[place] and np.isnan(measured.allowed[window, column]):
            return TOO_SHORT
        return ENDING if recent is not None and measured.is_ending(window, column, recent) else ""

    def _cause_of(self, column: int) -> str:
        return cause_of(self.prepared.columns[column])

    def _severity(self, windows: Windows, measured: Measured, window: int, column: int, recent: Windows | None) -> str:
        """A page needs its least effect and two of the effect's own errors: the largest of many is above the truth."""
        (one, place), about = measured.of(column), self.prepared.columns[column]
        kind = measured.kind_of(window, column)
        effect = measured.effect_of(window, column)
        surely, least = effect - ERRORS_ABOVE_LEAST * float(one.error[window, place]), float(LEAST_MOVE[kind])
        if one.spread[window, place] > effect - 1e-12:
            surely, least = float(one.spread[window, place]), LEAST_SPREAD
        may_page = not self._ticket_reason(measured, window, column, recent)
        cause, way = self._cause_of(column), self._way(windows, window, column)
        return self.policy.severity(cause, about.feature, surely, least, may_page=may_page, direction=way)

    def _finding(self, evaluation: Evaluation, window: int, column: int, recent: Windows | None) -> Finding:
        """Of one window and column that is over."""
        windows, measured = evaluation.windows, evaluation.of(self)
        statistic, value, threshold, p = self._evidence(measured, window, column)
        words = self._words.of(windows, measured, window, column)
        reason = self._ticket_reason(measured, window, column, recent)
        return Finding(
            key=self._key(column),
            severity=self._severity(windows, measured, window, column, recent),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic=statistic,
            value=value,
            threshold=threshold,
            p=p,
            effect=measured.effect_of(window, column),
            effect_unit="share moved",
            exceedance=float(measured.exceedance_of(column)[window]),
            direction=self._way(windows, window, column),
            detail="; ".join(part for part in (words.detail, self._moved(column)) if part),
            ticket_reason=REASONS[reason] if reason else "",
            headline=words.headline,
            factor=words.factor,
            records=windows.records(window),
        )

    def _moved(self, column: int) -> str:
        """By how much a column's day has moved; "" where it has not, or has none."""
        return "" if self._daily_shift is None else self._daily_shift.words(*self._place[column])

    def _evidence(self, measured: Measured, window: int, column: int) -> tuple[str, float, float, float]:
        """Statistic, value, threshold and p of the strongest test."""
        (s, place), (one, own_place) = self._place[column], measured.of(column)
        at = (window, own_place)
        z, critical = abs(float(one.z[at])), float(one.critical[at])
        chi, chi_critical = float(one.chi[at]), float(one.chi_critical[at])
        if chi / chi_critical > z / critical:
            return "chi2", chi, chi_critical, float(chi_square_tail(chi, float(one.freedom[at])))
        if not one.moved.shape[2]:
            return "share", 0.0, np.inf, 1.0
        kind = measured.kind_of(window, column)
        return STATISTICS[kind], z, critical, self.sides[s].reference.chance(z, place, int(one.at[at]))

    def _way(self, windows: Windows, window: int, column: int) -> str:
        """The direction in which a number moved; "" for categories."""
        ordered = self.prepared.ordered[column]
        return (UP if self._words.is_up(windows, window, column) else DOWN) if ordered else ""


def distribution_key(prepared: PreparedReference, column: int) -> FindingKey:
    """The key of the finding that a column's distribution changed."""
    return FindingKey(prepared.subjects[column], cause_of(prepared.columns[column]))
