"""What is expected of windows of columns with a daily, weekly or yearly wave, at the time of their events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.exchange import Pane
from monitor.judge.windows.pyramid import Windows
from monitor.reference.season import COUNTS, Seasons
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.directional import DirectionReference, Expected

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: least independent rows that a fit is worth
LEAST_ROWS: Final = 1e-9


class SeasonClock:
    """Gives each pane the time of its events: the sum over them of the time's vector, in fixed point."""

    def __init__(self, seasons: Seasons) -> None:
        self._seasons = seasons
        self._slot: int | None = None
        self._vector: Ints = np.zeros(0, np.int64)

    def timed(self, pane: Pane) -> Pane:
        """The same pane with its time."""
        middle = (pane.start_us + pane.end_us) // 2
        slot = self._seasons.calendar.slot(middle)
        if slot != self._slot:
            self._slot, self._vector = slot, self._seasons.vector(middle)
        further = {**pane.tally.further, COUNTS: pane.tally.events * self._vector}
        return pane._replace(tally=replace(pane.tally, further=further))


def times_of(windows: Windows, size: int) -> Floats:
    """(W, K) the mean of the time's vector over the events of each window; zeros where their times are not known."""
    return mean_times(windows.further(COUNTS, size))


def time_of(tally: Tally, size: int) -> Floats:
    """(K,) the same of a tally."""
    return mean_times(tally.further.get(COUNTS, np.zeros(size, np.int64)))


def mean_times(sums: Ints) -> Floats:
    """(..., K) of sums over events (..., K), of which the first ones are the events' number."""
    return np.asarray(sums / np.maximum(sums[..., :1], 1), np.float64)


@dataclass(frozen=True)
class SideSeason:
    """The waves of some of C columns of one kind that are compared together: of the S columns `at`.

    `bins` (K, S, B), `directions` (K, S, D), `means` (K, S) by which shares and the standardised mean follow the time's
    vector; `error` (S, K, K). `least` (S, 1) the smallest share that is expected of a direction, `real` (S, D)
    directions that are no padding, `sizes` (S,) the entries of each column's own terms.
    """

    at: Ints
    bins: Floats
    directions: Floats
    means: Floats
    error: Floats
    least: Floats
    real: Flags
    sizes: Ints

    @classmethod
    def of(cls, seasons: Seasons | None, places: Ints, reference: DirectionReference) -> SideSeason | None:
        """Of the columns at these places of the model; None where none of them has a wave."""
        at = [c for c, place in enumerate(places.tolist()) if seasons is not None and place in seasons.columns]
        if seasons is None or not at:
            return None
        size, width = len(seasons.entries), reference.bin_shares.shape[1]
        bins, error, means = (np.zeros((len(at), size, *more)) for more in ((width,), (size,), ()))
        for s, c in enumerate(at):
            place = int(places[c])
            wave, here = seasons.columns[place].wave, seasons.places(place)
            bins[s, here, : wave.shares.shape[1]] = wave.shares
            error[s][np.ix_(here, here)] = wave.error
            means[s, here] = seasons.columns[place].means
        directions = np.matmul(bins, reference.directions.sets[at])
        return cls(
            np.array(at, np.int64),
            np.moveaxis(bins, 1, 0),
            np.ascontiguousarray(np.moveaxis(directions, 1, 0)),
            means.T,
            error,
            (0.5 / np.maximum(reference.rows[at], 1))[:, None],
            reference.directions.group[at] >= 0,
            np.array([len(seasons.places(int(places[c]))) for c in at], np.int64),
        )

    def expected(self, reference: DirectionReference, times: Floats) -> Expected:
        """Of windows at these times (W, K); of the other columns what is always expected."""
        size, shape = len(times), reference.shares.shape
        shares = np.broadcast_to(reference.shares, (size, *shape)).copy()
        rows = np.broadcast_to(reference.rows, (size, shape[0])).copy()
        of_time = (times @ self.directions.reshape(len(self.directions), -1)).reshape(size, *self.real.shape)
        shares[:, self.at] = np.where(self.real, np.clip(of_time, self.least, 1 - self.least), 0.0)
        leverage = np.einsum("wk,skl,wl->ws", times, self.error, times)
        known = times[:, :1] > 0
        rows[:, self.at] = np.where(known, 1 / np.maximum(leverage, LEAST_ROWS), 0.0)
        seasonal = np.zeros(shape[0], np.bool_)
        seasonal[self.at] = True
        return Expected(shares, rows, seasonal)

    def shares(self, place: int, time: Floats) -> Floats | None:
        """(B,) the shares of the bins of a column, expected at a time (K,); None for a column without a wave."""
        here = self._of(place, time)
        return None if here is None else np.clip(time @ self.bins[:, here], 0.0, 1.0)

    def mean(self, place: int, time: Floats) -> float | None:
        """The standardised mean that is expected of a column of numbers at a time; None as above."""
        here = self._of(place, time)
        return None if here is None else float(time @ self.means[:, here])

    def _of(self, place: int, time: Floats) -> int | None:
        here = np.flatnonzero(self.at == place).tolist()
        return here[0] if here and time[0] else None
