"""The test of watched pairs: whether their columns still go together as in the reference, whatever their margins are.

The reference's table is fitted to the live margins (raking keeps its odds ratios); what is tested is how the live table
differs from that, in the direction in which the columns are tied. A shift of one column alone changes the margins, and
only that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, FASTER
from monitor.reference.relations import Relations
from monitor.stats.pairs.tables import (
    correlation,
    divergence,
    level_scores,
    likelihood_root,
    raked,
    smoothed,
    weights,
    without_margins,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: least change of a correlation that is told: below it the levels' own error would speak when a column shifts
LEAST_CHANGE: Final = 0.1
#: a plain z below this part of the threshold cannot be over
SCREENED: Final = 0.6
#: least independent events in a table: about seven a cell
LEAST_EVENTS: Final = 60
#: least part of the reference's information: a column that is constant has no relation that could be lost
LEAST_INFORMATION: Final = 0.25
#: two columns look exchanged if less than this part of the misfit is left when they change places
EXCHANGED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Related:
    """Of W windows and P pairs, all (W, P): `exceedance` (1: at the threshold), the statistic `z` and its `critical`.

    `now` is the correlation of the levels and `before` what the reference's would be with the live margins. All but
    `critical` are 0 where a pair was not tested.
    """

    exceedance: Floats
    z: Floats
    critical: Floats
    now: Floats
    before: Floats


@dataclass(frozen=True)
class PairTest:
    """The watched pairs of a reference, prepared: P pairs, tables (P, 3, 3)."""

    relations: Relations
    shares: Floats
    weight: Floats
    #: weight without its additive part, its mean, and its variance in the reference
    inner: Floats
    center: Floats
    spread: Floats
    first: Floats
    second: Floats
    events: Floats

    @classmethod
    def of(cls, relations: Relations) -> PairTest:
        shares = smoothed(relations.tables.astype(np.float64))
        weight = weights(shares)
        inner = without_margins(weight, shares)
        first, second = level_scores(shares)
        return cls(
            relations,
            shares,
            weight,
            inner,
            (shares * inner).sum((1, 2)),
            (shares * inner**2).sum((1, 2)),
            first,
            second,
            relations.tables.sum((1, 2)).astype(np.float64),
        )

    def measure(self, counts: Ints, rates: Floats, levels: Ints, alpha: float, least: float = LEAST_CHANGE) -> Related:
        """Tables `counts` (W, P, 3, 3) of windows whose events came `rates` (W,) times as fast as the reference's.

        `levels` (W,) of the reference's window lengths, K beyond; `alpha` of each test, `least` change that counts.
        """
        events = counts.sum((2, 3)).astype(np.float64)
        shares = counts / np.maximum(events, 1)[..., None, None]
        variance = self._variance(rates)
        critical = np.abs(stdtrit(self.relations.freedom, alpha / 2))
        moved = np.abs((shares * self.inner).sum((2, 3)) - self.center)
        error = np.sqrt(self.spread * variance * (1 / np.maximum(events, 1) + 1 / self.events))
        enough = self.relations.settled & (events >= LEAST_EVENTS * variance) & (events >= self.relations.block)
        asked = enough & (moved > SCREENED * critical * np.maximum(error, 1e-12))
        over, z, now, before = (np.zeros(asked.shape) for _ in range(4))
        out = Related(over, z, np.broadcast_to(critical, asked.shape), now, before)
        windows, pairs = np.nonzero(asked)
        if len(pairs):
            self._fit(out, windows, pairs, shares[windows, pairs], events[windows, pairs], variance, levels, least)
        return out

    def _fit(
        self,
        out: Related,
        windows: Ints,
        pairs: Ints,
        live: Floats,
        events: Floats,
        variance: Floats,
        levels: Ints,
        least: float,
    ) -> None:
        """Fill in what the full test says of some windows and pairs (N,), with their tables `live` (N, 3, 3)."""
        fitted = raked(self.shares[pairs], live.sum(-1), live.sum(-2))
        inner = without_margins(self.weight[pairs], fitted)
        mean = ((live - fitted) * self.weight[pairs]).sum((1, 2))
        information = (fitted * inner**2).sum((1, 2))
        of_reference = (fitted**2 * inner**2 / np.maximum(self.shares[pairs], 1e-9)).sum((1, 2)) / self.events[pairs]
        error = variance[windows, pairs] * (information / events + of_reference)
        judged = information >= LEAST_INFORMATION * self.spread[pairs]
        root = likelihood_root(mean, fitted, inner, information / np.maximum(error, 1e-12))
        z = np.where(judged, root, 0.0)
        over = z / out.critical[windows, pairs]
        allowed = DISTANCE_FACTOR * self._largest()[levels[windows], pairs]
        gated = np.where(np.isnan(allowed), 0.0, np.abs(mean) / np.maximum(allowed, 1e-9))
        over = np.where(self.relations.dependent[pairs], np.minimum(over, gated), over)
        first, second = self.first[pairs], self.second[pairs]
        now, before = correlation(live, first, second), correlation(fitted, first, second)
        out.exceedance[windows, pairs] = np.where(np.abs(now - before) >= least, over, 0.0)
        out.z[windows, pairs], out.now[windows, pairs], out.before[windows, pairs] = z, now, before

    def change(self, counts: Ints, pair: int) -> tuple[float, float]:
        """(correlation now, in the reference with these margins) of one pair's table (3, 3); NaN: it cannot be told."""
        events = float(counts.sum())
        if events < LEAST_EVENTS:
            return float("nan"), float("nan")
        live, at = (counts / events)[None], [pair]
        fitted = raked(self.shares[at], live.sum(-1), live.sum(-2))
        inner = without_margins(self.weight[at], fitted)
        if float((fitted * inner**2).sum()) < LEAST_INFORMATION * self.spread[pair]:
            return float("nan"), float("nan")
        scores = self.first[at], self.second[at]
        return float(correlation(live, *scores)[0]), float(correlation(fitted, *scores)[0])

    def exchanged(self, counts: Ints, over: Sequence[int]) -> tuple[int, int] | None:
        """Two columns whose tables in `counts` (P, 3, 3) fit when they change places, if any; `over` are pairs.

        Each of the two lost a relation with a third column, else it is only the other one that changed.
        """
        pairs = [tuple(pair) for pair in self.relations.pairs[list(over)].tolist()]
        asked = []
        for a, b in combinations(sorted({column for pair in pairs for column in pair}), 2):
            apart = [pair for pair in pairs if set(pair) != {a, b}]
            if any(a in pair for pair in apart) and any(b in pair for pair in apart):
                asked.append((a, b, self._exchanged_tables(a, b)))
        known = [one for one in asked if one[2]]  # the tables of every two columns may be too many to keep
        if not known:
            return None
        places = [at for _, _, tables in known for at in tables]
        tables = [table for _, _, tables in known for table in tables.values()]
        own, swapped = self._misfits(counts[places].astype(np.float64), places, np.array(tables, np.float64))
        best, gain, first = None, 0.0, 0
        for a, b, touched in known:
            here = slice(first, first + len(touched))
            before, after = float(own[here].sum()), float(swapped[here].sum())
            if after < EXCHANGED * before and before - after > gain:
                best, gain = (a, b), before - after
            first += len(touched)
        return best

    def _exchanged_tables(self, a: int, b: int) -> dict[int, Ints]:
        """{pair that touches one of two columns: its table in the reference if these are exchanged}; {}: not kept."""
        other = {a: b, b: a}
        touched = [(at, p, q) for at, (p, q) in enumerate(self.relations.pairs.tolist()) if {p, q} & {a, b}]
        tables = {at: self.relations.table(other.get(p, p), other.get(q, q)) for at, p, q in touched}
        known = {at: table for at, table in tables.items() if table is not None}
        return known if len(known) == len(tables) else {}

    def _misfits(self, counts: Floats, pairs: Sequence[int], tables: Floats) -> tuple[Floats, Floats]:
        """(N,) divergence of live tables from those of their pairs, and from other `tables`, all (N, 3, 3)."""
        live = counts / np.maximum(counts.sum((1, 2), keepdims=True), 1)
        both = np.concatenate((self.shares[pairs], smoothed(tables)))
        twice = np.concatenate((live, live))
        misfit = divergence(twice, raked(both, twice.sum(-1), twice.sum(-2)))
        return misfit[: len(live)], misfit[len(live) :]

    def chance(self, z: float, pair: int) -> float:
        """The two-sided tail probability of a statistic."""
        return float(min(2 * stdtr(self.relations.freedom[pair], -abs(z)), 1.0))

    def _variance(self, rates: Floats) -> Floats:
        """(W, P): dependence is over time, so faster traffic has more events in the reach of each."""
        faster = np.where(rates > FASTER, rates, 1.0)[:, None]
        return np.asarray(1 + faster * (self.relations.variance - 1), np.float64)

    def _largest(self) -> Floats:
        """(K + 1, P) the last row for windows of which nothing was learned."""
        return np.concatenate((self.relations.largest, np.full((1, len(self.events)), np.nan)))
