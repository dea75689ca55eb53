"""Detects values outside the range that are the reference's in another unit.

Only common units are tried. One is reported if the whole reference, converted to it, explains the window (shares below
and above the range, shares of the bins, mean and standard deviation of the values outside) clearly better than the same
values shifted by a constant, and clearly better than any other unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Finding
from monitor.judge.windows.all_values import Moments, in_reference, in_window, mean_outside, moments
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import Column
from monitor.stats.bins.numeric_bins import values_within
from monitor.stats.tallies.tally import (
    BELOW,
    FAR_COUNT,
    OUTSIDE_COUNT,
    OUTSIDE_LOG,
    OUTSIDE_LOG_SQUARES,
    SQUARE_UNIT,
    UNIT,
)

Floats = NDArray[np.float64]

#: powers of ten (cents, share and percent, s, ms, us, ns, kilo and milli), and other common ratios: minutes, hours and
#: days in seconds, 1,024, inches, miles, pounds
POWERS: Final = tuple(10.0**power for power in range(1, 10))
OTHERS: Final = (60.0, 3_600.0, 86_400.0, 1_024.0, 1_024.0**2, 1_024.0**3, 2.54, 25.4, 1.609344, 1 / 0.45359237)
FACTORS: Final = tuple(sorted({*POWERS, *OTHERS, *(1 / f for f in POWERS), *(1 / f for f in OTHERS)}))

MIN_VALUES: Final = 3
#: points that represent a bin of the reference
POINTS: Final = 32
#: tolerance of the mean of logarithms, in the reference's standard deviations; factors this near are equal, in decades
MEAN_OFF: Final = 0.05
NEAR: Final = 0.035
#: tolerance of cumulative shares, and of the ratio of standard deviations
SHARES_OFF: Final = 0.05
SPREAD_OFF: Final = 1.6
#: a factor must explain the standard deviation this many times better than a shift does
BETTER: Final = 2.0
#: below this share only some events came in another unit: reported only if that much of the reference would be outside
#: in it, and for a factor of at least this many decades
WHOLE: Final = 0.85
WHOLLY: Final = 0.995
PART_OUTSIDE: Final = 0.5
PART_DECADES: Final = 0.7
#: factors for which mean and standard deviation of all values are exact enough (fixed-point sums)
LINEAR: Final = (0.3, 1e4)
#: resolution of logarithms and their standard deviations, in decades (fixed-point sums)
SMALLEST: Final = 0.003
#: decades near the largest double
LARGEST: Final = 300.0
#: a column is constant if its values are equal within this relative difference
SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class UnitChange:
    """The unit change found; `factor` is None for a scale with an offset."""

    factor: float | None
    headline: str
    detail: str

    @classmethod
    def by(cls, factor: float) -> UnitChange:
        words = factor_words(factor)
        return cls(
            factor,
            f", by a factor of about {words}",
            f"; the values look like the reference's times {words}: a changed unit?",
        )

    @classmethod
    def to(cls, scale: Scale) -> UnitChange:
        words = f"{scale.before} has become {scale.after}"
        offset = f"{'+' if scale.offset > 0 else '-'} {abs(scale.offset):.4g}"
        return cls(None, f", as if {words}", f"; the values look as if {words} (x {scale.factor:.4g} {offset})")


class Scale(NamedTuple):
    """A temperature scale's change: value * factor + offset."""

    before: str
    after: str
    factor: float
    offset: float


SCALES: Final = (
    Scale("Celsius", "Fahrenheit", 1.8, 32.0),
    Scale("Fahrenheit", "Celsius", 1 / 1.8, -32.0 / 1.8),
    Scale("Celsius", "Kelvin", 1.0, 273.15),
    Scale("Kelvin", "Celsius", 1.0, -273.15),
    Scale("Fahrenheit", "Kelvin", 1 / 1.8, 273.15 - 32.0 / 1.8),
    Scale("Kelvin", "Fahrenheit", 1.8, 32.0 - 1.8 * 273.15),
)


def unit_change(prepared: PreparedReference, windows: Windows, window: int, column: int) -> UnitChange | None:
    """The change of unit that explains one window of a numeric column, None if none clearly does."""
    about = prepared.columns[column]
    outside = _Outside.of(prepared, windows, window, column)
    if outside.count < MIN_VALUES:
        return None
    seen = moments(about, windows.counts[window, column], windows.sums[window, column], prepared.width)
    if about.log_spread == 0 or not about.bins.edges:
        factor = _of_a_constant(about, float(windows.lows[window, column]), float(windows.highs[window, column]))
    else:
        factor = _factor(in_other_units(prepared, column), outside, seen)
    if factor is not None:
        return UnitChange.by(factor)
    scale = _scale(about, seen, float(windows.lows[window, column]))
    return None if scale is None else UnitChange.to(scale)


def without_unit(finding: Finding) -> Finding:
    """The finding without what it says of a changed unit."""
    said = [UnitChange.by(finding.factor)] if finding.factor is not None else [UnitChange.to(one) for one in SCALES]
    headline, detail = finding.headline, finding.detail
    for one in said:
        headline, detail = headline.replace(one.headline, ""), detail.replace(one.detail, "")
    return replace(finding, headline=headline, detail=detail, factor=None)


def factor_words(factor: float) -> str:
    """`1,000`, `0.001`, `0.0167`."""
    return f"{factor:,.0f}" if factor >= 1_000 else f"{factor:.3g}"


def _of_a_constant(about: Column, low: float, high: float) -> float | None:
    """Factor of a constant column that now has another constant value."""
    if about.center == 0 or abs(high - low) > SAME * abs(high):
        return None
    near = [factor for factor in FACTORS if abs(high - factor * about.center) <= SAME * abs(high)]
    return near[0] if len(near) == 1 else None


@dataclass(frozen=True, slots=True)
class _Outside:
    """Values outside the range in a window, and the counts of all values next to the reference's.

    `mean_log` and `spread_log` of log10 |x|; `mean` of the values outside, NaN if they are too large to be summed.
    """

    count: int
    below: float  # share of the values outside
    mean_log: float
    spread_log: float
    mean: float
    live: NDArray[np.int64]
    reference: NDArray[np.int64]

    @classmethod
    def of(cls, prepared: PreparedReference, windows: Windows, window: int, column: int) -> _Outside:
        sums, about = windows.sums[window, column], prepared.columns[column]
        count = int(sums[OUTSIDE_COUNT])
        some = max(count, 1)
        mean_log = int(sums[OUTSIDE_LOG]) / UNIT / some
        variance = int(sums[OUTSIDE_LOG_SQUARES]) / SQUARE_UNIT / some - mean_log**2
        live = in_window(prepared, windows, window, column)
        all_summed = int(sums[FAR_COUNT]) == int(live[0] + live[-1])
        mean = mean_outside(about, sums) if all_summed else math.nan
        below = int(sums[BELOW]) / max(int(live[0] + live[-1]), 1)
        spread_log = math.sqrt(max(variance, 0.0))
        return cls(count, below, mean_log, spread_log, mean, live, in_reference(prepared, column))


@dataclass(frozen=True, slots=True)
class _Points:
    """The reference as weighted points: signs and log10 of magnitudes.

    `shift` and `stretch` give the points' logarithms the mean and standard deviation of the reference's.
    """

    signs: Floats
    logs: Floats
    weights: Floats  # their sum is 1
    shift: float
    spread_ratio: float

    def times(self, factor: float) -> Floats:
        """The points in another unit."""
        return np.asarray(self.signs * 10.0 ** np.clip(self.logs + math.log10(factor), -LARGEST, LARGEST), np.float64)

    @classmethod
    def of(cls, about: Column, reference: NDArray[np.int64]) -> _Points:
        first, last = values_within(about.bins.low, about.bins.high)
        borders = np.array([first, *about.bins.edges, last])
        borders[np.abs(borders) < SAME * (about.bins.high - about.bins.low)] = 0.0
        steps = (np.arange(POINTS) + 0.5) / POINTS
        lower, upper = borders[:-1, None], borders[1:, None]
        counts = reference[1:-1]
        places = np.broadcast_to(steps, (len(counts), POINTS)).copy()
        # the outer bins hold tails: dense at the inner edge, the extreme value at the outer one
        tails = -np.log(1 - steps)
        places[0] = 1 - (tails / max(math.log(max(int(counts[0]), 1)), tails[-1]))[::-1]
        places[-1] = tails / max(math.log(max(int(counts[-1]), 1)), tails[-1])
        points = _between(lower, upper, places)
        if borders[0] == 0 and counts[0] <= about.modal_share * counts.sum() * (1 + SAME):
            points[0] = 0.0  # the first bin holds only zeros
        weights = np.repeat(counts / max(int(counts.sum()), 1) / POINTS, POINTS)
        return cls.standardised(points.ravel(), weights, about)

    @classmethod
    def standardised(cls, points: Floats, weights: Floats, about: Column) -> _Points:
        """Points with the correction of their logarithms to the reference's mean and standard deviation."""
        some = (points != 0) & (weights > 0)
        logs = np.log10(np.abs(np.where(some, points, 1.0)))
        mass = max(float(weights[some].sum()), 1e-12)
        mean = float((weights * logs)[some].sum()) / mass
        spread = math.sqrt(max(float((weights * (logs - mean) ** 2)[some].sum()) / mass, 0.0))
        spread_ratio = about.log_spread / spread if spread > 0 else 1.0
        return cls(np.sign(points), logs, weights, about.log_center - mean, spread_ratio)


def _between(lower: Floats, upper: Floats, places: Floats) -> Floats:
    """Points at `places` (bins, POINTS) from 0 to 1 of each bin: geometric where both edges have the same sign."""
    one_sign = (lower > 0) & (upper > 0) | (lower < 0) & (upper < 0)
    first, last = np.log(np.abs(np.where(one_sign, lower, 1.0))), np.log(np.abs(np.where(one_sign, upper, 1.0)))
    by_ratio = np.sign(lower) * np.exp(first * (1 - places) + last * places)
    return np.asarray(np.where(one_sign, by_ratio, lower * (1 - places) + upper * places), np.float64)


class _Expected(NamedTuple):
    """Expected shares under a factor (or a shift): of all bins, and of the values outside."""

    shares: Floats
    below: float
    mean_log: float
    spread_log: float

    @property
    def outside(self) -> float:
        return float(self.shares[0] + self.shares[-1])


def _expected(about: Column, values: Floats, weights: Floats) -> _Expected:
    """Expected shares if the reference's points had these `values`."""
    borders = np.array([about.bins.low, *about.bins.edges, about.bins.high])
    places = np.searchsorted(borders, values, side="left")
    shares = np.asarray(np.bincount(places, weights, minlength=len(borders) + 1), np.float64)
    out = ((places == 0) | (places == len(borders))) & (values != 0)
    mass = float(weights[out].sum())
    if mass <= 0:
        return _Expected(shares, 0.0, math.nan, math.nan)
    logs = np.log10(np.abs(values[out]))
    mean = float((weights[out] * logs).sum() / mass)
    variance = float((weights[out] * (logs - mean) ** 2).sum() / mass)
    return _Expected(shares, float(weights[places == 0].sum() / mass), mean, math.sqrt(max(variance, 0.0)))


class InOtherUnits(NamedTuple):
    """The reference of a column in every unit that is tried: it depends on the reference alone."""

    about: Column
    points: _Points
    expected: tuple[tuple[float, _Expected], ...]


def in_other_units(prepared: PreparedReference, column: int) -> InOtherUnits | None:
    """Made once; None where the logarithms of the reference's values are not known."""
    if column not in prepared.in_other_units:
        about, made = prepared.columns[column], None
        if not math.isnan(about.log_center):
            points = _Points.of(about, in_reference(prepared, column))
            expected = ((factor, _expected(about, points.times(factor), points.weights)) for factor in FACTORS)
            made = InOtherUnits(about, points, tuple(expected))
        prepared.in_other_units[column] = made
    return cast("InOtherUnits | None", prepared.in_other_units[column])


def _factor(units: InOtherUnits | None, outside: _Outside, seen: Moments) -> float | None:
    if units is None:
        return None
    about, points, tried = units
    fits = [fit for factor, one in tried if (fit := _fit(about, points, outside, seen, factor, one)) is not None]
    if not fits:
        return None
    best = min(fits)
    error = max(3 * best.spread_log / math.sqrt(outside.count), SMALLEST)
    rivals = [fit.factor for fit in fits if fit.off - best.off <= error]
    # of two nearly equal factors, 1,000 and 1,024, take the power of ten
    if any(abs(math.log10(rival / best.factor)) > NEAR for rival in rivals):
        return None
    return next((factor for factor in rivals if round(math.log10(factor), 9).is_integer()), best.factor)


class _Fit(NamedTuple):
    """A factor that explains a window; `off` is the error of the mean of logarithms, in decades."""

    off: float
    factor: float
    spread_log: float


def _fit(
    about: Column, points: _Points, outside: _Outside, seen: Moments, factor: float, expected: _Expected
) -> _Fit | None:
    slack = 1 / math.sqrt(outside.count)
    if expected.outside < 0.01 or abs(expected.below - outside.below) > SHARES_OFF + 2 * slack:
        return None
    # exact if all points are outside; else only to bin precision: between the raw and the corrected points
    spread_log = expected.spread_log * (1 + (points.spread_ratio - 1) * expected.outside)
    away = outside.mean_log - expected.mean_log
    corrected = away - points.shift * expected.outside
    off = abs(corrected) if expected.outside > WHOLLY else max(0.0, min(away, corrected), -max(away, corrected))
    if off > 2 * SMALLEST + spread_log * (MEAN_OFF + 3 * slack):
        return None
    live, reference = outside.live / outside.live.sum(), outside.reference / outside.reference.sum()
    part = min(1.0, float(live[0] + live[-1]) / expected.outside)
    whole = part >= WHOLE
    if not whole and (expected.outside < PART_OUTSIDE or abs(math.log10(factor)) < PART_DECADES):
        return None
    mixed = part * expected.shares + (1 - part) * reference
    if np.abs(np.cumsum(mixed - live)).max() > SHARES_OFF + 1 / math.sqrt(float(outside.live.sum())):
        return None
    if whole and seen.whole and LINEAR[0] <= factor <= LINEAR[1]:
        spreads = seen.spread / about.scale, factor, 1.0
    else:
        spreads = outside.spread_log, spread_log, _moved(about, points, outside)
    return _Fit(off, factor, spread_log) if _nearer(*spreads, slack) else None


def _nearer(seen: float, stretched: float, moved: float, slack: float) -> bool:
    """Whether a standard deviation fits a factor (`stretched`) rather than a shift by a constant (`moved`)."""
    if max(seen, stretched) <= 2 * SMALLEST or math.isnan(moved):
        return True  # both fit: the mean decides
    off = abs(math.log((seen + SMALLEST) / (stretched + SMALLEST)))
    if off > math.log(SPREAD_OFF) + 2 * slack:
        return False
    return BETTER * off <= abs(math.log((seen + SMALLEST) / (moved + SMALLEST)))


def _moved(about: Column, points: _Points, outside: _Outside) -> float:
    """Standard deviation of the logarithms outside, had all values been shifted there by a constant."""
    if math.isnan(outside.mean):
        return 0.0  # so far outside that nothing remains of it after a shift
    values = points.times(1.0) + (outside.mean - about.center)
    return _expected(about, values, points.weights).spread_log


def _scale(about: Column, seen: Moments, low: float) -> Scale | None:
    """The change of temperature scale that explains mean and standard deviation of all values, if just one does.

    A tenth of the values would be below 0 in it, and the smallest, `low`, is not: it is another change.
    """
    if not seen.whole or seen.values < MIN_VALUES or seen.spread <= 0 or not about.bins.edges:
        return None
    slack = 1 / math.sqrt(seen.values)
    fitting = []
    for scale in SCALES:
        mean, spread = about.center * scale.factor + scale.offset, about.scale * scale.factor
        stretched = abs(math.log(seen.spread / spread))
        unstretched = abs(math.log(seen.spread / about.scale))
        if about.bins.edges[0] * scale.factor + scale.offset < 0 <= low:
            continue
        exact = stretched <= 0.1 + 2 * slack and abs(seen.mean - mean) <= spread * (0.1 + 3 * slack)
        if exact and (scale.factor == 1 or BETTER * stretched <= unstretched):
            fitting.append(scale)
    return fitting[0] if len(fitting) == 1 else None
