"""Whether the mean of a number for each row is higher in a window than in the reference: the test of an error.

Rows of a window and of the reference count as n / V independent ones (V: `stats.long_run`). The difference of two means
is compared in its own standard errors with a Pearson III quantile of the rows' own skewness: errors are rare and
skewed, and a normal tail at the level of pages would be wrong by orders of magnitude (5 errors expected in a window, 17
seen: 1e-5 by a Poisson, 1e-7 by a normal tail). Where V is an estimate, the quantile is at least that of a t
distribution with its degrees of freedom.

Moments are arrays (..., 4): rows, and the sums of the first three powers of the number of each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc as gamma_tail
from scipy.special import gammainccinv, ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.float64]

ROWS, SUM, SQUARES, CUBES = range(4)
#: a skewness below this is none
LEAST_SKEW: Final = 1e-6
#: ... and a larger one is taken as this: beyond it the window holds no more than single events
MOST_SKEW: Final = 1e3
#: smallest probability that is distinguished from 0
SMALLEST: Final = 1e-300


class Difference(NamedTuple):
    """Of W windows and the reference, each (W,): `mean` of a window, how much it is higher, the standard error of that,
    and its skewness."""

    mean: Floats
    higher: Floats
    error: Floats
    skew: Floats


def difference(windows: Floats, reference: Floats, variance: float | Floats) -> Difference:
    """Of windows (W, 4) from a reference (4,); `variance` is V of the windows' rows, at least 1.

    Of windows (W, T, 4) from references (T, 4) of several numbers everything is (W, T).
    """
    n, m = np.maximum(windows[..., ROWS], 1), np.maximum(reference[..., ROWS], 1.0)
    mean, before = windows[..., SUM] / n, reference[..., SUM] / m
    both = windows + reference
    rows = np.maximum(both[..., ROWS], 1)
    center = both[..., SUM] / rows
    spread = np.maximum(both[..., SQUARES] / rows - center**2, 0.0)
    third = both[..., CUBES] / rows - 3 * center * both[..., SQUARES] / rows + 2 * center**3
    v = np.maximum(np.asarray(variance, np.float64), 1.0)
    own = v * (1 / n + 1 / m)
    error = np.sqrt(spread * own)
    skew = third * v**2 / n**2 / np.maximum(error, 1e-100) ** 3  # its third power is above 0
    return Difference(mean, mean - before, error, np.clip(skew, -MOST_SKEW, MOST_SKEW))


def critical(alpha: float, skew: Floats, freedom: float) -> Floats:
    """The standard errors (W,) by which a mean must be higher, one-sided."""
    alpha = max(alpha, SMALLEST)
    normal = float(-ndtri(alpha)) if np.isinf(freedom) else float(-stdtrit(freedom, alpha))
    skewed = skew > LEAST_SKEW
    shape = 4 / np.where(skewed, skew, 1.0) ** 2
    pearson = (gammainccinv(shape, alpha) - shape) / np.sqrt(shape)
    return np.asarray(np.where(skewed, np.maximum(pearson, normal), normal), np.float64)


def chance(z: float, skew: float, freedom: float) -> float:
    """The tail probability of a mean that is z standard errors higher, one-sided."""
    normal = float(ndtr(-z) if np.isinf(freedom) else stdtr(freedom, -z))
    if skew <= LEAST_SKEW:
        return normal
    shape = 4 / skew**2
    return max(normal, float(gamma_tail(shape, max(shape + z * np.sqrt(shape), 0.0))))
