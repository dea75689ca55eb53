"""Causes `missing`, `absent`, `unseen`, `outside`, `type`: a quality count's share of the events rose.

Two exact (hypergeometric) tests against the reference's own counts: of events, on effective sample sizes, and of base
windows with at least one hit, which ignores the size of a burst. Every window length can page: what the reference
never had needs no learned distance. A burst of less than half of the events is at most a ticket.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from monitor.findings import DOWN, PAGE, UP, Figures, Finding, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, PlannedWindows, places
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.quality_words import (
    NAMES,
    ONE_VALUE_STEP,
    SHARES,
    Began,
    began,
    headline,
    is_one_value_outside,
)
from monitor.judge.causes.unit_change import UnitChange, unit_change
from monitor.judge.comparison.near_range import NOWHERE, NearRange
from monitor.judge.comparison.quality_tails import QualityTails, base_windows_asked
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.promise.detectable import missing_detections
from monitor.judge.windows.all_values import moments
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.judge.words.spelling import Spelling, spelling
from monitor.stats.bins.hit_places import HitPlaces
from monitor.stats.bins.reference_bins import OUTSIDE, QUALITY_COUNTS, TYPE, UNSEEN
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.tallies import names
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import BELOW
from monitor.stats.testing.ending import is_fewer, left_of
from monitor.stats.testing.promise import ExcessDetection
from monitor.stats.variance.quality_dispersion import (
    excess_critical,
    lasts,
    spans,
)
from monitor.text import percent

#: `outside` pages only while the newest panes still have this part of the window's share: a burst that ended does not
RECENT_PART = 0.5
_ENDING = "it is ending: the newest events have less than half of that share"
_UNCERTAIN = "the newest events are too few to tell whether it goes on"
#: tests per quality count: of events, and of base windows with a hit
TESTS_OF_LENGTH = 2
#: never-seen values listed in a finding
MAX_NAMED = 5


class Quality(Cause[QualityTails]):
    """The quality counts of each column: values that are missing, impossible or of another kind."""

    names = tuple(NAMES[name] for name in QUALITY_COUNTS)

    state_name = "hits"
    values_for_all_tests = 1

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._places = HitPlaces(len(prepared.columns))
        # the reference's never-seen share is measured on left-out windows: less certain the more such values cluster
        self._unseen_error = prepared.reference.variability.unseen_error
        tested, often = prepared.tested_quality, 2 * prepared.quality_windows > prepared.reference.base_windows
        #: (C,) tests of a column's events, and of the base windows that have any
        self._tests_of_events, self._tests_of_windows = tested.sum(1), (tested & ~often).sum(1)
        self._tests_of_all = int(self._tests_of_events.sum()), int(self._tests_of_windows.sum())
        self._near_range = NearRange(prepared)
        self._distribution: Distribution | None = None

    def meet(self, others: Sequence[Cause[Any]]) -> None:
        self._distribution = next((one for one in others if isinstance(one, Distribution)), None)

    def tests(self) -> int:
        return TESTS_OF_LENGTH * self.tests_of_recent()

    def tests_of_recent(self) -> int:
        return int(self.prepared.tested_quality.sum())

    def tests_made(self, evaluation: Evaluation) -> int:
        by_windows = [asked >= 2 for asked in base_windows_asked(evaluation.windows)]
        if evaluation.carried.all():  # as mostly
            of_events, of_windows = self._tests_of_all
            return of_events * len(by_windows) + of_windows * sum(by_windows)
        carried = evaluation.carried > 0
        return int((carried @ self._tests_of_events).sum() + (carried @ self._tests_of_windows)[by_windows].sum())

    def observe(self, pane: Block, base: Block | None) -> None:
        self._places.add(pane.tally.counts[:, self.prepared.width :], pane.tally.events)
        if base is not None:
            self._places.close_window()
            self._near_range.follow(base)

    def to_state(self) -> dict[str, Any]:
        return {**self._places.to_state(), "drifted": self._near_range.to_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._places = HitPlaces.from_state(state)
        self._near_range.restore(state.get("drifted", NOWHERE))  # older states do not know

    def measure(self, evaluation: Evaluation) -> QualityTails:
        """Tail probability of every window, column and quality count."""
        return QualityTails(
            self.prepared,
            evaluation.windows,
            evaluation.carried,
            evaluation.variability.quality_overdispersion,
            self._unseen_error,
            self._near_range,
            evaluation.alpha,
        )

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        if measured.quiet:
            return
        for window, column, slot in places(measured.p < evaluation.alpha):
            at = (window, column, slot)
            severity, reason, newest = self._severity(evaluation, at, may_page=True), "", self._newest(recent, at)
            if severity == PAGE:
                reason = self._ticket_reason(evaluation, at, newest)
                severity = self._severity(evaluation, at, may_page=not reason)
            yield Candidate(
                FindingKey(self.prepared.subjects[column], QUALITY_COUNTS[slot]),
                severity,
                float(measured.exceedance[at]),
                evaluation.windows.start_us(window),
                partial(self._began, evaluation.windows, at),
                partial(self._finding, evaluation, at, severity, reason, newest),
            )

    def may_find_in_whole(self, events: int, alpha: float) -> bool:
        return False

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        if evaluation.has_hits:  # most panes have none
            yield from self.candidates(evaluation, None)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self.prepared.column_of.get(key.subject)
        if column is None or key.segment or key.cause not in QUALITY_COUNTS:
            return None
        return float(evaluation.of(self).exceedance[0, column, QUALITY_COUNTS.index(key.cause)])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The excess over the reference's share, one number."""
        column = self.prepared.column_of.get(key.subject)
        if column is None or key.segment or key.cause not in QUALITY_COUNTS:
            return None
        return np.array([self._excess(windows, window, column, QUALITY_COUNTS.index(key.cause))])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        column, slot = self.prepared.column_of[key.subject], QUALITY_COUNTS.index(key.cause)
        return left_of(self._excess(evaluation.windows, 0, column, slot), float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column, slot = self.prepared.column_of[key.subject], QUALITY_COUNTS.index(key.cause)
        return self._excess(evaluation.windows, 0, column, slot)

    def _excess(self, windows: Windows, window: int, column: int, slot: int) -> float:
        """Excess of one quality count's share over the reference's."""
        carried = int(self.prepared.carried(windows.counts[window])[column])
        share = windows.counts[window, column, self.prepared.width + slot] / max(carried, 1)
        return float(share - self.prepared.quality_shares[column, slot])

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Figures of the quality counts that occur, from the worst window."""
        measured = evaluation.of(self)
        worst = measured.exceedance.argmax(0)
        for column, slot in places(measured.hits.max(0) > 0):
            at = window, _, _ = int(worst[column, slot]), column, slot
            if measured.share[at] > 0:
                yield (
                    self.prepared.subjects[column],
                    Figures(
                        cause=QUALITY_COUNTS[slot],
                        value=float(measured.share[at]),
                        threshold=math.nan,
                        effect=float(measured.excess[at]),
                        p=float(measured.p[at]),
                        samples=int(measured.events[window, column]),
                        exceedance=float(measured.exceedance[at]),
                    ),
                )

    def missing_detections(self, planned: PlannedWindows) -> dict[int, ExcessDetection]:
        return missing_detections(self.prepared, self.policy, planned)

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _span(self, windows: Windows, at: tuple[int, int, int]) -> int:
        """Events from the pane of a window's first hit to that of its last."""
        window, column, slot = at
        if windows.lengths[window]:
            return self._places.span(windows.lengths[window], column, slot)
        counts = np.array([part.tally.counts[column] for part in windows.parts[window]], np.int64)
        events = np.array([[part.tally.events] for part in windows.parts[window]], np.int64)
        return int(spans(counts[:, self.prepared.width + slot, None], events)[0])

    def _severity(self, evaluation: Evaluation, at: tuple[int, int, int], *, may_page: bool) -> str:
        """Severity of one (window, column, quality count) over the threshold."""
        cause, feature = QUALITY_COUNTS[at[2]], self.prepared.columns[at[1]].feature
        effect, way = float(evaluation.of(self).excess[at]), self._side(evaluation.windows, at)
        return self.policy.severity(cause, feature, effect, LEAST_QUALITY_CHANGE, may_page=may_page, direction=way)

    def _side(self, windows: Windows, at: tuple[int, int, int]) -> str:
        """On which side of the range most values outside lie; "" for other quality counts, which only rise."""
        window, column, slot = at
        if slot != OUTSIDE:
            return ""
        outside = int(windows.counts[window, column, self.prepared.width + OUTSIDE])
        return DOWN if 2 * int(windows.sums[window, column, BELOW]) > outside else UP

    def _ticket_reason(self, evaluation: Evaluation, at: tuple[int, int, int], newest: tuple[int, int] | None) -> str:
        """Why this is at most a ticket, "" if it may page; `newest` are the hits and events of the newest panes."""
        (_, column, slot), measured, windows = at, evaluation.of(self), evaluation.windows
        share = float(measured.share[at])
        if known := dict(self.prepared.columns[column].ticket_only).get(QUALITY_COUNTS[slot]):
            return known
        restless = slot == OUTSIDE and self._distribution is not None and self._distribution.is_restless(column)
        if self._near_range.is_excursion(windows, at, share, restless=restless):
            return "no farther outside the range than this column may go by itself"
        if slot == OUTSIDE and newest is not None and newest[0] / max(newest[1], 1) < RECENT_PART * share:
            return _ENDING if is_fewer(*newest, share) else _UNCERTAIN
        if not lasts(share, measured.hits[at], self._span(windows, at)):
            return "it may be a burst: it pages if it lasts"
        return ""

    def _newest(self, recent: Windows | None, at: tuple[int, int, int]) -> tuple[int, int] | None:
        """Hits and events of the newest panes; None where they are judged themselves."""
        if recent is None:
            return None
        _, column, slot = at
        hits, carried = recent.counts[0, column, self.prepared.width + slot], self.prepared.carried(recent.counts[0])
        return int(hits), int(carried[column])

    def _began(self, windows: Windows, at: tuple[int, int, int]) -> int:
        return began(self.prepared, windows, at).start_us

    def _finding(
        self,
        evaluation: Evaluation,
        at: tuple[int, int, int],
        severity: str,
        reason: str,
        newest: tuple[int, int] | None,
    ) -> Finding:
        """The finding of one (window, column, quality count) over the threshold; `newest` as in `_ticket_reason`."""
        prepared, windows, measured = self.prepared, evaluation.windows, evaluation.of(self)
        window, column, slot = at
        cause, subject = QUALITY_COUNTS[slot], prepared.subjects[column]
        share, effect = float(measured.share[at]), float(measured.excess[at])
        alone = is_one_value_outside(prepared, windows, at)
        change = unit_change(prepared, windows, window, column) if slot == OUTSIDE and not alone else None
        named = slot == UNSEEN or (slot == TYPE and prepared.columns[column].is_presence)
        unseen = self._unseen(windows, window, column) if named else {}
        came, spelled = self._came(unseen, column), self._spelled(unseen, column)
        since = began(prepared, windows, at, newest)
        before, always = share - effect, ", always the same value" if alone else ""
        said = headline(prepared.columns[column], subject, cause, before, since.share)
        return Finding(
            key=FindingKey(subject, cause),
            severity=severity,
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="exact",
            value=share,
            threshold=self._threshold(evaluation, at),
            p=float(measured.p[at]),
            effect=effect,
            effect_unit="share",
            exceedance=float(measured.exceedance[at]),
            direction="up",
            detail=self._detail(windows, at, before, share, always + came, change, since) + spelled.words,
            ticket_reason=reason,
            headline=said + always + (change.headline if change else "") + came + spelled.words,
            next_step=spelled.next_step or (ONE_VALUE_STEP if alone else ""),
            factor=change.factor if change else None,
            since_us=since.start_us,
            records=windows.records(window),
        )

    def _threshold(self, evaluation: Evaluation, at: tuple[int, int, int]) -> float:
        """The smallest share of events that would be over the threshold."""
        measured, (window, column, slot) = evaluation.of(self), at
        events, own = float(measured.events[window, column]), float(measured.overdispersion[at])
        known = max(own, float(self._unseen_error[column])) if slot == UNSEEN else own
        reference, m = float(self.prepared.quality_counts[column, slot]), float(self.prepared.events[column])
        return excess_critical(evaluation.alpha, events, reference, m, own, known) / max(events, 1.0)

    def _unseen(self, windows: Windows, window: int, column: int) -> Mapping[str, int]:
        """The never-seen values that are known by name; none if many came once each, as in free text."""
        unseen: names.Names = {}
        for part in windows.parts[window]:
            names.add(unseen, {column: part.tally.unseen[column]} if column in part.tally.unseen else {})
        known: Mapping[str, int] = unseen.get(column, {})
        return {} if len(known) >= names.KEPT and max(known.values()) == 1 else known

    def _spelled(self, unseen: Mapping[str, int], column: int) -> Spelling:
        about = self.prepared.columns[column]
        known = (*about.bins.categories, *chain.from_iterable(about.bins.bucket_names))
        return Spelling() if about.is_presence or not unseen else spelling(unseen, known)

    def _came(self, known: Mapping[str, int], column: int) -> str:
        """The never-seen values by name, the most frequent first: `: "st99" (96), "st98" (3)`."""
        if not known:
            return ""
        most = names.most_frequent(known, MAX_NAMED)
        about = self.prepared.columns[column]
        quoted = str if about.is_presence else self.policy.of_column(about).quoted
        messages = ", ".join(f"{quoted(name)} ({n:,})" for name, n in most)
        return f": {messages}" + (" and others" if len(known) > MAX_NAMED else "")

    def _detail(
        self,
        windows: Windows,
        at: tuple[int, int, int],
        before: float,
        share: float,
        came: str,
        change: UnitChange | None,
        since: Began,
    ) -> str:
        window, column, slot = at
        of = SHARES.get(QUALITY_COUNTS[slot], QUALITY_COUNTS[slot])
        newest = f" ({percent(since.share)} of the newest {since.newest:,} events)" if since.newest else ""
        details = [f"share {of}: {percent(before)} -> {percent(share)}{newest}{came}"]
        if slot == OUTSIDE:
            about = self.prepared.columns[column]
            low, high = told_apart([about.bins.low, about.bins.high])
            details.append(f"the reference's range with its margin is {low} to {high}")
            width = self.prepared.width
            seen = moments(about, windows.counts[window, column], windows.sums[window, column], width)
            if seen.whole and not came:  # of one value the mean is that value
                details.append(f"mean {before_and_after(about.center, seen.mean)}")
        return "; ".join(details) + (change.detail if change else "")
