"""A reference from counted base windows: totals, and how restless they are at each length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey
from monitor.reference.plan import Plan
from monitor.reference.reference import FEATURE, Level, Reference, with_hash
from monitor.stats.bins import NUMERIC, QUALITY_COUNTS, UNSEEN
from monitor.stats.block import Block
from monitor.stats.evidence import dispersion, largest_shift
from monitor.stats.tally import merged

#: windows of a length that are needed to measure its dispersion, and occurrences of a fact to measure the fact's
MIN_WINDOWS: Final = 8
MIN_QUALITY_HITS: Final = 20
#: windows side by side that are needed to learn a largest distance
MIN_WINDOWS_LEARNED: Final = 3


def assemble(
    key: ModelKey,
    plan: Plan,
    windows: Sequence[Block],
    rest: Block | None,
    *,
    positive: str,
    score_classes: Sequence[str] = (),
    unread: Mapping[str, int] | None = None,
) -> Reference:
    """The reference of counted base windows; `rest` are events behind the last whole one, counted but no window.

    `score_classes` are the names in `scores`, `unread` the fields of events that nobody reads, with their counts.

    Raises:
        ValueError: nothing was counted.
    """
    tallies = [window.tally for window in windows]
    parts = [*windows, *([rest] if rest is not None else [])]
    total = merged([part.tally for part in parts])
    width = total.counts.shape[1] - len(QUALITY_COUNTS)
    stack = np.stack([tally.counts for tally in tallies]) if tallies else np.zeros((0, *total.counts.shape), np.int64)
    levels = _levels(len(windows), sum(tally.events for tally in tallies))
    ordered = np.array([column.bins.kind == NUMERIC for column in plan.columns])
    overdispersion, quality_overdispersion, max_reference_distance = measure_variability(
        stack, total.counts, levels, ordered, width
    )
    spans = [window.end_us - window.start_us for window in windows]
    reference = Reference(
        key=key,
        task=plan.task,
        positive=positive,
        columns=tuple(plan.columns),
        counts=_with_expected_unseen(total.counts, plan, width),
        levels=levels,
        overdispersion=overdispersion,
        quality_overdispersion=quality_overdispersion,
        max_reference_distance=max_reference_distance,
        events=total.events,
        predictions=total.predictions,
        labels=total.labels + total.labelled,
        start_us=parts[0].start_us,
        end_us=parts[-1].end_us,
        base_windows=len(windows),
        base_us=int(np.median(spans)) if spans else 0,
        ignored=tuple(sorted(plan.ignored.items())),
        score_classes=tuple(sorted(score_classes)),
        unread=tuple(sorted((unread or {}).items(), key=lambda one: (-one[1], one[0]))),
    )
    return with_hash(reference)


def _with_expected_unseen(total: NDArray[np.int64], plan: Plan, width: int) -> NDArray[np.int64]:
    """Rare values that were new when they came count as unseen: so many are to be expected of the next events, too."""
    counts = total.copy()
    for at, column in enumerate(plan.columns):
        share = plan.renewed.get(column.name, 0.0) if column.role == FEATURE else 0.0
        if share > 0:
            last = column.bins.bins - 1
            moved = min(round(share * int(counts[at, : last + 1].sum() + counts[at, width + UNSEEN])), counts[at, last])
            counts[at, last] -= moved
            counts[at, width + UNSEEN] += moved
    return counts


def _levels(base_windows: int, events: int) -> tuple[Level, ...]:
    """Lengths 1, 2, 4, ... base windows, as long as one fits; always at least the first."""
    mean = events / base_windows if base_windows else 0.0
    lengths = [1 << k for k in range(max(1, base_windows.bit_length()))]
    return tuple(
        Level(length, length * mean, base_windows // length, base_windows // length >= MIN_WINDOWS_LEARNED)
        for length in lengths
    )


def measure_variability(
    stack: NDArray[np.int64],
    total: NDArray[np.int64],
    levels: Sequence[Level],
    ordered: NDArray[np.bool_],
    width: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Dispersion of bins, dispersion of facts, and the largest distance, by level.

    `stack` (windows, C, B + facts) base windows, `total` (C, B + facts) of the whole reference.
    """
    columns = total.shape[0]
    overdispersion = np.ones((columns, len(levels)))
    quality_overdispersion = np.full((columns, len(QUALITY_COUNTS), len(levels)), np.nan)
    max_reference_distance = np.full((columns, len(levels)), np.nan)
    for at, level in enumerate(levels):
        if level.windows:
            side_by_side = _side_by_side(stack, level.base_windows)
            overdispersion[:, at], quality_overdispersion[:, :, at] = _dispersions(side_by_side, total, width)
        if level.learned:
            sliding = _sliding(stack, level.base_windows)[..., :width]
            share, cumulative = largest_shift(total[None, :, :width] - sliding, sliding, ordered)
            max_reference_distance[:, at] = np.maximum(share, cumulative).max(0)
    return (
        np.maximum.accumulate(np.nan_to_num(overdispersion, nan=1.0), axis=1),
        _carried(quality_overdispersion),
        max_reference_distance,
    )


def _side_by_side(stack: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    windows = len(stack) // length
    return np.asarray(stack[: windows * length].reshape(windows, length, *stack.shape[1:]).sum(1), np.int64)


def _sliding(stack: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    sums = np.concatenate([np.zeros((1, *stack.shape[1:]), np.int64), np.cumsum(stack, 0)])
    return np.asarray(sums[length:] - sums[:-length], np.int64)


def _dispersions(
    windows: NDArray[np.int64], total: NDArray[np.int64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) of the value bins and (C, facts) of each fact; NaN where it cannot be measured."""
    columns = total.shape[0]
    overdispersion, quality_counts = np.full(columns, np.nan), np.full((columns, len(QUALITY_COUNTS)), np.nan)
    if len(windows) < MIN_WINDOWS:
        return overdispersion, quality_counts
    part = windows.sum() / max(total.sum(), 1) / len(windows)
    for c in range(columns):
        bins, whole = windows[:, c, :width], total[c, :width]
        if whole.sum():
            overdispersion[c] = max(1.0, dispersion(bins, whole / whole.sum(), part))
        events, all_events = windows[:, c].sum(1), total[c].sum()
        for slot in range(len(QUALITY_COUNTS)):
            hits = windows[:, c, width + slot]
            if total[c, width + slot] >= MIN_QUALITY_HITS:
                quality_counts[c, slot] = _quality_overdispersion(
                    hits, events, total[c, width + slot] / all_events, part
                )
    return overdispersion, quality_counts


def _quality_overdispersion(hits: NDArray[np.int64], events: NDArray[np.int64], share: float, part: float) -> float:
    """Variance of a fact's count over what independent events would show; at least 1."""
    if share >= 1:
        return 1.0
    expected = events * share
    ratio = ((hits - expected) ** 2).sum() / max((expected * (1 - share)).sum(), 1e-9)
    return float(max(1.0, ratio / max(1 - part, 0.1)))


def _carried(quality_overdispersion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Never falling with length; a length that could not be measured takes the next shorter one's."""
    out = quality_overdispersion.copy()
    for at in range(1, out.shape[2]):
        out[:, :, at] = np.fmax(out[:, :, at], out[:, :, at - 1])
    return out
