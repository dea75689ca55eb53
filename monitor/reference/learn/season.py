"""Learns the waves of a reference's columns, and how much varies beside them, from its rows in order of time.

A column without a wave keeps what was learned of it without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.reference.column import Column
from monitor.reference.season import LONG_SLOT_US, SLOT_US, ColumnSeason, SeasonCalendar, Seasons
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.digits import KEPT_DIGITS, all_rounded, rounded
from monitor.stats.season.fit import (
    ENOUGH_DAYS,
    NEARLY,
    Fit,
    SlotCounts,
    choose,
    expected_shares,
    fit,
    left_in_blocks,
)
from monitor.stats.season.terms import DAY, entries, vectors
from monitor.stats.tallies.tally import SUM, UNIT, Tally
from monitor.stats.variance.long_run import FEW_DAYS, LEAST_LEFT, LongRun, block_sizes, residual_blocks, settle

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]

#: a longer reference has longer slots
LONG_US: Final = 100 * DAY_US
#: most bytes of bins that are kept of a reference while it is built: of more rows no wave is looked for
MOST_KEPT: Final = 1 << 29
#: arrays of few rows are joined when there are so many
SMALL_AT_ONCE: Final = 4096
#: least windows side by side to learn a largest distance
MIN_WINDOWS_LEARNED: Final = 3
#: significant digits of a fit, rounded before use so that the file and the memory agree
DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Learned:
    """The waves, and by column what varies beside them: the long-run variance, and the largest distance by level."""

    seasons: Seasons | None = None
    long_runs: dict[int, LongRun] = field(default_factory=dict)
    largest_distances: dict[int, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rows:
    """One column's rows with a value: the bin of each (n,), and its slot among `local` (S,)."""

    codes: Ints
    slot: Ints
    local: Floats

    def counts(self, bins: int) -> SlotCounts:
        each = np.bincount(self.slot * bins + self.codes, minlength=len(self.local) * bins)
        counts = each.reshape(len(self.local), bins)
        some = counts.any(1)
        return SlotCounts(self.local[some], counts[some])


@dataclass(slots=True)
class _Stretch:
    """Consecutive panes of one slot and base window; `sums` (2, C) of standardised values inside the range, and their
    number."""

    slot: int
    rows: int
    events: int
    sums: Ints


class RowsInTime:
    """The bins of a reference's rows, a byte a row and column, and how many of them fell into each slot of time."""

    def __init__(self, no_value: int) -> None:
        """`no_value` is the code of a row without a value."""
        self._no_value = no_value
        self._chunks: list[Codes] = []
        self._small: list[Codes] = []
        self._kept = 0
        self._new_rows = 0
        self._stretches: list[_Stretch] = []
        #: stretches at the end of each base window
        self._ends: list[int] = [0]

    def add(self, codes: Codes) -> None:
        """Add the next rows (C, n), of the pane that is added next."""
        self._new_rows += codes.shape[1]
        self._kept += codes.size
        if self._kept > MOST_KEPT:
            self._chunks.clear()
            self._small.clear()
            return
        self._small.append(codes)
        if len(self._small) >= SMALL_AT_ONCE:
            self._chunks.append(np.concatenate(self._small, axis=1))
            self._small.clear()

    def add_pane(self, tally: Tally, middle_us: int, width: int) -> None:
        """Add the pane that the last rows belong to; its bins are `width` wide."""
        slot, sums = middle_us // SLOT_US, np.array([tally.sums[:, SUM], tally.counts[:, :width].sum(1)])
        last = self._stretches[-1] if len(self._stretches) > self._ends[-1] else None
        if last is not None and last.slot == slot:
            last.rows += self._new_rows
            last.events += tally.events
            last.sums += sums
        else:
            self._stretches.append(_Stretch(slot, self._new_rows, tally.events, sums))
        self._new_rows = 0

    def close_window(self) -> None:
        """End a base window with the panes added so far."""
        self._ends.append(len(self._stretches))

    def learn(
        self, columns: Sequence[Column], runs: Sequence[LongRun], values: Callable[[], Ints], timezone: str
    ) -> Learned:
        """The waves of the columns; `values` gives the counts (W, C, B) of the complete base windows.

        `runs` are the columns' variances without a wave.
        """
        if self._kept > MOST_KEPT or not self._stretches:
            return Learned()
        known = np.array([one.slot for one in self._stretches], np.int64) * SLOT_US
        slot_us = LONG_SLOT_US if known[-1] - known[0] > LONG_US else SLOT_US
        calendar = SeasonCalendar(timezone, slot_us)
        slots, place = np.unique(known // slot_us, return_inverse=True)
        local, row_slot = calendar.local(slots), np.repeat(place, [one.rows for one in self._stretches])
        means = np.zeros((len(slots), *self._stretches[0].sums.shape))
        np.add.at(means, place, np.array([one.sums for one in self._stretches]))
        found = {
            at: season
            for at, column in enumerate(columns)
            if (season := _season(self._of_column(at, row_slot, local), column, means[:, :, at], runs[at])) is not None
        }
        if not found:
            return Learned()
        learned, counts = Learned(Seasons(calendar, found)), values()
        events = [one.events for one in self._stretches]
        by_window = _SlotsOfWindows.of(place, events, self._ends[: len(counts) + 1])
        for at, season in found.items():
            around = _AroundWave(season, columns[at], self._of_column(at, row_slot, local))
            learned.long_runs[at] = around.long_run()
            learned.largest_distances[at] = around.largest_distances(counts[:, at], by_window)
        return learned

    def _of_column(self, at: int, row_slot: Ints, local: Floats) -> _Rows:
        codes = np.concatenate([chunk[at] for chunk in (*self._chunks, *self._small)])
        is_value = codes != self._no_value
        return _Rows(codes[is_value].astype(np.int64), row_slot[is_value], local)


def _season(rows: _Rows, column: Column, means: Floats, run: LongRun) -> ColumnSeason | None:
    """The wave of a column, None where none pays; `means` (S, 2) as `_Stretch` has them."""
    bins = column.bins.bins
    if not len(rows.codes) or not column.directions().count:
        return None
    slots = rows.counts(bins)
    terms, falls_to = choose(slots, column.directions().sets, settled=run.settled)
    if not terms:
        return None
    wave = fit(slots, terms)
    of_means = np.zeros(len(wave.error))
    if column.bins.kind == NUMERIC:
        x, n = vectors(entries(terms), rows.local), means[:, 1]
        square = (x * n[:, None]).T @ x
        of_means = np.linalg.pinv(square, hermitian=True) @ (x.T @ (means[:, 0] / UNIT))
    return ColumnSeason(terms, Fit(_cut(wave.shares), _cut(wave.error)), _cut(of_means), rounded(falls_to, 3))


def _cut(values: Floats) -> Floats:
    return all_rounded(values, DIGITS)


@dataclass(frozen=True, slots=True)
class _SlotsOfWindows:
    """Events of W base windows by slot: `window`, `slot` and `events` (N,) of each stretch of one slot."""

    windows: int
    window: Ints
    slot: Ints
    events: Floats

    @classmethod
    def of(cls, slot: Ints, events: Sequence[int], ends: Sequence[int]) -> _SlotsOfWindows:
        window = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        return cls(len(ends) - 1, window, slot[: len(window)], np.array(events[: len(window)], np.float64))

    def vectors(self, x: Floats) -> Floats:
        """(W, K): sums over events of the slots' vectors (S, K)."""
        out = np.zeros((self.windows, x.shape[1]))
        np.add.at(out, self.window, x[self.slot] * self.events[:, None])
        return out


class _AroundWave:
    """How a column varies around its wave."""

    def __init__(self, season: ColumnSeason, column: Column, rows: _Rows) -> None:
        self.season, self.rows, self.directions = season, rows, column.directions()
        self.entries = entries(season.terms)
        self.x = vectors(self.entries, rows.local)

    def long_run(self) -> LongRun:
        """Of the residuals; not settled where days of the wave are too few to tell how much days differ."""
        rows, error, sets = self.rows, self.season.wave.error, self.directions.sets
        left = left_in_blocks(self.x, error, rows.slot, block_sizes(len(rows.codes)))
        expected = expected_shares(self.entries, self.season.wave, rows.local, sets)
        run = settle(residual_blocks(sets, rows.codes, rows.slot, expected, left), self.directions.group)
        lasted = float(rows.local.max() - rows.local.min())
        if self.season.has_day and run.settled and lasted < ENOUGH_DAYS * DAY * NEARLY:
            return replace(run, settled=False, reason=FEW_DAYS)
        return run

    def largest_distances(self, counts: Ints, by_window: _SlotsOfWindows) -> Floats:
        """(K,) by level, of windows (W, B) from what is expected of them; NaN where too few are known.

        A window is compared with the fit without it: the fit took up a part of the window's own noise.
        """
        x, sets = by_window.vectors(self.x), self.directions.sets.astype(np.float64)
        counts, x = (np.concatenate([np.zeros((1, y.shape[1])), np.cumsum(y, 0)]) for y in (counts[:, : len(sets)], x))
        windows = len(counts) - 1
        out = np.full(max(1, windows.bit_length()), np.nan)
        for level in range(len(out)):
            length = 1 << level
            if windows >> level < MIN_WINDOWS_LEARNED:
                break
            own, at = counts[length:] - counts[:-length], x[length:] - x[:-length]
            n = own.sum(1, keepdims=True)
            at = at / np.maximum(at[:, :1], 1e-9)
            moved = np.abs(own @ sets / np.maximum(n, 1) - np.clip(at @ (self.season.wave.shares @ sets), 0, 1)).max(1)
            left = 1 - n[:, 0] * np.einsum("ij,jk,ik->i", at, self.season.wave.error, at)
            out[level] = np.where(n[:, 0] > 0, moved / np.maximum(left, LEAST_LEFT), 0.0).max()
        return np.asarray(np.round(out, KEPT_DIGITS), np.float64)
