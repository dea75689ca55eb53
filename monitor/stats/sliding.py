"""Sums over all windows of a length: how much the windows of a reference vary, whatever step they begin at."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: what is counted in live windows is out of the usual from so many times the largest of the reference's windows on
TIMES_LARGEST: Final = 1.2


def sliding(stack: Ints, length: int) -> Ints:
    """(N - length + 1, ...) sums of `length` consecutive ones of (N, ...)."""
    sums = np.concatenate([np.zeros((1, *stack.shape[1:]), np.int64), np.cumsum(stack, 0)])
    return np.asarray(sums[length:] - sums[:-length], np.int64)
