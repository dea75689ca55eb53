"""What a finding about a distribution says: which values became more, compared with what is usual at that time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.judge.causes.smaller_unit import smaller_values
from monitor.judge.causes.unit_change import UnitChange, unit_change
from monitor.judge.comparison.columns import Compared
from monitor.judge.comparison.lazy_comparison import Measured
from monitor.judge.policy import Policy
from monitor.judge.windows.all_values import in_reference, in_window, moments
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.season import ColumnSeason
from monitor.stats.digits import before_and_after, told_apart
from monitor.stats.testing.directions import BIN, BUCKETS, OUTER
from monitor.stats.testing.onset import onset

Ints = NDArray[np.int64]

#: standard deviations the mean moves at least when a finding says that the column moved
LEAST_SHIFT: Final = 0.05
#: values that the shares usual at some time are told of
OF: Final = 10**9


class Words(NamedTuple):
    """What a finding says; `factor` is the probable factor of a changed unit."""

    headline: str
    detail: str
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class DistributionWords:
    """Words about windows of one model version; `place` (side, place in it) of each column."""

    prepared: PreparedReference
    policy: Policy
    sides: Sequence[Compared]
    place: Mapping[int, tuple[int, int]]

    def of(self, windows: Windows, measured: Measured, window: int, column: int) -> Words:
        """A unit that became larger is named: its values stay inside the range, near 0."""
        if not self.prepared.ordered[column]:
            return Words(*self._category(windows, measured, window, column))
        headline, detail = self._numeric(windows, measured, window, column)
        change = unit_of(self.prepared, windows, window, column)
        if change is None:
            return Words(headline, detail)
        return Words(headline + change.headline, detail + change.detail, change.factor)

    def is_up(self, windows: Windows, window: int, column: int) -> bool:
        """Whether most of the moved values went to higher bins."""
        shift = self._cumulative(windows, window, column)
        return bool(len(shift) and shift[np.abs(shift).argmax()] > 0)

    def began_us(self, windows: Windows, window: int, column: int) -> int:
        """Event time from which on the window's values are changed, to the length of its parts (base windows).

        Of a column with a wave the window's start: what is usual differs between its parts.
        """
        parts = windows.parts[window]
        if self._season(column) is not None or len(parts) == 1:
            return windows.start_us(window)
        live, usual = in_window(self.prepared, windows, window, column), self._usual(windows, window, column)
        change = live / max(live.sum(), 1) - usual / max(usual.sum(), 1)
        if self.prepared.ordered[column]:  # one side of the cut that most values crossed
            chosen = np.arange(len(change)) > int(np.abs(np.cumsum(change)).argmax())
        else:
            chosen = change > 0
        bins = self.prepared.columns[column].bins
        everywhere = [bins.everywhere(*windows.of_part(part, column)) for part in parts]
        hits = np.array([counts[chosen].sum() for counts in everywhere], np.float64)
        events = np.array([counts.sum() for counts in everywhere], np.float64)
        return parts[onset(hits, events, float(usual[chosen].sum() / max(usual.sum(), 1)))].start_us

    def _season(self, column: int) -> ColumnSeason | None:
        seasons = self.prepared.reference.seasons
        return seasons.columns.get(column) if seasons else None

    def _usual(self, windows: Windows, window: int, column: int) -> Ints:
        """Counts in the order of `ColumnBins.everywhere` as they are usual at the window's time."""
        s, place = self.place[column]
        shares = self.sides[s].expected_shares(windows, window, place)
        if shares is None:
            return in_reference(self.prepared, column)
        counts = np.zeros_like(self.prepared.reference.counts[column])
        counts[: len(shares)] = np.rint(shares / max(float(shares.sum()), 1e-12) * OF)
        return self.prepared.columns[column].bins.everywhere(counts, 0)

    def _usual_mean(self, windows: Windows, window: int, column: int) -> float:
        about, (s, place) = self.prepared.columns[column], self.place[column]
        usual = self.sides[s].expected_mean(windows, window, place)
        return about.center if usual is None else about.center + about.scale * usual

    def _share(self, column: int, before: float, now: float) -> str:
        """`0.24 -> 0.31`, or what it is now and what is usual at that time."""
        season = self._season(column)
        if season is None:
            return before_and_after(float(before), float(now), 3)
        usual, seen = told_apart([float(before), float(now)], 3)
        return f"{seen}, {season.words} usually {usual}"

    def _cumulative(self, windows: Windows, window: int, column: int) -> Floats:
        """Change of the share above each edge, outside values included."""
        live, usual = in_window(self.prepared, windows, window, column), self._usual(windows, window, column)
        above = np.cumsum(live[::-1])[::-1] / max(live.sum(), 1)
        before = np.cumsum(usual[::-1])[::-1] / max(usual.sum(), 1)
        return np.asarray((above - before)[2 : len(self.prepared.columns[column].bins.edges) + 2], np.float64)

    def _numeric(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        seen = moments(about, windows.counts[window, column], windows.sums[window, column], self.prepared.width)
        usual = self._usual_mean(windows, window, column)
        moved = (seen.mean - usual) / about.scale
        up = self.is_up(windows, window, column)
        if abs(moved) >= LEAST_SHIFT and (moved > 0) == up:
            words = f"moved {'up' if up else 'down'} by {_of_sd(abs(moved))} sd"
        else:
            words = "changed its shape"  # the mean stays, or goes the other way
        what = {BIN: "one bin's share", OUTER: "outer bins' share"}.get(
            measured.kind_of(window, column), "cut-point distance"
        )
        distance = f"{what} {measured.effect_of(window, column):.2g}"
        headline = f"{subject} {words} ({distance}{self._allowed(measured, window, column)})"
        name, season = "mean" if seen.whole else "mean of the values inside the range", self._season(column)
        details = [f"{name} {before_and_after(usual, seen.mean)}"]
        if season is not None:
            before, now = told_apart([usual, seen.mean], 4)
            details = [f"{name} {now}, {season.words} usually {before}"]
        if about.bins.edges:
            details.append(self._largest_shift(windows, measured, window, column))
        return headline, "; ".join(details)

    def _largest_shift(self, windows: Windows, measured: Measured, window: int, column: int) -> str:
        """The share of all values in the direction that moved: the change of the headline."""
        about, (s, place) = self.prepared.columns[column], self.place[column]
        points = told_apart([about.bins.low, *about.bins.edges, about.bins.high], 4)
        live, usual = in_window(self.prepared, windows, window, column), self._usual(windows, window, column)
        now, before = live / max(live.sum(), 1), usual / max(usual.sum(), 1)
        kind, direction = measured.kind_of(window, column), measured.direction_of(window, column)
        at = int(self.sides[s].reference.directions.at[place, direction])
        if kind == BIN:  # the places are: below the range, the bins, above it
            share = self._share(column, before[at + 1], now[at + 1])
            return f"share from {points[at]} to {points[at + 1]}: {share}"
        if kind == OUTER:
            inner = slice(at + 2, len(about.bins.edges) + 1 - at)
            share = self._share(column, before[inner].sum(), now[inner].sum())
            return f"share from {points[at + 1]} to {points[-2 - at]}: {share}"
        return f"share above {points[at + 1]}: {self._share(column, before[at + 2 :].sum(), now[at + 2 :].sum())}"

    def _category(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        about, subject = self.prepared.columns[column], self.prepared.subjects[column]
        counts, usual = in_window(self.prepared, windows, window, column), self._usual(windows, window, column)
        now, before = counts / max(counts.sum(), 1), usual / max(usual.sum(), 1)
        names = [*self.policy.of_column(about).labels(about.bins), *about.bins.beyond()]
        most = np.argsort(-np.abs(now - before), kind="stable")[:3].tolist()
        changed = [f"{names[i]}: {self._share(column, before[i], now[i])}" for i in most if now[i] != before[i]]
        effect = f"{measured.effect_of(window, column):.2g}"
        between = ", " if self._season(column) is None else "; of "
        return (
            f"{subject}: shares changed by up to {effect}{self._allowed(measured, window, column)}",
            "; ".join(["share of " + between.join(changed), *self._groups(measured, windows, window, column)]),
        )

    def _groups(self, measured: Measured, windows: Windows, window: int, column: int) -> Iterator[str]:
        """The buckets of other names that moved, by the names the reference has in them."""
        bins, (s, place) = self.prepared.columns[column].bins, self.place[column]
        if measured.kind_of(window, column) != BUCKETS:
            return
        side, direction = self.sides[s], measured.direction_of(window, column)
        held = np.flatnonzero(side.reference.directions.sets[place, :, direction]) - bins.named
        known = [self.policy.category(name) for at in held.tolist() for name in bins.bucket_names[at][:1]][:3]
        counts, reference = windows.counts[window, column], self.prepared.bins[column]
        share = counts[held + bins.named].sum() / max(counts[: bins.bins].sum(), 1)
        before = reference[held + bins.named].sum() / max(reference.sum(), 1)
        if (usual := side.expected_shares(windows, window, place)) is not None:
            before = usual[held + bins.named].sum()
        examples = f" ({', '.join(known)} ...)" if known else ""
        yield f"{len(held)} of {bins.buckets} groups of other names{examples}: {self._share(column, before, share)}"

    def _allowed(self, measured: Measured, window: int, column: int) -> str:
        """The distance that windows of the reference had, with its margin; nothing where it is not asked for."""
        s, place = self.place[column]
        allowed = measured.allowed[window, column]
        return "" if self.sides[s].free[place] or np.isnan(allowed) else f", allowed {allowed:.2g}"


def _of_sd(size: float) -> str:
    """A number of standard deviations: two digits, or all of a large one."""
    return f"{size:,.0f}" if size >= 100 else f"{size:.2g}"


def unit_of(prepared: PreparedReference, windows: Windows, window: int, column: int) -> UnitChange | None:
    """The change of unit that explains a window of a numeric column, whether its values are outside or near 0."""
    return unit_change(prepared, windows, window, column) or smaller_values(prepared, windows, window, column)
