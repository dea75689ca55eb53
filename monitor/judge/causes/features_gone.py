"""Cause `absent` of the model itself: predictions that carry no features, where the reference's did.

No column counts anything then, so no other cause would see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, places
from monitor.judge.causes.quality_words import ABSENCE
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.stats.bins.reference_bins import ABSENT
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.evidence import exact_excess_critical, exact_excess_tail
from monitor.text import percent


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W,) of one evaluation."""

    p: Floats
    hits: Floats
    events: Floats
    overdispersion: Floats
    exceedance: Floats  # log p / log alpha

    def share(self, window: int) -> float:
        """Share of the window's events without features."""
        return float(self.hits[window] / self.events[window])


class FeaturesGone(Cause[Measured]):
    """All features at once; the subject is the model."""

    names = (ABSENCE,)

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._model = prepared.reference.key.model
        self._key = FindingKey(self._model, ABSENCE.name)
        self._reference_events = max(float(prepared.reference.events), 1.0)
        #: events of the reference that carried features, and those that lacked them
        self._carried = float(prepared.events[prepared.features].max(initial=0.0))
        self._lacked = max(self._reference_events - self._carried, 0.0)

    def tests(self) -> int:
        return int(self._carried > 0)

    def tests_of_recent(self) -> int:
        return self.tests()

    def measure(self, evaluation: Evaluation) -> Measured:
        """Tail probability of every window; 1 where the reference has no features either."""
        events = np.array([span.events for span in evaluation.windows.spans], np.float64)
        hits, size = self._lacking_of(events, evaluation.carried), len(events)
        if not hits.any():
            return Measured(np.ones(size), hits, events, np.ones(size), np.zeros(size))
        # how such events cluster was not measured: assume as the absence of a usual column, unless none is left
        overdispersion = np.ones(size)
        if self._carried:
            usual = np.median(evaluation.variability.quality_overdispersion[:, self.prepared.features, ABSENT], axis=1)
            overdispersion = np.where(hits == events, 1.0, usual)
        lacked, whole = np.full(size, self._lacked), np.full(size, self._reference_events)
        p = exact_excess_tail(hits, events, lacked, whole, overdispersion)
        exceedance = np.log(np.maximum(p, 1e-300)) / np.log(evaluation.alpha)
        return Measured(p, hits, events, overdispersion, exceedance)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        if not measured.hits.any():
            return
        for (window,) in places(measured.p < evaluation.alpha):
            yield Candidate(
                self._key,
                self._severity(measured, window),
                float(measured.exceedance[window]),
                evaluation.windows.start_us(window),
                partial(self._began, evaluation.windows, window),
                partial(self._finding, evaluation, window),
            )

    def may_find_in_whole(self, events: int, alpha: float) -> bool:
        return False

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        events = evaluation.windows.spans[0].events
        if self._carried and evaluation.carried[0, self.prepared.features[0]] < events:  # most panes have none
            yield from self.candidates(evaluation, None)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return float(evaluation.of(self).exceedance[0]) if key == self._key else None

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The excess over the reference's share, one number."""
        return np.array([self._excess_of(windows, window)]) if key == self._key else None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._excess_of(evaluation.windows, 0), float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return self._excess_of(evaluation.windows, 0)

    def _excess_of(self, windows: Windows, window: int) -> float:
        share = self._lacking(windows)[window] / max(windows.spans[window].events, 1)
        return float(share - self._lacked / self._reference_events)

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _lacking(self, windows: Windows) -> Floats:
        """(W,) events without features; 0 if the reference has no features either."""
        events = np.array([span.events for span in windows.spans], np.float64)
        return self._lacking_of(events, self.prepared.carried(windows.counts))

    def _lacking_of(self, events: Floats, carried: NDArray[np.int64]) -> Floats:
        """The same of windows of so many `events` (W,), by the events (W, C) that carried each column."""
        if not self._carried:
            return np.zeros(len(events))
        return np.asarray(np.maximum(events - carried[:, self.prepared.features[0]], 0.0))

    def _excess(self, measured: Measured, window: int) -> float:
        """Excess of the share over the reference's."""
        return measured.share(window) - self._lacked / self._reference_events

    def _severity(self, measured: Measured, window: int) -> str:
        return self.policy.severity(ABSENCE.name, "", self._excess(measured, window), LEAST_QUALITY_CHANGE)

    def _began(self, windows: Windows, window: int) -> int:
        """Start of the first part of the window that has such an event."""
        parts, column = windows.parts[window], self.prepared.features[0]
        lacking = (p for p in parts if self.prepared.carried(p.tally.counts)[column] < p.tally.events)
        return next((p.start_us for p in lacking), parts[0].start_us)

    def _finding(self, evaluation: Evaluation, window: int) -> Finding:
        """The finding of one window over the threshold."""
        windows, measured = evaluation.windows, evaluation.of(self)
        share, before = measured.share(window), self._lacked / self._reference_events
        n, overdispersion = float(measured.events[window]), float(measured.overdispersion[window])
        critical = exact_excess_critical(evaluation.alpha, n, self._lacked, self._reference_events, overdispersion)
        return Finding(
            key=self._key,
            severity=self._severity(measured, window),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="exact",
            value=share,
            threshold=critical / max(n, 1.0),
            p=float(measured.p[window]),
            effect=self._excess(measured, window),
            effect_unit="share",
            exceedance=float(measured.exceedance[window]),
            direction="up",
            detail=f"share of events without features: {percent(before)} -> {percent(share)}; "
            "the columns are judged by the events that have them",
            headline="no prediction has features any more"
            if share == 1
            else f"{percent(share)} of the events of {self._model} have no features",
            since_us=self._began(windows, window),
            records=windows.records(window),
        )
