"""Means of what labels bring, judged in windows of their own: the errors of a model, and each of its named outcomes.

Windows of 1, 2, 4, ... base windows of labelled predictions, by the time of the predictions; evidence from the mean's
own variation in the reference, with a share of the page budget; and a least effect. Of late labels cohorts are judged
that have come. The same is looked at in each segment.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from monitor.findings import UP, Finding, FindingKey, Span
from monitor.judge.causes.cause import Again
from monitor.judge.comparison.means import (
    LEAST_IN_WINDOW,
    Bounds,
    Known,
    Measured,
    Side,
    measured,
    worst_windows,
)
from monitor.judge.comparison.means_in_segments import MeansInSegments
from monitor.judge.comparison.segment_means import InSegment
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.label_windows import LabelPyramid, LabelWindow
from monitor.judge.windows.late_cohorts import LateCohorts, MatureCohort
from monitor.judge.windows.pyramid import Records
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.mean_difference import ROWS, chance

#: gives the alpha of each test of an evaluation: (start and end of its shortest window, number of tests)
Spend = Callable[[int, int, int], float]
#: the side that a finding is of; in a segment, its number and that side there
OfFinding = tuple[Side, int | None, InSegment | None]
#: where the windows that tell the end of a finding have too few rows, so many times as many of them tell it
LONGER: Final = 2
#: of an effect where all of the reference is one number
OWN_UNIT: Final = "in its own unit"
#: why a finding ends that an earlier version left open when settings changed
NOT_WANTED: Final = "the settings do not ask for it"


class LabelMeans(ABC):
    """Several sides of means that come together. Nothing is judged where the reference has too few of them."""

    def __init__(
        self,
        policy: Policy,
        known: Known | None,
        moments: Floats,
        sides: Sequence[Side],
        segments: MeansInSegments,
        windows: LabelPyramid,
        late: LateCohorts,
        spend: Spend,
    ) -> None:
        """`moments` (F, 4) and `known` are the reference's; there are no `sides` without it."""
        self.policy, self.known, self.sides = policy, known, tuple(sides)
        self.segments, self.windows, self.late = segments, windows, late
        self._moments, self._spend = moments, spend
        #: that of the last evaluation, which rechecks for the end of findings use too
        self.alpha = 0.0

    @property
    def tests(self) -> int:
        """One for each side; those of a feature's segments count as much together."""
        return len(self.sides) + math.ceil(self.segments.tests)

    @property
    def is_judged(self) -> bool:
        """Whether means are compared with the reference's."""
        return bool(self.sides)

    # what is judged

    def take(self, cohort: MatureCohort, records: Records) -> Iterator[Finding]:
        """What is found with the labels of a cohort."""
        windows = self.windows.add(*cohort, records)
        if windows and self.sides:
            shortest: Span = windows[0].span
            self.alpha = self._spend(shortest.start_us, shortest.end_us, self.tests * len(windows))
            if self.alpha > 0:
                yield from self._judge(windows)

    def _judge(self, windows: Sequence[LabelWindow]) -> Iterator[Finding]:
        for side, one, at, since_us in worst_windows(self.sides, self._measure, windows):
            yield replace(self._finding(side, one, at, windows[at]), since_us=since_us)
        assert self.known is not None  # noqa: S101  # there are no sides without it
        for inside, one, at, since_us in self.segments.over(self.windows, windows, self.known, self._bounds_in):
            yield replace(self._finding(inside.side, one, at, windows[at], inside.segment), since_us=since_us)

    def _bounds_in(self, inside: InSegment) -> Bounds:
        return self._bounds(inside.side, inside.segment)

    def _bounds(self, side: Side, segment: int | None = None) -> Bounds:
        default = self.least(side) if self._has_scale(side) else 0.0
        least = self.policy.least_effect(self.cause(side), self.policy_name, default)
        return Bounds(self.alpha, side.room + self.allowed(side), least * self._scale(side, segment))

    def _measure(self, side: Side, moments: Floats, windows: Sequence[LabelWindow]) -> Measured:
        assert self.known is not None  # noqa: S101  # there are no sides without it
        return measured(side, moments, windows, self.known, self._bounds(side))

    def _scale(self, side: Side, segment: int | None) -> float:
        """A change that is an effect of 1; where all of the reference is one number, 1 as is shown."""
        whole = self.scale(side, self._moments) or 1.0 / abs(self.shown(side, 1.0) - self.shown(side, 0.0))
        if segment is None:
            return whole
        own = self.scale(side, self.segments.known[segment].moments)
        return max(own, whole) if self.of_all else own or whole

    def _has_scale(self, side: Side) -> bool:
        return self.scale(side, self._moments) > 0

    def latest(self, at_us: int) -> LabelWindow | None:
        """The newest rows, about 1,000 of them; None where they stopped coming before `at_us`."""
        usual_us = 0 if self.known is None else self.known.base_us
        return self.windows.latest(at_us, usual_us, self.late.maturity_us if self.late.came else 0)

    # findings

    def _finding(
        self, side: Side, found: Measured, at: int, window: LabelWindow, segment: int | None = None
    ) -> Finding:
        own, sign, span = found.difference, 1.0 if side.upwards else -1.0, window.span
        now, limit = sign * float(own.mean[at]), sign * (side.before + float(found.limit[at]))
        effect = float(own.higher[at]) / self._scale(side, segment)
        cause, run = self.cause(side), side.variation.long_run
        severity = self.policy.severity(cause, self.policy_name, math.inf, 0.0, may_page=bool(found.large[at]))
        headline, detail = self.words(side, now, effect, window, segment)
        error = max(float(own.error[at]), 1e-150)
        return Finding(
            key=self.key(side, "" if segment is None else self.segments.names[segment]),
            severity=severity,
            window=span,
            base_windows=window.length,
            statistic="mean",
            value=self.shown(side, now),
            threshold=self.shown(side, limit),
            p=chance(float(own.higher[at] - side.room) / error, float(own.skew[at]), float(run.freedom[0])),
            effect=effect,
            effect_unit=self.effect_unit(side) if self._has_scale(side) else OWN_UNIT,
            exceedance=float(found.over[at]),
            direction=self.direction(side),
            detail=detail,
            headline=headline,
            ticket_reason=found.ticket_reason(at),
            records=window.records(),
        )

    # how a finding goes on

    def of(self, key: FindingKey, *, upwards: bool) -> OfFinding | None:
        """The side that a finding is of, of all rows or in a segment; None where it is of none of these."""
        for side in self.sides:
            if side.upwards == upwards and self.key(side, key.segment) == key:
                inside = self.segments.inside(key.segment, side) if key.segment else None
                if inside is not None:
                    return inside.side, inside.segment, inside
                return None if key.segment else (side, None, None)
        return None

    def judges(self, key: FindingKey) -> bool:
        """Whether a finding of that key, in either direction, is of these."""
        return any(self.of(key, upwards=upwards) is not None for upwards in (True, False))

    def again(self, finding: Finding, since_us: int, base_windows: int, then: Floats) -> Again:
        """As a cause gives it of its own windows; where these have fewer rows of a side than are judged, longer ones
        tell, or that there are no more."""
        of = self.of(finding.key, upwards=self.is_upwards(finding))
        if of is None:
            return NOT_WANTED
        side, segment, _ = of
        rows = 0.0
        for length in (base_windows, min(LONGER * base_windows, self.windows.longest)):
            window = self.windows.trailing(length)
            if window is None or window.span.start_us < since_us or self.alpha <= 0:
                return None
            rows = self._rows(side, segment, window)
            if rows >= LEAST_IN_WINDOW:
                return self._now(of, window, then)
        few = "too few" if rows else "no more"
        return f"{few} {self.called} " + (
            f"for {side.figure.replace('_', ' ')}" if segment is None else f"in {self.segments.names[segment]}"
        )

    def _rows(self, side: Side, segment: int | None, window: LabelWindow) -> float:
        if segment is None:
            return float(window.moments[side.place, ROWS])
        return float(self.windows.in_segments(window, len(self.segments.names))[segment, side.place, ROWS])

    def _now(self, of: OfFinding, window: LabelWindow, then: Floats) -> tuple[float, float, float]:
        assert self.known is not None  # noqa: S101  # there are no sides without it
        side, segment, inside = of
        if inside is None:
            one = self._measure(side, window.moments[None], (window,))
        else:
            one = self.segments.again(self.windows, window, self.known, inside, self._bounds_in(inside))
        effect = float(one.difference.higher[0]) / self._scale(side, segment)
        return float(one.over[0]), left_of(effect, float(then[0])) if then.size else 0.0, effect

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values and arrays."""
        return {"windows": self.windows.to_state(), "alpha": self.alpha, "late": self.late.to_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back from `to_state`."""
        self.windows.restore(state["windows"])
        self.late.restore(state["late"])
        self.alpha = state["alpha"]

    # what they are

    #: the name by which the policy knows them, "" for that of the model
    policy_name = ""
    #: what their rows are
    called = "labels"
    #: whether a change in a segment is small beside what all rows have, however little the segment's own vary
    of_all = False

    @abstractmethod
    def cause(self, side: Side) -> str:
        """The name of the cause of its findings."""

    @abstractmethod
    def key(self, side: Side, segment: str) -> FindingKey:
        """Of its findings, of all rows ("") or in a segment."""

    @abstractmethod
    def least(self, side: Side) -> float:
        """The least effect that pages unless settings say otherwise."""

    @abstractmethod
    def scale(self, side: Side, moments: Floats) -> float:
        """A change that is an effect of 1, by the moments (F, 4) of the reference; 0 where these tell none."""

    def allowed(self, side: Side) -> float:
        """A rise that settings allow."""
        return 0.0

    def is_upwards(self, finding: Finding) -> bool:
        """Whether a finding is of the side upwards."""
        return finding.direction == UP

    @abstractmethod
    def direction(self, side: Side) -> str:
        """Which way what is shown of a side moved."""

    @abstractmethod
    def shown(self, side: Side, mean: float) -> float:
        """A mean in the unit in which it is shown."""

    @abstractmethod
    def effect_unit(self, side: Side) -> str:
        """The unit of an effect."""

    @abstractmethod
    def words(self, side: Side, now: float, effect: float, window: LabelWindow, segment: int | None) -> tuple[str, str]:
        """What changed in a short sentence, and its figures beside those of the reference."""
