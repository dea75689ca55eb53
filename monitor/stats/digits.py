"""Numbers as text: enough digits to distinguish them, and no more than needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: most significant digits; a number that needs more is written in full precision
MOST_DIGITS: Final = 15
#: significant digits that are kept of what a reference knows
KEPT_DIGITS: Final = 6
#: most digits of the larger of two numbers to be compared: what is smaller than that beside it is 0 to a person
FIGURES: Final = 6
#: magnitudes that are written without an exponent
PLAIN: Final = (1e-5, 1e15)


def told_apart(values: Sequence[float], digits: int = 6) -> list[str]:
    """The texts of several numbers: different numbers have different texts, equal ones equal texts.

    At least `digits` significant digits, and more if neighbours are closer than that; trailing zeros are left out,
    integers are written without a fraction.
    """
    distinct = sorted({value + 0.0 for value in values if math.isfinite(value)})
    needed = [max(digits, _needed(distinct, at)) for at in range(len(distinct))]
    words = [_written(value, precision) for value, precision in zip(distinct, needed, strict=True)]
    if len(set(words)) < len(words):
        words = [repr(value) for value in distinct]
    by_value = dict(zip(distinct, words, strict=True))
    return [by_value.get(value + 0.0, str(value)) for value in values]


def rounded(value: float, digits: int = KEPT_DIGITS) -> float:
    """To so many significant digits: what is stored is what is judged by."""
    return float(f"{value:.{digits}g}")


def all_rounded(values: NDArray[np.float64], digits: int = KEPT_DIGITS) -> NDArray[np.float64]:
    """The same of every number of an array."""
    return np.array([rounded(value, digits) for value in values.ravel().tolist()], np.float64).reshape(values.shape)


def number(value: float, digits: int = 4) -> str:
    """The text of one number."""
    return told_apart([value], digits)[0]


def before_and_after(before: float, after: float, digits: int = 4) -> str:
    """`35.5 -> 38.2`, to `FIGURES` digits of the larger number at most unless they would be the same."""
    largest = max(abs(before), abs(after))
    if math.isfinite(largest) and largest > 0:
        places = FIGURES - 1 - math.floor(math.log10(largest))
        rounded = [round(value, places) + 0.0 for value in (before, after)]  # no -0
        if (rounded[0] != rounded[1]) == (before != after):
            before, after = rounded
    return " -> ".join(told_apart([before, after], digits))


def _needed(distinct: Sequence[float], at: int) -> int:
    """Significant digits whose last place is no larger than the gap to the nearest neighbour."""
    value = distinct[at]
    neighbours = [*distinct[max(at - 1, 0) : at], *distinct[at + 1 : at + 2]]
    gap = min((abs(value - other) for other in neighbours), default=0.0)
    if value == 0 or gap == 0 or not math.isfinite(gap):
        return 0
    return math.floor(math.log10(abs(value))) - math.floor(math.log10(gap)) + 1


def _written(value: float, digits: int) -> str:
    if digits > MOST_DIGITS:
        return repr(value)
    if value != 0 and not PLAIN[0] <= abs(value) < PLAIN[1]:
        text = f"{value:.{digits}g}"
        return text if math.isfinite(float(text)) else repr(value)
    if value.is_integer():
        return str(int(value))
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
