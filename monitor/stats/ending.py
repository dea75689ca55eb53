"""When a finding is over, and when one that stays becomes lasting.

A finding ends when the newest max(3, 2L) base windows behind its own start, taken as one (L: base windows it opened
on), are not over and hold at most a quarter of the change it opened with. Evidence alone would end a lasting small
change by bad luck, the size of the change alone a change that is only noise by now.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_END_WINDOWS: Final = 3
#: of the opening's change that may be left at an end
LEFT_AT_END: Final = 0.25
#: base windows that a page stands at least before it is lasting: four measurements of the shortest kind
MIN_LASTING_WINDOWS: Final = 16
#: a lasting finding is news again when its effect is so many times its level
GROWN: Final = 1.5
#: values of a share that are expected in a window at least, for a change of its own
LEAST_EXPECTED: Final = 5.0
#: a share of the reference is taken as at least this where changes are weighted by it
LEAST_SHARE: Final = 1e-3


def end_windows(opened_on: int, longest: int) -> int:
    """Base windows that are looked at for the end of a finding that opened on so many; `longest` learned length."""
    return min(max(MIN_END_WINDOWS, 2 * opened_on), longest)


def left_of(now: float, then: float) -> float:
    """What is left of one share's change, signed: of a direction, a cut or a fact. 1 where nothing had changed."""
    return now / then if then else 1.0


def left_of_cut(now: Floats, then: Floats) -> float:
    """The same at the opening's largest cumulative change; `now`, `then` (B,) changes of the bins' shares."""
    below_then, below_now = np.cumsum(then)[:-1], np.cumsum(now)[:-1]
    if not len(below_then):
        return 1.0
    at = int(np.abs(below_then).argmax())
    return left_of(float(below_now[at]), float(below_then[at]))


def left_of_shares(now: Floats, then: Floats, reference: Floats) -> float:
    """How much of a change of many shares is left: the part of `now` that goes the way of `then` (both (B,)).

    Weighted as chi-square weighs: a rare name's change counts for more.
    """
    weight = 1 / np.maximum(reference, LEAST_SHARE)
    return left_of(float((now * then * weight).sum()), float((then * then * weight).sum()))


def joined(change: Floats, reference: Floats, values: int) -> Floats:
    """A change of shares (B,) in a window of so many values, as `left_of_shares` takes it.

    Shares of which too few values are expected are noise one by one: they change together, as one share would.
    """
    rare = reference * values < LEAST_EXPECTED
    weight = np.maximum(reference, LEAST_SHARE)
    if not rare.any():
        return change
    together = change[rare].sum() * weight / weight[rare].sum()
    return np.where(rare, together, change)


def has_ended(over: float, left: float) -> bool:
    """`over`: how far over its threshold; `left`: what is left of the opening's change. A NaN ends nothing."""
    return over < 1 and left <= LEFT_AT_END


def is_lasting(stood_us: int, lasting_after_us: int, base_windows: int, opened_on: int) -> bool:
    """Whether a page has stood long enough, in time and in measurements, to have been seen and not gone away."""
    return stood_us >= lasting_after_us and base_windows >= max(MIN_LASTING_WINDOWS, 2 * opened_on)


def is_news(effect: float, level: float | None) -> bool:
    """Whether a finding opens a page beside the lasting ones; `level` of the same key there, None where it is not."""
    return level is None or effect >= GROWN * level
