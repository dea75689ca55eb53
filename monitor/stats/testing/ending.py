"""When a finding ends, and when one that stays becomes lasting.

A finding ends when the newest max(3, 2L) base windows after its start, taken as one (L: base windows it opened on), are
not over the threshold and hold at most a quarter of the change it opened with. By evidence alone a small lasting change
would end by chance; by size alone pure noise might never end.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_END_WINDOWS: Final = 3
#: largest remaining part of the opening's change at an end
LEFT_AT_END: Final = 0.25
#: least base windows before a page becomes lasting: four measurements of the shortest kind
MIN_LASTING_WINDOWS: Final = 16
#: a lasting finding pages again when its effect is at least this many times its level
GROWN: Final = 1.5
#: a share is compared separately if at least this many of its values are expected in a window
LEAST_EXPECTED: Final = 5.0
#: lower bound of the reference's share as a weight of changes
LEAST_SHARE: Final = 1e-3
#: so few hits are no chance if their probability is at most this
FEWER: Final = 0.01


def end_windows(opened_on: int, longest: int) -> int:
    """Number of base windows in which the end of a finding is tested; `longest` is the longest learned length."""
    return min(max(MIN_END_WINDOWS, 2 * opened_on), longest)


def left_of(now: float, then: float) -> float:
    """Remaining part of one share's change, signed (of a direction, cut or quality count); 1 if `then` is 0."""
    return now / then if then else 1.0


def left_of_cut(now: Floats, then: Floats) -> float:
    """The same for the cut with the largest change at the opening; `now`, `then` (B,) changes of the bins' shares."""
    below_then, below_now = np.cumsum(then)[:-1], np.cumsum(now)[:-1]
    if not len(below_then):
        return 1.0
    at = int(np.abs(below_then).argmax())
    return left_of(float(below_now[at]), float(below_then[at]))


def left_of_shares(now: Floats, then: Floats, reference: Floats) -> float:
    """Remaining part of a change of many shares: the component of `now` in the direction of `then` (both (B,)).

    Weighted as in chi-square: a rare name's change counts for more.
    """
    weight = 1 / np.maximum(reference, LEAST_SHARE)
    return left_of(float((now * then * weight).sum()), float((then * then * weight).sum()))


def joined(change: Floats, reference: Floats, values: int) -> Floats:
    """A change of shares (B,) in a window of `values`, prepared for `left_of_shares`.

    Shares with too few expected values are noise one by one: they are changed together, as one share.
    """
    rare = reference * values < LEAST_EXPECTED
    weight = np.maximum(reference, LEAST_SHARE)
    if not rare.any():
        return change
    together = change[rare].sum() * weight / weight[rare].sum()
    return np.where(rare, together, change)


def is_fewer(hits: int, events: int, share: float) -> bool:
    """Whether so few hits among the events say that their share is no longer `share`: by chance hardly ever.

    By Chernoff's bound of the binomial tail, which is never below the tail itself.
    """
    now = hits / events if events else share
    if now >= share:
        return False
    with_hits = now * math.log(now / share) if hits else 0.0
    without = (1 - now) * math.log((1 - now) / (1 - share)) if share < 1 else math.inf
    return events * (with_hits + without) >= -math.log(FEWER)


def has_ended(over: float, left: float) -> bool:
    """`over`: exceedance; `left`: remaining part of the opening's change. NaN does not end a finding."""
    return over < 1 and left <= LEFT_AT_END


def is_lasting(stood_us: int, lasting_after_us: int, base_windows: int, opened_on: int) -> bool:
    """Whether a page has been open long enough, in time and in measurements, to become lasting."""
    return stood_us >= lasting_after_us and base_windows >= max(MIN_LASTING_WINDOWS, 2 * opened_on)


def is_news(effect: float, level: float | None) -> bool:
    """Whether a finding opens a new page; `level` is that of the lasting finding with the same key, None without."""
    return level is None or effect >= GROWN * level
