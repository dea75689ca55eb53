"""From the vectors and texts of a survey to their derived columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from monitor.decode.derived import text_value
from monitor.reference.column import FEATURE, Column
from monitor.reference.plan.values import Planned, category_column, plan_numeric
from monitor.reference.survey.values import NULL, NUMBERS, Floats, Ints, Sample
from monitor.reference.survey.vectors import VectorSample
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.derived.columns import VECTOR, Derived
from monitor.stats.derived.texts import TextColumns, WordCounts
from monitor.stats.derived.vectors import learn_vector_columns
from monitor.text import listed, many, percent

#: fewest vectors that a centre is learned from: that of fewer would be nearly one of them
FEWEST_VECTORS: Final = 50
#: share of the lists that have the usual length, at least; where the settings say `vector` the half of it will do
USUAL_LENGTH: Final = 0.99
#: lengths named in a message
NAMED: Final = 3


def are_vectors(sample: Sample, kind: str | None) -> bool:
    """Whether the values of a feature are watched as vectors: by the settings, or because most are lists of numbers."""
    values = sample.forms.total() - sample.forms[NULL]
    return kind == VECTOR or (kind is None and 2 * sample.forms[NUMBERS] > values)


def plan_vector(name: str, sample: VectorSample, kind: str | None, most_numbers: int, left_out: set[str]) -> Planned:
    """The columns of a vector; `most_numbers` is the longest that is watched, `left_out` names that are not wanted."""
    if why := _not_watched(sample, kind, most_numbers):
        return Planned(fault=why) if kind else Planned(ignored=f"{why}: left out")
    vectors, times = sample.in_time_order()
    if len(vectors) < FEWEST_VECTORS:
        why = f"it has {many(len(vectors), 'vector')} of finite numbers, and a centre is learned from {FEWEST_VECTORS}"
        return Planned(fault=why) if kind else Planned(ignored=f"{why}: left out")
    columns = learn_vector_columns(vectors)
    derived = Derived(name, columns, frozenset(left_out))
    planned = (_presence(derived, len(vectors)), *_numbers(derived, columns.of(vectors), times))
    return Planned(planned, derived=derived, counted=derived)


def _not_watched(sample: VectorSample, kind: str | None, most_numbers: int) -> str:
    total, usual = sample.lengths.total(), sample.lengths[sample.length]
    if not total:
        return "it has no list of numbers"
    if usual < total * (USUAL_LENGTH / 2 if kind else USUAL_LENGTH):
        lengths = [f"{length:,} ({percent(n / total)})" for length, n in sample.lengths.most_common(NAMED + 1)]
        return f"its lists of numbers have several lengths ({listed(lengths, NAMED)}), and vectors have one"
    if not 0 < sample.length <= most_numbers:
        return f"its vectors have {many(sample.length, 'number')}, and limits.vector is {most_numbers:,}"
    return ""


def plan_text(name: str, sample: Sample, words: WordCounts, left_out: set[str]) -> Planned:
    """The columns of a text."""
    values, times = sample.in_time_order()
    texts_at = [at for at, value in enumerate(values) if type(text_value(value)) is str]
    if not texts_at:
        return Planned(fault="it has no text")
    texts = [str(values[at]) for at in texts_at]
    known, known_elsewhere = words.finish()
    derived = Derived(name, TextColumns(known), frozenset(left_out))
    columns = TextColumns(known_elsewhere)
    planned = [_presence(derived, len(texts)), *_numbers(derived, columns.of(texts), times[texts_at])]
    if derived.script:
        planned.append(_of(derived, category_column(derived.script, FEATURE, columns.scripts(texts))))
    return Planned(tuple(planned), derived=derived, counted=replace(derived, columns=columns))


def _presence(derived: Derived, count: int) -> Column:
    return _of(derived, category_column(derived.parent, FEATURE, [derived.valid] * count))


def _numbers(derived: Derived, numbers: Floats, times: Ints) -> Iterable[Column]:
    for name, own in zip(derived.every_numeric, numbers, strict=True):
        if name not in derived.left_out:
            for column in plan_numeric(name, own, times, NUMERIC).columns:
                yield _of(derived, column)


def _of(derived: Derived, column: Column) -> Column:
    return replace(column, parent=derived.parent, parent_kind=derived.kind)


def clash(planned: Planned, others: Iterable[str]) -> str:
    """Why a feature cannot have derived columns: another feature has the name of one of them; "" if none has."""
    taken = sorted({column.name for column in planned.columns if not column.is_presence} & set(others))
    return f"its derived column {taken[0]} has the name of another feature: rename one of them" if taken else ""
