"""Checks whether the reference's variances hold for live traffic, by two indicators.

*Overdispersion*: neighbouring windows differ from each other more than V allows; a shift of level makes one such
difference (two if it falls inside a window) and then none. *Similar neighbours*: an event falls into the same bin as a
near one more often than in the reference, for example because the reference's rows were shuffled. While either is
true, or too few windows are known, a change of a column's distribution is at most a ticket.

Shapes: C columns, D directions. State is of fixed size and the same for any cut of the stream into polls, since it
takes whole base windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, chdtri

from monitor.stats.tallies.later import Later
from monitor.stats.testing.directional import MIN_EXPECTED, DirectionReference
from monitor.stats.testing.directions import Floats, Ints

Flags = NDArray[np.bool_]

#: lengths, in base windows, at which neighbouring windows are compared
LENGTHS: Final = (1, 4, 16)
#: differences kept per length, and least differences before they are used
KEPT: Final = 64
#: base windows that are worked out together
TOGETHER: Final = 16
FEWEST: Final = 8
#: 1 / this of the differences, the largest, are trimmed: those that a level shift makes
LEFT_OUT: Final = 8
#: marks an unknown difference in a state; not NaN, so that equal states compare equal
UNKNOWN: Final = -1.0
#: p-value of calling a column restless, at each base window: 1 in 80 independent columns once in 80,000 events
CHANCE: Final = 1e-4
#: neighbouring differences share a window: the correlation of 1/4 of their squares raises a mean's variance by this
SHARED: Final = 1.5
#: allowed excess of kappa over the reference's, and in standard errors
MORE_ALIKE: Final = 0.05
ALIKE_ERRORS: Final = 5.0
#: base windows over which near pairs are counted, and least base windows before a page of an independent column: a
#: change after 1,000 events must not wait for more
ALIKE_WINDOWS: Final = 8
FEWEST_ALIKE: Final = 3


def kappa(same: Floats, pairs: Floats, by_chance: Floats) -> Floats:
    """Cohen's kappa: how much more often neighbours share a bin than by chance, relative to its maximum.

    `same` of `pairs` neighbours share a bin; `by_chance` is the expected share of any two events.
    """
    observed = same / np.maximum(pairs, 1)
    return np.asarray((observed - by_chance) / np.maximum(1 - by_chance, 1e-9), np.float64)


def pairs_by_chance(counts: Ints) -> tuple[Floats, Floats]:
    """(share of all pairs of a window that share a bin, events), both (...,), of counts (..., bins)."""
    c = np.asarray(counts, np.float64)
    n = c.sum(-1)
    return (c * (c - 1)).sum(-1) / np.maximum(n * (n - 1), 1), n


def watched_cuts(reference: DirectionReference, events: float) -> Flags:
    """The directions (C, D) that are compared in neighbouring windows of `events`.

    Those of the first group with enough expected events; if there are none, those with shares nearest to one half.
    """
    return _watched_cuts(reference, np.array([events]))[:, 0]


def _watched_cuts(reference: DirectionReference, events: Floats) -> Flags:
    """(C, K, D): the same for each of K numbers of events."""
    first, middle = reference.watched
    often = reference.thinner[:, None] * events[:, None] / reference.variance[:, None] >= MIN_EXPECTED
    usable = first[:, None] & often
    return np.asarray(np.where(usable.any(2, keepdims=True), usable, middle[:, None]), np.bool_)


def variability(
    reference: DirectionReference, before: Ints, after: Ints, waves: tuple[Floats, Floats] | None = None
) -> Floats:
    """Mean over directions of the squared difference of two neighbouring windows relative to V, (C,).

    `before`, `after` (C, B) counts; NaN where a column has no value in one of them. `waves` (C, D) are the events of
    each that a wave explains, which are taken away.
    """
    return _variability(reference, [before, after], None if waves is None else list(waves))[:, 0]


def _variability(reference: DirectionReference, windows: Sequence[Ints], waves: Sequence[Floats] | None) -> Floats:
    """(C, K): the same of each two neighbours of K + 1 windows."""
    counts = np.array(np.moveaxis(np.array(windows), 0, 1), np.float64, order="C")
    values = counts.sum(2)[..., None]
    least = np.maximum(values, 1)
    shares = np.matmul(counts, reference.directions.sets) / least
    x, y = shares[:, :-1], shares[:, 1:]
    middle = (x + y) / 2
    if waves is not None:
        level = np.moveaxis(np.array(waves), 0, 1) / least
        x, y = x - level[:, :-1], y - level[:, 1:]
    each = 1 / least
    expected = middle * (1 - middle) * reference.variance[:, None] * (each[:, :-1] + each[:, 1:])
    both = (values[:, :-1, 0] > 0) & (values[:, 1:, 0] > 0)
    number = both.sum(0)
    together = np.where(both, values[:, :-1, 0] + values[:, 1:, 0], 0.0).sum(0)
    use = _watched_cuts(reference, together / np.maximum(number, 1) / 2)
    squares = np.where(use, (x - y) ** 2 / np.maximum(expected, 1e-9), 0.0)
    return np.where(both, squares.sum(2) / np.maximum(use.sum(2), 1), np.nan)


def watched_freedom(reference: DirectionReference, events: float) -> Floats:
    """Degrees of freedom (C,) of the mean square over the watched directions of windows of so many events.

    The mean of D squares whose differences have the correlations r varies as chi-square / freedom does with
    1 / mean(r^2) degrees: 1 where all move together, D where each moves by itself.
    """
    return np.array([_freedom_of(reference, at, use) for at, use in enumerate(watched_cuts(reference, events))])


def _freedom_of(reference: DirectionReference, column: int, use: Flags) -> float:
    """That of one column by the directions in `use` (D,), which seldom change from window to window."""
    key, kept = (column, use.tobytes()), reference.kept_freedom
    if key not in kept:
        if len(kept) >= KEPT * len(reference.rows):
            kept.clear()
        sets, p = reference.directions.sets[column][:, use], reference.shares[column, use]
        covariance = sets.T @ (reference.bin_shares[column, :, None] * sets) - p[:, None] * p
        variance = np.maximum(p * (1 - p), 1e-12)
        squares = covariance**2 / (variance[:, None] * variance)
        kept[key] = 1 / float(np.clip(squares.sum() / max(len(p), 1) ** 2, 1e-3, 1.0))
    return kept[key]


def most_by_chance(freedom: Floats, known: Ints) -> Floats:
    """What the trimmed mean of so many `known` mean squares (C,) may be by chance.

    Each is a chi-square over its degrees of freedom; of the largest, one in `LEFT_OUT` is left out. The mean of the
    others is again taken as such a chi-square, with the mean and the variance of a trimmed mean (that of values that
    are cut at the quantile).
    """
    k = np.maximum(known, 1)
    out = (known // LEFT_OUT) / k
    cut = np.where(out > 0, chdtri(freedom, np.maximum(out, 1e-12)), np.inf)
    first, second = chdtr(freedom + 2, cut), (1 + 2 / freedom) * chdtr(freedom + 4, cut)
    edge = np.where(out > 0, cut / freedom, 0.0)
    mean = first / (1 - out)
    cut_mean = first + out * edge
    variance = SHARED * (second + out * edge**2 - cut_mean**2) / (k * (1 - out) ** 2)
    effective = 2 * mean**2 / variance
    return np.asarray(mean * chdtri(effective, CHANCE) / effective, np.float64)


def windows_before_pages(free: Flags) -> Ints:
    """Base windows (C,) that are needed before a column's distribution may page; see `Watch.too_new`."""
    return np.where(free, FEWEST_ALIKE, FEWEST + 1)


@dataclass(slots=True)
class Variability:
    """Neighbouring windows of one length: the newest differences, the previous window and the current one."""

    length: int
    columns: int
    bins: int
    differences: Floats = field(init=False)
    before: Ints | None = None
    filling: Ints = field(init=False)
    filled: int = 0
    #: of the two windows the events (C, D) that waves explain; None where no column has a wave
    waves_before: Floats | None = None
    waves_filling: Floats | None = None

    def __post_init__(self) -> None:
        self.differences = np.zeros((self.columns, 0))
        self.filling = np.zeros((self.columns, self.bins), np.int64)

    def add(self, reference: DirectionReference, counts: Ints, waves: Floats | None = None) -> None:
        """Take a base window (C, B), and the events (C, D) in it that waves explain."""
        self.add_all(reference, [(counts, waves)])

    def add_all(self, reference: DirectionReference, taken: Sequence[tuple[Ints, Floats | None]]) -> None:
        """Take several base windows in their order."""
        windows, levels = ([] if self.before is None else [self.before]), [self.waves_before]
        for counts, waves in taken:
            self.filling = self.filling + counts
            if waves is not None:
                self.waves_filling = waves if self.waves_filling is None else self.waves_filling + waves
            self.filled += 1
            if self.filled == self.length:
                windows.append(self.filling)
                levels.append(self.waves_filling)
                self.filling, self.filled, self.waves_filling = np.zeros_like(self.filling), 0, None
        if len(windows) == (self.before is not None):
            return
        levels = levels[-len(windows) :]
        known = [level for level in levels if level is not None]
        if len(known) in {0, len(windows)}:
            new = [_variability(reference, windows, known or None)] if len(windows) > 1 else []
        else:  # the state of a version that had no waves
            sides = zip(windows, windows[1:], levels, levels[1:], strict=False)
            new = [_variability(reference, [x, y], None if a is None or b is None else [a, b]) for x, y, a, b in sides]
        self.differences = np.concatenate([self.differences, *new], axis=1)[:, -KEPT:]
        self.before, self.waves_before = windows[-1], levels[-1]

    def restless(self, reference: DirectionReference) -> Flags:
        """Columns (C,) whose neighbouring windows differ too much."""
        if self.before is None or not self.differences.shape[1]:
            return np.zeros(self.columns, np.bool_)
        ordered = np.sort(self.differences, axis=1)
        known = np.isfinite(ordered).sum(1)
        kept = np.maximum(known - known // LEFT_OUT, 1)
        mean = np.nan_to_num(ordered).cumsum(1)[np.arange(self.columns), kept - 1] / kept
        known_columns = int(self.before.any(1).sum())
        freedom = watched_freedom(reference, float(self.before.sum() / max(known_columns, 1)))
        return np.asarray((known >= FEWEST) & (mean > most_by_chance(freedom, known)), np.bool_)

    def to_state(self) -> Later:
        """The tree; arrays are replaced, never changed."""
        before = self.before if self.before is not None else self.filling[:, :0]
        waves = {"waves_before": self.waves_before, "waves_filling": self.waves_filling}
        return Later(
            partial(_variability_tree, self.length, self.differences, before, self.filling, self.filled, waves)
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Variability:
        filling = np.array(state["filling"], np.int64)
        one = cls(int(state["length"]), *filling.shape)
        one.filling, one.filled = filling, int(state["filled"])
        one.differences = np.array(state["differences"], np.float64).reshape(
            len(filling), state["differences"].shape[1]
        )
        one.differences[one.differences == UNKNOWN] = np.nan
        before = np.array(state["before"], np.int64)
        one.before = before.reshape(filling.shape) if before.size else None
        known = {name: np.array(state[name], np.float64) for name in ("waves_before", "waves_filling") if name in state}
        one.waves_before, one.waves_filling = known.get("waves_before"), known.get("waves_filling")
        return one


def _variability_tree(
    length: int, differences: Floats, before: Ints, filling: Ints, filled: int, waves: Mapping[str, Floats | None]
) -> dict[str, Any]:
    return {
        "length": length,
        "differences": np.where(np.isnan(differences), UNKNOWN, differences),
        "before": before,
        "filling": filling,
        "filled": filled,
        **{name: of for name, of in waves.items() if of is not None},
    }


class _Taken(NamedTuple):
    """A base window, as `Watch.add` takes it."""

    counts: NDArray[Any]
    same: Ints
    pairs: Ints
    waves: Floats | None


@dataclass(slots=True)
class Watch:
    """The state of one model version."""

    variability: tuple[Variability, ...]
    windows: int
    #: of the newest base windows (windows, C, 3): near pairs in the same bin, near pairs, expected share x events
    alike: Floats
    events: Floats
    #: what all base windows are compared with, known from the first one on; not state
    _reference: DirectionReference | None = field(default=None, repr=False, compare=False)
    #: base windows that are not worked out yet, as an array of several costs hardly more than one of them; not state
    _waiting: list[_Taken] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def empty(cls, columns: int, bins: int) -> Watch:
        lengths = tuple(Variability(length, columns, bins) for length in LENGTHS)
        return cls(lengths, 0, np.zeros((0, columns, 3)), np.zeros((0, columns)))

    def add(
        self, reference: DirectionReference, counts: Ints, same: Ints, pairs: Ints, waves: Floats | None = None
    ) -> None:
        """Add a base window: counts (C, B) of value bins; `same` (C,) of `pairs` (C,) near pairs share a bin.

        `waves` (C, D) the events in it that columns' daily, weekly or yearly waves explain, 0 of columns without one.
        """
        kept = counts.astype(np.uint32) if counts.max(initial=0) < 1 << 32 else counts.copy()
        self._reference = reference
        self._waiting.append(_Taken(kept, same, pairs, waves))
        self.windows += 1
        if len(self._waiting) >= TOGETHER:
            self._work()

    def _work(self) -> None:
        """Work out what waits."""
        if self._reference is None or not self._waiting:
            return
        taken, self._waiting = self._waiting, []
        for one in self.variability:
            one.add_all(self._reference, [(of.counts, of.waves) for of in taken])
        chance, n = pairs_by_chance(np.array([of.counts for of in taken]))
        same, pairs = (np.array(x, np.float64) for x in ([of.same for of in taken], [of.pairs for of in taken]))
        new = np.stack([same, pairs, chance * n], axis=2)
        self.alike = np.concatenate([self.alike, new])[-ALIKE_WINDOWS:]
        self.events = np.concatenate([self.events, n])[-ALIKE_WINDOWS:]

    def too_new(self, free: Flags) -> Flags:
        """Columns (C,) of which too few base windows are known for a page.

        `free` ones are independent as far as the reference shows; the others wait for as many differences of
        neighbouring windows as it takes to call them restless.
        """
        return np.asarray(self.windows < windows_before_pages(free), np.bool_)

    def restless(self, reference: DirectionReference) -> Flags:
        """Columns (C,) whose neighbouring windows of some length differ too much."""
        self._work()
        return np.asarray(np.any([one.restless(reference) for one in self.variability], axis=0), np.bool_)

    def _without_the_most_alike(self) -> Floats:
        """Weights of base windows (windows, C): 0 for each column's one with the most similar neighbours, else 1.

        A shift of level inside a window makes near events similar in that window only.
        """
        same, pairs, chance_events = np.moveaxis(self.alike, 2, 0)
        excess = same - pairs * chance_events / np.maximum(self.events, 1)
        kept = np.ones(excess.shape)
        if len(kept):
            kept[excess.argmax(0), np.arange(excess.shape[1])] = 0.0
        return kept

    def too_alike(self, reference_kappa: Floats, reference_rows: Floats) -> Flags:
        """Columns whose neighbours are more similar than the reference's; kappa NaN: not known, never too similar."""
        self._work()
        kept = self._without_the_most_alike()
        same, pairs, chance_events = np.moveaxis((self.alike * kept[..., None]).sum(0), 1, 0)
        n = (self.events * kept).sum(0)
        chance = chance_events / np.maximum(n, 1)
        room = np.maximum(1 - chance, 1e-9)
        # an event is in several pairs, each with as much information as one pair of neighbours
        more = np.minimum(2 * n / np.maximum(pairs, 1), 1.0)
        error = np.sqrt(chance * room * more * (1 / np.maximum(n, 1) + 1 / np.maximum(reference_rows, 1))) / room
        allowed = reference_kappa + MORE_ALIKE + ALIKE_ERRORS * error
        return np.asarray((pairs > 0) & (kappa(same, pairs, chance) > allowed), np.bool_)

    def to_state(self) -> Later:
        """The tree; arrays are replaced, never changed."""
        self._work()
        alike = self.alike.reshape(len(self.alike), 3 * self.events.shape[1])
        variability = [one.to_state() for one in self.variability]
        tree = {"unrest": variability, "windows": self.windows, "alike": alike, "events": self.events}
        return Later(lambda: tree)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Watch:
        variability = tuple(Variability.from_state(one) for one in state["unrest"])
        events = np.array(state["events"], np.float64)
        alike = np.array(state["alike"], np.float64).reshape(*events.shape, 3)
        return cls(variability, int(state["windows"]), alike, events)
