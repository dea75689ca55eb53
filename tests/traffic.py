"""Columns with the dependence of real traffic: autocorrelation, runs, blocks, long tails. Seeded, without drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def autoregressive(rng: np.random.Generator, rows: int, coefficient: float) -> Floats:
    """A standard normal AR(1) process, (rows,)."""
    noise = rng.standard_normal(rows + 1_000) * np.sqrt(1 - coefficient**2)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], noise)[1_000:], np.float64)


def in_runs(rng: np.random.Generator, rows: int, length: int) -> Floats:
    """Runs of equal standard normal values."""
    return np.repeat(rng.standard_normal(-(-rows // length)), length)[:rows]


def in_blocks(rng: np.random.Generator, rows: int, length: int, shift: float = 0.5) -> Floats:
    """Blocks of `length` values, each with a random level; standard normal overall."""
    levels = np.repeat(shift * rng.standard_normal(-(-rows // length)), length)[:rows]
    return np.asarray((rng.standard_normal(rows) + levels) / np.sqrt(1 + shift**2), np.float64)


def deciles(values: Floats) -> Ints:
    """Decile codes 0..9 of standard normal values."""
    return np.minimum((ndtr(values) * 10).astype(np.int64), 9)


def zipf(names: int, exponent: float) -> Floats:
    """Zipf shares of so many names."""
    shares = 1 / np.arange(1, names + 1) ** exponent
    return np.asarray(shares / shares.sum(), np.float64)


def drawn(rng: np.random.Generator, shares: Floats, rows: int, run: int = 1) -> Ints:
    """Names 0, 1, ... drawn by their shares, in runs of `run` equal ones."""
    return np.repeat(rng.choice(len(shares), -(-rows // run), p=shares), run)[:rows]


def windows_of(codes: Ints, bins: int, size: int = 250) -> Ints:
    """Counts (W, bins) of the whole windows of `size` codes."""
    windows = len(codes) // size
    at = codes[: windows * size].reshape(windows, size) + np.arange(windows)[:, None] * bins
    return np.bincount(at.ravel(), minlength=windows * bins).reshape(windows, bins)
