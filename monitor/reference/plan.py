"""From the survey to columns: the bins of each one, and what is left out and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from monitor.events import canonical
from monitor.records import PlaceText
from monitor.reference.column import (
    ABOVE_OUTSIDE,
    BELOW_OUTSIDE,
    DRIFT_OUTSIDE,
    FEATURE,
    NEAR_OUTSIDE,
    PREDICTION,
    SCORE,
    Column,
)
from monitor.reference.order import MIN_VALUES as MIN_VALUES_IN_ORDER
from monitor.reference.order import (
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
from monitor.reference.sample import LIST, NULL, NUMBERS, OBJECT, TEXT, Floats, Ints, Sample, Value
from monitor.reference.survey import Survey
from monitor.stats.bins import CATEGORICAL, NUMERIC, ColumnBins
from monitor.stats.name_bins import category_bins
from monitor.stats.numeric_bins import numeric_bins
from monitor.text import percent, quoted

#: a categorical column is left out if at least this share of the next events is expected to have never-seen values
RENEWED_SHARE: Final = 0.5
IGNORE: Final = "ignore"
LONGEST_NUMBER: Final = 40
_WRITTEN_NUMBER: Final = re.compile(
    r"\s*[$€£]?\s*[+-]?(\d+([.,]\d*)?|[.,]\d+|\d{1,3}([ ,.']\d{3})+([.,]\d+)?)([eE][+-]?\d+)?\s*[%$€£]?\s*", re.ASCII
)


@dataclass(slots=True)
class Plan:
    """Columns to count, features that are ignored and why, the task, and faults: kinds that the data contradict."""

    columns: list[Column] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    task: str = "none"
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Planned:
    """One feature: its column, or why it is ignored, or the fault of its kind in the settings."""

    column: Column | None = None
    ignored: str = ""
    fault: str = ""


def plan_columns(survey: Survey, kinds: Mapping[str, str], task: str | None, place: PlaceText) -> Plan:
    """`kinds` are the settings' kinds by feature name; other kinds are inferred from the values."""
    plan = Plan(task=task or infer_task(survey))
    for name in sorted({*survey.features, *kinds}):
        planned = _plan_feature(name, survey.features.get(name, Sample()), kinds.get(name), place)
        if planned.column is not None:
            plan.columns.append(planned.column)
        elif planned.fault:
            plan.faults.append(f"features.{name}.kind: {kinds[name]}, but {planned.fault}")
        else:
            plan.ignored[name] = planned.ignored
    if survey.scores.values:
        plan.columns.append(_numeric_column("score", SCORE, _finite(survey.scores.values)))
    predicted = [v for v in survey.predictions.values if v is not None]
    if predicted and plan.task == "regression" and len(_finite(predicted)):
        plan.columns.append(_numeric_column("prediction", PREDICTION, _finite(predicted)))
    elif predicted:
        plan.columns.append(_category_column("prediction", PREDICTION, [canonical(v) for v in predicted]))
    return plan


def infer_task(survey: Survey) -> str:
    """Binary with a score or two classes, multiclass with more, regression for numbers without a score."""
    classes = {canonical(v) for v in survey.predictions.values if v is not None}
    if survey.score_classes > 2:
        return "multiclass"
    if survey.scores.values:
        return "binary"
    if not classes:
        return "none"
    if len(classes) <= 2:
        return "binary"
    return "multiclass" if any(isinstance(v, str) for v in survey.predictions.values) else "regression"


def _plan_feature(name: str, sample: Sample, kind: str | None, place: PlaceText) -> _Planned:
    if kind == IGNORE:
        return _Planned(ignored="the settings say so")
    if kind != CATEGORICAL and (numbers := sample.numbers()) is not None:
        return _plan_numeric(name, *numbers, kind)
    values, times = sample.in_time_order()
    at = [i for i, v in enumerate(values) if v is not None and (type(v) is not float or math.isfinite(v))]
    present = [values[i] for i in at]
    inferred = kind or _inferred_kind(present)
    usable = [v for v in present if inferred == CATEGORICAL or not isinstance(v, str)]
    if not usable:
        return _without_values(sample, kind, place)
    if inferred == NUMERIC:
        numbers_at = [i for i in at if not isinstance(values[i], str)]
        return _plan_numeric(
            name, _finite([int(v) if isinstance(v, bool) else v for v in usable]), times[numbers_at], kind
        )
    return _plan_categorical(name, [canonical(v) for v in usable if v is not None], times[at], kind)


def _without_values(sample: Sample, kind: str | None, place: PlaceText) -> _Planned:
    """A feature without values to count."""
    come = {form: sample.forms[form] for form in sorted(sample.forms) if form != NULL}
    if not come:
        why = "it has no values" if sample.forms else "no event of the reference has it"
        return _Planned(fault=f"{why}; leave its kind out") if kind else _Planned(ignored=why)
    if kind:
        form, count = max(come.items(), key=lambda one: one[1])
        first = sample.firsts[form]
        remedy = f"; write kind: {CATEGORICAL}, or leave it out" if form == TEXT else "; write kind: ignore"
        shown = quoted(first.value) if form == TEXT else place(first.partition, first.offset)
        all_of_it = f"all {count:,} values are" if len(come) == 1 else f"{count:,} of {sum(come.values()):,} values are"
        return _Planned(fault=f"{all_of_it} {_plural(form)} (first {shown}){remedy}")
    if NUMBERS in come:
        return _Planned(ignored="lists of numbers (kind vector) are not watched in this version")
    if LIST in come:
        return _Planned(ignored="lists are not watched; send the values that matter as separate features")
    if OBJECT in come:
        return _Planned(ignored="nested objects are not watched; send their values as separate features")
    return _Planned(ignored="it has no finite number")


def _plural(form: str) -> str:
    return {TEXT: "text", NUMBERS: "lists of numbers", OBJECT: "objects"}.get(form, f"{form}s")


def _inferred_kind(present: Sequence[Value]) -> str:
    """Numeric if more than half are numbers; digits with leading zeros among numbers make it a column of codes."""
    types = Counter(map(type, present))
    if 2 * (types[int] + types[float]) <= len(present):
        return CATEGORICAL
    texts = [v for v in present if isinstance(v, str)] if types[str] else []
    return CATEGORICAL if texts and all(map(is_code, texts)) else NUMERIC


def is_code(text: str) -> bool:
    """True for digits that begin with a zero: a postcode or an article number, never an amount."""
    return len(text) > 1 and text[0] == "0" and text.isascii() and text.isdecimal()


def is_written_number(text: str) -> bool:
    """True for text that a person reads as a number: `12.5`, `1,234`, `3,14`, `12 %`, `$5`."""
    return len(text) <= LONGEST_NUMBER and _WRITTEN_NUMBER.fullmatch(text) is not None


def _plan_numeric(name: str, numbers: Floats, times: Ints, kind: str | None) -> _Planned:
    """`numbers` are the finite ones; without their times where those have more."""
    if not len(numbers):
        return _Planned(ignored="it has no finite number")
    if kind is None and len(numbers) == len(times):
        watch = f"kind: {NUMERIC} to watch it all the same"
        if read_as := time_read_as(numbers, times):
            return _Planned(ignored=f"its values are the event's own time ({read_as}): left out; {watch}")
        if moves := direction(numbers):
            return _Planned(ignored=f"only {'rises' if moves > 0 else 'falls'}: left out; {watch}")
    column = _numeric_column(name, FEATURE, numbers)
    usual = _where_outside_is_usual(numbers, times) if len(numbers) == len(times) else ()
    return _Planned(replace(column, ticket_only=usual))


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


def _plan_categorical(name: str, texts: Sequence[str], times: Ints, kind: str | None) -> _Planned:
    new = renewed(texts) if len(texts) >= MIN_VALUES_IN_ORDER else 0.0
    if kind is None:
        watch = f"kind: {CATEGORICAL} to watch it all the same"
        dates = are_dates(texts)
        if dates and are_events_dates(texts, times.tolist()):
            return _Planned(ignored=f"its values are the event's own date: left out; {watch}")
        if dates and (new >= RENEWED_SHARE or dates_move_on(texts)):
            return _Planned(ignored=f"its values are dates that come once: left out; {watch}")
        if new >= RENEWED_SHARE:
            what = f"{percent(new)} of its values are never seen before"
            if all(map(is_written_number, texts)):
                codes = any(map(is_code, texts))
                remedy = "codes; group them, such as by their first digits" if codes else "send plain numbers (1234.5)"
                return _Planned(ignored=f"text that reads as numbers, and {what}: left out; {remedy}")
            return _Planned(ignored=f"{what}, an identifier or free text: left out; {watch}")
    column = _category_column(name, FEATURE, texts)
    if share := renews(texts, times):
        column = replace(
            column,
            ticket_only=(("unseen", f"{percent(share)} of its second half has values that its first half has not"),),
        )
    return _Planned(column)


def _finite(values: Sequence[Value]) -> Floats:
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


def _numeric_column(name: str, role: str, numbers: Floats) -> Column:
    numbers = np.sort(numbers)  # float sums depend on the order, which differs between partitions
    center, scale = _center_and_scale(numbers)
    magnitudes = np.abs(numbers[numbers != 0])
    logs = np.log10(magnitudes) if len(magnitudes) else np.array([np.nan])
    distinct, repeats = np.unique(numbers, return_counts=True)
    return Column(
        name=name,
        role=role,
        bins=numeric_bins(numbers),
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


def _category_column(name: str, role: str, texts: Sequence[str]) -> Column:
    bins: ColumnBins = category_bins(texts)
    (modal, count), *_ = sorted(Counter(texts).items(), key=lambda one: (-one[1], one[0]))
    return Column(name, role, bins, modal_share=count / len(texts), modal=modal)
