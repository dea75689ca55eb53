"""Cause `distribution` (`score` and `prediction` for the model's own columns): the shape of the values changed.

Over its threshold is a window (a) in which the share of a direction (a set of bins) is too unlikely for this
evaluation, with the variance learned from the reference's rows, or the chi-square of joined categories; and (b), unless
the column is independent, which is further from the reference than any window of that size was inside it. (b) survives
seasons and slow waves. A change is a ticket where the reference cannot tell how much chance to expect, and while live
traffic varies more than the reference does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.findings import PAGE, Figures, Finding, FindingKey
from monitor.judge.all_values import in_reference, in_window, moments
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
from monitor.judge.compared import Compared
from monitor.judge.detectable import cause_of, share_detections
from monitor.judge.lazy_comparison import LazyComparison, Measured
from monitor.judge.policy import Policy
from monitor.judge.prepared_reference import Floats, PreparedReference
from monitor.judge.windows import Windows
from monitor.stats.agreement import Agreement
from monitor.stats.block import Block
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.direction_test import ERRORS_ABOVE_LEAST
from monitor.stats.directions import BIN, BUCKETS, CATEGORY, CUT, LEAST_MOVE, OUTER
from monitor.stats.ending import joined, left_of_cut, left_of_shares
from monitor.stats.evidence import chi_square_tail
from monitor.stats.live_watch import Watch
from monitor.stats.promise import ShareDetection
from monitor.text import number

#: standard deviations the mean moves at least when a finding says that the column moved
LEAST_SHIFT = 0.05
#: total variation of categories that somebody is woken for
LEAST_SPREAD = 0.05
STATISTICS: Final = {CUT: "cut_point", BIN: "bin_share", OUTER: "outer_share", CATEGORY: "share", BUCKETS: "share"}
#: why a distribution is at most a ticket, as series and words have it
UNSETTLED, TOO_SHORT, RESTLESS, ORDER, NEW = "unsettled", "too_short", "restless", "order", "new"
SETTINGS: Final = "settings"
REASONS: Final = {
    UNSETTLED: "the reference is too short for how slowly this column varies",
    TOO_SHORT: "the reference has no windows of this length",
    RESTLESS: "live windows differ from each other more than the reference's windows do",
    ORDER: "near events are more alike than in the reference, as if its rows were shuffled",
    NEW: "driftd has seen too few windows since its start",
    SETTINGS: "the settings make it less than a page",
}


class Distribution(Cause[Measured]):
    """The shape of a column's values."""

    names = tuple(
        CauseName(name, in_alert="distribution changed", on_page="distribution changed", share="effect")
        for name in ("distribution", "score", "prediction")
    )
    state_name = "watch"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.sides = (Compared.of(prepared, numeric=True), Compared.of(prepared, numeric=False))
        #: (side, place in it) of each column
        self._place = {
            int(at): (s, c) for s, side in enumerate(self.sides) for c, at in enumerate(side.places.tolist())
        }
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
        if base is None:
            return
        self._forget_objections()
        same, pairs = self._agreement.close()
        for side, watch in zip(self.sides, self._watches, strict=True):
            if len(side.places):
                watch.add(side.reference, base.tally.counts[side.places, :width], same[side.places], pairs[side.places])

    def to_state(self) -> dict[str, Any]:
        return {"sides": [watch.to_state() for watch in self._watches], "agreement": self._agreement.to_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._forget_objections()
        self._watches = [Watch.from_state(one) for one in state["sides"]]
        self._agreement = Agreement.from_state(state["agreement"])

    def measure(self, evaluation: Evaluation) -> Measured:
        windows, prepared = evaluation.windows, self.prepared
        rates = np.array([prepared.rate(span) for span in windows.spans])
        # a window of faster traffic is as long as one of fewer events was in the reference
        sizes = [span.events / max(rate, 1.0) for span, rate in zip(windows.spans, rates.tolist(), strict=True)]
        comparisons = tuple(
            LazyComparison(side, side.values(windows, prepared.width), rates, evaluation.alpha) for side in self.sides
        )
        return Measured(comparisons, self._place, prepared, evaluation.known_sizes(sizes))

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        exceedance = np.zeros(measured.may_be_over.shape)
        for column in np.flatnonzero(measured.may_be_over.any(0)).tolist():
            exceedance[:, column] = measured.exceedance_of(column)
        for window, column in places(exceedance > 1):
            yield Candidate(
                FindingKey(self.prepared.subjects[column], self._cause_of(column)),
                self._severity(measured, window, column),
                float(exceedance[window, column]),
                partial(evaluation.windows.start_us, window),
                partial(self._finding, evaluation, window, column),
            )

    def _column_of(self, key: FindingKey) -> int | None:
        """The column of a finding of this cause; a figure is another cause's."""
        column = self.prepared.column_of.get(key.subject)
        return None if column is None or key.figure or self._cause_of(column) != key.cause else column

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self._column_of(key)
        if column is None:
            return None
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
        s, place = self._place[self.prepared.column_of[key.subject]]
        now, values = self.sides[s].share_change(evaluation.windows, 0, place)
        if not values:
            return float("nan")
        if self.sides[s].numeric:
            return left_of_cut(now, then)
        return left_of_shares(now, then, self.sides[s].shares(place))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return self._effect(evaluation.of(self), 0, self.prepared.column_of[key.subject])

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
                        effect=self._effect(measured, worst, column),
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
        words[~side.settled] = UNSETTLED
        return list(words)

    def _ticket_reason(self, measured: Measured, window: int, column: int) -> str:
        """Why a change in this window is at most a ticket; "" where it may page."""
        s, place = self._place[column]
        objection = self._objections[s][place]
        if objection or self.sides[s].free[place]:
            return objection
        return TOO_SHORT if np.isnan(measured.allowed[window, column]) else ""

    def _cause_of(self, column: int) -> str:
        return cause_of(self.prepared.columns[column])

    def _severity(self, measured: Measured, window: int, column: int) -> str:
        """A page needs its least effect and two of the effect's own errors: the largest of many is above the truth."""
        (one, place), about = measured.of(column), self.prepared.columns[column]
        kind = self._kind(measured, window, column)
        effect = self._effect(measured, window, column)
        surely, least = effect - ERRORS_ABOVE_LEAST * float(one.error[window, place]), float(LEAST_MOVE[kind])
        if one.spread[window, place] > effect - 1e-12:
            surely, least = float(one.spread[window, place]), LEAST_SPREAD
        may_page = not self._ticket_reason(measured, window, column)
        return self.policy.severity(self._cause_of(column), about.feature, surely, least, may_page=may_page)

    def _kind(self, measured: Measured, window: int, column: int) -> int:
        """What the worst direction is: a cut, a bin, the outer bins, a category or some buckets."""
        (s, place), direction = self._place[column], self._direction(measured, window, column)
        kinds = self.sides[s].reference.directions.kind[place]
        return int(kinds[direction]) if len(kinds) else CUT

    def _direction(self, measured: Measured, window: int, column: int) -> int:
        one, at = measured.of(column)
        return int(one.at[window, at])

    def _effect(self, measured: Measured, window: int, column: int) -> float:
        """The share that moved: in the worst direction, or of categories in all of them together."""
        one, place = measured.of(column)
        if not one.moved.shape[2]:
            return 0.0
        moved = abs(float(one.moved[window, place, one.at[window, place]]))
        return max(moved, float(one.spread[window, place]))

    def _finding(self, evaluation: Evaluation, window: int, column: int) -> Finding:
        """Of one window and column that is over."""
        windows, measured = evaluation.windows, evaluation.of(self)
        numeric = bool(self.prepared.ordered[column])
        statistic, value, threshold, p = self._evidence(measured, window, column)
        words = self._numeric_words if numeric else self._category_words
        headline, detail = words(windows, measured, window, column)
        reason = self._ticket_reason(measured, window, column)
        return Finding(
            key=FindingKey(self.prepared.subjects[column], self._cause_of(column)),
            severity=self._severity(measured, window, column),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic=statistic,
            value=value,
            threshold=threshold,
            p=p,
            effect=self._effect(measured, window, column),
            effect_unit="share moved",
            exceedance=float(measured.exceedance_of(column)[window]),
            direction=("up" if self._is_up(windows, window, column) else "down") if numeric else "",
            detail=detail + (f"; at most a ticket: {REASONS[reason]}" if reason else ""),
            headline=headline,
            records=windows.records(window),
        )

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
        kind = self._kind(measured, window, column)
        return STATISTICS[kind], z, critical, self.sides[s].reference.chance(z, place, int(one.at[at]))

    def _is_up(self, windows: Windows, window: int, column: int) -> bool:
        """Whether most of the moved values went to higher bins."""
        shift = self._cumulative(windows, window, column)
        return bool(len(shift) and shift[np.abs(shift).argmax()] > 0)

    def _cumulative(self, windows: Windows, window: int, column: int) -> NDArray[np.float64]:
        """Change of the share above each edge, outside values included."""
        live, reference = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        above = np.cumsum(live[::-1])[::-1] / max(live.sum(), 1)
        before = np.cumsum(reference[::-1])[::-1] / max(reference.sum(), 1)
        return np.asarray((above - before)[2 : len(self.prepared.columns[column].bins.edges) + 2], np.float64)

    def _numeric_words(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        """Headline and detail."""
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        seen = moments(about, windows.counts[window, column], windows.sums[window, column], self.prepared.width)
        moved = (seen.mean - about.center) / about.scale
        up = self._is_up(windows, window, column)
        if abs(moved) >= LEAST_SHIFT and (moved > 0) == up:
            words = f"moved {'up' if up else 'down'} by {abs(moved):.2g} sd"
        else:
            words = "changed its shape"  # the mean stays, or goes the other way
        what = {BIN: "one bin's share", OUTER: "outer bins' share"}.get(
            self._kind(measured, window, column), "cut-point distance"
        )
        distance = f"{what} {self._effect(measured, window, column):.2g}"
        headline = f"{subject} {words} ({distance}{self._allowed(measured, window, column)})"
        name = "mean" if seen.whole else "mean of the values inside the range"
        details = [f"{name} {before_and_after(about.center, seen.mean)}"]
        if about.bins.edges:
            details.append(self._largest_shift(windows, measured, window, column))
        return headline, "; ".join(details)

    def _largest_shift(self, windows: Windows, measured: Measured, window: int, column: int) -> str:
        """The direction that moved, or the edge above which the share of all values changed most."""
        about, (s, place) = self.prepared.columns[column], self._place[column]
        points = told_apart([about.bins.low, *about.bins.edges, about.bins.high], 4)
        live, reference = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        now, before = live / max(live.sum(), 1), reference / max(reference.sum(), 1)
        kind, direction = self._kind(measured, window, column), self._direction(measured, window, column)
        at = int(self.sides[s].reference.directions.at[place, direction])
        if kind == BIN:  # the places are: below the range, the bins, above it
            return f"share from {points[at]} to {points[at + 1]}: {_share(before[at + 1], now[at + 1])}"
        if kind == OUTER:
            inner = slice(at + 2, len(about.bins.edges) + 1 - at)
            return f"share from {points[at + 1]} to {points[-2 - at]}: {_share(before[inner].sum(), now[inner].sum())}"
        cut = int(np.abs(self._cumulative(windows, window, column)).argmax())
        return f"share above {points[cut + 1]}: {_share(before[cut + 2 :].sum(), now[cut + 2 :].sum())}"

    def _category_words(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        """Headline and detail."""
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        counts, reference = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        now, before = counts / max(counts.sum(), 1), reference / max(reference.sum(), 1)
        names = [*self.policy.labels(about.bins), *about.bins.beyond()]
        most = np.argsort(-np.abs(now - before), kind="stable")[:3].tolist()
        changed = [f"{names[i]}: {_share(before[i], now[i])}" for i in most if now[i] != before[i]]
        effect = f"{self._effect(measured, window, column):.2g}"
        return (
            f"{subject}: shares changed by up to {effect}{self._allowed(measured, window, column)}",
            "; ".join(["share of " + ", ".join(changed), *self._groups(measured, windows, window, column)]),
        )

    def _groups(self, measured: Measured, windows: Windows, window: int, column: int) -> Iterator[str]:
        """The buckets of other names that moved, by the names the reference has in them."""
        bins, (s, place) = self.prepared.columns[column].bins, self._place[column]
        if self._kind(measured, window, column) != BUCKETS:
            return
        side, direction = self.sides[s], self._direction(measured, window, column)
        held = np.flatnonzero(side.reference.directions.sets[place, :, direction]) - bins.named
        known = [self.policy.category(name) for at in held.tolist() for name in bins.bucket_names[at][:1]][:3]
        counts, reference = windows.counts[window, column], self.prepared.bins[column]
        share = counts[held + bins.named].sum() / max(counts[: bins.bins].sum(), 1)
        before = reference[held + bins.named].sum() / max(reference.sum(), 1)
        examples = f" ({', '.join(known)} ...)" if known else ""
        yield f"{len(held)} of {bins.buckets} groups of other names{examples}: {_share(before, share)}"

    def _allowed(self, measured: Measured, window: int, column: int) -> str:
        """The distance that windows of the reference had, with its margin; nothing where it is not asked for."""
        s, place = self._place[column]
        allowed = measured.allowed[window, column]
        return "" if self.sides[s].free[place] or np.isnan(allowed) else f", allowed {allowed:.2g}"


def _share(before: float, now: float) -> str:
    return before_and_after(float(before), float(now), 3)
