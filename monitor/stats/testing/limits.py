"""Whether a window is over a limit that somebody set: a share of its events, or a distance from the reference.

A limit is no change to be proven against chance, but the window is a sample: what counts as over is what a stream just
at the limit would show with the probability that was asked for, at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, ndtri

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def share_allowed(most: float, events: float, dispersion: float, alpha: float) -> float:
    """What a share of `events` has to be above to be over the limit `most`, of events that vary as `dispersion` says.

    It lies half way between the largest count that is not over and the next one, so that no rounding decides. Of a
    limit of 0 a single event is over; 1 can never be over.
    """
    effective = max(events / max(dispersion, 1.0), 1.0)
    if most <= 0:
        return 0.5 / max(events, 1.0)
    if most >= 1:
        return math.inf
    largest = math.ceil(float(bdtrik(1 - alpha, effective, most)))  # a count above it has a chance below alpha
    return (largest + 0.5) / effective


def change_of_bins(reference: Ints, window: Ints, dispersion: float, alpha: float) -> tuple[float, float]:
    """The largest change of one bin's share, and how large it is by chance."""
    return _largest(reference, window, dispersion, alpha, lambda shares: shares)


def change_of_order(reference: Ints, window: Ints, dispersion: float, alpha: float) -> tuple[float, float]:
    """The largest change of a share up to an edge, and how large it is by chance."""
    return _largest(reference, window, dispersion, alpha, lambda shares: np.cumsum(shares)[:-1])


def divergence(reference: Ints, window: Ints, dispersion: float, alpha: float) -> tuple[float, float]:
    """Jensen-Shannon divergence to base 2, and how large it is by chance."""
    m, n = float(reference.sum()), float(window.sum())
    p, q = reference / m, window / n
    middle = (p + q) / 2
    value = (_entropy_to(p, middle) + _entropy_to(q, middle)) / 2
    return max(value, 0.0), _of_chi_square(p, 1 / (8 * math.log(2)), m, n / max(dispersion, 1.0), alpha)


def distance(reference: Ints, window: Ints, dispersion: float, alpha: float) -> tuple[float, float]:
    """Jensen-Shannon distance, the root of the divergence, and how large it is by chance."""
    value, by_chance = divergence(reference, window, dispersion, alpha)
    return math.sqrt(value), math.sqrt(by_chance)


def stability(reference: Ints, window: Ints, dispersion: float, alpha: float) -> tuple[float, float]:
    """Population stability index with shares of at least 1e-4, and how large it is by chance."""
    m, n = float(reference.sum()), float(window.sum())
    p, q = np.maximum(reference / m, 1e-4), np.maximum(window / n, 1e-4)
    return float(((q - p) * np.log(q / p)).sum()), _of_chi_square(p, 1.0, m, n / max(dispersion, 1.0), alpha)


#: by the name of a measure
DISTANCES: Final[Mapping[str, Callable[[Ints, Ints, float, float], tuple[float, float]]]] = {
    "linf": change_of_bins,
    "ks": change_of_order,
    "jensen_shannon_divergence": divergence,
    "jensen_shannon_distance": distance,
    "psi": stability,
}


def _largest(
    reference: Ints, window: Ints, dispersion: float, alpha: float, of: Callable[[Floats], Floats]
) -> tuple[float, float]:
    m, n = float(reference.sum()), float(window.sum())
    p, q = of(reference / m), of(window / n)
    if not len(p):
        return 0.0, 0.0
    z = -float(ndtri(alpha / (2 * len(p))))
    pool = np.clip((p * m + q * n) / (m + n), 0.0, 1.0)
    error = z * np.sqrt(pool * (1 - pool) * (1 / m + max(dispersion, 1.0) / n))
    at = int(np.argmax(np.abs(p - q) - error))
    return float(np.abs(p - q)[at]), float(error[at])


def _entropy_to(p: Floats, middle: Floats) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / middle[some])).sum())


def _of_chi_square(p: Floats, unit: float, m: float, n: float, alpha: float) -> float:
    """What such a sum is by chance: `unit` times a chi-square of one degree less than there are bins."""
    freedom = max(int((p > 0).sum()) - 1, 1)
    z = -float(ndtri(alpha))
    quantile = freedom * max(1 - 2 / (9 * freedom) + z * math.sqrt(2 / (9 * freedom)), 0.0) ** 3  # Wilson, Hilferty
    return unit * quantile * (1 / m + 1 / n)
