"""Whether the mean of what labels bring is higher than in the reference: one side of one number, in several windows.

Windows of 1, 2, 4, ... base windows of labelled predictions are compared by `stats.mean_difference`, with the
number's own variation in the reference; where its rows depend on each other, also with the largest rise in the
reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.judge.incidents.incident import Floats
from monitor.judge.windows.label_windows import LabelWindow
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, LEARNED_REACH, LENGTH_TOLERANCE
from monitor.reference.performance_part import ErrorVariation
from monitor.stats.performance.judged_errors import TWO_SIDED, other_side
from monitor.stats.testing.mean_difference import ROWS, SUM, Difference, critical, difference
from monitor.stats.variance.long_run import LEAST_ROWS, ROWS_WITHOUT_DISTANCE

Flags = NDArray[np.bool_]

#: ... for evidence alone to decide: fewer cohorts cannot show that they depend on each other
WINDOWS_WITHOUT_DISTANCE: Final = 20
#: least rows of a window in which something is said of a mean
LEAST_IN_WINDOW: Final = 20
#: a page needs its least effect and so many standard errors, as of the distributions: see `stats.directional`
ERRORS_ABOVE_LEAST: Final = 2.0


class Known(Protocol):
    """What a reference knows of windows of such numbers: how many, and the rows and microseconds of one on average."""

    @property
    def windows(self) -> int: ...
    @property
    def rows(self) -> float: ...
    @property
    def base_us(self) -> int: ...


class Bounds(NamedTuple):
    """What a test may spend; a rise that is allowed, and the least one that may page, in the number's own unit."""

    alpha: float
    allowed: float
    least: float


@dataclass(frozen=True, slots=True)
class Side:
    """One way in which one mean can be worse. `place` is that of the figure among those of the windows."""

    place: int
    figure: str
    upwards: bool
    reference: Floats
    variation: ErrorVariation
    windows: int

    @property
    def before(self) -> float:
        """The mean in the reference, of this side."""
        return float(self.reference[SUM] / self.reference[ROWS])

    @property
    def room(self) -> float:
        """How much it may rise without being worse: of an error with two sides up to 0, which is best."""
        return max(-self.before, 0.0) if self.figure in TWO_SIDED else 0.0

    def of(self, windows: Floats) -> Floats:
        """This side's moments of windows (W, F, 4): (W, 4)."""
        own = windows[:, self.place]
        return own if self.upwards else other_side(own, self.figure)

    def largest(self, rows: float, part: Known) -> float:
        """The largest rise in the reference of windows of so many rows of its own; NaN where that was not learned."""
        known = self.variation.rises if self.upwards else self.variation.falls
        if not known or not part.windows:
            return math.nan
        base = float(self.reference[ROWS]) / part.windows
        if rows > LEARNED_REACH * base * (1 << (len(known) - 1)):
            return math.nan
        fitting = [at for at in range(len(known)) if base * (1 << at) <= LENGTH_TOLERANCE * rows]
        return known[fitting[-1] if fitting else 0]

    @property
    def may_be_judged(self) -> bool:
        """Whether the reference has enough rows."""
        return float(self.reference[ROWS]) >= LEAST_ROWS

    @property
    def is_free(self) -> bool:
        """Whether its rows are independent as far as can be seen: evidence alone decides."""
        return (
            self.variation.long_run.block == 0
            and float(self.reference[ROWS]) >= ROWS_WITHOUT_DISTANCE
            and self.windows >= WINDOWS_WITHOUT_DISTANCE
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """One side of one error in W windows, each (W,): see `Difference`.

    `over` is how far over, `limit` the least rise that is, `is_large` whether a rise is surely above the least effect,
    `is_known` whether the reference tells how far windows of such a size lie apart, and `settled` whether it tells how
    much rows depend on each other.
    """

    difference: Difference
    critical: Floats
    limit: Floats
    over: Floats
    is_large: Flags
    is_known: Flags
    settled: bool

    @property
    def large(self) -> Flags:
        """Whether a page may be made of each."""
        return self.is_large & self.is_known & self.settled

    def ticket_reason(self, at: int) -> str:
        """Why no page may be made of one, "" if one may."""
        if not self.settled:
            return "in the reference it varies too slowly to tell how much by chance"
        if not self.is_known[at]:
            return "the reference has too few windows of this size to tell how far they lie apart"
        return "" if self.is_large[at] else "the change is not surely above the least effect of a page"


def measured(side: Side, moments: Floats, windows: Sequence[LabelWindow], part: Known, bounds: Bounds) -> Measured:
    """One side in windows (W,) with moments (W, F, 4)."""
    own, run = side.of(moments), side.variation.long_run
    variance = np.array([_variance(float(run.variance[0]), window, part) for window in windows])
    found = difference(own, side.reference, variance)
    bound = critical(bounds.alpha, found.skew, float(run.freedom[0]))
    largest = np.array([side.largest(float(rows), part) for rows in own[:, ROWS]])
    held = np.zeros(len(own)) if side.is_free else np.nan_to_num(DISTANCE_FACTOR * largest)
    limit = np.maximum(bounds.allowed + bound * found.error, held)
    beyond = np.minimum(
        (found.higher - bounds.allowed) / np.maximum(bound * found.error, 1e-150),
        np.where(held > 0, found.higher / np.where(held > 0, held, 1.0), np.inf),
    )
    over = np.where((own[:, ROWS] >= LEAST_IN_WINDOW) & (found.higher > 0), beyond, 0.0)
    known = side.is_free | ~np.isnan(largest)
    is_large = found.higher >= bounds.least + ERRORS_ABOVE_LEAST * found.error
    return Measured(found, bound, limit, over, is_large, known, run.settled)


class Worst(NamedTuple):
    """A side that is over in some windows: the place of the worst one, and the start of the shortest one."""

    side: Side
    measured: Measured
    at: int
    since_us: int


def worst_windows(
    sides: Sequence[Side],
    measure: Callable[[Side, Floats, Sequence[LabelWindow]], Measured],
    windows: Sequence[LabelWindow],
) -> Iterator[Worst]:
    """Of each side that is over in windows, shortest first: the one that may page first, then the one furthest over."""
    moments = np.array([window.moments for window in windows])
    for side in sides:
        one = measure(side, moments, windows)
        over = np.flatnonzero(one.over > 1).tolist()
        if over:
            ranks = [(bool(one.large[at]), float(one.over[at])) for at in over]
            yield Worst(side, one, over[ranks.index(max(ranks))], windows[over[0]].span.start_us)


def _variance(v: float, window: LabelWindow, part: Known) -> float:
    return 1 + crowding(window, part) * (v - 1)


def crowding(window: LabelWindow, part: Known) -> float:
    """By how much more than in the reference the rows of a window depend on each other.

    Dependence is over time, so those that come faster depend more.
    """
    start_us, end_us, rows = window.span
    if not part.base_us or not part.rows or end_us <= start_us:
        return 1.0
    return max(rows / (end_us - start_us) * part.base_us / part.rows, 1.0)
