"""Causes `missing`, `absent`, `unseen`, `outside`, `type`: a quality count's share of the events rose.

Two exact (hypergeometric) tests against the reference's own counts: of the events, on effective numbers, and of the
base windows that have any, which does not care how large a burst is. A page at every window length: what the reference
never saw needs no learned distance. A burst of less than half of the events is at most a ticket.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.all_values import moments
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation, Looks, places
from monitor.judge.causes.unit_change import UnitChange, unit_change
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.prepared_reference import Floats, PreparedReference
from monitor.judge.sights import missing_sights
from monitor.judge.windows import Windows
from monitor.reference.reference import NEAR_OUTSIDE, PREDICTION, SCORE, Column
from monitor.stats import names
from monitor.stats.bins import NUMERIC, OUTSIDE, QUALITY_COUNTS, UNSEEN
from monitor.stats.block import Block
from monitor.stats.digits import before_and_after, percent, told_apart
from monitor.stats.ending import left_of
from monitor.stats.hit_places import HitPlaces
from monitor.stats.promise import ExcessSight
from monitor.stats.quality_dispersion import (
    excess_critical,
    excess_tail,
    lasts,
    spans,
    windows_tail,
)
from monitor.stats.tally import FAR_COUNT, FAR_SUM, FAR_UNIT
from monitor.text import share as share_in_words

Ints = NDArray[np.int64]

#: of a column, and of the features of a model together
ABSENCE = CauseName("absent", on_page="key not there", share="value", of_model="features")
_NAMES = {
    "missing": CauseName("missing", on_page="missing values", share="value"),
    "absent": ABSENCE,
    "unseen": CauseName("unseen", in_alert="with never-seen values", on_page="never-seen values", share="value"),
    "outside": CauseName(
        "outside", in_alert="outside its range", on_page="outside the reference's range", share="value"
    ),
    "type": CauseName("type", in_alert="of the wrong type", on_page="values of the wrong type", share="value"),
}
#: `outside` pages only while the newest panes still show this part of the window's share: a burst that is over does not
RECENT_PART = 0.5
#: tests of each quality count: of the events, and of the base windows that have any
TESTS_OF_LENGTH = 2
#: never-seen values that are named
MAX_NAMED = 5


@dataclass(frozen=True)
class Measured:
    """Arrays (W, C, quality counts) of one evaluation, made from `hits`, `overdispersion`, `events` (W, C) and
    `reference` (C, quality counts), the share there. A quiet evaluation needs `p` alone: the others are made on demand.
    """

    p: Floats
    hits: Floats
    events: Floats
    overdispersion: Floats
    reference: Floats
    alpha: float
    in_windows: Floats  # the chance of so many base windows with a hit; 1 where that was not asked

    @cached_property
    def share(self) -> Floats:
        return self.hits / np.maximum(self.events, 1)[..., None]

    @cached_property
    def excess(self) -> Floats:
        return self.share - self.reference

    @cached_property
    def exceedance(self) -> Floats:
        """log p / log alpha."""
        return np.asarray(np.log(np.maximum(self.p, 1e-300)) / np.log(self.alpha), np.float64)


class Quality(Cause[Measured]):
    """The quality counts of each column: values that are missing, impossible or of another kind."""

    names = tuple(_NAMES[name] for name in QUALITY_COUNTS)

    state_name = "hits"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._places = HitPlaces(len(prepared.columns))
        # never-seen values are known from windows left out of the reference: the less well, the more alike they come
        self._unseen_error = prepared.reference.variability.unseen_error

    def tests(self) -> int:
        return TESTS_OF_LENGTH * self.tests_of_recent()

    def tests_of_recent(self) -> int:
        return int(self.prepared.tested_quality.sum())

    def tests_made(self, evaluation: Evaluation) -> int:
        prepared, windows = self.prepared, evaluation.windows
        tested = prepared.tested_quality
        often = 2 * prepared.quality_windows > prepared.reference.base_windows
        by_windows = np.array(_asked(windows))[:, None] >= 2
        tests = tested.sum(1) + by_windows * (tested & ~often).sum(1)  # (W, C)
        return int(tests[prepared.carried(windows.counts) > 0].sum())

    def observe(self, pane: Block, base: Block | None) -> None:
        self._places.add(pane.tally.counts[:, self.prepared.width :], pane.tally.events)
        if base is not None:
            self._places.close_window()

    def to_state(self) -> dict[str, Any]:
        return self._places.to_state()

    def restore(self, state: dict[str, Any]) -> None:
        self._places = HitPlaces.from_state(state)

    def measure(self, evaluation: Evaluation) -> Measured:
        """Tail probability of every window, column and quality count."""
        prepared, windows = self.prepared, evaluation.windows
        overdispersion = evaluation.variability.quality_overdispersion
        hits = windows.counts[..., prepared.width :].astype(np.float64)
        events = prepared.carried(windows.counts).astype(np.float64)
        p, in_windows = np.ones(hits.shape), np.ones(hits.shape)
        at = window, column, slot = np.nonzero(hits * prepared.tested_quality)  # few: most windows are well
        if len(window):
            reference, m, own = prepared.quality_counts[column, slot], prepared.events[column], overdispersion[at]
            known = np.where(slot == UNSEEN, np.maximum(own, self._unseen_error[column]), own)
            p[at] = excess_tail(hits[at], events[window, column], reference, m, own, known)
            in_windows[at] = self._windows_tail(windows, at)
        p = np.minimum(p, in_windows)
        return Measured(p, hits, events, overdispersion, prepared.quality_shares, evaluation.alpha, in_windows)

    def _windows_tail(self, windows: Windows, at: tuple[Ints, ...]) -> Floats:
        """Of some (window, column, quality count)s; windows of more than 64 base windows are not asked."""
        window, column, slot = at
        asked = _asked(windows)
        length = np.array(asked, np.int64)[window]
        longest = windows.parts[int(np.argmax(asked))] if any(asked) else ()
        # windows end together: the parts of a shorter one are the newest of the longest
        hits = [part.tally.counts[column, self.prepared.width + slot] > 0 for part in longest[::-1]]
        so_far = np.cumsum([np.zeros(len(window), np.bool_), *hits], axis=0)
        with_hit = so_far[length, np.arange(len(window))]
        reference, total = self.prepared.quality_windows[column, slot], float(self.prepared.reference.base_windows)
        every = np.full(len(window), total)
        return windows_tail(with_hit.astype(np.float64), length.astype(np.float64), reference, every)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        for window, column, slot in places(measured.p < evaluation.alpha):
            at = (window, column, slot)
            goes_on = lasts(measured.share[at], measured.hits[at], self._span(evaluation.windows, at))
            goes_on = goes_on and self._is_no_excursion(evaluation.windows, at)
            severity = self._severity(measured, at, self._recent_share(recent, column, slot), lasting=goes_on)
            yield Candidate(
                FindingKey(self.prepared.subjects[column], QUALITY_COUNTS[slot]),
                severity,
                float(measured.exceedance[at]),
                partial(self._began, evaluation.windows, at),
                partial(self._finding, evaluation, at, severity),
            )

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        if evaluation.windows.counts[0, :, self.prepared.width :].any():  # most panes are well
            yield from self.candidates(evaluation, None)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self.prepared.column_of.get(key.subject)
        if column is None or key.cause not in QUALITY_COUNTS:
            return None
        return float(evaluation.of(self).exceedance[0, column, QUALITY_COUNTS.index(key.cause)])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The excess over the reference's share, one number."""
        column = self.prepared.column_of.get(key.subject)
        if column is None or key.cause not in QUALITY_COUNTS:
            return None
        return np.array([self._excess(windows, window, column, QUALITY_COUNTS.index(key.cause))])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        column, slot = self.prepared.column_of[key.subject], QUALITY_COUNTS.index(key.cause)
        return left_of(self._excess(evaluation.windows, 0, column, slot), float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column, slot = self.prepared.column_of[key.subject], QUALITY_COUNTS.index(key.cause)
        return self._excess(evaluation.windows, 0, column, slot)

    def _excess(self, windows: Windows, window: int, column: int, slot: int) -> float:
        """Of one quality count's share over the reference's."""
        carried = int(self.prepared.carried(windows.counts[window])[column])
        share = windows.counts[window, column, self.prepared.width + slot] / max(carried, 1)
        return float(share - self.prepared.quality_shares[column, slot])

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Of what occurs in the worst window."""
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

    def missing_sights(self, looks: Looks) -> dict[int, ExcessSight]:
        return missing_sights(self.prepared, self.policy, looks)

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return share_in_words(figures.value)

    def _span(self, windows: Windows, at: tuple[int, int, int]) -> int:
        """Events from the pane of the first hit of a window to that of the last."""
        window, column, slot = at
        if windows.lengths[window]:
            return self._places.span(windows.lengths[window], column, slot)
        counts = np.array([part.tally.counts[column] for part in windows.parts[window]], np.int64)
        events = np.array([[part.tally.events] for part in windows.parts[window]], np.int64)
        return int(spans(counts[:, self.prepared.width + slot, None], events)[0])

    def _severity(self, measured: Measured, at: tuple[int, int, int], recent_share: float, *, lasting: bool) -> str:
        """Of one (window, column, quality count) that is over; `recent_share` is its share in the newest panes."""
        _, column, slot = at
        cause, about = QUALITY_COUNTS[slot], self.prepared.columns[column]
        goes_on = slot != OUTSIDE or recent_share >= RECENT_PART * float(measured.share[at])
        return self.policy.severity(
            cause,
            about.feature,
            float(measured.excess[at]),
            LEAST_QUALITY_CHANGE,
            may_page=lasting and goes_on and cause not in dict(about.ticket_only),
        )

    def _is_no_excursion(self, windows: Windows, at: tuple[int, int, int]) -> bool:
        """Not values outside the range that lie no farther than it is wide, of a column that wanders so by itself."""
        (window, column, slot), about = at, self.prepared.columns[at[1]]
        if slot != OUTSIDE or NEAR_OUTSIDE not in dict(about.ticket_only):
            return True
        sums, outside = windows.sums[window, column], int(windows.counts[window, column, self.prepared.width + OUTSIDE])
        near = int(sums[FAR_COUNT])
        if 2 * near < outside:
            return True  # most lie too far out to be summed
        mean = about.center + about.scale * int(sums[FAR_SUM]) / FAR_UNIT / max(near, 1)
        wide = about.bins.high - about.bins.low
        return not about.bins.low - wide <= mean <= about.bins.high + wide

    def _recent_share(self, recent: Windows | None, column: int, slot: int) -> float:
        if recent is None:
            return 1.0
        carried = int(self.prepared.carried(recent.counts[0])[column])
        return float(recent.counts[0, column, self.prepared.width + slot] / max(carried, 1))

    def _began(self, windows: Windows, at: tuple[int, int, int]) -> int:
        """Start of the first part of the window in which it occurs."""
        window, column, slot = at
        parts, place = windows.parts[window], self.prepared.width + slot
        return next((part.start_us for part in parts if part.tally.counts[column, place]), parts[0].start_us)

    def _finding(self, evaluation: Evaluation, at: tuple[int, int, int], severity: str) -> Finding:
        """Of one (window, column, quality count) that is over."""
        prepared, windows, measured = self.prepared, evaluation.windows, evaluation.of(self)
        window, column, slot = at
        cause, subject = QUALITY_COUNTS[slot], prepared.subjects[column]
        share, effect = float(measured.share[at]), float(measured.excess[at])
        change = unit_change(prepared, windows, window, column) if slot == OUTSIDE else None
        came = self._came(windows, window, column) if slot == UNSEEN else ""
        before = share - effect
        headline = _headline(prepared.columns[column], subject, cause, before, share)
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
            detail=self._detail(windows, at, before, share, came, change),
            headline=headline + (change.headline if change else "") + came,
            factor=change.factor if change else None,
            since_us=self._began(windows, at),
            records=windows.records(window),
        )

    def _threshold(self, evaluation: Evaluation, at: tuple[int, int, int]) -> float:
        """The smallest share of events that would be over by itself."""
        measured, (window, column, slot) = evaluation.of(self), at
        events, own = float(measured.events[window, column]), float(measured.overdispersion[at])
        known = max(own, float(self._unseen_error[column])) if slot == UNSEEN else own
        reference, m = float(self.prepared.quality_counts[column, slot]), float(self.prepared.events[column])
        return excess_critical(evaluation.alpha, events, reference, m, own, known) / max(events, 1.0)

    def _came(self, windows: Windows, window: int, column: int) -> str:
        """The never-seen values by name, the most frequent first: `: "st99" (96), "st98" (3)`.

        Nothing where none is known, or where each came once and there are many: that is how free text looks.
        """
        unseen: names.Names = {}
        for part in windows.parts[window]:
            names.add(unseen, {column: part.tally.unseen[column]} if column in part.tally.unseen else {})
        known = unseen.get(column)
        if not known or (len(known) >= names.KEPT and max(known.values()) == 1):
            return ""
        most = names.most_frequent(known, MAX_NAMED)
        messages = ", ".join(f"{self.policy.quoted(name)} ({n:,})" for name, n in most)
        return f": {messages}" + (" and others" if len(known) > MAX_NAMED else "")

    def _detail(
        self,
        windows: Windows,
        at: tuple[int, int, int],
        before: float,
        share: float,
        came: str,
        change: UnitChange | None,
    ) -> str:
        window, column, slot = at
        details = [f"share {QUALITY_COUNTS[slot]}: {before_and_after(before, share)}{came}"]
        if slot == OUTSIDE:
            about = self.prepared.columns[column]
            low, high = told_apart([about.bins.low, about.bins.high])
            details.append(f"the reference's range with its margin is {low} to {high}")
            width = self.prepared.width
            seen = moments(about, windows.counts[window, column], windows.sums[window, column], width)
            if seen.whole:
                details.append(f"mean {before_and_after(about.center, seen.mean)}")
        return "; ".join(details) + (change.detail if change else "")


def _asked(windows: Windows) -> list[int]:
    """Base windows of each window of which those with a hit are counted, 0 where they are not."""
    lengths = zip(windows.lengths, windows.parts, strict=True)
    return [length if 2 <= length == len(parts) else 0 for length, parts in lengths]


def _headline(about: Column, subject: str, cause: str, before: float, share: float) -> str:
    how_many = percent(share)
    instead = f", in the reference in {percent(before)}" if before > 0 else ""
    own = about.role in {SCORE, PREDICTION}
    if cause == "absent":
        if own:
            return f"{subject} is null or left out in {how_many}{instead}"
        return f"{subject} is gone" if share == 1 else f"{subject} is gone from {how_many}{instead}"
    wrong = "not a number" if about.bins.kind == NUMERIC else "neither text nor a number"
    words = {
        "missing": f"{subject} is missing (null) in {how_many}",
        "unseen": f"{subject} has never-seen {'classes' if own else 'values'} in {how_many}",
        "outside": f"{subject} is outside the reference's range in {how_many}",
        "type": f"{subject} is {wrong} in {how_many}",
    }
    return words[cause] + instead
