"""Learns a named outcome from the values that came for a reference's predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from monitor.events import canonical
from monitor.reference.learn.means import Counting, MeansLearner
from monitor.reference.outcome_part import ReferenceOutcome, counted, figures_of, moments_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.performance.outcome_tally import OTHER, Cell, OutcomeTally, merged_outcomes, number_at

#: categories of an outcome whose shares are compared; rarer ones count as others
MOST_CATEGORIES: Final = 10


class OutcomeCohort(NamedTuple):
    """Values of predictions in [start, end) microseconds, and once more by the number of the segment of these."""

    start_us: int
    end_us: int
    tally: OutcomeTally
    segments: Mapping[int, OutcomeTally] = {}


def learn_outcome(
    cohorts: Iterable[OutcomeCohort], kind: str | None, came: tuple[tuple[int, float], ...], settled_us: int = 0
) -> ReferenceOutcome | None:
    """Of cohorts in time order, with every text; `kind` is the settings', None where its values tell it.

    None where no value of that kind came.
    """
    cohorts = list(cohorts)
    whole = merged_outcomes(cohort.tally for cohort in cohorts)
    if kind is None:
        kind = CATEGORICAL if 2 * whole.numbers < whole.values else NUMERIC
    categories = _categories(whole) if kind == CATEGORICAL else ()
    learned = _learned(((*one[:2], one.tally) for one in cohorts), kind, categories, grid=True)
    if learned is None:
        return None
    segments = dict[int, ReferenceOutcome]()
    for at in sorted({at for cohort in cohorts for at in cohort.segments}):
        own = ((*cohort[:2], cohort.segments[at]) for cohort in cohorts if at in cohort.segments)
        in_segment = _learned(own, kind, categories, grid=False)
        if in_segment is not None:
            segments[at] = in_segment
    return replace(learned, came=came, segments=segments, settled_us=settled_us)


def _learned(
    cohorts: Iterable[tuple[int, int, OutcomeTally]], kind: str, categories: tuple[str, ...], *, grid: bool
) -> ReferenceOutcome | None:
    """`grid`: of numbers their grid is kept."""
    figures = figures_of(kind, categories)

    def rows(tally: OutcomeTally) -> int:
        return counted(kind, tally)

    learner = MeansLearner(figures, Counting(OutcomeTally, rows, lambda tally: moments_of(kind, figures, tally)))
    for start_us, end_us, tally in cohorts:
        learner.add(start_us, end_us, _by_category(tally, categories) if categories else _numbers(tally, grid=grid))
    of = learner.finish()
    if of is None:
        return None
    return ReferenceOutcome(kind, categories, learner.total, of.windows, of.rows, of.base_us, of.errors)


def _named(tally: OutcomeTally) -> OutcomeTally:
    """The same with numbers as the texts of their categories."""
    named = OutcomeTally()
    for cell, count in tally.counts.items():
        text = cell if isinstance(cell, str) else canonical(float(number_at(np.array([cell]))[0]))
        named.merge(OutcomeTally({text: count}))
    return named


def _categories(whole: OutcomeTally) -> tuple[str, ...]:
    """The most frequent texts, in the order of text."""
    counts = {text: count for text, count in _named(whole).counts.items() if count > 0 and text != OTHER}
    first = sorted(counts, key=lambda text: (-counts[text], str(text)))[:MOST_CATEGORIES]
    return tuple(sorted(str(text) for text in first))


def _by_category(tally: OutcomeTally, categories: tuple[str, ...]) -> OutcomeTally:
    found = OutcomeTally()
    for text, count in _named(tally).counts.items():
        found.merge(OutcomeTally({text if text in categories else OTHER: count}))
    return found


def _numbers(tally: OutcomeTally, *, grid: bool) -> OutcomeTally:
    """Texts among numbers count as one."""
    texts = sum(tally.texts().values())
    counts: dict[Cell, int] = {OTHER: texts} if texts else {}
    counts |= {cell: tally.counts[cell] for cell in (tally.cells() if grid else ())}
    return replace(tally, counts=counts)
