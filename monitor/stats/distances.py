"""Distances between two count vectors: for display only, as their tail probabilities are not exact enough for tests.

All functions take `reference` (bins,) and `window` (bins,) counts and give one number; NaN where a side is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: least share of a bin in PSI; the same samples give 134.95, 2.10 or 1.20 by three usual ways to fill empty bins
PSI_FLOOR: Final = 1e-4


def _shares(reference: NDArray[np.int64], window: NDArray[np.int64]) -> tuple[Vector, Vector] | None:
    m, n = reference.sum(), window.sum()
    if m == 0 or n == 0:
        return None
    return reference / m, window / n


def psi(reference: NDArray[np.int64], window: NDArray[np.int64], floor: float = PSI_FLOOR) -> float:
    """Population stability index; shares below `floor` are raised to it (Siddiqi 2006, with the usual 1e-4)."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = (np.maximum(share, floor) for share in shares)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: NDArray[np.int64], window: NDArray[np.int64]) -> float:
    """Jensen-Shannon distance: the root of the divergence to base 2, between 0 and 1 (Lin 1991)."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = shares
    middle = (p + q) / 2
    divergence = (_kullback_leibler(p, middle) + _kullback_leibler(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _kullback_leibler(p: Vector, q: Vector) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def hellinger(reference: NDArray[np.int64], window: NDArray[np.int64]) -> float:
    """Hellinger distance, between 0 and 1."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = shares
    return float(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))


def linf(reference: NDArray[np.int64], window: NDArray[np.int64]) -> float:
    """The largest change of one bin's share."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = shares
    return float(np.abs(p - q).max())


def ks(reference: NDArray[np.int64], window: NDArray[np.int64]) -> float:
    """Kolmogorov-Smirnov distance at the bin edges: the largest change of a cumulative share. Ordered bins only."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = shares
    return float(np.abs(np.cumsum(p) - np.cumsum(q)).max())


def wasserstein(reference: NDArray[np.int64], window: NDArray[np.int64]) -> float:
    """Earth mover's distance on the bins' ranks, divided by (bins - 1): between 0 and 1. Ordered bins only."""
    shares = _shares(reference, window)
    if shares is None:
        return float("nan")
    p, q = shares
    if len(p) == 1:
        return 0.0
    return float(np.abs(np.cumsum(p) - np.cumsum(q))[:-1].sum() / (len(p) - 1))


#: every distance by its name in series and windows; the last two need ordered bins
DISTANCES: Final[dict[str, Callable[[NDArray[np.int64], NDArray[np.int64]], float]]] = {
    "psi": psi,
    "jensen_shannon": jensen_shannon,
    "hellinger": hellinger,
    "linf": linf,
    "ks": ks,
    "wasserstein": wasserstein,
}
ORDERED_ONLY: Final = frozenset({"ks", "wasserstein"})
