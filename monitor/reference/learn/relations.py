"""Which columns go together, and how their tables vary: learned from a reference's rows in time order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, PREDICTION, SCORE, Column
from monitor.reference.relations import Relations
from monitor.reference.variability import Level
from monitor.stats.bins.reference_bins import CATEGORICAL
from monitor.stats.digits import KEPT_DIGITS, all_rounded
from monitor.stats.pairs.levels import CELLS, LEVELS, NO_LEVEL, category_levels, cells_of, number_levels
from monitor.stats.pairs.tables import smoothed, tie, weights, without_margins
from monitor.stats.variance.long_run import PIECE, BlockSums, LongRun, settle_alone

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]

#: watched pairs of each column with its strongest partners
PARTNERS: Final = 2
#: least tie of a watched pair: a weaker one cannot be lost by the least change that is told
LEAST_TIE: Final = 0.15
#: least share of the reference's rows that have values in both columns
LEAST_COMMON: Final = 0.1
#: the levels of columns are fixed after so many rows, so that the rest can be kept packed
ROWS_BEFORE_LEVELS: Final = 1 << 18
#: columns beyond which the tables of every two of them are not kept, and beyond which no relation is watched
MOST_TABLES: Final = 64
MOST_COLUMNS: Final = 1_000
#: rows whose levels share a byte
_PACKED: Final = 4


class PairRows:
    """The levels of every row of a reference: a byte a column until they are fixed, then two bits."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        has_score = any(column.role == SCORE for column in columns)
        #: the prediction stands for the score where there is none, else it says the same twice
        self.places = [
            at
            for at, column in enumerate(columns)
            if column.role in {FEATURE, SCORE} or (column.role == PREDICTION and not has_score)
        ]
        if len(self.places) > MOST_COLUMNS:
            self.places = []
        self.levels: tuple[tuple[int, ...], ...] = ()
        self._waiting: list[Codes] = []
        self._held = 0
        self._lookup: Codes | None = None
        self._pieces: list[tuple[int, Codes]] = []
        self.rows = 0
        #: rows before the end of each base window
        self.ends: list[int] = []

    @property
    def of_one_parent(self) -> NDArray[np.bool_]:
        """(F, F) whether two of the places are derived from the same vector or text."""
        parents = np.array([self._columns[at].parent for at in self.places], object)
        return np.asarray((parents[:, None] == parents) & (parents != "")[:, None], np.bool_)

    def add(self, codes: Codes) -> None:
        """Add the next rows (C, n): the bin of each value, or a number that is none."""
        if not self.places:
            return
        self._waiting.append(codes[self.places])
        self._held += codes.shape[1]
        self.rows += codes.shape[1]
        if self._held >= (PIECE if self.levels else ROWS_BEFORE_LEVELS):
            self._pack()

    def close_window(self) -> None:
        self.ends.append(self.rows)

    def finish(self) -> None:
        """Fix the levels of all rows; `add` may not be called after it."""
        if self._held:
            self._pack()

    def _pack(self) -> None:
        codes = np.concatenate(self._waiting, axis=1)
        self._waiting, self._held = [], 0
        if self._lookup is None:
            self._lookup = self._fix(codes)
        for first in range(0, codes.shape[1], PIECE):
            piece = codes[:, first : first + PIECE]
            levels = np.take_along_axis(self._lookup, piece, axis=1)
            self._pieces.append((levels.shape[1], _packed(levels)))

    def _fix(self, codes: Codes) -> Codes:
        """(F, 256) the level of each code, by how often it occurs in these rows (F, n)."""
        levels: list[tuple[int, ...]] = [()] * len(self._columns)
        lookup = np.full((len(self.places), 256), NO_LEVEL, np.uint8)
        for row, at in enumerate(self.places):
            bins = self._columns[at].bins
            counts = np.bincount(codes[row], minlength=256)[: bins.bins].tolist()
            found = category_levels(counts, bins.named) if bins.kind == CATEGORICAL else number_levels(counts)
            levels[at], lookup[row, : bins.bins] = found, found
        self.levels = tuple(levels)
        return lookup

    def pieces(self) -> list[Codes]:
        """Levels (F, n) of the places, piece by piece."""
        return [_unpacked(packed, rows) for rows, packed in self._pieces]

    def of(self, place: int) -> Codes:
        """Levels of every row in the column at one of the places."""
        rows = [_unpacked(packed[place : place + 1], rows)[0] for rows, packed in self._pieces]
        return np.concatenate([np.zeros(0, np.uint8), *rows])


def _packed(levels: Codes) -> Codes:
    """(F, n) levels of two bits, four in a byte."""
    room = np.zeros((len(levels), -(-levels.shape[1] // _PACKED) * _PACKED), np.uint8)
    room[:, : levels.shape[1]] = levels
    out = room[:, ::_PACKED].copy()
    for at in range(1, _PACKED):
        out |= room[:, at::_PACKED] << np.uint8(2 * at)
    return out


def _unpacked(packed: Codes, rows: int) -> Codes:
    out = np.zeros((len(packed), packed.shape[1] * _PACKED), np.uint8)
    for at in range(_PACKED):
        out[:, at::_PACKED] = (packed >> np.uint8(2 * at)) & np.uint8(3)
    return out[:, :rows]


def learn_relations(
    rows: PairRows, dependent: Sequence[bool], lengths: Sequence[Level], windows: int
) -> Relations | None:
    """The relations of rows that are all there; `dependent` (C) columns whose rows depend on each other.

    The first `windows` windows are whole ones. None where nothing takes part.
    """
    rows.finish()
    rows.ends = rows.ends[:windows]
    if len(rows.places) < 2 or not rows.levels:
        return None
    every = _tables(rows)
    count = every.sum((2, 3))
    ties = np.round(tie(every.astype(np.float64)), KEPT_DIGITS)
    ties[count < LEAST_COMMON * rows.rows] = 0.0
    np.fill_diagonal(ties, 0.0)
    ties[rows.of_one_parent] = 0.0  # they are computed from the same value: their relation says nothing of its own
    chosen = sorted(_strongest(ties))
    learned = [_of_pair(rows, a, b, every[a, b], lengths) for a, b in chosen]
    places, size = np.array(rows.places, np.int64), len(rows.places)
    strongest = np.full(len(rows.levels), np.nan)
    strongest[places] = ties.max(1)
    own = np.array([one.run.block > 0 for one in learned], np.bool_)
    of_column = [dependent[places[a]] or dependent[places[b]] for a, b in chosen]
    bound = own | np.array(of_column, np.bool_)
    variance, freedom = _pooled(learned, bound)
    largest = np.array([one.largest for one in learned], np.float64).reshape(len(chosen), len(lengths)).T
    kept = [(a, b) for a in range(size) for b in range(a + 1, size)] if size <= MOST_TABLES else []
    return Relations(
        levels=rows.levels,
        strongest=strongest,
        pairs=np.array([(places[a], places[b]) for a, b in chosen], np.int64).reshape(-1, 2),
        tables=np.array([every[a, b] for a, b in chosen], np.int64).reshape(-1, LEVELS, LEVELS),
        tie=np.array([ties[a, b] for a, b in chosen], np.float64),
        variance=all_rounded(variance),
        freedom=all_rounded(freedom),
        block=np.array([one.run.block for one in learned], np.int64),
        settled=np.array([one.run.settled for one in learned], np.bool_),
        dependent=bound,
        largest=all_rounded(np.where(bound, largest, np.nan)),
        all_tables={(int(places[a]), int(places[b])): every[a, b] for a, b in kept},
    )


def _tables(rows: PairRows) -> Ints:
    """(F, F, 3, 3) counts of every two columns: one matrix product a piece."""
    columns = len(rows.places)
    total = np.zeros((columns * LEVELS, columns * LEVELS), np.int64)
    for levels in rows.pieces():
        one = (levels[:, None] == np.arange(LEVELS, dtype=np.uint8)[:, None]).reshape(len(total), -1)
        whole = one.astype(np.float32)
        total += (whole @ whole.T).astype(np.int64)  # exact: fewer rows than a float32 can count
    return total.reshape(columns, LEVELS, columns, LEVELS).transpose(0, 2, 1, 3)


def _strongest(ties: Floats) -> set[tuple[int, int]]:
    """Each column with its strongest partners, the first place the smaller one."""
    pairs = set()
    for a, row in enumerate(ties):
        for b in np.argsort(-row, kind="stable")[:PARTNERS].tolist():
            if row[b] >= LEAST_TIE:
                pairs.add((min(a, b), max(a, b)))
    return pairs


@dataclass(frozen=True, slots=True)
class _Learned:
    """What the rows say of one pair; `largest` (K,)."""

    run: LongRun
    largest: Floats


def _of_pair(rows: PairRows, a: int, b: int, table: Ints, lengths: Sequence[Level]) -> _Learned:
    shares = smoothed(table.astype(np.float64))
    weight = without_margins(weights(shares), shares)
    observed = table / max(int(table.sum()), 1)
    center = float((observed * weight).sum())
    spread = np.array([float((observed * weight**2).sum()) - center**2])
    first, second = rows.of(a), rows.of(b)
    sums = BlockSums(weight.reshape(CELLS, 1), np.maximum(spread, 1e-12))
    sums.add(cells_of(first, second))
    return _Learned(settle_alone(sums.finish()), _largest(first, second, weight - center, rows.ends, lengths))


def _largest(first: Codes, second: Codes, away: Floats, ends: Sequence[int], lengths: Sequence[Level]) -> Floats:
    """(K,) the largest mean of `away` (3, 3) in windows of each length, base window by base window; NaN: not learned.

    The reference contains the windows it is compared with: their distance from the rest is larger by that.
    """
    of_row = np.append(away.ravel(), 0.0)[_cell_or_none(first, second)]
    counted = (first != NO_LEVEL) & (second != NO_LEVEL)
    before = np.concatenate([[0], ends]).astype(np.int64)
    sums = np.concatenate([[0.0], np.cumsum(of_row)])[before]
    events = np.concatenate([[0], np.cumsum(counted)])[before]
    out = np.full(len(lengths), np.nan)
    for at, level in enumerate(lengths):
        length, windows = level.base_windows, len(before) - 1
        if level.learned and length <= windows:
            mean = np.abs(sums[length:] - sums[:-length]) / np.maximum(events[length:] - events[:-length], 1)
            out[at] = mean.max() / (1 - length / windows)
    return out


def _cell_or_none(first: Codes, second: Codes) -> Codes:
    """The cell of each row, 9 for one that has no level in one of the columns."""
    both = (first != NO_LEVEL) & (second != NO_LEVEL)
    return np.where(both, first * np.uint8(LEVELS) + second, np.uint8(CELLS))


def _pooled(learned: Sequence[_Learned], bound: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom (P,): those of dependent pairs are at least, or at most, what they have usually.

    Where traffic is dependent, a pair whose rows look independent does so by chance too often.
    """
    variance = np.array([one.run.variance[0] for one in learned], np.float64)
    freedom = np.array([one.run.freedom[0] for one in learned], np.float64)
    if bound.any():
        variance[bound] = np.maximum(variance[bound], variance[bound].mean())
        freedom[bound] = np.minimum(freedom[bound], np.median(freedom[bound]))
    return variance, freedom
