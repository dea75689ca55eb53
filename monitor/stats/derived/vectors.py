"""Derived columns of vectors: norm, distance from the reference's centre, projections on its leading components.

All sums are exact, so a vector has the same figures whatever batch it comes in, and on every machine: each vector is
scaled by a power of two of its own to integers of 19 bits, and sums of their products stay below 2^53. (The order in
which floats are added depends on the shape of the batch and on the processor; for integers it does not matter.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from monitor.stats.bins.reference_bins import LARGEST

Floats = NDArray[np.float64]

#: bits of a coordinate, and of a component's; sums over `MOST_NUMBERS` of their products are exact in 64-bit floats
BITS: Final = 19
MOST_NUMBERS: Final = 1 << (53 - 2 * BITS)
#: most projections
PROJECTIONS: Final = 4
#: a direction with less of the total variance than this is rounding noise
LEAST_VARIANCE: Final = 1e-9
#: bits kept of each derived number (a change of 1 in 4,000): vectors of unit length have one and the same norm,
#: also when they were rounded to 16-bit floats
KEPT_BITS: Final = 12
#: a smaller exponent is taken for this one, so that the scale is a finite number
_LEAST_EXPONENT: Final = -900


@dataclass(frozen=True)
class VectorColumns:
    """The derived columns of vectors of d numbers.

    `center` (d,) is their mean in the reference; `components` (k, d) are its leading principal components, or fixed
    directions where it has none that hold for other rows: unit vectors times 2^19, rounded to integers.
    """

    center: Floats
    components: NDArray[np.int32]

    @property
    def length(self) -> int:
        """Numbers of a vector."""
        return len(self.center)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the derived columns, in the order of `of`."""
        return ("norm", "distance", *(f"p{at}" for at in range(1, len(self.components) + 1)))

    def of(self, vectors: Floats) -> Floats:
        """(2 + k, n) norm, distance and projections of `vectors` (n, d), all of them finite."""
        norm, _, _ = _norm(vectors)
        with np.errstate(over="ignore"):
            centred = np.clip(vectors - self.center, -LARGEST, LARGEST)
        distance, whole, exponent = _norm(centred)
        # einsum and not `@`: as fast for a few components, and without the threads of BLAS
        projected = np.einsum("ij,kj->ki", whole, self.components.astype(np.float64))
        return _rounded(np.vstack([norm, distance, _scaled(projected, exponent - 2 * BITS)]))


def _norm(vectors: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The norm (n,) of each vector, the vectors (n, d) as integers of at most 2^19, and their exponents (n,)."""
    most = np.maximum(vectors.max(1, initial=0.0), -vectors.min(1, initial=0.0))
    exponent = np.maximum(np.frexp(most)[1], _LEAST_EXPONENT).astype(np.int64)
    whole = vectors * np.ldexp(1.0, BITS - exponent)[:, None]
    np.rint(whole, out=whole)
    squares = np.einsum("ij,ij->i", whole, whole)
    return _scaled(np.sqrt(squares), exponent - BITS), whole, exponent


def _scaled(numbers: Floats, exponent: NDArray[np.int64]) -> Floats:
    """Numbers times 2^exponent, at most the largest float."""
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(numbers, exponent), -LARGEST, LARGEST)


def _rounded(numbers: Floats) -> Floats:
    fraction, exponent = np.frexp(numbers)
    whole = np.rint(np.ldexp(fraction, KEPT_BITS)).astype(np.float64)
    return _scaled(whole, exponent.astype(np.int64) - KEPT_BITS) + 0.0  # never -0.0


def learn_vector_columns(vectors: Floats) -> VectorColumns:
    """The columns for vectors like these (n, d), n of at least 1."""
    sized = np.abs(vectors).max(initial=0.0) or 1.0
    center = (vectors / sized).mean(0) * sized
    centred = vectors / sized - center / sized
    axes = list(_principal(centred))
    for at, holds in enumerate(_hold_elsewhere(centred)[: len(axes)]):
        if not holds:
            axes[at] = _unlearned(at, axes, centred.shape[1])
    components = np.array([axis if axis[np.abs(axis).argmax()] > 0 else -axis for axis in axes])
    whole = np.rint(components * (1 << BITS)).astype(np.int32).reshape(len(axes), vectors.shape[1])
    return VectorColumns(center, whole)


def _unlearned(at: int, axes: list[Floats], width: int) -> Floats:
    """A direction (d,) that no data chose, at right angles to those before it."""
    axis = np.random.default_rng([at, width]).standard_normal(width)
    for before in axes[:at]:
        axis -= (axis @ before) * before
    size = np.linalg.norm(axis)
    return axis / size if size > 0 else axes[at]


def _hold_elsewhere(centred: Floats) -> list[bool]:
    """Whether the principal components of one half of the rows have their variance in the other half, too.

    One that does not is fitted to these rows: others vary less along it, which looks like a change. One of all rows is
    fitted half as much, and may be by as much as the standard deviation of n values is uncertain: 1 / sqrt(2 n).
    """
    allowed = 4 / np.sqrt(2 * max(len(centred), 1))
    order = np.random.default_rng(len(centred)).permutation(len(centred))  # rows may alternate
    halves = centred[order[::2]], centred[order[1::2]]
    own, elsewhere = np.zeros(PROJECTIONS), np.zeros(PROJECTIONS)
    for here, there in (halves, halves[::-1]):
        for at, axis in enumerate(_principal(here)):
            own[at] += np.square(here @ axis).sum() / max(len(here), 1)
            elsewhere[at] += np.square(there @ axis).sum() / max(len(there), 1)
    return list(elsewhere >= (1 - allowed) * own)


def _principal(centred: Floats) -> Iterator[Floats]:
    """The principal components (d,) of n rows, those with the most variance first."""
    rows, width = centred.shape
    few = rows < width
    products = centred @ centred.T if few else centred.T @ centred
    size = len(products)
    values, vectors = eigh(products, subset_by_index=(max(size - PROJECTIONS, 0), size - 1))
    for at in reversed(range(len(values))):
        if values[at] > LEAST_VARIANCE * np.trace(products):
            axis = centred.T @ vectors[:, at] if few else vectors[:, at]
            yield axis / np.linalg.norm(axis)
