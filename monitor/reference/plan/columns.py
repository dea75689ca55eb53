"""From the survey to columns: the bins of each one, and what is left out and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from monitor.events import canonical
from monitor.records import PlaceText
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.reference.plan.derived import are_vectors, clash, plan_text, plan_vector
from monitor.reference.plan.values import (
    Planned,
    category_column,
    finite,
    is_code,
    numeric_column,
    plan_categorical,
    plan_numeric,
)
from monitor.reference.survey.events import Survey
from monitor.reference.survey.values import LIST, NULL, NUMBERS, OBJECT, TEXT, Sample, Value
from monitor.reference.survey.vectors import VectorSample
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.derived.columns import TEXT as TEXT_KIND
from monitor.stats.derived.columns import Derived
from monitor.stats.derived.texts import WordCounts
from monitor.stats.derived.vectors import MOST_NUMBERS
from monitor.text import quoted

IGNORE: Final = "ignore"


@dataclass(slots=True)
class Plan:
    """Columns to count, features that are ignored and why, the task, and faults: kinds that the data contradict.

    `derived` is what vectors and texts become, `counted` the same for the rows of the reference itself.
    """

    columns: list[Column] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    counted: list[Derived] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    task: str = "none"
    faults: list[str] = field(default_factory=list)


def plan_columns(
    survey: Survey, kinds: Mapping[str, str], task: str | None, place: PlaceText, most_numbers: int = MOST_NUMBERS
) -> Plan:
    """`kinds` are the settings' kinds by feature name; other kinds are inferred from the values.

    `most_numbers` is the longest vector that is watched.
    """
    plan = Plan(task=task or infer_task(survey))
    for name in sorted({*survey.features, *kinds}):
        planned = _plan_feature(name, survey, kinds, place, min(most_numbers, MOST_NUMBERS))
        if planned.columns:
            plan.columns += planned.columns
            plan.derived += [planned.derived] if planned.derived else []
            plan.counted += [planned.counted] if planned.counted else []
        elif planned.fault:
            plan.faults.append(f"features.{name}.kind: {kinds[name]}, but {planned.fault}")
        else:
            plan.ignored[name] = planned.ignored
    if survey.scores.values:
        plan.columns.append(numeric_column("score", SCORE, finite(survey.scores.values)))
    predicted = [v for v in survey.predictions.values if v is not None]
    if predicted and plan.task == "regression" and len(finite(predicted)):
        plan.columns.append(numeric_column("prediction", PREDICTION, finite(predicted)))
    elif predicted:
        plan.columns.append(category_column("prediction", PREDICTION, _canonical(predicted)))
    return plan


def infer_task(survey: Survey) -> str:
    """Binary with a score or two classes, multiclass with more, regression for numbers without a score."""
    classes = {*_canonical([v for v in survey.predictions.values if v is not None])}
    if survey.score_classes > 2:
        return "multiclass"
    if survey.scores.values:
        return "binary"
    if not classes:
        return "none"
    if len(classes) <= 2:
        return "binary"
    return "multiclass" if any(isinstance(v, str) for v in survey.predictions.values) else "regression"


def _plan_feature(name: str, survey: Survey, kinds: Mapping[str, str], place: PlaceText, most_numbers: int) -> Planned:
    sample, kind = survey.features.get(name, Sample()), kinds.get(name)
    if kind == IGNORE:
        return Planned(ignored="the settings say so")
    if kind == TEXT_KIND or are_vectors(sample, kind):
        return _plan_derived(name, survey, kinds, most_numbers)
    return _plan_values(name, sample, kind, place)


def _plan_derived(name: str, survey: Survey, kinds: Mapping[str, str], most_numbers: int) -> Planned:
    kind, left_out = kinds.get(name), {other for other, of_it in kinds.items() if of_it == IGNORE}
    if kind == TEXT_KIND:
        words = survey.words.get(name, WordCounts())
        planned = plan_text(name, survey.features.get(name, Sample()), words, left_out)
    else:
        planned = plan_vector(name, survey.vectors.get(name, VectorSample()), kind, most_numbers, left_out)
    if why := clash(planned, survey.features):
        return Planned(fault=why) if kind else Planned(ignored=f"{why}; left out")
    return planned


def _plan_values(name: str, sample: Sample, kind: str | None, place: PlaceText) -> Planned:
    if kind != CATEGORICAL and (numbers := sample.numbers()) is not None:
        return plan_numeric(name, *numbers, kind)
    values, times = sample.in_time_order()
    if kind != NUMERIC and set(map(type, values)) == {str}:
        return plan_categorical(name, cast("list[str]", values), times, kind)
    at = [i for i, v in enumerate(values) if v is not None and (type(v) is not float or math.isfinite(v))]
    present = [values[i] for i in at]
    inferred = kind or _inferred_kind(present)
    usable = [v for v in present if inferred == CATEGORICAL or not isinstance(v, str)]
    if not usable:
        return _without_values(sample, kind, place)
    if inferred == NUMERIC:
        numbers_at = [i for i in at if not isinstance(values[i], str)]
        return plan_numeric(
            name, finite([int(v) if isinstance(v, bool) else v for v in usable]), times[numbers_at], kind
        )
    return plan_categorical(name, _canonical([v for v in usable if v is not None]), times[at], kind)


def _canonical(values: Sequence[str | float | bool]) -> list[str]:
    """The canonical text of each; a value that occurs often is asked for once."""
    if set(map(type, values)) in ({str}, {int}, {bool}):  # else different values may be equal
        known = {value: canonical(value) for value in set(values)}
        return list(map(known.__getitem__, values))
    return list(map(canonical, values))


def _without_values(sample: Sample, kind: str | None, place: PlaceText) -> Planned:
    """A feature without values to count."""
    come = {form: sample.forms[form] for form in sorted(sample.forms) if form != NULL}
    if not come:
        why = "it has no values" if sample.forms else "no event of the reference has it"
        return Planned(fault=f"{why}; leave its kind out") if kind else Planned(ignored=why)
    if kind:
        form, count = max(come.items(), key=lambda one: one[1])
        first = sample.firsts[form]
        remedy = f"; write kind: {CATEGORICAL}, or leave it out" if form == TEXT else "; write kind: ignore"
        shown = quoted(first.value) if form == TEXT else place(first.partition, first.offset)
        all_of_it = f"all {count:,} values are" if len(come) == 1 else f"{count:,} of {sum(come.values()):,} values are"
        return Planned(fault=f"{all_of_it} {_plural(form)} (first {shown}){remedy}")
    if LIST in come or NUMBERS in come:
        return Planned(ignored="lists are not watched; send the values that matter as separate features")
    if OBJECT in come:
        return Planned(ignored="nested objects are not watched; send their values as separate features")
    return Planned(ignored="it has no finite number")


def _plural(form: str) -> str:
    return {TEXT: "text", NUMBERS: "lists of numbers", OBJECT: "objects"}.get(form, f"{form}s")


def _inferred_kind(present: Sequence[Value]) -> str:
    """Numeric if more than half are numbers; digits with leading zeros among numbers make it a column of codes."""
    types = Counter(map(type, present))
    if 2 * (types[int] + types[float]) <= len(present):
        return CATEGORICAL
    texts = [v for v in present if isinstance(v, str)] if types[str] else []
    return CATEGORICAL if texts and all(map(is_code, texts)) else NUMERIC
