"""The long-run variance: the variance of counts over consecutive rows, relative to independent rows.

Over n independent rows the variance of a direction's share is p (1 - p) / n; over dependent ones V times that, with
V = 1 + 2 x the sum of the autocorrelations. V is learned from the reference's rows in time order: from the shortest
blocks of rows that longer blocks do not contradict. If no block contradicts V = 1, V is 1 and normal tails hold; if
blocks of an eighth of the reference still contradict, V is not known.

The rows come as bin codes, in pieces of any size, and are not kept: blocks of g rows are sums of 8 sub-blocks of g / 8,
of which the last 7 are kept (blocks longer than a piece as sums of pieces). So a reference of millions of rows needs
constant memory and has overlapping blocks, one every g / 8 rows: 1.5 m / g degrees of freedom, instead of m / g for
disjoint blocks. Rows are always processed in the same pieces, so the result does not depend on how they arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitor.stats.digits import all_rounded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: sums of rows: exact ones of few rows, and all others
Parts = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]

#: rows processed at once; a power of two
PIECE: Final = 1 << 13
#: numbers that the processor's cache holds, and the least and most rows that are looked at together
_CACHED: Final = 96_000
_LEAST_AT_ONCE: Final = 512
_MOST_AT_ONCE: Final = 4_096
#: sub-blocks of a block
PARTS: Final = 8

#: p-values below which a longer block contradicts: of the mean over directions, of a single direction, and of a column
#: or pair that has only one direction, which has less power to show dependence
MEAN_CHANCE: Final = 2e-3
ALONE_CHANCE: Final = 0.05
ONE_CHANCE: Final = 1e-5
#: once dependence is proven, one standard error is enough to require longer blocks
SOFT_CHANCE: Final = 0.16
#: doublings added to the smallest block that is not contradicted, as it is too small on average
WIDER: Final = 2
#: growth of the mean in the last doubling above which there is no long-run variance yet
GROWING: Final = 1.4
#: with fewer degrees of freedom a t test at the level of pages detects nothing
LEAST_FREEDOM: Final = 12.0
#: degrees of freedom of overlapping blocks, times g / m; and of their flat-top estimate
BLOCK_FREEDOM: Final = 1.5
FLAT_FREEDOM: Final = 0.375
#: least part of a block's own noise that the reference's mean, or a fitted wave, is taken to have left
LEAST_LEFT: Final = 0.1
#: least rows inside and outside a direction for its variance to be used
LEAST_ROWS: Final = 40
#: rows from which on an independent column needs no largest distance: fewer cannot exclude slow cycles
ROWS_WITHOUT_DISTANCE: Final = 5_000

#: reasons why a column is settled, or not
INDEPENDENT: Final = "independent"
DEPENDENT: Final = "dependent"
TOO_SHORT: Final = "too_short"
GROWS: Final = "grows"
#: a daily wave was taken away, and too few days are known to tell how much days differ
FEW_DAYS: Final = "few_days"


@dataclass(frozen=True, slots=True)
class BlockVariances:
    """For D directions of m rows: `shares` (D,); for blocks of 1, 2, 4, ... rows (K sizes): `ratios` (K, D) variance of
    a block's sum relative to independent rows, and `kurtosis` (K, D), the excess kurtosis of those sums."""

    rows: int
    shares: Floats
    ratios: Floats
    kurtosis: Floats


class BlockSums:
    """Collects the rows of one column in order; `sets` (B, D) are its directions.

    A direction may also be a number for each bin; `spread` (D,) is then its variance over the rows.
    """

    def __init__(self, sets: Flags | Floats, spread: Floats | None = None) -> None:
        #: where a row adds 0 or 1 to each direction, sums of few rows are exact as 32-bit floats
        self._sets: Parts = np.ascontiguousarray(sets.T, np.float32 if sets.dtype == np.bool_ else np.float64)
        self._spread = spread
        directions = sets.shape[1]
        self._waiting: list[Codes] = []
        self._held = 0
        self.rows = 0
        self._center = np.zeros(directions)
        self._total = np.zeros(directions)
        #: the newest sub-blocks of each size 1, 2, 4, ... < PIECE
        self._last: list[Parts] = [np.zeros((directions, 0)) for _ in range(PIECE.bit_length() - 1)]
        self._pieces: list[Parts] = []
        #: {log2 of the block's rows: number of blocks}, and sums of the first four central powers (4, D)
        self._blocks: dict[int, int] = {}
        self._powers: dict[int, Floats] = {}

    def add(self, codes: Codes) -> None:
        """Add the bin codes of the next rows with a value in this column."""
        self._waiting.append(codes)
        self._held += len(codes)
        while self._held >= PIECE:
            rows = np.concatenate(self._waiting)
            self._take(rows[:PIECE])
            self._waiting = [rows[PIECE:]]
            self._held -= PIECE

    def finish(self) -> BlockVariances:
        """The variances of all rows added; `add` may not be called after it."""
        if self._held:
            self._take(np.concatenate(self._waiting))
            self._waiting, self._held = [], 0
        shares = self._total / max(self.rows, 1)
        left = 1 - 2.0 ** np.arange(block_sizes(self.rows)) / max(self.rows, 1)
        spread = shares * (1 - shares) if self._spread is None else self._spread
        return self._variances(shares, shares, spread, left)

    def _variances(self, shares: Floats, means: Floats, spread: Floats, left: Floats) -> BlockVariances:
        """Of the rows taken: `means` and `spread` (D,) of a row, `left` (K,) the part of a block's own noise in it."""
        self._long_blocks()
        tables = [self._of(size, means, spread, float(part)) for size, part in enumerate(left)]
        return BlockVariances(self.rows, shares, np.array([t[0] for t in tables]), np.array([t[1] for t in tables]))

    def _take(self, codes: Codes) -> None:
        parts: Parts = self._sets.take(codes, axis=1)
        self._take_parts(parts)

    def _take_parts(self, parts: Parts) -> None:
        """Take what the next rows, a piece of them or the last ones, add to each direction (D, n)."""
        rows = parts.shape[1]
        sums = _sum(parts)
        if self.rows == 0:
            self._center = sums / rows
        self.rows += rows
        self._total += sums
        for level, last in enumerate(self._last):
            sliding = np.concatenate([last.astype(parts.dtype), parts], axis=1)
            self._last[level] = sliding[:, -(PARTS - 1) :].copy()
            self._slide(level, sliding, parts.shape[1])
            parts = _pairs(parts).astype(np.float64, copy=False)
        if rows == PIECE:
            self._pieces.append(parts[:, 0])

    def _long_blocks(self) -> None:
        parts: Parts = np.array(self._pieces).reshape(len(self._pieces), len(self._center)).T
        level = PIECE.bit_length() - 1
        while parts.shape[1] >= PARTS:
            self._slide(level, parts, parts.shape[1])
            parts, level = _pairs(parts), level + 1

    def _slide(self, level: int, sliding: Parts, new: int) -> None:
        """Add the blocks that end in one of the `new` last sub-blocks of 2^level rows: of 8, at level 0 of 2 and 4."""
        sums = sliding
        for doubling in range(PARTS.bit_length() - 1):
            reach = 1 << doubling
            sums = sums[:, reach:] + sums[:, :-reach]
            blocks = min(new, sums.shape[1])
            if blocks and (level == 0 or 2 * reach == PARTS):
                self._note(level + doubling + 1, sums[:, sums.shape[1] - blocks :])

    def _note(self, size: int, sums: Parts) -> None:
        center, number = (1 << size) * self._center, sums.shape[1]
        # of whole numbers the same, without a rounding of each
        is_exact = sums.dtype == np.float32
        powers = _around(center, _powers(sums), number) if is_exact else _powers(sums, center)
        self._blocks[size] = self._blocks.get(size, 0) + number
        self._powers[size] = self._powers[size] + powers if size in self._powers else powers

    def _of(self, size: int, means: Floats, spread: Floats, left: float) -> tuple[Floats, Floats]:
        """(ratio, excess kurtosis) of blocks of 2^size rows, each (D,)."""
        n, block = self._blocks.get(size, 0), float(1 << size)
        if size == 0 or n == 0:
            return np.ones(len(means)), np.zeros(len(means))
        d = block * (self._center - means)
        first, second, third, fourth = self._powers[size]
        square = np.maximum(second + 2 * d * first + n * d**2, 0) / n
        quartic = (fourth + 4 * d * third + 6 * d**2 * second + 4 * d**3 * first + n * d**4) / n
        some = (spread > 0) & (square > 1e-12)
        ratio = square / np.where(some, block * spread, 1.0) / max(left, LEAST_LEFT)
        kurtosis = quartic / np.where(some, square, 1.0) ** 2 - 3
        return np.where(some, ratio, 0.0), np.where(some, kurtosis, 0.0)


def block_sizes(rows: int) -> int:
    """Number of block sizes 1, 2, 4, ... that are looked at: up to an eighth of the rows."""
    return max(2, int(np.log2(max(rows / 8, 4)))) + 1


def residual_blocks(sets: Flags, codes: Ints, times: Ints, expected: Floats, left: Floats) -> BlockVariances:
    """Block variances of what is left of rows in order when a part that was fitted to them is taken away.

    `sets` (B, D), `codes` (n,) the bin of each row, `times` (n,) which row of `expected` (T, D), the fitted shares,
    holds for it; `left` (K,) the part of a block's own noise that the fit did not take up, by block size.
    """
    hits, sums = np.ascontiguousarray(sets.T, np.float64), BlockSums(sets)
    spread, shares = expected * (1 - expected), np.zeros(sets.shape[1])
    of_time = np.bincount(times, minlength=len(expected)) / max(len(codes), 1)
    fitted = np.ascontiguousarray(expected.T)
    for begin in range(0, len(codes), PIECE):
        here = slice(begin, begin + PIECE)
        own = hits[:, codes[here]]
        shares += own.sum(1)
        sums._take_parts(own - fitted[:, times[here]])
    return sums._variances(shares / max(len(codes), 1), np.zeros(len(shares)), of_time @ spread, left)


def _pairs(parts: Parts) -> Parts:
    """Sums of neighbouring pairs; an odd last one is dropped, as its piece is the last one."""
    even = parts.shape[1] // 2 * 2
    return parts[:, :even:2] + parts[:, 1:even:2]


def _powers(values: Parts, center: Floats | None = None) -> Floats:
    """The sums of the first four powers of (D, n), each (D,): of their distances from `center` (D,) if there is one."""
    total = np.zeros((4, len(values)))
    for part in _in_cache(values):
        one = part if center is None else part - center[:, None]
        square = one * one
        ones = np.ones(one.shape[1], one.dtype)
        total += [one @ ones, square @ ones, (square * one) @ ones, (square * square) @ ones]
    return total


def _sum(values: Parts) -> Floats:
    """The sums of (D, n), each (D,)."""
    sums = [part @ np.ones(part.shape[1], part.dtype) for part in _in_cache(values)]
    return np.asarray(np.sum(sums, axis=0, dtype=np.float64), np.float64)


def _in_cache(values: Parts) -> Iterator[Parts]:
    """Columns of (D, n), as many at a time as the processor's cache holds with what is computed of them.

    So few that 32-bit floats have exact sums of whole numbers up to 4,096.
    """
    step = min(_MOST_AT_ONCE, max(_LEAST_AT_ONCE, _CACHED // max(len(values), 1)))
    for first in range(0, values.shape[1], step):
        yield values[:, first : first + step]


def _around(center: Floats, powers: Floats, number: int) -> Floats:
    """Sums of powers of `number` values as those of their distances from `center` (D,)."""
    one, two, three, four = powers
    return np.array(
        [
            one - number * center,
            two - 2 * center * one + number * center**2,
            three - 3 * center * two + 3 * center**2 * one - number * center**3,
            four - 4 * center * three + 6 * center**2 * two - 4 * center**3 * one + number * center**4,
        ]
    )


@dataclass(frozen=True, slots=True)
class LongRun:
    """The long-run variances of one column's D directions.

    `block` is the number of rows of the blocks used (0: independent), `settled` whether V is known well enough for
    pages, `reason` one of the words above. `variance` (D,) is V, `freedom` (D,) its degrees of freedom (infinite for
    V = 1, which is not an estimate). `by_rows` (K, D): V of 1, 2, 4, ... consecutive rows, up to twice the block; for
    traffic faster than the reference's.
    """

    block: int
    settled: bool
    reason: str
    variance: Floats
    freedom: Floats
    by_rows: Floats

    @classmethod
    def independent(cls, directions: int) -> LongRun:
        """Of independent rows: V is 1."""
        return cls(0, True, INDEPENDENT, np.ones(directions), np.full(directions, np.inf), np.ones((0, directions)))

    def rounded(self) -> LongRun:
        """As it is stored: what is stored is what is judged by."""
        return LongRun(
            self.block,
            self.settled,
            self.reason,
            all_rounded(self.variance),
            all_rounded(self.freedom),
            all_rounded(self.by_rows),
        )

    def to_plain(self) -> dict[str, Any]:
        """Plain values for a file; `freedom` null where it is infinite."""
        return {
            "block": self.block,
            "settled": self.settled,
            "reason": self.reason,
            "variance": self.variance.tolist(),
            "freedom": [None if np.isinf(x) else x for x in self.freedom.tolist()],
            "by_rows": self.by_rows.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> LongRun:
        variance = np.array(plain["variance"], np.float64)
        return cls(
            int(plain["block"]),
            bool(plain["settled"]),
            str(plain["reason"]),
            variance,
            np.array([np.inf if x is None else x for x in plain["freedom"]], np.float64),
            np.array(plain["by_rows"], np.float64).reshape(len(plain["by_rows"]), len(variance)),
        )


def settle(blocks: BlockVariances, group: Ints) -> LongRun:
    """V and its degrees of freedom from block variances; `group` (D,) is each direction's group."""
    count = len(blocks.shares)
    use = np.minimum(blocks.shares, 1 - blocks.shares) * blocks.rows >= LEAST_ROWS
    if not use.any():
        return LongRun.independent(count)
    return _settled(blocks, group, use, MEAN_CHANCE)


def settle_alone(blocks: BlockVariances, chance: float = ALONE_CHANCE) -> LongRun:
    """The same of a single direction that is a number for each bin; `chance` below which a longer block contradicts."""
    only = np.zeros(1, np.int64)
    if blocks.rows < LEAST_ROWS:
        return LongRun.independent(1)
    return _settled(blocks, only, only == 0, chance)


def _settled(blocks: BlockVariances, group: Ints, use: Flags, chance: float) -> LongRun:
    independent = LongRun.independent(len(blocks.shares))
    scales = _Scales(blocks, use, chance)
    if scales.agrees(-1):
        return independent
    top = scales.top()
    smallest = next((k for k in range(top + 1) if scales.agrees(k) and scales.agrees_softly(k)), None)
    last = blocks.ratios[:, use].mean(1)
    reason = DEPENDENT
    if smallest is None or smallest >= top:
        reason = TOO_SHORT
    elif last[-1] > GROWING * last[-2]:
        reason = GROWS
    k = top if smallest is None else min(smallest + WIDER, top)
    variance = scales.flat(k)
    for number in np.unique(group[use]):  # the smallest of many estimates is far too low
        own = group == number
        variance = np.where(own, np.maximum(variance, variance[own & use].mean()), variance)
    heavy = np.maximum(blocks.kurtosis[k + 1], np.median(blocks.kurtosis[k + 1][use]))
    freedom = FLAT_FREEDOM * blocks.rows / 2.0**k * 2 / (2 + np.maximum(heavy, 0))
    return LongRun(1 << k, reason == DEPENDENT, reason, variance, freedom, blocks.ratios[: k + 2].copy())


class _Scales:
    """Compares the variances of block sizes; `use` (D,) directions with enough rows."""

    def __init__(self, blocks: BlockVariances, use: Flags, chance: float) -> None:
        self._ratios, self._use, self._rows = blocks.ratios, use, blocks.rows
        self._sizes = len(blocks.ratios)
        freedom = BLOCK_FREEDOM * blocks.rows / 2.0 ** np.arange(self._sizes)
        self._mean, self._one, self._soft = (chdtri(freedom, p) / freedom for p in (chance, ONE_CHANCE, SOFT_CHANCE))

    def flat(self, k: int) -> Floats:
        """Flat-top estimate (D,) from blocks of 2^k rows: full weight to lag 2^k, tapered to twice that; k -1: 1."""
        if k < 0:
            return np.ones(len(self._use))
        shorter, longer = self._ratios[k], self._ratios[k + 1]
        return np.asarray(np.maximum(np.maximum(2 * longer - shorter, longer), 1.0), np.float64)

    def agrees(self, k: int) -> bool:
        """Whether no block of at least four times the rows contradicts."""
        flat = self.flat(k)[self._use]
        longer = slice(max(k + 2, 1), None)
        ratios = self._ratios[longer][:, self._use]
        mean_holds = ratios.mean(1) <= self._mean[longer] * flat.mean()
        return bool(mean_holds.all() and (ratios <= self._one[longer, None] * flat).all())

    def agrees_softly(self, k: int) -> bool:
        """The same, and their mean does not differ by more than one standard error."""
        longer = slice(k + 2, None)
        ratios = self._ratios[longer][:, self._use]
        return bool((ratios.mean(1) <= self._soft[longer] * self.flat(k)[self._use].mean()).all())

    def top(self) -> int:
        """The logarithm of the longest block that leaves enough degrees of freedom."""
        most = int(np.log2(max(FLAT_FREEDOM * self._rows / LEAST_FREEDOM, 1)))
        return min(most, self._sizes - 2)
