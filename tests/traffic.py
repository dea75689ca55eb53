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


def in_batches(rng: np.random.Generator, rows: int, most: int = 200) -> Floats:
    """Batches by client, of Pareto(1.2) sizes up to `most`; equal values in a batch, standard normal."""
    sizes = np.clip(np.ceil(rng.pareto(1.2, rows // 2 + 300)), 1, most).astype(np.int64)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), rows) + 1]
    return np.repeat(rng.standard_normal(len(sizes)), sizes)[:rows]


def with_days(rng: np.random.Generator, rows: int, day: float, swing: float) -> Floats:
    """Standard normal values whose level goes up and down by `swing` sd in each day of the given number of rows."""
    level = swing * np.sin(2 * np.pi * np.arange(rows) / day)
    return np.asarray((rng.standard_normal(rows) + level) / np.sqrt(1 + swing**2 / 2), np.float64)


def sticky(rng: np.random.Generator, rows: int, shares: Floats, stays: float) -> Ints:
    """Names by their shares, each kept for the next row with the chance `stays`."""
    fresh = rng.random(rows) >= stays
    fresh[0] = True
    names = rng.choice(len(shares), rows, p=shares)
    return np.asarray(names[np.maximum.accumulate(np.where(fresh, np.arange(rows), 0))], np.int64)


def mostly(rng: np.random.Generator, values: Floats, usual: float, share: float) -> Floats:
    """`values` of which a share, drawn at random, is one usual value: zero-inflated, mostly one, a sentinel."""
    return np.where(rng.random(len(values)) < share, usual, values)


def gone_in_bursts(rng: np.random.Generator, values: Floats, length: int, share: float) -> Floats:
    """`values` of which a share is missing (NaN), in bursts of `length` rows."""
    gone = np.repeat(rng.random(-(-len(values) // length)) < share, length)[: len(values)]
    return np.where(gone, np.nan, values)


def deciles(values: Floats) -> Ints:
    """Decile codes 0..9 of standard normal values."""
    return np.minimum((ndtr(values) * 10).astype(np.int64), 9)


def zipf(names: int, exponent: float) -> Floats:
    """Zipf shares of the given number of names."""
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
