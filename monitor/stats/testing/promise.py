"""Power of the tests: which lasting changes page with 95 % probability, after how many base windows, and which do not.

For each of L window lengths, the probability that one window pages is computed for R equally likely errors of the
reference, which is sampled once. Adjacent windows are independent, so k of them all miss a change with (1 - p)^k;
overlapping windows add a little to that. The thresholds are the judge's own (`directional.smallest_over`,
`quality_dispersion.excess_criticals`).

Shapes: S changes of one column, of which the slowest counts, B bins, D directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, pdtrc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: units of a change of a column: a shift of its mean in standard deviations, or a share of its values
SHIFT: Final = "shift"
SHARE: Final = "share"

#: probability with which a promised change pages, and at most which an undetectable one does
SEEN: Final = 0.95
UNSEEN: Final = 0.05
#: equally likely errors of the reference, in standard errors
ERRORS: Final[Floats] = ndtri((np.arange(10) + 0.5) / 10)
#: standard errors by which a variance may be wrong, and the least part of it that is left
DOUBTS: Final = 1.645
LEAST_DOUBTED: Final = 0.1
#: waiting times that are tried, in lengths of a window
WAITED: Final = np.array([1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
#: gain of overlapping over adjacent windows for each doubling of the length: a lower bound, simulated for independent
#: base windows and probabilities of a window from 1/100 to 1/2
OVERLAP: Final = (0.06, 0.04)
MOST_OVERLAP: Final = 0.14
#: ... and an upper bound, as a factor
OVERLAPPING: Final = 8
#: windows of more base windows than this are evaluated less often: this many times per length
BLOCKS: Final = 64
#: at most this many lengths for a named change: one that takes longer pages by luck
NAMED_WAIT: Final = 4
#: named changes, the first detectable one of each list is reported: shifts of the mean in standard deviations, changes
#: of a share; and increases of the share of missing values
NAMED: Final = {SHIFT: (0.3, 0.5, 1.0, 2.0), SHARE: (0.1, 0.2, 0.4)}
MISSING_NAMED: Final = (0.01, 0.05)
#: range of shifts that is searched, and the smallest change of a share
SHIFTS: Final = (0.005, 5.0)
LEAST_SHARE: Final = 0.001
#: bisections of the logarithm in that search
HALVINGS: Final = 12
#: number of bins, the most frequent ones, whose share is changed
BINS_CHANGED: Final = 4
#: a number moves as a whole where it has so many bins, and no single value has a larger share
FEWEST_BINS: Final = 4
LARGEST_ATOM: Final = 0.1


@dataclass(frozen=True, slots=True)
class ShareDetection:
    """What windows of each length say of one column's shares.

    `bins` (B,) the reference's shares, `sets` (B, D) the directions. `over` (2, L, D) how much the share of a direction
    must fall, and rise, until a window pages, `allowed` (L,) how much some share must change at least (infinite: no
    window of that length pages). `live` (L, D) and `reference` (D,) variance of a share over p (1 - p), `doubt` (D,)
    how much larger or smaller both may be, as a part of them. `points` (B + 1,) the ends of the bins of a number that
    moves as a whole, in its standard deviations; empty for others. `rows` values of the reference are worth `worth`
    independent ones. After a start the first `starts_after` base windows do not page. `why_not`: why no change pages,
    "" where some does.
    """

    bins: Floats
    sets: Floats
    over: Floats
    allowed: Floats
    live: Floats
    reference: Floats
    doubt: Floats
    points: Floats
    rows: float
    worth: float
    starts_after: int
    why_not: str = ""
    #: the shifts that page: 1 up, -1 down
    signs: tuple[float, ...] = (1.0, -1.0)

    @property
    def form(self) -> str:
        return SHIFT if len(self.points) else SHARE

    @property
    def sizes(self) -> tuple[float, float]:
        """Range of changes that is searched; a share changes at most by what a bin can gain or lose."""
        if self.form == SHIFT:
            return SHIFTS
        largest = self.bins.max(initial=0.0)
        return LEAST_SHARE, float(max(largest, 1 - largest))

    def moves(self, size: float, *, at_most: bool = False) -> Floats:
        """(S, D): how much each share moves by each change of that size, at least or at most.

        How values lie inside a bin is not known: what both ways of filling it agree on is sure.
        """
        if self.form == SHARE:
            return (share_changed(self.bins, size) - self.bins) @ self.sets
        ways = [moved_by(self.points, self.bins, size * sign, self.rows) for sign in self.signs]
        moves = (np.array(ways) - self.bins) @ self.sets  # (S, ways, D)
        first, second = moves[:, 0], moves[:, 1]
        if at_most:
            return np.where(np.abs(first) > np.abs(second), first, second)
        agreed = np.where(np.abs(first) < np.abs(second), first, second)
        return np.where(first * second > 0, agreed, 0.0)

    def moved(self, size: float) -> float:
        """The largest change of a share that a change of that size makes; of the smallest such one."""
        return float(np.abs(self.moves(size)).max(1, initial=0.0).min(initial=1.0))

    def chances(self, size: float, *, at_most: bool = False) -> Floats:
        """(S, L, R): that one window of each length pages, at least; or at most, as far as the variance is known."""
        p, move = self.bins @ self.sets, self.moves(size, at_most=at_most)[:, None, :]
        after = np.clip(p + move, 0.0, 1.0)
        live = np.sqrt(after * (1 - after) * self.live)
        error = np.sqrt(p * (1 - p) * self.reference)
        over = np.where(move < 0, self.over[0], self.over[1])
        unsure = _Unsure(live, error, -self.doubt if at_most else self.doubt)
        seen = unsure.best(np.abs(move) - over)
        return np.minimum(seen, unsure.best(np.abs(move) - self.allowed[:, None]))


@dataclass(frozen=True, slots=True)
class ExcessDetection:
    """What windows of each length say of one fact of a column.

    `share` of it in the reference and its standard `error`; `events` (L,) of a window, `critical` (L,) hits at which it
    pages, `overdispersion` (L,) of the hits.
    """

    share: float
    error: float
    events: Floats
    critical: Floats
    overdispersion: Floats

    def chances(self, size: float) -> Floats:
        """(1, L, R): that one window of each length pages when the share is larger by `size`."""
        share = np.clip(self.share + self.error * ERRORS + size, 0.0, 1.0)
        expected = (self.events / self.overdispersion)[:, None] * share
        return np.asarray(pdtrc(np.ceil(self.critical / self.overdispersion)[:, None] - 1, expected), np.float64)[None]


class _Unsure:
    """How far the shares of windows may lie off: `live` (S, L, D) and `error` (D,) standard deviations of the window
    and of the reference. `doubt` (D,) makes the spread larger where it does harm, and smaller where a change pages by
    chance alone."""

    def __init__(self, live: Floats, error: Floats, doubt: Floats) -> None:
        self._live, self._error, self._doubt = live, error, doubt
        self._both = np.maximum(np.sqrt(live**2 + error**2), 1e-12)

    def best(self, margin: Floats) -> Floats:
        """(S, L, R): the chance that the direction with the largest `margin` above what it needs (S, L, D) is over."""
        if not margin.shape[2]:
            return np.zeros((*margin.shape[:2], len(ERRORS)))
        at = (margin / self._both).argmax(2)
        shift, length = np.ogrid[: at.shape[0], : at.shape[1]]
        live, error, doubt = self._live[shift, length, at][..., None], self._error[at][..., None], self._doubt[at]
        room = margin[shift, length, at][..., None] + error * ERRORS
        doubted = np.where(room > 0, doubt[..., None], -doubt[..., None])
        spread = live * np.sqrt(np.maximum(1 + doubted, LEAST_DOUBTED))
        return np.asarray(ndtr(room / np.maximum(spread, 1e-12)), np.float64)


def moved_by(points: Floats, shares: Floats, by: float, rows: float) -> Floats:
    """(2, B): shares of bins with these ends (B + 1,), of `rows` values, when every value is larger by `by`.

    Values lie evenly in a bin; or as a normal distribution has them, thinner towards the ends.
    """
    below = np.concatenate([[0.0], np.cumsum(shares)])
    normal = ndtri(np.clip(below, 0.5 / max(rows, 1.0), 1 - 0.5 / max(rows, 1.0)))
    at = points[1:-1] - by
    evenly, thinning = np.interp(at, points, below), ndtr(np.interp(at, points, normal))
    return np.array([np.diff(np.concatenate([[0.0], cuts, [1.0]])) for cuts in (evenly, thinning)])


def share_changed(shares: Floats, size: float) -> Floats:
    """(S, B): one of the most frequent bins gains, or loses, so much of all values; the others give or take in
    proportion to what they have."""
    most = np.argsort(-shares, kind="stable")[:BINS_CHANGED].tolist()
    found = []
    for at in most:
        for share in (shares[at] + size, shares[at] - size):
            if -1e-9 <= share <= 1 + 1e-9 and shares[at] < 1:
                after = shares * (1 - share) / (1 - shares[at])
                after[at] = share
                found.append(after)
    return np.array(found).reshape(len(found), len(shares))


def windows_until(chances: Floats, lengths: Ints, most: float = np.inf) -> float:
    """Base windows after which the slowest of the changes has paged with the chance `SEEN`; infinite: never.

    `chances` (S, L, R); `lengths` (L,) base windows, of which at most so many of each are waited for. A change may
    begin just behind the start of a base window.
    """
    if not len(chances):
        return np.inf
    waited = np.ceil(WAITED[most >= WAITED] * lengths[:, None])  # (L, times)
    evaluations = (waited / lengths[:, None])[:, None] * _overlap(chances, lengths)[..., None]
    missed = ((1 - chances)[..., None] ** evaluations).mean(2)
    return float(np.where(missed <= 1 - SEEN + 1e-9, waited + _wait(lengths)[:, None], np.inf).min((1, 2)).max())


def seen_within(chances: Floats, lengths: Ints, windows: float) -> Floats:
    """(S,): lower bound of the probability that each change has paged after this many base windows."""
    waited = np.floor(windows - _wait(lengths))
    evaluations = np.where(waited >= lengths, waited / lengths, 0.0)[:, None] * _overlap(chances, lengths)
    missed = ((1 - chances) ** evaluations).mean(2)
    return np.asarray(1 - missed.min(1, initial=1.0), np.float64)


def paged_within(chances: Floats, lengths: Ints, windows: float) -> Floats:
    """(S,): approximate upper bound of the probability that each change has paged after this many base windows."""
    evaluations = np.where(windows >= lengths, windows / np.maximum(lengths / OVERLAPPING, 1), 0)
    return np.asarray(1 - ((1 - chances) ** evaluations[:, None]).prod(1).mean(1), np.float64)


def _overlap(chances: Floats, lengths: Ints) -> Floats:
    """(S, L, R): how many windows side by side the overlapping ones in one length are worth, at least."""
    level = -ndtri(np.clip(chances, 1e-12, 1 - 1e-12))
    more = np.clip(OVERLAP[0] + OVERLAP[1] * level, 0, MOST_OVERLAP)
    return np.asarray(1 + np.log2(lengths)[:, None] * more, np.float64)


def _wait(lengths: Ints) -> Floats:
    """Base windows until the next window of each length can begin."""
    return np.maximum(1.0, lengths / BLOCKS)


def smallest_seen(detection: ShareDetection, lengths: Ints, windows: float) -> float:
    """The smallest change that pages within this many base windows with probability `SEEN`; infinite if none does."""

    def seen(size: float) -> bool:
        within = seen_within(detection.chances(size), lengths, windows)
        return bool(len(within) and within.min() >= SEEN - 1e-9)

    return _first(seen, *detection.sizes)


def largest_unseen(detection: ShareDetection, lengths: Ints, windows: float) -> float:
    """The largest change that pages within this many base windows with probability `UNSEEN` at most."""

    def paged(size: float) -> bool:
        return bool(paged_within(detection.chances(size, at_most=True), lengths, windows).max(initial=0.0) > UNSEEN)

    return _first(paged, *detection.sizes)


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where on a logarithmic scale something begins to hold; infinite where it does not."""
    if not holds(high):
        return np.inf
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True)
class Within:
    """How soon a change pages with the chance `SEEN`; `windows` base windows, all infinite where it never does."""

    windows: float
    events: float
    us: float


@dataclass(frozen=True, slots=True)
class ColumnPromise:
    """What is promised of one column; changes are in the unit of its `form`, standard deviations or shares.

    `named`: how soon a change of `size` pages, the first of those `NAMED` (infinite: none of them). `smallest`: the
    least change that pages within a day, infinite if none does, `moved` the share that it moves; `unseen`: the change
    below which hardly any pages. `missing`: how soon so many more missing values (`MISSING_NAMED`) page, empty where
    they do not page at all. The reference's values are worth `worth` independent ones. `why_not`: why no change of its
    distribution pages, "" where some does; `form` then says nothing.
    """

    name: str
    form: str
    size: float
    named: Within
    smallest: float
    moved: float
    unseen: float
    missing: tuple[Within, ...]
    worth: float
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class ModelPromise:
    """What is promised of a model version at so many `events_per_second`, `of_reference` times the reference's rate.

    `pages` in `per_us` microseconds is what it may page by chance, `used` of them are spent. The reference has so many
    `events`. `starting_us`: for how long after a start distributions do not page, each time once, the shortest first.
    Nothing is worse than `max_severity`. `performance_not_judged`: why labels are not compared with the reference's, ""
    if they are. `besides` are causes that page outside the budget.
    """

    pages: float
    used: float
    per_us: int
    events: int
    events_per_second: float
    of_reference: float
    starting_us: tuple[float, ...]
    max_severity: str
    columns: tuple[ColumnPromise, ...]
    performance_not_judged: str = ""
    besides: tuple[str, ...] = ()


def column_promise(
    name: str,
    shares: ShareDetection,
    missing: ExcessDetection | None,
    lengths: Ints,
    base_events: float,
    base_us: float,
    a_day: float,
) -> ColumnPromise:
    """Of one column; `a_day` is a day in base windows of `base_events` events and `base_us` microseconds."""

    def within(windows: float) -> Within:
        return Within(windows, windows * base_events, windows * base_us)

    may_page, named = not shares.why_not, (np.inf, np.inf)
    if may_page:
        each = ((size, windows_until(shares.chances(size), lengths, NAMED_WAIT)) for size in NAMED[shares.form])
        named = next((one for one in each if np.isfinite(one[1])), named)
    smallest = smallest_seen(shares, lengths, a_day) if may_page else np.inf
    return ColumnPromise(
        name,
        shares.form,
        named[0],
        within(named[1]),
        smallest,
        shares.moved(smallest) if np.isfinite(smallest) else np.inf,
        largest_unseen(shares, lengths, a_day) if may_page else np.inf,
        ()
        if missing is None
        else tuple(within(windows_until(missing.chances(size), lengths)) for size in MISSING_NAMED),
        shares.worth,
        shares.why_not,
    )
