"""Cause `distribution` (`score` and `prediction` for the model's own columns): the shape of the values changed.

Over its threshold is a window (a) whose pooled chi-square or cut-point difference is too unlikely for this evaluation
and (b) which is further from the reference than any window of that size was inside it. (b) survives seasons and slow
waves; where it could not be learned, the change is a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.all_values import in_reference, in_window, moments, reference_shares, share_change
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation, limit, places
from monitor.judge.policy import LEAST_CUMULATIVE, LEAST_SHARE
from monitor.judge.prepared_reference import DISTANCE_FACTOR, Floats
from monitor.judge.windows import Windows
from monitor.reference.reference import FEATURE
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.ending import joined, left_of_cut, left_of_shares
from monitor.stats.evidence import (
    chi_square_critical,
    chi_square_tail,
    cut_point_critical,
    cut_point_tail,
    cut_point_z,
    largest_shift,
    pooled_chi_square,
)
from monitor.text import number

TESTS_NUMERIC = 2
TESTS_CATEGORICAL = 1

#: standard deviations the mean moves at least when a finding says that the column moved
LEAST_MOVE = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W, C) of one evaluation."""

    chi: Floats
    freedom: Floats
    chi_critical: Floats
    z: Floats
    cut: NDArray[np.int64]
    z_critical: Floats
    share: Floats
    cumulative: Floats
    allowed: Floats  # the distance allowed, NaN where it was not learned
    exceedance: Floats  # how far over the threshold: the smaller of evidence and distance


class Distribution(Cause[Measured]):
    """The shape of a column's values."""

    names = tuple(
        CauseName(name, in_alert="distribution changed", on_page="distribution changed", share="effect")
        for name in ("distribution", "score", "prediction")
    )

    def tests(self) -> int:
        return int(np.where(self.prepared.ordered, TESTS_NUMERIC, TESTS_CATEGORICAL).sum())

    def measure(self, evaluation: Evaluation) -> Measured:
        """Evidence and distance of every window and column."""
        prepared, variability = self.prepared, evaluation.variability
        bins = evaluation.windows.counts[..., : prepared.width]
        chi, freedom = pooled_chi_square(prepared.pooling, bins, variability.overdispersion)
        chi_critical = chi_square_critical(evaluation.alpha, freedom)
        z, cut = cut_point_z(prepared.cumulated, bins, variability.overdispersion)
        z = np.where(prepared.ordered, z, 0.0)
        z_critical = np.broadcast_to(cut_point_critical(evaluation.alpha, prepared.cuts), z.shape)
        share, cumulative = largest_shift(prepared.bins[None], bins, prepared.ordered)
        allowed = DISTANCE_FACTOR * variability.max_reference_distance
        evidence = np.maximum(chi / chi_critical, np.abs(z) / z_critical)
        distance = np.full(share.shape, np.inf)
        np.divide(np.maximum(share, cumulative), allowed, out=distance, where=allowed > 0)
        exceedance = np.minimum(evidence, distance)
        return Measured(chi, freedom, chi_critical, z, cut, z_critical, share, cumulative, allowed, exceedance)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        for window, column in places(measured.exceedance > 1):
            yield Candidate(
                FindingKey(self.prepared.subjects[column], self._cause_of(column)),
                self._severity(measured, window, column),
                float(measured.exceedance[window, column]),
                partial(evaluation.windows.start_us, window),
                partial(self._finding, evaluation, window, column),
            )

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self.prepared.column_of.get(key.subject)
        if column is None or self._cause_of(column) != key.cause:
            return None
        return float(evaluation.of(self).exceedance[0, column])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """Of the shares of all values, in order."""
        column = self.prepared.column_of.get(key.subject)
        if column is None or self._cause_of(column) != key.cause:
            return None
        change, events = share_change(self.prepared, windows, window, column)
        return (
            change if self.prepared.ordered[column] else joined(change, reference_shares(self.prepared, column), events)
        )

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        """At the opening's largest cumulative change; of categories, of all their changes together."""
        column = self.prepared.column_of[key.subject]
        now, events = share_change(self.prepared, evaluation.windows, 0, column)
        if not events:
            return float("nan")
        if self.prepared.ordered[column]:
            return left_of_cut(now, then)
        return left_of_shares(now, then, reference_shares(self.prepared, column))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return self._effect(evaluation.of(self), 0, self.prepared.column_of[key.subject])

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """By the chi-square, of columns with values enough for it."""
        measured, columns = evaluation.of(self), range(len(self.prepared.columns))
        for column, worst in zip(columns, measured.exceedance.argmax(0).tolist(), strict=True):
            chi, freedom = float(measured.chi[worst, column]), float(measured.freedom[worst, column])
            if freedom > 0:
                yield (
                    self.prepared.subjects[column],
                    Figures(
                        cause=self._cause_of(column),
                        value=chi,
                        threshold=float(measured.chi_critical[worst, column]),
                        effect=self._effect(measured, worst, column),
                        p=float(chi_square_tail(chi, freedom)),
                        samples=int(evaluation.windows.counts[worst, column].sum()),
                        exceedance=float(measured.exceedance[worst, column]),
                    ),
                )

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        distance = "KS distance" if numeric else "largest change of a share"
        return f"{distance} {number(figures.effect)}, chi-square {number(figures.value)}{limit(figures)}"

    def _cause_of(self, column: int) -> str:
        role = self.prepared.columns[column].role
        return "distribution" if role == FEATURE else role

    def _severity(self, measured: Measured, window: int, column: int) -> str:
        about, least = self.prepared.columns[column], LEAST_CUMULATIVE if self.prepared.ordered[column] else LEAST_SHARE
        learned = not np.isnan(measured.allowed[window, column])
        effect = self._effect(measured, window, column)
        return self.policy.severity(self._cause_of(column), about.feature, effect, least, may_page=learned)

    def _effect(self, measured: Measured, window: int, column: int) -> float:
        moved = measured.cumulative if self.prepared.ordered[column] else measured.share
        return float(moved[window, column])

    def _finding(self, evaluation: Evaluation, window: int, column: int) -> Finding:
        """Of one window and column that is over."""
        windows, measured = evaluation.windows, evaluation.of(self)
        numeric = bool(self.prepared.ordered[column])
        statistic, value, threshold, p = self._evidence(measured, window, column)
        up = measured.z[window, column] > 0
        words = self._numeric_words if numeric else self._category_words
        headline, detail = words(windows, measured, window, column)
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
            exceedance=float(measured.exceedance[window, column]),
            direction=("up" if up else "down") if numeric else "",
            detail=detail,
            headline=headline,
            records=windows.records(window),
        )

    def _evidence(self, measured: Measured, window: int, column: int) -> tuple[str, float, float, float]:
        """Statistic, value, threshold and p of the stronger of the two tests."""
        chi, chi_critical = float(measured.chi[window, column]), float(measured.chi_critical[window, column])
        z, z_critical = abs(float(measured.z[window, column])), float(measured.z_critical[window, column])
        if z / z_critical > chi / chi_critical:
            return "cut_point", z, z_critical, cut_point_tail(z, int(self.prepared.cuts[column]))
        return "chi2", chi, chi_critical, float(chi_square_tail(chi, float(measured.freedom[window, column])))

    def _numeric_words(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        """Headline and detail."""
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        seen = moments(about, windows.counts[window, column], windows.sums[window, column], self.prepared.width)
        moved = (seen.mean - about.center) / about.scale
        up = measured.z[window, column] > 0
        if abs(moved) >= LEAST_MOVE and (moved > 0) == up:
            words = f"moved {'up' if up else 'down'} by {abs(moved):.2g} sd"
        else:
            words = "changed its shape"  # the mean stays, or goes the other way
        cumulative = f"{measured.cumulative[window, column]:.2g}"
        headline = f"{subject} {words} (cut-point distance {cumulative}{_allowed(measured, window, column)})"
        name = "mean" if seen.whole else "mean of the values inside the range"
        details = [f"{name} {before_and_after(about.center, seen.mean)}"]
        if about.bins.edges:
            details.append(self._largest_shift(windows, window, column))
        return headline, "; ".join(details)

    def _largest_shift(self, windows: Windows, window: int, column: int) -> str:
        """The edge above which the share of all values changed most."""
        about = self.prepared.columns[column]
        live, reference = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        above = np.cumsum(live[::-1])[::-1] / max(live.sum(), 1)
        before = np.cumsum(reference[::-1])[::-1] / max(reference.sum(), 1)
        # the first place is below the range, and an edge lies behind each bin but the last
        cut = int(np.abs(above - before)[2 : len(about.bins.edges) + 2].argmax())
        edge = told_apart([about.bins.low, *about.bins.edges, about.bins.high], 4)[cut + 1]
        return f"share above {edge}: {before_and_after(float(before[cut + 2]), float(above[cut + 2]), 3)}"

    def _category_words(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        """Headline and detail."""
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        counts, reference = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        now, before = counts / max(counts.sum(), 1), reference / max(reference.sum(), 1)
        names = [*self.policy.labels(about.bins), *about.bins.beyond()]
        most = np.argsort(-np.abs(now - before), kind="stable")[:3].tolist()
        changed = [
            f"{names[i]}: {before_and_after(float(before[i]), float(now[i]), 3)}" for i in most if now[i] != before[i]
        ]
        share = f"{measured.share[window, column]:.2g}"
        return (
            f"{subject}: shares changed by up to {share}{_allowed(measured, window, column)}",
            "share of " + ", ".join(changed),
        )


def _allowed(measured: Measured, window: int, column: int) -> str:
    """The distance that windows of the reference had, with its margin; nothing where it was not learned."""
    allowed = measured.allowed[window, column]
    return f", allowed {allowed:.2g}" if not np.isnan(allowed) else ""
