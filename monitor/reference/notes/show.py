"""A reference for a person: what it holds, and what it can and cannot page on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from monitor.clock import rfc3339
from monitor.reference.column import Column
from monitor.reference.file.encoding import to_json
from monitor.reference.learn.reference import MIN_WINDOWS
from monitor.reference.learn.season import MIN_WINDOWS_LEARNED
from monitor.reference.notes.estimate import estimate_note
from monitor.reference.notes.imported import import_head, import_lines
from monitor.reference.notes.outcomes import outcome_lines
from monitor.reference.notes.paging import (
    at_every_length,
    may_page,
    order_note,
    paging_notes,
    season_notes,
    tickets_only,
)
from monitor.reference.notes.performance import performance_lines
from monitor.reference.notes.relations import relation_notes
from monitor.reference.notes.segments import segment_lines, segment_outcomes, segment_performance
from monitor.reference.reference import Reference
from monitor.settings.duration import about
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS
from monitor.text import many, percent, quoted

_BARS: Final = " ▁▂▃▄▅▆▇█"
#: categories that a row names
_NAMED: Final = 3


def reference_json(reference: Reference) -> dict[str, Any]:
    """The file's content with its hash."""
    return {**to_json(reference), "hash": reference.hash}


def reference_text(reference: Reference, promise: Sequence[str] = ()) -> str:
    """A table with a small histogram a column, then what can page, and lines of what is promised of it."""
    if reference.is_import_alone:
        return "\n".join([*import_head(reference), "", *_table(reference), "", *import_lines(reference)])
    lines = [
        *_head(reference),
        "",
        *_table(reference),
        *import_lines(reference, before=("",)),
        "",
        *_reach(reference),
        "",
        *_relations(reference),
    ]
    return "\n".join([*lines, "", *promise] if promise else lines)


def _head(reference: Reference) -> Iterator[str]:
    yield f"reference of {reference.key.model} {reference.key.version} ({reference.task})  {reference.hash}"
    windows = f"in {many(reference.base_windows, 'base window')} of about {about(reference.base_us)}"
    yield (
        f"{many(reference.events, 'event')} ({many(reference.predictions, 'prediction')}) from "
        f"{rfc3339(reference.start_us)} to {rfc3339(reference.end_us)}, "
        f"{windows if reference.base_windows else 'too few for a base window'}"
    )
    if reference.note:
        yield f"note: {reference.note}"
    if reference.effects is not None:
        of, effects = reference.columns[reference.effects.target].name, reference.effects
        judged = "; what they leave is judged" if effects.may_be_judged else "; what they leave is not judged"
        yield f"the bins of the features explain {percent(effects.explained)} of the variance of the {of}{judged}"
    yield from segment_lines(reference)
    yield from performance_lines(reference)
    yield from filter(None, [segment_performance(reference)])
    yield from outcome_lines(reference)
    yield from filter(None, [segment_outcomes(reference)])
    yield estimate_note(reference)
    for name, why in reference.ignored:
        yield f"ignored: {name}: {why}"


def _table(reference: Reference) -> Iterator[str]:
    longest = max([len(column.name) for column in reference.columns] + [6])
    quality = "".join(f"  {name:>7}" for name in QUALITY_COUNTS)
    yield f"{'column':<{longest}}  {'kind':<11}  {'bins':>4}  {'histogram':<31}{quality}  dispersion"
    for at, column in enumerate(reference.columns):
        counts, labelled = reference.counts[at], reference.labelled(at)
        events = max(int(reference.carried[at]), 1)
        shares = "".join(f"  {count / events:>7.1%}" for count in counts[reference.width :].tolist())
        reason = reference.unwatched_reason(column)
        tickets = "tickets only" if tickets_only(reference, at) else _most_frequent(column, labelled)
        variances = reference.variability.long_runs[at].variance
        overdispersion = float(np.median(variances)) if len(variances) else 1.0
        more = f"not watched: {reason}" if reason else tickets
        yield (
            f"{column.name:<{longest}}  {column.kind:<11}  {column.bins.bins:>4}  "
            f"{_histogram(labelled):<31}{shares}  {overdispersion:>10.2f}  {more}"
        ).rstrip()


def _histogram(counts: Any) -> str:  # noqa: ANN401  # an array of counts
    most = max(int(np.max(counts, initial=0)), 1)
    return "".join(_BARS[int(np.ceil(count / most * (len(_BARS) - 1)))] for count in counts.tolist())


def _most_frequent(column: Column, counts: Any) -> str:  # noqa: ANN401  # an array of counts
    """The first categories with their shares; an empty text is seen as one."""
    if column.bins.kind == NUMERIC:
        return ""
    total = max(int(counts.sum()), 1)
    shares = zip(column.bins.categories[:_NAMED], counts.tolist(), strict=False)
    named = [f"{quoted(name, 20)} {percent(count / total)}" for name, count in shares]
    more = len(column.bins.categories) - len(named)
    named += [f"{more} more"] if more > 0 else []
    named += [f"others {percent(int(counts[-1]) / total)}"] if column.bins.buckets else []
    return ", ".join(named)


def _relations(reference: Reference) -> Iterator[str]:
    yield "Relations (tickets, where two columns no longer go together though each is unchanged):"
    notes = relation_notes([column.name for column in reference.columns], reference.relations)
    yield from (f"  {note}" for note in notes)


def _reach(reference: Reference) -> Iterator[str]:
    learned = [level for level in reference.levels if level.learned]
    free = sum(at_every_length(reference, at) for at in may_page(reference))
    beside = f"{many(free, 'column')} with independent rows may page; else " if free else ""
    yield "What can page:"
    yield "  missing, absent, unseen, outside, wrong type, constant: at every window length, and at every pane"
    if learned:
        lengths = ", ".join(f"{level.events:,.0f}" for level in learned)
        yield f"  distribution, score, prediction: windows of about {lengths} events"
        whose = "of all other columns " if free else ""
        others = f"a change {whose}is a ticket, as the reference holds fewer than {MIN_WINDOWS_LEARNED} such windows"
        independent = f"{many(free, 'column')} with independent rows may page; " if free else ""
        yield f"  longer windows: {independent}{others}"
    else:
        others = "the others only tickets" if free else "nothing, only tickets"
        yield f"  distribution, score, prediction: {beside}{others}: the reference holds too few base windows"
        yield (
            f"  to change that give it at least {MIN_WINDOWS_LEARNED} base windows (better {5 * MIN_WINDOWS}): more "
            "rows, or a range of time (--from, --to) that covers the traffic's usual ups and downs"
        )
    yield from (f"  {note}" for note in (*season_notes(reference), *paging_notes(reference)))
    if note := order_note(reference):
        yield f"  {note}"
    if not any(level.windows >= MIN_WINDOWS for level in reference.levels):
        yield f"  dispersion is not measured (fewer than {MIN_WINDOWS} base windows): dependent events may page falsely"
    if reference.events < 10_000:
        held = many(reference.events, "event")
        yield f"  {held}: half of the page budget is kept back; from 10,000 on all of it is used"
