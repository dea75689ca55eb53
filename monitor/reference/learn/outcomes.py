"""Learns a named outcome from the values that came for a reference's predictions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from monitor.events import canonical
from monitor.reference.learn.means import Counting, MeansLearner
from monitor.reference.outcome_part import ReferenceOutcome, counted, figures_of, moments_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.performance.outcome_tally import OTHER, OutcomeTally, merged_outcomes, number_at

#: categories of an outcome whose shares are compared; rarer ones count as others
MOST_CATEGORIES: Final = 10


class OutcomeCohort(NamedTuple):
    """Values of predictions in [start, end) microseconds."""

    start_us: int
    end_us: int
    tally: OutcomeTally


def learn_outcome(
    cohorts: Iterable[OutcomeCohort], kind: str | None, came: tuple[tuple[int, float], ...]
) -> ReferenceOutcome | None:
    """Of cohorts in time order, with every text; `kind` is the settings', None where its values tell it.

    None where no value of that kind came.
    """
    cohorts = list(cohorts)
    whole = merged_outcomes(cohort.tally for cohort in cohorts)
    if kind is None:
        kind = CATEGORICAL if 2 * whole.numbers < whole.values else NUMERIC
    categories = _categories(whole) if kind == CATEGORICAL else ()
    figures = figures_of(kind, categories)

    def rows(tally: OutcomeTally) -> int:
        return counted(kind, tally)

    learner = MeansLearner(figures, Counting(OutcomeTally, rows, lambda tally: moments_of(kind, figures, tally)))
    for start_us, end_us, tally in cohorts:
        learner.add(start_us, end_us, _by_category(tally, categories) if categories else _numbers(tally))
    learned = learner.finish()
    if learned is None:
        return None
    return ReferenceOutcome(
        kind, categories, learner.total, learned.windows, learned.rows, learned.base_us, learned.errors, came
    )


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


def _numbers(tally: OutcomeTally) -> OutcomeTally:
    """Texts among numbers count as one."""
    found = OutcomeTally({}, tally.total)
    for cell, count in tally.counts.items():
        found.merge(OutcomeTally({OTHER if isinstance(cell, str) else cell: count}))
    return found
