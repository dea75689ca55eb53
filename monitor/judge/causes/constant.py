"""Cause `constant`: every value of a window is the same one (a stuck sensor).

The chance that n values are all the reference's commonest one: p_max^(n / phi).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Finding, FindingKey
from monitor.judge.baseline import Baseline, Floats, Unrest
from monitor.judge.ladder import Block, Windows, window_of
from monitor.judge.policy import LEAST_FACT, Policy
from monitor.reference.reference import Column

#: values that must be there at least, however rare the commonest one was
MIN_VALUES = 20
#: most columns show two values within so many panes
FEW_PANES = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W, C) of one look."""

    p: Floats
    values: Floats
    over: Floats  # log p / log alpha


def tests(baseline: Baseline) -> int:
    """Tests of one window length, over all columns."""
    return len(baseline.columns)


def measure(baseline: Baseline, windows: Windows, unrest: Unrest, alpha: float) -> Measured:
    """The chance of every window and column that is constant; 1 where it is not."""
    bins = windows.counts[..., : baseline.width]
    values = bins.sum(2).astype(np.float64)
    same = _same(baseline, windows.lows, windows.highs, bins)
    log_p = values / unrest.phi * np.log(np.clip(baseline.commonest, 1e-12, 1.0))
    log_p = np.where(same & (values >= MIN_VALUES), log_p, 0.0)
    return Measured(np.exp(np.maximum(log_p, -690.0)), values, log_p / np.log(alpha))


def _same(baseline: Baseline, lows: Floats, highs: Floats, bins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Windows and columns (..., C) with no two different values; `bins` (..., C, B)."""
    values = bins.sum(-1)
    one_value = np.where(baseline.ordered, lows == highs, bins.max(-1) == values)
    return np.asarray(one_value | (values == 0), np.bool_)


def runs(baseline: Baseline, recent: Windows) -> Iterator[tuple[int, Windows]]:
    """(column, window) of every column whose newest panes hold one value only, as far back as that is so.

    A window that begins before the value got stuck would not be constant yet.
    """
    parts = recent.parts[0][::-1]
    for panes in (1, FEW_PANES, len(parts)):
        same, values = _over_the_newest(baseline, parts[:panes])
        if not same[-1].any():  # so no run is longer
            break
    length = same.sum(0)  # once broken, a run stays broken
    for column in np.flatnonzero(length).tolist():
        panes = int(length[column])
        if values[panes - 1, column] >= MIN_VALUES:
            yield column, window_of(0, parts[:panes][::-1])


def _over_the_newest(baseline: Baseline, parts: tuple[Block, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of the newest 1, 2, ... of `parts` (n, newest first): columns (n, C) of one value, and values (n, C) in bins."""
    lows = np.minimum.accumulate([part.tally.lows for part in parts])
    highs = np.maximum.accumulate([part.tally.highs for part in parts])
    bins = np.cumsum([part.tally.counts[:, : baseline.width] for part in parts], axis=0)
    return _same(baseline, lows, highs, bins), bins.sum(2)


def severity(policy: Policy, about: Column) -> str:
    """Of a column that is constant."""
    return policy.severity("constant", about.name, 1.0 - about.commonest_share, LEAST_FACT)


def threshold(about: Column, alpha: float) -> float:
    """The shortest run of equal values that would be over, as far as values are independent."""
    least = np.log(alpha) / np.log(min(max(about.commonest_share, 1e-12), 1 - 1e-12))
    return float(max(least, MIN_VALUES))


def finding(
    baseline: Baseline, policy: Policy, windows: Windows, measured: Measured, at: tuple[int, int], alpha: float
) -> Finding:
    """The finding of one (window, column) that is over."""
    window, column = at
    about = baseline.columns[column]
    n = int(measured.values[at])
    effect = 1.0 - about.commonest_share
    # a number is never shown
    what = "one and the same"
    if not baseline.ordered[column]:
        what = policy.category(about.bins.labels()[int(windows.counts[window, column, : baseline.width].argmax())])
    return Finding(
        key=FindingKey(about.name, "constant"),
        severity=severity(policy, about),
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="run",
        value=float(n),
        threshold=threshold(about, alpha),
        p=float(measured.p[at]),
        effect=effect,
        effect_unit="share",
        over=float(measured.over[at]),
        detail=f"{n} values in a row are {what}; the commonest value of the reference had {about.commonest_share:.1%}",
        headline=f"{about.name} is constant ({what} in {n} events)",
        records=windows.records(window),
    )
