"""Counts named outcomes into tallies: numbers on their grid, texts by the categories of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.segment_codes import SegmentCodes
from monitor.count.labels.answers import Answers, Bits, hashed_text
from monitor.decode.columns import Outcomes
from monitor.events import canonical
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.stats.bins.reference_bins import CATEGORICAL
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import (
    LABEL_VALUE,
    OTHER,
    OutcomeTally,
    fixed_sums,
    place_of,
    power_sums,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """Outcomes (n,) of predictions of one model version: the `bits` of their values, none of them null.

    `slots` number the tallies they are counted in, `name` (n,) are codes of their names from 1 on, and `sign` is 1, or
    -1 for one that was counted before and is taken out again. `segments` (F, n) are as `LabelRows` has them.
    """

    slots: Ints
    name: Ints
    bits: Bits
    sign: Ints
    segments: Ints

    def in_segments(self, segments: int) -> OutcomeRows:
        """As `LabelRows` has it."""
        by, at = np.nonzero(self.segments >= 0)
        slots = self.slots[at] * segments + self.segments[by, at]
        return OutcomeRows(slots, self.name[at], self.bits[at], self.sign[at], self.segments[:, at])


def with_amounts(outcomes: Outcomes, labels: Sequence[object], amounts: NDArray[np.float64]) -> Outcomes:
    """The outcomes of labels (n,), and the `value` of those that have one, as one more.

    A label that is taken back takes its value with it; one without a value says nothing of an earlier one.
    """
    given = ~np.isnan(amounts)
    if None in labels:
        given |= np.array([label is None for label in labels], np.bool_)
    at = np.flatnonzero(given)
    if not len(at):
        return outcomes
    name = np.full(len(at), len(outcomes.names), np.int64)
    values = [None if np.isnan(amount) else amount for amount in amounts[at].tolist()]
    return Outcomes(
        np.concatenate((outcomes.label, at)),
        np.concatenate((outcomes.name, name)),
        [*outcomes.names, LABEL_VALUE],
        [*outcomes.values, *values],
    )


def outcome_tallies(
    rows: OutcomeRows,
    names: Sequence[str],
    answers: Answers,
    known: Mapping[str, ReferenceOutcome] | None,
    segments: SegmentCodes | None = None,
    labels: dict[int, LabelTally] | None = None,
) -> dict[int, LabelTally]:
    """Tallies by slot, with those of `segments`, None for none; see `count_outcomes`.

    `labels` are tallies of the same slots and segments without outcomes: they get these, and are given back.
    """
    found = {} if labels is None else labels
    for slot, by_name in count_outcomes(rows, names, answers, known).items():
        found.setdefault(slot, LabelTally()).outcomes = by_name
    if segments is not None:
        own = count_outcomes(rows.in_segments(segments.segments), names, answers, known, of_segments=True)
        for slot, segment, by_name in segments.by_slot(own):
            found.setdefault(slot, LabelTally()).segments.setdefault(segment, LabelTally()).outcomes = by_name
    return found


def count_outcomes(
    rows: OutcomeRows,
    names: Sequence[str],
    answers: Answers,
    known: Mapping[str, ReferenceOutcome] | None,
    *,
    of_segments: bool = False,
) -> dict[int, dict[str, OutcomeTally]]:
    """Tallies by slot and name; `known` are the outcomes of the reference, None where they are being learned.

    `of_segments`: of known outcomes alone, whose numbers are summed; on their grid they are while they are learned, as
    only all of them tell whether they are categories.
    """
    found: dict[int, dict[str, OutcomeTally]] = {}
    for code in np.unique(rows.name).tolist():
        name, at = names[code - 1], np.flatnonzero(rows.name == code)
        if of_segments and known is not None and name not in known:
            continue
        slots, bits, sign = rows.slots[at], rows.bits[at], rows.sign[at]
        used, places = np.unique(slots, return_inverse=True)
        tallies = [OutcomeTally() for _ in used]
        outcome = None if known is None else known.get(name)
        is_text = np.isnan(bits.view(np.float64))
        if outcome is not None and outcome.kind == CATEGORICAL:
            _count_texts(tallies, places, bits, sign, answers, _by_text(outcome.categories))
        else:
            numbers = places[~is_text], bits[~is_text].view(np.float64), sign[~is_text]
            _count_numbers(tallies, *numbers, grid=known is None or not of_segments, powers=of_segments)
            texts = None if known is None else _by_text(())
            _count_texts(tallies, places[is_text], bits[is_text], sign[is_text], answers, texts)
        for slot, tally in zip(used.tolist(), tallies, strict=True):
            if tally:
                found.setdefault(slot, {})[name] = tally
    return found


def _count_numbers(
    tallies: list[OutcomeTally], slots: Ints, numbers: NDArray[np.float64], sign: Ints, *, grid: bool, powers: bool
) -> None:
    if grid:
        cells, at = np.unique(np.stack((slots, place_of(numbers))), axis=1, return_inverse=True)
        totals = np.bincount(at.reshape(-1), sign, cells.shape[1]).astype(np.int64)
        for slot, cell, total in zip(*cells.tolist(), totals.tolist(), strict=True):
            if total:
                tallies[slot].counts[cell] = total
    for tally, total in zip(tallies, fixed_sums(slots, len(tallies), numbers, sign), strict=True):
        tally.total = total
    if powers:
        summed = np.bincount(slots, sign, len(tallies)).astype(np.int64).tolist()
        sums = power_sums(slots, len(tallies), numbers, sign)
        for tally, count, square, cube in zip(tallies, summed, *sums, strict=True):
            tally.summed, tally.squares, tally.cubes = count, square, cube


def _count_texts(
    tallies: list[OutcomeTally], slots: Ints, bits: Bits, sign: Ints, answers: Answers, known: Mapping[str, str] | None
) -> None:
    """Count by category; without `known` ones every text that is kept is one."""
    used, places = np.unique(bits, return_inverse=True)
    texts = [canonical(value) for value in answers.values(used)]  # type: ignore[arg-type]  # there are no nulls
    named = [_category(text, known) for text in texts]
    counts: Counter[tuple[int, str]] = Counter()
    for slot, place, one in zip(slots.tolist(), places.reshape(-1).tolist(), sign.tolist(), strict=True):
        counts[slot, named[place]] += one
    for (slot, category), count in counts.items():
        if count:
            tallies[slot].counts[category] = count


def _by_text(categories: Sequence[str]) -> dict[str, str]:
    """{text as it comes back from its bits: category}: also where it was one text too many to be kept."""
    return {text: name for name in categories for text in (name, hashed_text(name))}


def _category(text: str, known: Mapping[str, str] | None) -> str:
    if known is None:
        return OTHER if text.startswith("\0") else text
    return known.get(text, OTHER)
