"""A change of a named outcome in words."""

from __future__ import annotations

from typing import NamedTuple

from monitor.stats.performance.outcome_tally import LABEL_VALUE, OutcomeTally
from monitor.text import many, number, percent


class Moved(NamedTuple):
    """The mean of an outcome, or the share of a `category` as it may be shown, `before` in the reference and `now`."""

    name: str
    category: str | None
    before: float
    now: float


def headline(moved: Moved, effect: float | None, value: str = "cost", segment: str = "") -> str:
    """What changed, in a short sentence; in the predictions of a segment, where one is named.

    `effect` is in standard deviations, None where the reference's values are all the same; `value` is what the value of
    labels is, a cost or a gain.
    """
    said = _headline(moved, effect, value)
    return f"in {segment} {said}, not so in the others" if segment else said


def _headline(moved: Moved, effect: float | None, value: str) -> str:
    if moved.name == LABEL_VALUE:
        does = "cost" if value == "cost" else "bring"
        return (
            f"1,000 predictions {does} {number(moved.now)} instead of {number(moved.before)}, by the values of labels"
        )
    way = "rose" if moved.now > moved.before else "fell"
    if moved.category is not None:
        return f"{moved.name}: the share of {moved.category} {way} from {percent(moved.before)} to {percent(moved.now)}"
    change = f"from {number(moved.before)} to {number(moved.now)}"
    if effect is None:
        return f"{moved.name} was always {number(moved.before)}: its mean {way} to {number(moved.now)}"
    return f"the mean of {moved.name} {way} {change}, by {number(abs(effect))} standard deviations"


def detail(moved: Moved, tally: OutcomeTally, reference: OutcomeTally, values: int) -> str:
    """The figures of a window beside those of the reference."""
    if moved.category is not None:
        told = f"share of {moved.category} {percent(moved.before)} -> {percent(moved.now)}"
    elif moved.name == LABEL_VALUE:
        told = f"1,000 of them {moved.before:.3g} -> {moved.now:.3g}"
    else:
        told = f"mean {moved.before:.3g} -> {moved.now:.3g}"
        for words, share in (("a tenth below", 0.1), ("half below", 0.5), ("a tenth above", 0.9)):
            before, now = reference.quantile(share), tally.quantile(share)
            if before is not None and now is not None:
                told += f"; {words} {before:.3g} -> {now:.3g}"
    return f"by {many(values, 'value')}: {told}"
