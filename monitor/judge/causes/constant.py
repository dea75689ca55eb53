"""Cause `constant`: every value of a window is the same one (a stuck sensor), in the reference's range or not.

The chance that n values are all one: p_max^((n - 1) / overdispersion), as the first may be any; where the reference has
runs of one value that independent values do not explain, it is at least that of a run as long, by the longest of them.
Where these have a heavy tail, as batches of clients have, it is a ticket up to ten times the longest of them. Runs of
the most frequent value say nothing of another one.

Where the column's distribution is a finding already, the reference's shares are not the live ones: a run has to be too
long for the share that its value has had since, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation, places
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.reference.column import Column
from monitor.stats.bins.name_bins import as_extreme, constant_log_chance, hashes_of
from monitor.stats.bins.reference_bins import NUMERIC, OUTSIDE, UNSEEN
from monitor.stats.tallies.block import Block
from monitor.stats.variance.equal_runs import TIMES_LONGEST
from monitor.stats.variance.newest_values import NewestValues
from monitor.text import number, percent

CONSTANT = "constant"
#: least values of a window, however rare the most frequent value was
MIN_VALUES = 20
#: a bound is looser by this share: more than rounding does
SLACK = 1e-9
#: most columns have two different values within this many panes
FEW_PANES = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W, C) of one evaluation."""

    p: Floats  # 1 where the column is not constant
    values: Floats
    exceedance: Floats  # log p / log alpha
    is_modal: NDArray[np.bool_]  # all values are the reference's most frequent one


class Constant(Cause[Measured]):
    """A column stuck at one value. That explains its changed distribution."""

    names = (
        CauseName(
            CONSTANT,
            in_alert="stuck at one value",
            on_page="stuck at one value",
            next_step="look for a cache, a default value or a source that has died",
        ),
    )
    explains = ("distribution",)
    values_for_all_tests = MIN_VALUES

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> None:
        super().__init__(prepared, policy)
        self._changed_counts = around.changed_counts
        self._newest = NewestValues(prepared.width, MIN_VALUES)

    @classmethod
    def of_judge(cls, prepared: PreparedReference, policy: Policy, around: Around) -> Self:
        return cls(prepared, policy, around)

    def tests(self) -> int:
        return len(self.prepared.columns)

    def tests_of_recent(self) -> int:
        return self.tests()

    def tests_made(self, evaluation: Evaluation) -> int:
        return int(np.count_nonzero(evaluation.values >= MIN_VALUES))

    def observe(self, pane: Block, base: Block | None) -> None:
        """What is kept of panes gives a bound, which holds from the start on: it need not be in a checkpoint."""
        self._newest.add(pane.tally.counts, pane.tally.events)

    def measure(self, evaluation: Evaluation) -> Measured:
        """p-value of every window and column that is constant."""
        windows = evaluation.windows
        values = evaluation.values.astype(np.float64)
        same = self._same(windows.lows, windows.highs, windows.counts, evaluation.values) & (values >= MIN_VALUES)
        if not same.any():
            return Measured(np.ones(values.shape), values, np.zeros(values.shape), np.zeros(values.shape, np.bool_))
        is_modal = (windows.lows == self._modal_extreme) & (windows.highs == self._modal_extreme)
        log_p = constant_log_chance(values, self.prepared.modal, self._overdispersion(evaluation, is_modal))
        log_p = np.maximum(log_p, self.prepared.expected_runs.log_chance(values, is_modal))
        log_p = np.where(same, log_p, 0.0)
        return Measured(np.exp(np.maximum(log_p, -690.0)), values, log_p / np.log(evaluation.alpha), is_modal)

    def _overdispersion(self, evaluation: Evaluation, is_modal: NDArray[np.bool_]) -> Floats:
        """(W, C): shares that vary with time, as by day and night, are those of the most frequent value where others
        come singly."""
        return np.where(self.prepared.expected_runs.single & ~is_modal, 1.0, evaluation.variability.overdispersion)

    def _chance(self, evaluation: Evaluation, window: int, column: int) -> tuple[float, float]:
        """Exceedance and p, by the reference's shares and, where these are known not to hold any more, the live one."""
        measured, share = evaluation.of(self), self._live_share(evaluation.windows, window, column)
        own = float(measured.exceedance[window, column]), float(measured.p[window, column])
        if share is None or share <= self.prepared.modal[column]:
            return own
        overdispersion = self._overdispersion(evaluation, measured.is_modal)[window, column]
        log_p = float(constant_log_chance(measured.values[window, column], np.array(share), overdispersion))
        return min(own, (log_p / math.log(evaluation.alpha), math.exp(max(log_p, -690.0))))

    def _live_share(self, windows: Windows, window: int, column: int) -> float | None:
        """The share that the one value of a window has had since the column's distribution is a finding.

        Of a value in a bin with others at most: the bin's share, of which it has the part that any value of the
        reference's may have had. None where nothing is known of it.
        """
        counts = self._changed_counts(column, windows.start_us(window))
        if counts is None or not len(counts):
            return None
        prepared, width = self.prepared, self.prepared.width
        at = int(windows.counts[window, column, :width].argmax())
        if not windows.counts[window, column, at]:  # the value is in no bin
            if prepared.ordered[column]:
                return None
            at = width + UNSEEN
        values = int(counts[:width].sum() + counts[width + OUTSIDE] + counts[width + UNSEEN])
        known = int(prepared.bins[column, at]) if at < width else 0
        of_bin = known / max(int(prepared.bins[column].sum()), 1)
        part = min(float(prepared.modal[column]) / of_bin, 1.0) if known else 1.0
        return part * (int(counts[at]) + 1) / (values + 1)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        measured = evaluation.of(self)
        for at in places(measured.exceedance > 1) if measured.exceedance.any() else ():
            if self._is_over(evaluation, *at):
                yield self._candidate(evaluation, *at)

    def _is_over(self, evaluation: Evaluation, window: int, column: int) -> bool:
        is_over = bool(evaluation.of(self).exceedance[window, column] > 1)
        return is_over and self._chance(evaluation, window, column)[0] > 1

    def may_find_in_whole(self, events: int, alpha: float) -> bool:
        return self._may_find(events, alpha)

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        """Each column of one value in a run of the newest panes, judged on that run."""
        alpha = evaluation.alpha
        if not self._may_find(evaluation.windows.spans[0].events, alpha):  # as mostly
            return
        for column, run in self._runs(evaluation.windows):
            if not self._may_be_over(run.spans[0].events, alpha)[column]:
                continue
            of_run = Evaluation(evaluation.prepared, run, evaluation.alpha)
            if self._is_over(of_run, 0, column):
                yield self._candidate(of_run, 0, column)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        column = self.prepared.column_of.get(key.subject)
        if column is None or key.cause != CONSTANT:
            return None
        return float(evaluation.of(self).exceedance[0, column])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """One fixed number: a column is constant or it is not."""
        return np.ones(1) if key.subject in self.prepared.column_of and key.cause == CONSTANT else None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        """1 while all values are equal, else 0."""
        return float(evaluation.of(self).exceedance[0, self.prepared.column_of[key.subject]] > 0)

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Of columns that are constant in a window."""
        measured = evaluation.of(self)
        for (column,) in places(measured.exceedance.max(0) > 0):
            window = int(measured.exceedance[:, column].argmax())
            about, values = self.prepared.columns[column], int(measured.values[window, column])
            yield (
                self.prepared.subjects[column],
                Figures(
                    cause=CONSTANT,
                    value=values,
                    threshold=self._threshold(
                        column, evaluation.alpha, is_modal=bool(measured.is_modal[window, column])
                    ),
                    effect=1.0 - about.modal_share,
                    p=float(measured.p[window, column]),
                    samples=values,
                    exceedance=float(measured.exceedance[window, column]),
                ),
            )

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return f"{number(figures.value)} times the same value"

    def _same(
        self, lows: Floats, highs: Floats, counts: NDArray[np.int64], values: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Windows and columns (..., C) with no two different ones of `values`; `counts` (..., C, B + Q).

        Where categories share buckets, by the extremes of their hashes; where each has its own bin, by the bins, and
        never-seen values do not count as one value.
        """
        one_value = lows == highs
        if len(self._by_bins):
            bins = counts[..., self._by_bins, : self.prepared.width]
            one_value[..., self._by_bins] = bins.max(-1) == values[..., self._by_bins]
        return np.asarray(one_value | (values == 0), np.bool_)

    @cached_property
    def _by_extremes(self) -> NDArray[np.bool_]:
        return np.asarray(self.prepared.ordered | self.prepared.pooled, np.bool_)

    @cached_property
    def _modal_extreme(self) -> Floats:
        """(C,) both extremes of a column that is stuck at its most frequent value; NaN where that is not known."""
        return np.array([_extreme_of_modal(column) for column in self.prepared.columns], np.float64)

    @cached_property
    def _by_bins(self) -> NDArray[np.int64]:
        """Columns of categories that have a bin each."""
        return np.flatnonzero(~self._by_extremes)

    def _may_find(self, events: int, alpha: float) -> bool:
        """Whether a column that may have one value only in the newest panes of so many events may be over."""
        may_be_one = self._newest.may_be_one()
        if may_be_one is not None and not may_be_one.any():
            return False
        may_be_over = self._may_be_over(events, alpha)
        return bool((may_be_over if may_be_one is None else may_be_over & may_be_one).any())

    def _may_be_over(self, values: int, alpha: float) -> NDArray[np.bool_]:
        """Columns (C,) that may be over with so many values; others are not, as their values are often equal anyway."""
        return np.asarray((values - 1) * self._least_log_chance < (1 - SLACK) * math.log(alpha), np.bool_)

    @cached_property
    def _least_log_chance(self) -> Floats:
        """(C,) the least log of the chance of each further equal value, whatever the window."""
        overdispersion = self.prepared.reference.variability.overdispersion.min(1, initial=1.0)
        return constant_log_chance(np.array(2), self.prepared.modal, overdispersion)

    def _runs(self, recent: Windows) -> Iterator[tuple[int, Windows]]:
        """(column, window) of every column whose newest panes hold one value only; the window is as long as possible.

        A window that begins before the value got stuck would not be constant yet.
        """
        parts = recent.parts[0][::-1]
        for panes in (FEW_PANES, len(parts)):
            same, values = self._over_the_newest(parts[:panes])
            if not same[-1].any():  # so no run is longer
                break
        length = same.sum(0)  # once broken, a run stays broken
        for column in np.flatnonzero(length).tolist():
            panes = int(length[column])
            if values[panes - 1, column] >= MIN_VALUES:
                yield column, window_of(0, parts[:panes][::-1])

    def _over_the_newest(self, parts: tuple[Block, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """For the newest 1, 2, ... of `parts` (n, newest first): constant columns (n, C), and values (n, C)."""
        lows = np.minimum.accumulate([part.tally.lows for part in parts])
        highs = np.maximum.accumulate([part.tally.highs for part in parts])
        counts = np.cumsum([part.tally.counts for part in parts], axis=0)
        values = self.prepared.values(counts)
        return self._same(lows, highs, counts, values), values

    def _candidate(self, evaluation: Evaluation, window: int, column: int) -> Candidate:
        return Candidate(
            FindingKey(self.prepared.subjects[column], CONSTANT),
            self._severity(evaluation, window, column),
            self._chance(evaluation, window, column)[0],
            evaluation.windows.start_us(window),
            partial(evaluation.windows.start_us, window),
            partial(self._finding, evaluation, window, column),
        )

    def _surely(self, evaluation: Evaluation, window: int, column: int) -> float:
        """From how many values on this is a page."""
        is_modal = bool(evaluation.of(self).is_modal[window, column])
        return self.prepared.expected_runs.surely(column, is_modal=is_modal)

    def _severity(self, evaluation: Evaluation, window: int, column: int) -> str:
        about, effect = self.prepared.columns[column], 1.0 - float(self.prepared.modal[column])
        may_page = bool(evaluation.of(self).values[window, column] >= self._surely(evaluation, window, column))
        return self.policy.severity(CONSTANT, about.feature, effect, LEAST_QUALITY_CHANGE, may_page=may_page)

    def _finding(self, evaluation: Evaluation, window: int, column: int) -> Finding:
        """The finding of one window and column over the threshold."""
        windows, measured, about = evaluation.windows, evaluation.of(self), self.prepared.columns[column]
        exceedance, p = self._chance(evaluation, window, column)
        n, subject = int(measured.values[window, column]), self.prepared.subjects[column]
        # numeric values are never shown
        ordered = self.prepared.ordered[column]
        category = "" if ordered else self._category(windows, window, column)
        where = self._bin(windows, window, column) if ordered else ""
        what = self.policy.of_column(about).quoted(category) if category else "one and the same"
        before = percent(about.modal_share)
        detail = f"all {n:,} values are {what}{where}; the most frequent value of the reference had {before}"
        share = self._live_share(windows, window, column)
        if share is not None:
            detail += f", and since this column's distribution changed the same value has had {percent(share)}"
        surely = self._surely(evaluation, window, column)
        if n < surely:
            longest = round(surely / TIMES_LONGEST)
            detail += f"; a ticket below {surely:,.0f}: the reference has runs of up to {longest:,} equal values"
        return Finding(
            key=FindingKey(subject, CONSTANT),
            severity=self._severity(evaluation, window, column),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="run",
            value=float(n),
            threshold=self._threshold(column, evaluation.alpha, is_modal=bool(measured.is_modal[window, column])),
            p=p,
            effect=1.0 - about.modal_share,
            effect_unit="share",
            exceedance=exceedance,
            detail=detail,
            headline=f"{subject} is stuck: all {n:,} values are {what}",
            records=windows.records(window),
        )

    def _bin(self, windows: Windows, window: int, column: int) -> str:
        """`, in the bin 41 to 43.5`: which of the reference's bins a number that is not named is in."""
        about = self.prepared.columns[column]
        counts = windows.counts[window, column, : self.prepared.width]
        if not counts.any():
            return ", outside the reference's range"
        labels = self.policy.of_column(about).labels(about.bins)
        return f", in the bin {labels[int(counts.argmax())]}"

    def _category(self, windows: Windows, window: int, column: int) -> str:
        """The one category of a window and column; "" if its name is not known any more."""
        bins = self.prepared.columns[column].bins
        bin_ = int(windows.counts[window, column, : self.prepared.width].argmax())
        if bin_ < bins.named:
            return bins.categories[bin_]
        never_seen = [name for part in windows.parts[window] for name in part.tally.unseen.get(column, {})]
        candidates = [*bins.bucket_names[bin_ - bins.named], *never_seen]
        extremes = as_extreme(hashes_of(candidates)).tolist()
        lowest = windows.lows[window, column]
        return next((name for name, extreme in zip(candidates, extremes, strict=True) if extreme == lowest), "")

    def _threshold(self, column: int, alpha: float, *, is_modal: bool) -> float:
        """The shortest run of equal values over the threshold, by independent values and by the reference's runs."""
        modal, scale = self.prepared.modal[column], self.prepared.expected_runs.scale(column, is_modal=is_modal)
        least = np.log(alpha) / np.log(min(max(modal, 1e-12), 1 - 1e-12))
        return float(max(least, MIN_VALUES, -scale * np.log(alpha)))


def _extreme_of_modal(column: Column) -> float:
    if not column.modal:
        return np.nan
    if column.bins.kind == NUMERIC:
        return float(column.modal)
    return float(as_extreme(hashes_of([column.modal]))[0])
