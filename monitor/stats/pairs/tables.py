"""Tables of two columns: how strongly the columns are tied, and what of it is left when their margins change.

A table is (3, 3), shares or counts of the levels of two columns; functions take many of them, (..., 3, 3).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.pairs.levels import LEVELS

Floats = NDArray[np.float64]

#: rounds of iterative fitting at most, and the change of a cell below which it has converged
FIT_ROUNDS: Final = 80
FIT_CHECKED: Final = 4
CONVERGED: Final = 1e-10
#: Newton steps of the likelihood ratio, and the largest of them
ROOT_STEPS: Final = 20
ROOT_STEP: Final = 1.5
#: smallest variance that a Newton step assumes, as a part of the plain one
LEAST_CURVATURE: Final = 0.02
#: added to every cell, so that an empty one has a logarithm
ADDED: Final = 0.5

_TINY: Final = 1e-12


def raked(shares: Floats, rows: Floats, columns: Floats) -> Floats:
    """The tables with these margins (..., 3) that have the odds ratios of `shares` (..., 3, 3)."""
    fitted = shares + 1e-9
    for step in range(FIT_ROUNDS):
        before = fitted
        fitted = fitted * (rows / np.maximum(fitted.sum(-1), _TINY))[..., None]
        fitted = fitted * (columns / np.maximum(fitted.sum(-2), _TINY))[..., None, :]
        if step % FIT_CHECKED == FIT_CHECKED - 1 and np.abs(fitted - before).max(initial=0.0) < CONVERGED:
            break
    return fitted


def tie(counts: Floats) -> Floats:
    """How strongly two columns go together, 0 to 1 on a correlation's scale: sqrt(1 - exp(-2 x mutual information))."""
    shares = counts / np.maximum(counts.sum((-1, -2), keepdims=True), 1)
    apart = shares.sum(-1)[..., None] * shares.sum(-2)[..., None, :]
    logs = np.log(np.maximum(shares, _TINY) / np.maximum(apart, _TINY))
    information = np.where(shares > 0, shares * logs, 0.0).sum((-1, -2))
    return np.asarray(np.sqrt(1 - np.exp(-2 * np.maximum(information, 0.0))), np.float64)


def smoothed(counts: Floats) -> Floats:
    """Shares with half an event more in every cell; rows and columns without events stay empty."""
    live = (counts.sum(-1) > 0)[..., None] & (counts.sum(-2) > 0)[..., None, :]
    more = np.where(live, counts + ADDED, 0.0)
    return np.asarray(more / np.maximum(more.sum((-1, -2), keepdims=True), _TINY), np.float64)


def weights(shares: Floats) -> Floats:
    """The logarithm of each cell's share over the product of its margins; 0 where the cell is empty."""
    apart = shares.sum(-1)[..., None] * shares.sum(-2)[..., None, :]
    logs = np.log(np.maximum(shares, _TINY) / np.maximum(apart, _TINY))
    return np.asarray(np.where(shares > 0, logs, 0.0), np.float64)


def without_margins(weight: Floats, shares: Floats) -> Floats:
    """`weight` less its best part a_i + b_j (least squares under `shares`): it does not see changes of the margins."""
    places = np.arange(2 * LEVELS)
    normal = np.zeros((*shares.shape[:-2], 2 * LEVELS, 2 * LEVELS))
    normal[..., places[:LEVELS], places[:LEVELS]] = shares.sum(-1)
    normal[..., places[LEVELS:], places[LEVELS:]] = shares.sum(-2)
    normal[..., :LEVELS, LEVELS:] = shares
    normal[..., LEVELS:, :LEVELS] = np.swapaxes(shares, -1, -2)
    normal[..., places, places] += 1e-9
    between = np.concatenate([np.ones(LEVELS), -np.ones(LEVELS)])  # a + c, b - c is the same part
    normal += 1e-6 * between[:, None] * between
    right = np.concatenate([(shares * weight).sum(-1), (shares * weight).sum(-2)], -1)
    part = np.linalg.solve(normal, right[..., None])[..., 0]
    return np.asarray(weight - part[..., :LEVELS, None] - part[..., None, LEVELS:], np.float64)


def level_scores(shares: Floats) -> tuple[Floats, Floats]:
    """Scores (..., 3) of the levels of both columns with which they correlate most; the first one's rise."""
    rows, columns = shares.sum(-1), shares.sum(-2)
    apart = rows[..., None] * columns[..., None, :]
    left, _, right = np.linalg.svd((shares - apart) / np.sqrt(np.maximum(apart, _TINY)))
    first = np.where(rows > 0, left[..., :, 0] / np.sqrt(np.maximum(rows, _TINY)), 0.0)
    second = np.where(columns > 0, right[..., 0, :] / np.sqrt(np.maximum(columns, _TINY)), 0.0)
    falls = np.where(first[..., -1] < first[..., 0], -1.0, 1.0)[..., None]
    return np.asarray(first * falls, np.float64), np.asarray(second * falls, np.float64)


def correlation(shares: Floats, first: Floats, second: Floats) -> Floats:
    """Of the scores of the levels (..., 3) in tables, -1 to 1."""
    rows, columns = shares.sum(-1), shares.sum(-2)
    mean_first, mean_second = (rows * first).sum(-1), (columns * second).sum(-1)
    together = (shares * first[..., :, None] * second[..., None, :]).sum((-1, -2)) - mean_first * mean_second
    spread = ((rows * first**2).sum(-1) - mean_first**2) * ((columns * second**2).sum(-1) - mean_second**2)
    return np.asarray(together / np.sqrt(np.maximum(spread, 1e-9)), np.float64)


def divergence(shares: Floats, fitted: Floats) -> Floats:
    """Kullback-Leibler divergence of tables of shares from others."""
    logs = np.log(np.maximum(shares, _TINY) / np.maximum(fitted, _TINY))
    return np.asarray(np.where(shares > 0, shares * logs, 0.0).sum((-1, -2)), np.float64)


def likelihood_root(mean: Floats, shares: Floats, weight: Floats, events: Floats) -> Floats:
    """(N,) root of twice the log likelihood ratio of a mean (N,) of `weight` over `events` events.

    The alternatives are the tables in proportion to `shares` x exp(theta x `weight`), both (N, 3, 3). Where rare cells
    have large weights, a plain z has far heavier tails than this.
    """
    shares = shares / np.maximum(shares.sum((-1, -2), keepdims=True), _TINY)
    weight = weight - (shares * weight).sum((-1, -2))[:, None, None]
    plain = np.maximum((shares * weight**2).sum((-1, -2)), _TINY)
    theta, best = np.zeros(len(mean)), np.zeros(len(mean))
    low, high = np.full(len(mean), -np.inf), np.full(len(mean), np.inf)  # the mean rises with theta
    for _ in range(ROOT_STEPS):
        tilted = shares * np.exp(np.clip(theta[:, None, None] * weight, -50, 50))
        total = tilted.sum((-1, -2))
        at = (tilted * weight).sum((-1, -2)) / total
        curvature = np.maximum((tilted * weight**2).sum((-1, -2)) / total - at**2, LEAST_CURVATURE * plain)
        best = np.maximum(best, theta * mean - np.log(total))
        low, high = np.where(at < mean, theta, low), np.where(at < mean, high, theta)
        step = theta + np.clip((mean - at) / curvature, -ROOT_STEP, ROOT_STEP)
        inside = (step > low) & (step < high)
        both = np.isfinite(low) & np.isfinite(high)  # beside an infinite end a step outside is one of no length
        middle = (np.where(both, low, 0.0) + np.where(both, high, 0.0)) / 2
        theta = np.where(inside, step, np.where(both, middle, theta))
    return np.asarray(np.sqrt(2 * events * best), np.float64)
