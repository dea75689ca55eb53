"""Causes `missing`, `absent` and `type` of a segment: the share of its events rose, and that of other events did not.

An exact (hypergeometric) test against the segment in the reference. Values outside the range, or never seen, are told
of all events, and move the segment's distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, places
from monitor.judge.causes.quality import Quality
from monitor.judge.causes.segments import LEAST_OWN, Segments
from monitor.judge.comparison.segmented import Segmented, SegmentedWindows
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.segments import counts_name
from monitor.stats.bins.reference_bins import ABSENT, MISSING, QUALITY_COUNTS, TYPE
from monitor.stats.digits import before_and_after
from monitor.stats.testing.ending import left_of
from monitor.stats.variance.quality_dispersion import excess_critical, excess_tail, lasts, spans

#: the quality counts that are compared by segment
COMPARED: Final = (MISSING, ABSENT, TYPE)

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentTails:
    """Arrays (W, S * C, quality counts) of W windows: `hits` and `events` of each, `p` of the excess.

    `excess` is that of the share over the reference's, `own` whether the other events have at most a part of it.
    """

    windows: SegmentedWindows
    hits: Floats
    events: Floats
    excess: Floats
    own: Flags
    overdispersion: Floats
    p: Floats
    #: (S * C, quality counts) what each test may spend
    alpha: Floats

    @property
    def exceedance(self) -> Floats:
        """log p / log alpha."""
        return np.asarray(np.log(np.maximum(self.p, 1e-300)) / np.log(self.alpha), np.float64)


class SegmentQuality(Cause[SegmentTails | None]):
    """What quality counts say of each segment; nothing where the reference has none."""

    names = tuple(name for name in Quality.names if name.name in {QUALITY_COUNTS[slot] for slot in COMPARED})

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._view = Segmented.of(prepared, policy)
        self._segments: Segments | None = None
        self._columns: dict[FindingKey, tuple[int, int]] = {}
        if self._view is not None:
            tested = np.zeros_like(self._view.prepared.tested_quality)
            tested[:, COMPARED] = self._view.prepared.tested_quality[:, COMPARED]
            self._tested = tested & (self._view.prepared.events > 0)[:, None]
            self._columns = {self._view.key(at, QUALITY_COUNTS[slot]): (at, slot) for at, slot in places(self._tested)}

    def meet(self, others: Sequence[Cause[Any]]) -> None:
        self._segments = next((one for one in others if isinstance(one, Segments)), None)

    def tests(self) -> int:
        if self._view is None:
            return 0
        return math.ceil(float((self._tested.sum(1) * self._view.shares_of_columns).sum()))

    def tests_made(self, evaluation: Evaluation) -> int:
        measured = evaluation.of(self) if any(evaluation.windows.lengths) else None
        if measured is None or self._view is None:
            return 0
        made = (measured.events > 0) @ (self._tested.sum(1) * self._view.shares_of_columns)
        return math.ceil(float(made.sum()))

    def measure(self, evaluation: Evaluation) -> SegmentTails | None:
        """The windows that `Segments` compares."""
        view = self._view
        if view is None:
            return None
        due = None if self._segments is None else evaluation.of(self._segments).windows
        windows = due if isinstance(due, SegmentedWindows) else view.windows(evaluation.windows, None)
        prepared, sizes = view.prepared, evaluation.known_sizes([span.events for span in windows.spans])
        hits, events, share = _shares(prepared, windows.counts)
        whole = _shares(self.prepared, windows.whole.counts)
        rest_hits, rest_events = view.tiled(whole[0]) - hits, view.tiled(whole[1]) - events
        rest = rest_hits / np.maximum(rest_events, 1)[..., None] - view.rest_quality_shares
        excess = share - prepared.quality_shares
        own = (rest_events > 0)[..., None] & (rest <= LEAST_OWN * excess)
        dispersion, p = prepared.variability(sizes).quality_overdispersion, np.ones(hits.shape)
        at = np.nonzero((hits > 0) & own & (excess > 0) & self._tested)
        if len(at[0]):
            _, column, slot = at
            known = prepared.quality_counts[column, slot], prepared.events[column]
            p[at] = excess_tail(hits[at], events[at[:2]], *known, dispersion[at], dispersion[at])
        alpha = np.broadcast_to((evaluation.alpha * view.shares_of_columns)[:, None], self._tested.shape)
        return SegmentTails(windows, hits, events, excess, own, dispersion, p, alpha)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        if measured is None or self._view is None:
            return
        for window, column, slot in places(measured.p < measured.alpha):
            at = (window, column, slot)
            reason = self._ticket_reason(measured, at)
            severity = self.policy.severity(
                QUALITY_COUNTS[slot],
                self._view.prepared.columns[column].feature,
                float(measured.excess[at]),
                LEAST_QUALITY_CHANGE,
                may_page=not reason,
            )
            yield Candidate(
                self._view.key(column, QUALITY_COUNTS[slot]),
                severity,
                float(measured.exceedance[at]),
                measured.windows.start_us(window),
                partial(measured.windows.start_us, window),
                partial(self._finding, self._view, measured, at, severity, reason),
            )

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        measured = evaluation.of(self) if key in self._columns else None
        return None if measured is None else float(measured.exceedance[(0, *self._columns[key])])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The excess over the reference's share, one number."""
        if self._view is None or key not in self._columns:
            return None
        counts = self._view.windows(windows, [window]).counts
        excess = _shares(self._view.prepared, counts)[2][0] - self._view.prepared.quality_shares
        return np.array([excess[self._columns[key]]])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        now = self.effect(key, evaluation)
        return math.nan if now is None else left_of(now, float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        measured = evaluation.of(self) if key in self._columns else None
        return None if measured is None else float(measured.excess[(0, *self._columns[key])])

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Of the segments that are over."""
        measured = evaluation.of(self)
        if measured is None or self._view is None:
            return
        over = np.asarray((measured.p < measured.alpha).any(0), np.bool_)
        for column, slot in places(over):
            window = int(measured.exceedance[:, column, slot].argmax())
            at, key = (window, column, slot), self._view.key(column, QUALITY_COUNTS[slot])
            yield (
                key.subject,
                Figures(
                    cause=key.cause,
                    value=float(measured.hits[at] / measured.events[at[:2]]),
                    threshold=math.nan,
                    effect=float(measured.excess[at]),
                    p=float(measured.p[at]),
                    samples=int(measured.events[at[:2]]),
                    exceedance=float(measured.exceedance[at]),
                    segment=key.segment,
                ),
            )

    def _ticket_reason(self, measured: SegmentTails, at: tuple[int, int, int]) -> str:
        """Why this is at most a ticket, "" if it may page."""
        window, column, slot = at
        hits, events = float(measured.hits[at]), float(measured.events[window, column])
        slots = measured.windows.counts.shape[2]
        segment, own = divmod(column, measured.windows.whole.counts.shape[1])
        place = own * slots + slots - len(QUALITY_COUNTS) + slot
        parts = measured.windows.parts[window]
        further = [part.tally.further.get(counts_name(segment)) for part in parts]
        by_part = np.array([[0 if counts is None else int(counts[place])] for counts in further], np.int64)
        span = int(spans(by_part, np.array([[part.tally.events] for part in parts], np.int64))[0])
        return "" if lasts(hits / max(events, 1), hits, span) else "it may be a burst: it pages if it lasts"

    def _finding(
        self, view: Segmented, measured: SegmentTails, at: tuple[int, int, int], severity: str, reason: str
    ) -> Finding:
        (window, column, slot), windows, prepared = at, measured.windows, view.prepared
        share, own = float(measured.hits[at] / measured.events[at[:2]]), float(measured.overdispersion[at])
        before, events = float(prepared.quality_shares[column, slot]), float(measured.events[at[:2]])
        known = float(prepared.quality_counts[column, slot]), float(prepared.events[column])
        alpha, cause = float(measured.alpha[column, slot]), QUALITY_COUNTS[slot]
        subject = prepared.subjects[column]
        return Finding(
            key=view.key(column, cause),
            severity=severity,
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="exact",
            value=share,
            threshold=excess_critical(alpha, events, *known, own, own) / events,
            p=float(measured.p[at]),
            effect=float(measured.excess[at]),
            effect_unit="share",
            exceedance=float(measured.exceedance[at]),
            direction="up",
            detail=f"share {before_and_after(before, share, 3)} of {events:,.0f} events; not so in the other events",
            ticket_reason=reason,
            headline=f"{subject}: {_WORDS[slot]} in {100 * share:.3g} %, not so in the other events",
            records=windows.records(window),
        )


_WORDS: Final = {MISSING: "missing (null)", ABSENT: "absent", TYPE: "of the wrong type"}


def _shares(prepared: PreparedReference, counts: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Hits (W, C, Q), events (W, C) that carried each column, and the share of the first in the second."""
    hits, events = counts[..., prepared.width :].astype(np.float64), prepared.carried(counts).astype(np.float64)
    return hits, events, hits / np.maximum(events, 1)[..., None]
