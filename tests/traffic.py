"""Columns as real traffic has them: dependent, in bursts, in blocks, long-tailed. All seeded, all without a change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def autoregressive(rng: np.random.Generator, rows: int, coefficient: float) -> Floats:
    """Standard normal values, each correlated with the one before it."""
    noise = rng.standard_normal(rows + 1_000) * np.sqrt(1 - coefficient**2)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], noise)[1_000:], np.float64)


def in_runs(rng: np.random.Generator, rows: int, length: int) -> Floats:
    """Runs of equal standard normal values."""
    return np.repeat(rng.standard_normal(-(-rows // length)), length)[:rows]


def in_blocks(rng: np.random.Generator, rows: int, length: int, shift: float = 0.5) -> Floats:
    """One source after the other, each with a level of its own."""
    levels = np.repeat(shift * rng.standard_normal(-(-rows // length)), length)[:rows]
    return np.asarray((rng.standard_normal(rows) + levels) / np.sqrt(1 + shift**2), np.float64)


def deciles(values: Floats) -> Ints:
    """Bin codes 0..9 of standard normal values, equally likely."""
    return np.minimum((ndtr(values) * 10).astype(np.int64), 9)


def zipf(names: int, exponent: float) -> Floats:
    """Shares of so many names."""
    shares = 1 / np.arange(1, names + 1) ** exponent
    return np.asarray(shares / shares.sum(), np.float64)


def drawn(rng: np.random.Generator, shares: Floats, rows: int, run: int = 1) -> Ints:
    """Names 0, 1, ... by their shares, in runs of equal ones."""
    return np.repeat(rng.choice(len(shares), -(-rows // run), p=shares), run)[:rows]


def windows_of(codes: Ints, bins: int, size: int = 250) -> Ints:
    """Counts (W, bins) of whole windows."""
    windows = len(codes) // size
    at = codes[: windows * size].reshape(windows, size) + np.arange(windows)[:, None] * bins
    return np.bincount(at.ravel(), minlength=windows * bins).reshape(windows, bins)
