"""The column of one feature's numbers or categories: its bins, or why it is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from monitor.events import canonical
from monitor.reference.column import ABOVE_OUTSIDE, BELOW_OUTSIDE, DRIFT_OUTSIDE, FEATURE, NEAR_OUTSIDE, SCORE, Column
from monitor.reference.survey.order import MIN_VALUES as MIN_VALUES_IN_ORDER
from monitor.reference.survey.order import (
    are_dates,
    are_events_dates,
    dates_move_on,
    direction,
    leaves_range,
    renewed,
    renews,
    stays_outermost,
    steady_trend,
    time_read_as,
)
from monitor.reference.survey.values import Floats, Ints, Value
from monitor.stats.bins.name_bins import category_bins
from monitor.stats.bins.numeric_bins import counted, numeric_bins
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, ColumnBins
from monitor.stats.derived.columns import TEXT, Derived
from monitor.text import percent

#: a categorical column is left out if at least this share of the next events is expected to have never-seen values
RENEWED_SHARE: Final = 0.5
LONGEST_NUMBER: Final = 40
_WRITTEN_NUMBER: Final = re.compile(
    r"\s*[$€£]?\s*[+-]?(\d+([.,]\d*)?|[.,]\d+|\d{1,3}([ ,.']\d{3})+([.,]\d+)?)([eE][+-]?\d+)?\s*[%$€£]?\s*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One feature: its columns, or why it is ignored, or the fault of its kind in the settings.

    `derived` is what a vector or text becomes, `counted` the same for the rows of the reference itself.
    """

    columns: tuple[Column, ...] = ()
    derived: Derived | None = None
    counted: Derived | None = None
    ignored: str = ""
    fault: str = ""


def is_code(text: str) -> bool:
    """True for digits that begin with a zero: a postcode or an article number, never an amount."""
    return len(text) > 1 and text[0] == "0" and text.isascii() and text.isdecimal()


def is_written_number(text: str) -> bool:
    """True for text that a person reads as a number: `12.5`, `1,234`, `3,14`, `12 %`, `$5`."""
    return len(text) <= LONGEST_NUMBER and _WRITTEN_NUMBER.fullmatch(text) is not None


def plan_numeric(name: str, numbers: Floats, times: Ints, kind: str | None) -> Planned:
    """`numbers` are the finite ones; without their times where those have more."""
    if not len(numbers):
        return Planned(ignored="it has no finite number")
    if kind is None and len(numbers) == len(times):
        watch = f"kind: {NUMERIC} to watch it all the same"
        if read_as := time_read_as(numbers, times):
            return Planned(ignored=f"its values are the event's own time ({read_as}): left out; {watch}")
        if moves := direction(numbers):
            return Planned(ignored=f"only {'rises' if moves > 0 else 'falls'}: left out; {watch}")
    column = numeric_column(name, FEATURE, numbers)
    usual = _where_outside_is_usual(numbers, times) if len(numbers) == len(times) else ()
    return Planned((replace(column, ticket_only=usual),))


def _where_outside_is_usual(numbers: Floats, times: Ints) -> tuple[tuple[str, str], ...]:
    if beyond := leaves_range(numbers, times):
        part = "outside" if direction(numbers) else DRIFT_OUTSIDE  # a counter goes on for ever
        return ((part, f"{percent(beyond)} of its second half is beyond the range of its first half"),)
    if moves := steady_trend(numbers, times):
        way, part = ("rises", ABOVE_OUTSIDE) if moves > 0 else ("falls", BELOW_OUTSIDE)
        return ((part, f"it {way} steadily, by {abs(moves):.2g} standard deviations so far"),)
    if stays_outermost(numbers, times):
        return ((NEAR_OUTSIDE, "it stays at its lowest or highest values for many events"),)
    return ()


def plan_categorical(name: str, texts: Sequence[str], times: Ints, kind: str | None) -> Planned:
    new = renewed(texts) if len(texts) >= MIN_VALUES_IN_ORDER else 0.0
    if kind is None:
        watch = f"kind: {CATEGORICAL} to watch it all the same"
        dates = are_dates(texts)
        if dates and are_events_dates(texts, times.tolist()):
            return Planned(ignored=f"its values are the event's own date: left out; {watch}")
        if dates and (new >= RENEWED_SHARE or dates_move_on(texts)):
            return Planned(ignored=f"its values are dates that come once: left out; {watch}")
        if new >= RENEWED_SHARE:
            what = f"{percent(new)} of its values are never seen before"
            if all(map(is_written_number, texts)):
                codes = any(map(is_code, texts))
                remedy = "codes; group them, such as by their first digits" if codes else "send plain numbers (1234.5)"
                return Planned(ignored=f"text that reads as numbers, and {what}: left out; {remedy}")
            watch = f"kind: {TEXT} to watch its words, kind: {CATEGORICAL} to watch its values"
            return Planned(ignored=f"{what}, an identifier or free text: left out; {watch}")
    column = category_column(name, FEATURE, texts)
    if share := renews(texts, times):
        column = replace(
            column,
            ticket_only=(("unseen", f"{percent(share)} of its second half has values that its first half has not"),),
        )
    return Planned((column,))


def finite(values: Sequence[Value]) -> Floats:
    """The finite numbers among values, without booleans."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    try:
        array = np.array(numbers, np.float64)
    except OverflowError:
        array = np.array([_float(v) for v in numbers], np.float64)
    return array[np.isfinite(array)]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def numeric_column(name: str, role: str, numbers: Floats) -> Column:
    numbers = np.sort(numbers)  # float sums depend on the order, which differs between partitions
    center, scale = _center_and_scale(numbers)
    magnitudes = np.abs(numbers[numbers != 0])
    logs = np.log10(magnitudes) if len(magnitudes) else np.array([np.nan])
    distinct, repeats = counted(numbers)
    return Column(
        name=name,
        role=role,
        bins=numeric_bins(numbers, has_unit=role != SCORE),
        center=center,
        scale=scale,
        log_center=float(logs.mean()),
        log_spread=float(logs.std()),
        modal_share=float(repeats.max() / len(numbers)),
        modal=canonical(float(distinct[repeats.argmax()])),
    )


def _center_and_scale(numbers: Floats) -> tuple[float, float]:
    """Mean and standard deviation (1 where it is 0); the median and 1 where numbers are too large for them."""
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(numbers.mean()), float(numbers.std())
    if np.isfinite(center) and np.isfinite(scale):
        return center, scale or 1.0
    return float(np.quantile(numbers, 0.5, method="lower")), 1.0


def category_column(name: str, role: str, texts: Sequence[str]) -> Column:
    bins: ColumnBins = category_bins(texts)
    (modal, count), *_ = sorted(Counter(texts).items(), key=lambda one: (-one[1], one[0]))
    return Column(name, role, bins, modal_share=count / len(texts), modal=modal)
