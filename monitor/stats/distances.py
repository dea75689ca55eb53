"""Distances between count vectors: for display only, as their tail probabilities are not exact enough for tests.

All functions take `reference` (..., bins) and `window` (..., bins) counts and give (...) numbers; NaN where a side is
empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Distance: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64]], Vector]

#: least share of a bin in PSI; the same samples give 134.95, 2.10 or 1.20 by three usual ways to fill empty bins
PSI_FLOOR: Final = 1e-4


def _share(counts: NDArray[np.int64]) -> Vector:
    """NaN where there is nothing."""
    total = counts.sum(-1, keepdims=True)
    shares: Vector = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    return shares


def _shares(reference: NDArray[np.int64], window: NDArray[np.int64]) -> tuple[Vector, Vector]:
    return _share(reference), _share(window)


def psi(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """Population stability index; shares below a floor are raised to it (Siddiqi 2006, with the usual 1e-4)."""
    p, q = (np.maximum(share, PSI_FLOOR) for share in _shares(reference, window))
    return np.asarray(((q - p) * np.log(q / p)).sum(-1))


def jensen_shannon(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """Jensen-Shannon distance: the root of the divergence to base 2, between 0 and 1 (Lin 1991)."""
    p, q = _shares(reference, window)
    middle = (p + q) / 2
    divergence = (_kullback_leibler(p, middle) + _kullback_leibler(q, middle)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0)))


def _kullback_leibler(p: Vector, q: Vector) -> Vector:
    """Where a side is empty all shares are NaN, and so is this."""
    ratio = np.divide(p, q, out=np.ones(p.shape), where=p > 0)
    return np.asarray((p * np.log2(ratio)).sum(-1) + 0 * q.sum(-1))


def hellinger(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """Hellinger distance, between 0 and 1."""
    p, q = _shares(reference, window)
    return np.asarray(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(-1) / 2))


def linf(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """The largest change of one bin's share."""
    p, q = _shares(reference, window)
    return np.asarray(np.abs(p - q).max(-1))


def ks(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """Kolmogorov-Smirnov distance at the bin edges: the largest change of a cumulative share. Ordered bins only."""
    p, q = _shares(reference, window)
    return np.asarray(np.abs(np.cumsum(p, -1) - np.cumsum(q, -1)).max(-1))


def wasserstein(reference: NDArray[np.int64], window: NDArray[np.int64]) -> Vector:
    """Earth mover's distance on the bins' ranks, divided by (bins - 1): between 0 and 1. Ordered bins only."""
    p, q = _shares(reference, window)
    moved = np.abs(np.cumsum(p, -1) - np.cumsum(q, -1))
    steps = p.shape[-1] - 1
    return np.asarray(moved[..., :-1].sum(-1) / steps if steps else 0 * moved[..., 0])


#: every distance by its name in series and windows; the last two need ordered bins
DISTANCES: Final[dict[str, Distance]] = {
    "psi": psi,
    "jensen_shannon": jensen_shannon,
    "hellinger": hellinger,
    "linf": linf,
    "ks": ks,
    "wasserstein": wasserstein,
}
ORDERED_ONLY: Final = frozenset({"ks", "wasserstein"})
