"""The columns of one kind side by side, as their directions are compared: numeric ones, and categorical ones.

The two kinds are kept apart: padded to the widest category, a number column would cost six times as much.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.judge.windows.prepared_reference import FASTER, Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.judge.windows.season import SideSeason, time_of, times_of
from monitor.stats.bins.name_bins import NameBins, buckets_of, joined_chi_square, regroup, total_variation
from monitor.stats.bins.reference_bins import OUTSIDE
from monitor.stats.tallies.tally import BELOW, Tally
from monitor.stats.testing.directional import DirectionReference, Expected, evaluate
from monitor.stats.testing.directions import Directions
from monitor.stats.testing.evidence import chi_square_critical
from monitor.stats.testing.screening import DirectionScreen, NameScreen, size_steps
from monitor.stats.variance.live_watch import Watch
from monitor.stats.variance.long_run import INDEPENDENT, ROWS_WITHOUT_DISTANCE

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: all columns
EVERY: Final = slice(None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Windows against the reference, arrays (W, C): `variance` and `moved` (W, C, D).

    `z` of the direction `at`, `critical` what it may be; `chi` and `chi_critical` of joined categories (0 and infinite
    where not made); `evidence` the larger of the two ratios. `distance` the largest change of a share, `spread` the
    total variation of categories. `large`: a direction moved enough for a page, `error` of that change.
    `tests` were made of a window and column.
    """

    at: Ints
    z: Floats
    critical: Floats
    chi: Floats
    chi_critical: Floats
    freedom: Floats
    evidence: Floats
    moved: Floats
    distance: Floats
    spread: Floats
    error: Floats
    tests: Ints


#: a column with a wave is compared in windows that hold this part of its usual values
LEAST_FILLED: Final = 0.9


@dataclass(frozen=True)
class Compared:
    """C columns of one kind; `places` (C,) among the model's, `last` (C,) their last bins."""

    places: Ints
    reference: DirectionReference
    independent: Flags
    settled: Flags
    kappa: Floats
    last: Ints
    numeric: bool
    #: (C,) values in an event of the reference
    filled: Floats
    _names: dict[int, NameBins]
    _counts: Ints
    season: SideSeason | None = None
    #: numbers in the time's vector
    clocked: int = 0
    _alone: dict[int, Compared] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, prepared: PreparedReference, *, numeric: bool) -> Compared:
        places = np.flatnonzero(prepared.ordered == numeric)
        columns = [prepared.columns[at] for at in places.tolist()]
        varies, seasons = prepared.reference.variability, prepared.reference.seasons
        runs = [varies.long_runs[at] for at in places.tolist()]
        counts, width = prepared.bins[places], prepared.width
        reference = DirectionReference.of(Directions.of([c.directions() for c in columns], width), counts, runs)
        independent = np.array([run.reason == INDEPENDENT for run in runs], np.bool_)
        names = {
            at: NameBins(column.bins.cuts, buckets_of(column.bins.categories), counts[at, : column.bins.bins])
            for at, column in enumerate(columns)
            if column.bins.buckets and independent[at] and not (seasons and places[at] in seasons.columns)
        }
        settled = np.array([run.settled for run in runs], np.bool_)
        last = np.array([column.bins.bins - 1 for column in columns], np.int64)
        filled = reference.rows / max(prepared.reference.events, 1)
        season = SideSeason.of(seasons, places, reference)
        return cls(
            places,
            reference,
            independent,
            settled,
            varies.kappa[places],
            last,
            numeric,
            filled,
            names,
            counts,
            season,
            len(seasons.entries) if seasons and season else 0,
        )

    @property
    def free(self) -> Flags:
        """(C,) columns that page without a largest distance."""
        return np.asarray(self.independent & (self.reference.rows >= ROWS_WITHOUT_DISTANCE), np.bool_)

    @property
    def tests(self) -> int:
        """Tests of one window length: two groups of directions a number, one a category, one more where buckets are."""
        return len(self.places) * (2 if self.numeric else 1) + len(self._names)

    def values(self, windows: Windows, width: int, only: slice = EVERY) -> Ints:
        """Counts (W, C, B), of some columns alone; numbers outside the range are in the first or the last bin."""
        return self.values_of(windows.counts, windows.sums, width, only)

    def values_of(self, counts: Ints, sums: Ints, width: int, only: slice = EVERY) -> Ints:
        """The same of counts (W, C, B + Q) and sums (W, C, SUMS) of all columns, as wide integers."""
        own = counts.take(self.places[only], 1)
        values = own[:, :, :width]
        if self.numeric:
            below, last = sums[:, :, BELOW].take(self.places[only], 1), self.last[only]
            values[:, :, 0] += below
            if self._one_last is None:
                values[:, np.arange(len(last)), last] += own[:, :, width + OUTSIDE] - below
            else:
                values[:, :, self._one_last] += own[:, :, width + OUTSIDE] - below
        return values

    @cached_property
    def _one_last(self) -> int | None:
        """The last bin of all columns, where they have the same number."""
        last = set(self.last.tolist())
        return last.pop() if len(last) == 1 else None

    def usually_expected(self, windows: int) -> Expected | None:
        """What is expected of so many windows on average over all times; None where no column depends on time.

        Over all times a fit with k entries is worth a k-th of the rows.
        """
        if self.season is None:
            return None
        rows, shape = self.reference.rows.copy(), self.reference.shares.shape
        rows[self.season.at] /= self.season.sizes
        seasonal = np.zeros(len(rows), np.bool_)
        seasonal[self.season.at] = True
        every = np.broadcast_to(self.reference.shares, (windows, *shape))
        return Expected(every, np.broadcast_to(rows, (windows, len(rows))), seasonal)

    def expected(self, windows: Windows) -> Expected | None:
        """What is expected of windows at their time; None where no column depends on it."""
        if self.season is None:
            return None
        expected = self.season.expected(self.reference, times_of(windows, self.clocked))
        return expected._replace(rows=np.where(self._at_the_times(windows), expected.rows, 0.0))

    def _at_the_times(self, windows: Windows) -> Flags:
        """(W, C) whether a column's values are of the times of the window's events; always where time does not matter.

        Where many are missing, the others may all be of one part of the window.
        """
        width = self.reference.bin_shares.shape[1]
        events = np.array([[span.events] for span in windows.spans], np.float64)
        out = self.values(windows, width).sum(2) >= LEAST_FILLED * self.filled * events
        seasonal = np.zeros(len(self.places), np.bool_)
        if self.season is not None:
            seasonal[self.season.at] = True
        return np.asarray(out | ~seasonal, np.bool_)

    def expected_mean(self, windows: Windows, window: int, place: int) -> float | None:
        """The standardised mean of one column of numbers that is expected at a window's time; None as above."""
        if self.season is None:
            return None
        return self.season.mean(place, times_of(windows, self.clocked)[window])

    def waves(self, base: Tally, counts: Ints) -> Floats | None:
        """(C, D) events of a base window, with these counts (C, B), that waves explain; 0 of columns without one."""
        if self.season is None:
            return None
        expected = self.season.expected(self.reference, time_of(base, self.clocked)[None])
        return np.where(expected.seasonal[:, None], expected.shares[0] * counts.sum(1)[:, None], 0.0)

    def expected_shares(self, windows: Windows, window: int, place: int) -> Floats | None:
        """The share of each bin of one column that is expected at a window's time; None where that does not matter."""
        if self.season is None:
            return None
        found = self.season.shares(place, times_of(windows, self.clocked)[window])
        return None if found is None else found[: self.last[place] + 1]

    def shares(self, place: int) -> Floats:
        """The reference's share of each bin of one column."""
        counts = self._counts[place, : self.last[place] + 1]
        return np.asarray(counts / max(int(counts.sum()), 1), np.float64)

    def share_change(self, windows: Windows, window: int, place: int) -> tuple[Floats, int]:
        """How much larger each of these shares is in one window than expected of it, and the values in it."""
        counts = self.values(windows, self._counts.shape[1], slice(place, place + 1))[window, 0, : self.last[place] + 1]
        values, usual = int(counts.sum()), self.expected_shares(windows, window, place)
        return np.asarray(
            counts / max(values, 1) - (self.shares(place) if usual is None else usual), np.float64
        ), values

    def compare(self, counts: Ints, rates: Floats, alpha: float, expected: Expected | None = None) -> Comparison:
        """Windows of `counts` (W, C, B), whose events came `rates` (W,) times as fast as the reference's.

        `expected` at their time, where columns depend on it.
        """
        variance = self._variance(counts.sum(2), rates)
        found = evaluate(self.reference, counts, alpha, variance, expected)
        chi, chi_critical, freedom, spread = self._joined(counts, alpha)
        evidence = np.maximum(found.exceedance, chi / chi_critical)
        n, at = np.maximum(counts.sum(2), 1), found.at
        own, reference = _at(variance, at), _at(np.broadcast_to(self.reference.variance, variance.shape), at)
        usual, rows = (self.reference.shares, self.reference.rows) if expected is None else expected[:2]
        share = _at(np.broadcast_to(usual, variance.shape), at)
        error = np.sqrt(share * (1 - share) * (own / n + reference / np.maximum(rows, 1)))
        distance = np.abs(found.moved).max(2, initial=0.0)
        return Comparison(
            at,
            found.z,
            found.critical,
            chi,
            chi_critical,
            freedom,
            evidence,
            found.moved,
            distance,
            spread,
            error,
            found.tests + (freedom > 0),
        )

    def variance_of(self, events: Floats, rate: float) -> tuple[Floats, Floats]:
        """(values (L, C), V (L, C, D)) of windows of so many `events` (L,) at that rate, as full as the reference."""
        values = events[:, None] * self.filled
        return values, self._variance(np.asarray(values, np.int64), np.full(len(events), rate))

    def _variance(self, n: Ints, rates: Floats) -> Floats:
        """V (W, C, D), raised where traffic is faster than the reference's."""
        usual = np.broadcast_to(self.reference.variance, (*n.shape, self.reference.variance.shape[1]))
        if not (rates > FASTER).any():
            return usual
        by_window = [rate if rate > FASTER else 1.0 for rate in rates.tolist()]
        return np.concatenate([self.reference.faster(n[w : w + 1], rate) for w, rate in enumerate(by_window)])

    def _joined(self, counts: Ints, alpha: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Chi-square, its critical value and degrees of freedom, and total variation: of columns with buckets."""
        shape = counts.shape[:2]
        chi, freedom, spread = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for at, names in self._names.items():
            bins = len(names.reference)
            values = counts[:, at, :bins].sum(1)
            steps = size_steps(np.maximum(values, 1)).tolist()
            for window, events in enumerate(values.tolist()):
                if events:
                    groups = self._name_screen.groups(at, steps[window])
                    reference, live = regroup(names.reference, groups), regroup(counts[window, at, :bins], groups)
                    value, degrees = joined_chi_square(reference, live)
                    chi[window, at], freedom[window, at] = float(value), degrees
                    spread[window, at] = float(total_variation(reference, live))
        return chi, chi_square_critical(alpha, freedom), freedom, spread

    def screened(
        self, counts: Ints, rates: Floats, alpha: float, expected: Expected | None = None
    ) -> tuple[Flags, Ints]:
        """(windows and columns whose evidence may be above 1, as of all others it is not; `tests`), both (W, C)."""
        n = counts.sum(2)
        if not n.size:
            return np.zeros(n.shape, np.bool_), n
        over = self._direction_screen.may_be_over(counts, n, alpha, expected)
        fast = self._depend_on_time and bool((rates > FASTER).any())
        tests = self._direction_screen.tests(n, self._variance(n, rates) if fast else None, expected)
        if self._names:
            joined_over, joined = self._name_screen.of(counts, n, alpha)
            over, tests = over | joined_over, tests + joined
        return over, tests

    def alone(self, place: int) -> Compared:
        """One of the columns by itself: it is compared as beside the others."""
        if place not in self._alone:
            here = slice(place, place + 1)
            names = {0: self._names[place]} if place in self._names else {}
            self._alone[place] = Compared(
                self.places[here],
                self.reference.of_column(place),
                self.independent[here],
                self.settled[here],
                self.kappa[here],
                self.last[here],
                self.numeric,
                self.filled[here],
                names,
                self._counts[here],
            )
        return self._alone[place]

    @cached_property
    def _direction_screen(self) -> DirectionScreen:
        return DirectionScreen(self.reference)

    @cached_property
    def _name_screen(self) -> NameScreen:
        return NameScreen(self._names, self._counts.shape[1])

    @cached_property
    def _depend_on_time(self) -> bool:
        """Whether the variance of any column depends on how fast events come."""
        return bool((self.reference.variance != 1).any() or (self.reference.by_rows != 1).any())

    def watch(self) -> Watch:
        """What live traffic is watched by, before any of it came."""
        return Watch.empty(len(self.places), self._counts.shape[1])

    def objects(self, watch: Watch) -> tuple[Flags, Flags, Flags]:
        """(restless, near events too alike, too new): why columns (C,) may not page."""
        alike = watch.too_alike(np.where(np.isnan(self.kappa), np.inf, self.kappa), self.reference.rows)
        return watch.restless(self.reference), alike, watch.too_new(self.free)


def sides_of(prepared: PreparedReference) -> tuple[Compared, Compared]:
    """The numeric columns and the categorical ones, made once of a prepared reference."""
    if "sides" not in prepared.kept:
        prepared.kept["sides"] = Compared.of(prepared, numeric=True), Compared.of(prepared, numeric=False)
    return cast("tuple[Compared, Compared]", prepared.kept["sides"])


def _at(values: Floats, index: Ints) -> Floats:
    """`values` (W, C, D) at one direction of each window and column; zeros where there is no direction."""
    if not values.shape[2]:
        return np.zeros(index.shape)
    return np.asarray(np.take_along_axis(values, index[..., None], 2)[..., 0], np.float64)
