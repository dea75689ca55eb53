"""Dispersion of quality counts (missing, absent, unseen, outside, type): their hits are divided by it.

A quality count with hits in the reference has its own dispersion if that is clearly above 1; otherwise the stream's is
used, at most 10, so that 50 hits of 50 still count as 5 and a column that disappears pages at once. The number of base
windows with a hit is tested too: it ignores the size of a burst.

Shapes: W base windows, N quality counts (over all columns), K lengths 1, 2, 4, ... base windows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.testing.evidence import exact_excess_tail

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: largest dispersion taken from the stream: with more, a missing column would not page within 100 events
MOST_CLUMP: Final = 10.0
#: least windows to measure a dispersion
FEWEST_WINDOWS: Final = 8
#: standard errors by which a dispersion must exceed 1 (or the shorter length's) to be used
CLEARLY: Final = 2.0
#: least expected events of a bin when the stream's dispersion is measured
CLUMP_EXPECTED: Final = 5.0
#: what is more than a burst: this share of the events, a span of this many events, or this many hits and this share
HALF: Final = 0.5
LASTING_EVENTS: Final = 125
MANY_HITS: Final = 20
MANY_SHARE: Final = 0.2


def stream_clump(stack: Ints) -> float:
    """Dispersion of a model's stream, from value bins (W, C, B) of the reference's base windows; 1 to `MOST_CLUMP`.

    The median over columns of the dispersion of differences between neighbouring windows. Slow cycles cancel in the
    differences, and a single restless column does not affect the median.
    """
    c = np.asarray(stack, np.float64)
    n = c.sum(2)
    total = c.sum(0)
    shares = total / np.maximum(total.sum(1), 1)[:, None]
    use = shares * n.mean(0)[:, None] >= CLUMP_EXPECTED if len(c) else np.zeros(shares.shape, np.bool_)
    freedom = np.where(use, 1 - shares, 0.0).sum(1)
    estimable = freedom > 1e-9
    if len(c) < 2 or not estimable.any():
        return 1.0
    x = c / np.maximum(n, 1)[..., None]
    each = 1 / np.maximum(n, 1)
    both = (n[1:] > 0) & (n[:-1] > 0)
    step = (x[1:] - x[:-1]) ** 2 / np.maximum(shares * (each[1:] + each[:-1])[..., None], 1e-300)
    squares = np.where(use & both[..., None], step, 0.0).sum((0, 2)) / np.maximum(both.sum(0), 1)
    return float(np.clip(np.median(np.maximum(squares[estimable] / freedom[estimable], 1.0)), 1.0, MOST_CLUMP))


def by_length(hits: Ints, events: Ints, clump: float | None, least: Floats | float = 1.0) -> Floats:
    """Dispersion (N, K) of each quality count at lengths 1, 2, 4, ... that fit; always at least the first.

    `hits`, `events` (W, N) by base window. Where the own dispersion is not clearly above 1, that of the stream
    (`clump`) is used; None: always the own one. `least` (N,) is a lower bound. A longer length has its own dispersion
    only if that is clearly larger than the shorter one's.
    """
    windows = len(hits)
    total = hits.sum(0)
    stream = min(max(clump or 1.0, 1.0), MOST_CLUMP)
    last = np.maximum(_first(hits, events), least)
    if clump is not None:
        clear = _clear(windows)
        last = np.where(last <= clear, min(stream, clear), last)
        last = np.where(total > 0, last, stream)
    columns = [last]
    for length in (1 << k for k in range(1, max(windows, 1).bit_length())):
        number = windows // length
        if number >= FEWEST_WINDOWS:
            own = _dispersion(_side_by_side(hits, length), _side_by_side(events, length), total, events.sum(0))
            last = np.where((total > 0) & (own > last * _clear(number)), own, last)
        columns.append(last)
    return np.stack(columns, axis=1)


def _clear(windows: int) -> float:
    return float(1 + CLEARLY * np.sqrt(2 / max(windows - 1, 1)))


def _first(hits: Ints, events: Ints) -> Floats:
    if len(hits) >= FEWEST_WINDOWS:
        return _dispersion(hits, events, hits.sum(0), events.sum(0))
    h = np.asarray(hits, np.float64)
    return np.asarray(np.maximum((h**2).sum(0) / np.maximum(h.sum(0), 1), 1.0), np.float64)


def _side_by_side(x: Ints, length: int) -> Ints:
    number = len(x) // length
    return np.asarray(x[: number * length].reshape(number, length, -1).sum(1), np.int64)


def _dispersion(hits: Ints, events: Ints, all_hits: Ints, all_events: Ints) -> Floats:
    """Variance of counts relative to independent events (N,), at least 1; 1 where every event is a hit."""
    share = all_hits / np.maximum(all_events, 1)
    expected = events * share
    chance = (expected * (1 - share)).sum(0)
    part = events.sum(0) / np.maximum(all_events, 1) / max(len(hits), 1)
    ratio = ((hits - expected) ** 2).sum(0) / np.maximum(chance, 1e-9) / np.maximum(1 - part, 0.1)
    return np.where(chance > 1e-9, np.maximum(ratio, 1.0), 1.0)


def excess_tail(
    hits: Floats, n: Floats, reference_hits: Floats, m: Floats, overdispersion: Floats, reference_overdispersion: Floats
) -> Floats:
    """Fisher's one-sided exact test (N,) on effective counts, each side divided by its own dispersion.

    Rounded so that the p-value is never too small: hits down, events up in the window, the opposite in the reference.
    """
    counts = effective(hits, n, reference_hits, m, overdispersion, reference_overdispersion)
    return exact_excess_tail(*counts, np.ones(len(hits)))


def effective(
    hits: Floats, n: Floats, reference_hits: Floats, m: Floats, overdispersion: Floats, reference_overdispersion: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Hits and events (N,) of the window, and of the reference, in whole effective events."""
    reference = np.ceil(reference_hits / reference_overdispersion)
    rest = np.maximum(np.floor(m / reference_overdispersion), reference)
    return np.floor(hits / overdispersion), np.ceil(n / overdispersion), reference, rest


def excess_critical(
    alpha: float, n: float, reference_hits: float, m: float, overdispersion: float, reference_overdispersion: float
) -> int:
    """The fewest hits of n events with `excess_tail` below `alpha`; n + 1 if there is no such number."""
    each = (np.array([float(x)]) for x in (n, reference_hits, m, overdispersion, reference_overdispersion))
    return int(excess_criticals(alpha, *each)[0])


def excess_criticals(
    alpha: float, n: Floats, reference_hits: Floats, m: Floats, overdispersion: Floats, reference_overdispersion: Floats
) -> Floats:
    """The same for N windows and quality counts, all (N,)."""
    low, high = np.zeros(len(n)), np.floor(n) + 1
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        found = excess_tail(middle, n, reference_hits, m, overdispersion, reference_overdispersion) < alpha
        low, high = np.where(found | (low >= high), low, middle + 1), np.where(found & (low < high), middle, high)
    return low


def windows_tail(with_hit: Floats, length: Floats, reference_with_hit: Floats, reference_windows: Floats) -> Floats:
    """P(at least `with_hit` of `length` base windows have a hit), (N,), given the reference's; 1 where not tested.

    Tested for two windows or more, and for quality counts that at most half of the reference's windows have.
    """
    asked = windows_asked(length, reference_with_hit, reference_windows)
    tail = exact_excess_tail(with_hit, length, reference_with_hit, reference_windows, np.ones(len(with_hit)))
    return np.where(asked, tail, 1.0)


def windows_asked(length: Floats | Ints, reference_with_hit: Floats, reference_windows: Floats | float) -> Flags:
    """Whether windows (N,) are asked how many of their base windows have a hit."""
    return np.asarray((length >= 2) & (2 * reference_with_hit <= reference_windows), np.bool_)


def spans(hits: Ints, events: Ints) -> Ints:
    """Events from the pane of the first hit to that of the last, both included, (N,); 0 if that is the same pane.

    `hits`, `events` (panes, N) of one window.
    """
    number = len(hits)
    some = hits > 0
    first, last = some.argmax(0), number - 1 - some[::-1].argmax(0)
    before = np.concatenate([np.zeros((1, hits.shape[1]), np.int64), np.cumsum(events, 0)])
    each = np.arange(hits.shape[1])
    return np.where(some.any(0) & (last > first), before[last + 1, each] - before[first, each], 0)


def lasts(share: Floats | float, hits: Floats | float, span: Ints | int) -> bool:
    """Whether it is more than a burst: half of the events, many hits and a fifth of them, or hits that span enough."""
    return bool(share >= HALF or span >= LASTING_EVENTS or (hits >= MANY_HITS and share >= MANY_SHARE))
