"""Which columns may page for their distribution, and why the others have only tickets: what a reference tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.clock import DAY_US
from monitor.reference.reference import Reference
from monitor.stats.digits import number
from monitor.stats.season.fit import ENOUGH_DAYS, LEAST_DAYS, LEAST_WEEKS, LEAST_YEARS, NEARLY
from monitor.stats.variance.long_run import FEW_DAYS, GROWS, INDEPENDENT, ROWS_WITHOUT_DISTANCE, TOO_SHORT
from monitor.text import listed, percent

#: days from which on a slower wave than a week's is thought of, and days of a year
SLOW_DAYS: Final = 60
YEAR_DAYS: Final = 365.2425
MAX_NAMED: Final = 10

_WHY: Final = {
    TOO_SHORT: "its values depend on each other over more than an eighth of the reference",
    FEW_DAYS: "it has a daily wave, and too few days are known to tell how much days differ",
    GROWS: "the longer its windows, the more they vary, and no end of it is in the reference",
}
_REMEDY: Final = "build it from more rows or a longer time (--rows, --from, --to)"


def tickets_only(reference: Reference, at: int) -> str:
    """Why a change of that column's distribution never pages; "" where it may, or where it is not watched at all."""
    run = reference.variability.long_runs[at]
    if run.settled or reference.unwatched_reason(reference.columns[at]):
        return ""
    return f"{_WHY.get(run.reason, run.reason)}{_more_days(reference, at)}"


def _more_days(reference: Reference, at: int) -> str:
    """How much longer a reference has to be for a column's wave; "" where it is not said."""
    if not reference.in_order:
        return ""
    days, season = days_seen(reference), reference.seasons.columns.get(at) if reference.seasons else None
    seen = f"{_number(days)} days seen"
    if reference.variability.long_runs[at].reason == FEW_DAYS:
        return f": {seen}, {ENOUGH_DAYS} needed"
    if season is None and days < NEARLY * LEAST_DAYS:
        return f"; {seen}, and a daily wave can be judged from {ENOUGH_DAYS} on"
    if season is not None and season.has_day and days < NEARLY * 7 * LEAST_WEEKS:
        return f"; days differ more than the reference can tell (weekends?): {seen}, {7 * LEAST_WEEKS} needed"
    if SLOW_DAYS < days < NEARLY * LEAST_YEARS * YEAR_DAYS:
        years = _number(days / YEAR_DAYS)
        return f"; a wave slower than the reference shows (a year's?): {years} years seen, {LEAST_YEARS} needed"
    return ""


def days_seen(reference: Reference) -> float:
    """Days that a reference covers."""
    return (reference.end_us - reference.start_us) / DAY_US


def _number(value: float) -> str:
    return number(value, 2)


def season_notes(reference: Reference, setting: str = "models[].timezone") -> Iterator[str]:
    """What is compared with what is usual at that time; `setting` is the place of the model's time zone."""
    if reference.seasons is None:
        return
    by_words: dict[str, list[str]] = {}
    for at, season in reference.seasons.columns.items():
        name = f"{reference.columns[at].name} (the wave makes {percent(1 - season.falls_to)} of how windows vary)"
        by_words.setdefault(season.words, []).append(name)
    zone = reference.seasons.calendar.timezone
    for words, names in by_words.items():
        yield f"compared with what is usual {words}, {zone}: {listed(names, MAX_NAMED)}"
    if zone == "UTC" and any(season.has_day for season in reference.seasons.columns.values()):
        yield f"daily waves are tied to UTC; where people's local hours make them, set {setting} and build again"


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
