"""Whether a group gets a favourable outcome less often than another one, by more than is permitted.

Disparate impact is the ratio of two groups' rates (the four-fifths rule permits 0.8), equal opportunity the difference
of their true positive rates. Of k groups every ordered pair is tested: [a, b] asks whether a is too far below b. Rows
count as n / V independent ones, and the tail is that of a Pearson III of the statistic's own skewness, as in
`stats.testing.mean_difference`: rates of small groups are skewed.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.stats.testing.mean_difference import MOST_SKEW, SMALLEST, chance, critical

Floats = NDArray[np.float64]

#: rows of a group below which nothing is said of it
LEAST_ROWS: Final = 30
#: standard errors of the interval that is shown, which holds the true value 19 times of 20
INTERVAL: Final = 1.959964


class Scores(NamedTuple):
    """(k, k) standard errors by which a group is beyond what is permitted below another, and their skewness."""

    z: Floats
    skew: Floats


class Beyond(NamedTuple):
    """A pair: group `low` is too far below `high`, by chance with probability `p`; `exceedance` of the threshold."""

    low: int
    high: int
    exceedance: float
    p: float


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    lower: float
    upper: float


def impact_scores(rows: Floats, hits: Floats, permitted: float, variance: float) -> Scores:
    """Of rates `hits / rows` (k,), whose ratio may be as small as `permitted`.

    The error is that under the ratio that is just permitted, so that a group without hits has one too.
    """
    n, m = _pairs(rows)
    x, y = hits[:, None], hits[None, :]
    high = np.minimum((x + y) / np.maximum(permitted * n + m, 1e-300), 1.0)
    low = permitted * high
    apart = permitted * y / m - x / n
    own, other = low * (1 - low) / n, permitted**2 * high * (1 - high) / m
    third = permitted**3 * high * (1 - high) * (1 - 2 * high) / m**2 - low * (1 - low) * (1 - 2 * low) / n**2
    return _scores(rows, apart, own + other, third, variance)


def opportunity_scores(rows: Floats, hits: Floats, permitted: float, variance: float) -> Scores:
    """Of rates `hits / rows` (k,), whose difference may be as large as `permitted`.

    The error is that of rates with one hit and one miss more, which are never 0 or 1.
    """
    n, m = _pairs(rows)
    rate, near = hits / np.maximum(rows, 1), (hits + 1) / (rows + 2)
    apart = rate[None, :] - rate[:, None] - permitted
    spread, third = near * (1 - near), near * (1 - near) * (1 - 2 * near)
    error = spread[:, None] / n + spread[None, :] / m
    return _scores(rows, apart, error, third[None, :] / m**2 - third[:, None] / n**2, variance)


def _pairs(rows: Floats) -> tuple[Floats, Floats]:
    some = np.maximum(rows, 1.0)
    return some[:, None], some[None, :]


def _scores(rows: Floats, apart: Floats, squared_error: Floats, third: Floats, variance: float) -> Scores:
    error = np.sqrt(np.maximum(squared_error * variance, 1e-120))
    usable = (rows >= LEAST_ROWS)[:, None] & (rows >= LEAST_ROWS)[None, :] & ~np.eye(len(rows), dtype=np.bool_)
    skew = np.clip(third * variance**2 / error**3, -MOST_SKEW, MOST_SKEW)
    return Scores(np.where(usable, apart / error, -np.inf), skew)


def beyond(scores: Scores, alpha: float) -> list[Beyond]:
    """Of each group that is too far below another one, the pair with the most evidence."""
    found = []
    for low in np.flatnonzero((scores.z > -ndtri(max(alpha, SMALLEST))).any(1)).tolist():
        bounds = critical(alpha, scores.skew[low], math.inf)
        exceedance = scores.z[low] / bounds
        high = int(exceedance.argmax())
        if exceedance[high] > 1:
            z, skew = float(scores.z[low, high]), float(scores.skew[low, high])
            found.append(Beyond(low, high, float(exceedance[high]), chance(z, skew, math.inf)))
    return found


def ratio(low: tuple[int, int], high: tuple[int, int], variance: float) -> Estimate | None:
    """Of the rates of two groups (rows, hits); None where the higher one has no hit."""
    (n, x), (m, y) = low, high
    if not n or not m or not y:
        return None
    own, other = max(x, 0.5) / n, y / m
    error = math.sqrt(variance * ((1 - min(own, 1.0)) / max(x, 0.5) + (1 - other) / y))
    center = own / other
    upper = center * math.exp(INTERVAL * error)
    return Estimate(x / n / other, center * math.exp(-INTERVAL * error) if x else 0.0, upper)


def gap(low: tuple[int, int], high: tuple[int, int], variance: float) -> Estimate | None:
    """The difference of the rates of two groups (rows, hits), the higher one less the lower one."""
    (n, x), (m, y) = low, high
    if not n or not m:
        return None
    near, other = (x + 1) / (n + 2), (y + 1) / (m + 2)
    error = math.sqrt(variance * (near * (1 - near) / n + other * (1 - other) / m))
    value = y / m - x / n
    return Estimate(value, value - INTERVAL * error, value + INTERVAL * error)
