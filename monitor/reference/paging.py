"""Which columns may page for their distribution, and why the others have only tickets: what a reference tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.reference.reference import Reference
from monitor.stats.long_run import GROWS, INDEPENDENT, ROWS_WITHOUT_DISTANCE, TOO_SHORT

_WHY: Final = {
    TOO_SHORT: "its values depend on each other over more than an eighth of the reference",
    GROWS: "the longer its windows, the more they vary, and no end of it is in the reference",
}
_REMEDY: Final = "build it from more rows or a longer time (--rows, --from, --to)"


def tickets_only(reference: Reference, at: int) -> str:
    """Why a change of that column's distribution never pages; "" where it may, or where it is not watched at all."""
    run = reference.variability.long_runs[at]
    if run.settled or reference.unwatched_reason(reference.columns[at]):
        return ""
    return _WHY.get(run.reason, run.reason)


def at_every_length(reference: Reference, at: int) -> bool:
    """Whether it may page at window lengths of which the reference has too few windows: of many independent rows."""
    column = reference.columns[at]
    rows = int(reference.counts[at, : column.bins.bins].sum())
    return reference.variability.long_runs[at].reason == INDEPENDENT and rows >= ROWS_WITHOUT_DISTANCE


def may_page(reference: Reference) -> list[int]:
    """The places of columns whose distribution may page at some length."""
    learned = any(level.learned for level in reference.levels)
    return [
        at
        for at, column in enumerate(reference.columns)
        if not reference.unwatched_reason(column)
        and not tickets_only(reference, at)
        and (learned or at_every_length(reference, at))
    ]


def paging_notes(reference: Reference) -> Iterator[str]:
    """A sentence for each column whose distribution is at most a ticket."""
    for at, column in enumerate(reference.columns):
        if why := tickets_only(reference, at):
            yield f"{column.name}: its distribution is at most a ticket: {why}; {_REMEDY}"


def order_note(reference: Reference) -> str:
    """What cannot be told because the events have no order of time; "" where they have one."""
    if reference.in_order:
        return ""
    return (
        "the events have no times of their own: what rises or comes in waves cannot be told, and whether rows were "
        "shuffled cannot either; build it from recorded events, each with its ts"
    )
