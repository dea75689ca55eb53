"""Cause `score` (or `prediction`) with the figure `residual`: the score moved, but not with the columns.

The mean score less what the shares of the columns' bins predict: a change of the model, of the layer that serves it,
or of a feature that driftd does not receive. The residual varies much less than the score, so it needs fewer events.
Always a ticket, of a budget of its own: it spends nothing of the page budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from monitor.cached import cached_property
from monitor.findings import Finding, FindingKey
from monitor.judge.attribution.score_parts import ScoreParts
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, places
from monitor.judge.causes.distribution import Distribution
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import SCORE
from monitor.reference.score_split import Split
from monitor.stats.testing.ending import left_of
from monitor.text import number, percent

#: the figure of its finding's key
RESIDUAL: Final = "residual"
#: a smaller mean residual, in standard deviations of the score, is nothing that somebody would look into
LEAST_REST: Final = 0.02
#: a rest below this part of what would be over is not measured in full
NEARLY: Final = 0.99


@dataclass(frozen=True)
class Measured:
    """Of one evaluation: what the windows split into, and `exceedance` (W,)."""

    split: Split
    critical: float
    exceedance: Floats


class Residual(Cause[Measured]):
    """The mean residual of the score."""

    #: of a numeric prediction its findings have the name `prediction`, which is `Distribution`'s
    names = tuple(name for name in Distribution.names if name.name == SCORE)
    own_budget = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.parts = ScoreParts.of(prepared)
        effects = prepared.reference.effects
        self._judged = effects is not None and effects.may_be_judged
        self.key = FindingKey("", "", figure=RESIDUAL)
        if effects is not None:
            column = prepared.columns[effects.target]
            self.key = FindingKey(prepared.subjects[effects.target], column.role, figure=RESIDUAL)

    def tests(self) -> int:
        """None of the page budget."""
        return 0

    def tickets(self) -> int:
        return int(self._judged)

    def measure(self, evaluation: Evaluation) -> Measured:
        """Nothing is over in windows of the newest panes, which are not judged."""
        parts = self.parts
        if parts is None:
            message = f"{self.prepared.reference.key} has no effects of bins on its score"
            raise ValueError(message)
        split = parts.split(evaluation.windows)
        critical = self._critical(evaluation.ticket_alpha)
        rest, ratio = np.abs(split.rest), parts.effects.residual.ratio
        rates = np.array([max(self.prepared.rate(span), 1.0) for span in evaluation.windows.spans])
        # dependence is over time: events that come faster depend on each other more
        faster = np.sqrt((1 + rates * (ratio - 1)) / ratio)
        exceedance = np.abs(split.z_rest) / (critical * faster)
        exceedance = np.minimum(exceedance, rest / LEAST_REST)
        if not self._free:
            allowed = [self._allowed(float(events)) for events in split.events]
            exceedance = np.minimum(exceedance, rest / np.maximum(allowed, 1e-12))
        return Measured(split, critical, np.where(split.events > 0, exceedance, 0.0))

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        if not self._judged or not any(evaluation.windows.lengths) or not self._may_be_over(evaluation):
            return
        measured = evaluation.of(self)
        for (window,) in places(measured.exceedance > 1):
            yield Candidate(
                self.key,
                self._severity(),
                float(measured.exceedance[window]),
                evaluation.windows.start_us(window),
                partial(evaluation.windows.start_us, window),
                partial(self._finding, evaluation, window),
            )

    def _may_be_over(self, evaluation: Evaluation) -> bool:
        """Whether any window may be over: most evaluations need no more than this."""
        if self.parts is None:
            return False
        windows = evaluation.windows
        rest, error = self.parts.prepared_split.rest_of_known(windows.counts, windows.sums, evaluation.carried)
        quiet = np.abs(rest) < NEARLY * np.maximum(LEAST_REST, error * self._critical(evaluation.ticket_alpha))
        return not bool(quiet.all())  # NaN is not quiet

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return float(evaluation.of(self).exceedance[0]) if self._judged and key == self.key else None

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The mean residual, one number."""
        if self.parts is None or key != self.key:
            return None
        return np.array([self.parts.split(windows).rest[window]])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(float(evaluation.of(self).split.rest[0]), float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return abs(float(evaluation.of(self).split.rest[0]))

    @cached_property
    def _free(self) -> bool:
        """Whether rows are independent, so that evidence alone decides."""
        effects = self.prepared.reference.effects
        return effects is not None and effects.residual.block == 0 and effects.score.block == 0

    def _critical(self, alpha: float) -> float:
        """The |z| that a two-sided test of this alpha allows."""
        effects = self.prepared.reference.effects
        freedom = np.inf if effects is None else effects.residual.freedom
        return float(-ndtri(alpha / 2) if np.isinf(freedom) else -stdtrit(freedom, alpha / 2))

    def _chance(self, z: float) -> float:
        effects = self.prepared.reference.effects
        freedom = 1e9 if effects is None else min(effects.residual.freedom, 1e9)
        return float(2 * stdtr(freedom, -abs(z)))

    def _allowed(self, events: float) -> float:
        """The mean residual that windows of so many events had in the reference, with its margin."""
        effects, level = self.prepared.reference.effects, self.prepared.table.learned_level(events)
        if effects is None or level >= len(effects.largest_rest) or np.isnan(effects.largest_rest[level]):
            return np.inf
        return DISTANCE_FACTOR * effects.largest_rest[level]

    def _severity(self) -> str:
        return self.policy.severity(self.key.cause, "", np.inf, 0.0, may_page=False)

    def _finding(self, evaluation: Evaluation, window: int) -> Finding:
        """Of one window that is over."""
        windows, measured = evaluation.windows, evaluation.of(self)
        rest, z = float(measured.split.rest[window]), float(measured.split.z_rest[window])
        effects, subject = self.prepared.reference.effects, self.key.subject
        scale = self.prepared.columns[effects.target].scale if effects is not None else 1.0
        explained = percent(effects.explained) if effects is not None else ""
        way = "up" if rest > 0 else "down"
        return Finding(
            key=self.key,
            severity=self._severity(),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="mean_residual",
            value=abs(z),
            threshold=measured.critical,
            p=self._chance(z),
            effect=abs(rest),
            effect_unit=f"sd of the {subject}",
            exceedance=float(measured.exceedance[window]),
            direction=way,
            detail=f"mean {subject} {number(abs(rest * scale))} {'above' if rest > 0 else 'below'} what the columns "
            f"predict; in the reference they explain {explained} of its variance",
            headline=f"{subject} moved {way} by {number(abs(rest))} sd beyond what the columns explain",
            records=windows.records(window),
        )
