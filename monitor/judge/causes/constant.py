"""Cause `constant`: every value of a window is the same one (a stuck sensor), in the reference's range or not.

The chance that n values are all the reference's commonest one: p_max^(n / phi).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Finding, FindingKey
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.prepared_reference import Floats, PreparedReference, Variability
from monitor.judge.windows import Block, Windows, window_of
from monitor.reference.reference import Column
from monitor.stats.bins import OUTSIDE, UNSEEN
from monitor.stats.digits import percent

#: values that must be there at least, however rare the commonest one was
MIN_VALUES = 20
#: most columns show two values within so many panes
FEW_PANES = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W, C) of one look."""

    p: Floats
    values: Floats
    exceedance: Floats  # log p / log alpha


def tests(prepared: PreparedReference) -> int:
    """Tests of one window length, over all columns."""
    return len(prepared.columns)


def measure(prepared: PreparedReference, windows: Windows, variability: Variability, alpha: float) -> Measured:
    """The chance of every window and column that is constant; 1 where it is not."""
    values = _values(prepared, windows.counts).astype(np.float64)
    same = _same(prepared, windows.lows, windows.highs, windows.counts)
    log_p = values / variability.overdispersion * np.log(np.clip(prepared.modal, 1e-12, 1.0))
    log_p = np.where(same & (values >= MIN_VALUES), log_p, 0.0)
    return Measured(np.exp(np.maximum(log_p, -690.0)), values, log_p / np.log(alpha))


def _values(prepared: PreparedReference, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values (..., C) that are there, in a bin or not; `counts` (..., C, B + facts)."""
    width = prepared.width
    inside = counts[..., :width].sum(-1)
    return np.asarray(inside + counts[..., width + OUTSIDE] + counts[..., width + UNSEEN], np.int64)


def _same(prepared: PreparedReference, lows: Floats, highs: Floats, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Windows and columns (..., C) with no two different values; `counts` (..., C, B + facts).

    A bin that rare categories share is one value only where the extremes of their places say so; never-seen values
    have no place, and are never taken for one.
    """
    values, bins = _values(prepared, counts), counts[..., : prepared.width]
    in_one_bin = bins.max(-1) == values
    by_name = in_one_bin & (bins.argmax(-1) < prepared.named)
    one_value = np.where(prepared.ordered, lows == highs, by_name | (in_one_bin & (lows == highs)))
    return np.asarray(one_value | (values == 0), np.bool_)


def runs(prepared: PreparedReference, recent: Windows) -> Iterator[tuple[int, Windows]]:
    """(column, window) of every column whose newest panes hold one value only, as far back as that is so.

    A window that begins before the value got stuck would not be constant yet.
    """
    parts = recent.parts[0][::-1]
    for panes in (1, FEW_PANES, len(parts)):
        same, values = _over_the_newest(prepared, parts[:panes])
        if not same[-1].any():  # so no run is longer
            break
    length = same.sum(0)  # once broken, a run stays broken
    for column in np.flatnonzero(length).tolist():
        panes = int(length[column])
        if values[panes - 1, column] >= MIN_VALUES:
            yield column, window_of(0, parts[:panes][::-1])


def _over_the_newest(
    prepared: PreparedReference, parts: tuple[Block, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of the newest 1, 2, ... of `parts` (n, newest first): columns (n, C) of one value, and values (n, C)."""
    lows = np.minimum.accumulate([part.tally.lows for part in parts])
    highs = np.maximum.accumulate([part.tally.highs for part in parts])
    counts = np.cumsum([part.tally.counts for part in parts], axis=0)
    return _same(prepared, lows, highs, counts), _values(prepared, counts)


def severity(policy: Policy, about: Column) -> str:
    """Of a column that is constant."""
    return policy.severity("constant", about.feature, 1.0 - about.modal_share, LEAST_QUALITY_CHANGE)


def threshold(about: Column, alpha: float) -> float:
    """The shortest run of equal values that would be over, as far as values are independent."""
    least = np.log(alpha) / np.log(min(max(about.modal_share, 1e-12), 1 - 1e-12))
    return float(max(least, MIN_VALUES))


def finding(
    prepared: PreparedReference, policy: Policy, windows: Windows, measured: Measured, at: tuple[int, int], alpha: float
) -> Finding:
    """The finding of one (window, column) that is over."""
    window, column = at
    about = prepared.columns[column]
    n = int(measured.values[at])
    effect = 1.0 - about.modal_share
    subject = prepared.subjects[column]
    # a number is never shown
    what = "one and the same" if prepared.ordered[column] else policy.quoted(_category(prepared, windows, at))
    before = percent(about.modal_share)
    return Finding(
        key=FindingKey(subject, "constant"),
        severity=severity(policy, about),
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="run",
        value=float(n),
        threshold=threshold(about, alpha),
        p=float(measured.p[at]),
        effect=effect,
        effect_unit="share",
        exceedance=float(measured.exceedance[at]),
        detail=f"all {n:,} values are {what}; the most frequent value of the reference had {before}",
        headline=f"{subject} is stuck: all {n:,} values are {what}",
        records=windows.records(window),
    )


def _category(prepared: PreparedReference, windows: Windows, at: tuple[int, int]) -> str:
    """The one category of a window and column."""
    window, column = at
    bins = prepared.columns[column].bins
    bin_ = int(windows.counts[window, column, : prepared.width].argmax())
    return bins.categories[bin_] if bin_ < bins.named else (*bins.categories, *bins.rare)[int(windows.lows[at])]
