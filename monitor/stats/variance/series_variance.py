"""The long-run variance of a series of numbers: how much more its means vary than those of independent numbers.

As `long_run` has it for shares of bins, for one real-valued series: the variance of sums over blocks of 1, 2, 4, ...
numbers, from the shortest blocks that longer ones do not contradict, with flat-top weights. Blocks overlap by seven
eighths of themselves. A series is taken for dependent at a larger p-value than there: one series has less power than
the many directions of a column, and a wrong answer costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitor.stats.digits import rounded
from monitor.stats.variance.long_run import BLOCK_FREEDOM, FLAT_FREEDOM, GROWING, LEAST_FREEDOM, SOFT_CHANCE, WIDER

Floats = NDArray[np.float64]

#: p-value below which a longer block contradicts
CHANCE: Final = 0.05
#: shorter series are taken for independent
LEAST_NUMBERS: Final = 64


@dataclass(frozen=True, slots=True)
class SeriesVariance:
    """`ratio` (at least 1) times the variance of independent numbers, with `freedom` degrees of freedom.

    `freedom` is infinite for an independent series, whose ratio is 1 by definition; `block` (0 if independent) the
    numbers in a block that was used, `settled` whether longer blocks would not have given more.
    """

    ratio: float = 1.0
    freedom: float = float("inf")
    block: int = 0
    settled: bool = True

    def to_plain(self) -> dict[str, Any]:
        """Plain values for a file; `freedom` null where it is infinite."""
        freedom = None if np.isinf(self.freedom) else self.freedom
        return {"ratio": self.ratio, "freedom": freedom, "block": self.block, "settled": self.settled}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> SeriesVariance:
        freedom = float("inf") if plain["freedom"] is None else float(plain["freedom"])
        return cls(float(plain["ratio"]), freedom, int(plain["block"]), bool(plain["settled"]))


class _Blocks:
    """Variances of sums over blocks of 1, 2, 4, ... numbers (K sizes), relative to independent numbers."""

    def __init__(self, series: Floats) -> None:
        self.numbers = len(series)
        away = series - series.mean()
        variance = max(float(away.var()), 1e-300)
        sums = np.concatenate([np.zeros(1), np.cumsum(away)])
        self.sizes = 1 << np.arange(int(np.log2(self.numbers / 8)) + 1)
        self.ratios, self.kurtosis = np.ones(len(self.sizes)), np.zeros(len(self.sizes))
        for at, size in enumerate(self.sizes.tolist()):
            if size > 1:
                starts = np.arange(0, self.numbers - size + 1, max(1, size // 8))
                square = (sums[starts + size] - sums[starts]) ** 2
                mean = max(float(square.mean()), 1e-300)
                self.ratios[at] = mean / (size * variance) / (1 - size / self.numbers)
                self.kurtosis[at] = float((square * square).mean()) / mean**2 - 3
        freedom = BLOCK_FREEDOM * self.numbers / self.sizes
        self._hard, self._soft = (chdtri(freedom, p) / freedom for p in (CHANCE, SOFT_CHANCE))

    def flat(self, k: int) -> float:
        """Flat-top estimate from blocks of 2^k numbers; k -1: independent."""
        if k < 0:
            return 1.0
        shorter, longer = float(self.ratios[k]), float(self.ratios[k + 1])
        return max(2 * longer - shorter, longer, 1.0)

    def agrees(self, k: int, *, softly: bool = False) -> bool:
        """Whether no block of at least four times the numbers contradicts."""
        longer = slice(max(k + 2, 1), None)
        bound = self._soft if softly else self._hard
        return bool((self.ratios[longer] <= bound[longer] * self.flat(k)).all())


def series_variance(series: Floats) -> SeriesVariance:
    """Of numbers (n,) in order."""
    if len(series) < LEAST_NUMBERS or not np.ptp(series):
        return SeriesVariance()
    blocks = _Blocks(series)
    if blocks.agrees(-1):
        return SeriesVariance()
    most = int(np.log2(max(FLAT_FREEDOM * blocks.numbers / LEAST_FREEDOM, 1)))
    top = min(most, len(blocks.sizes) - 2)
    smallest = next((k for k in range(top + 1) if blocks.agrees(k) and blocks.agrees(k, softly=True)), None)
    settled = smallest is not None and smallest < top and bool(blocks.ratios[-1] <= GROWING * blocks.ratios[-2])
    k = top if smallest is None else min(smallest + WIDER, top)
    heavy = max(float(blocks.kurtosis[k + 1]), 0.0)
    freedom = FLAT_FREEDOM * blocks.numbers / 2.0**k * 2 / (2 + heavy)
    return SeriesVariance(rounded(blocks.flat(k)), rounded(freedom), 1 << k, settled)
