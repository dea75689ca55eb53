"""A promise in words: for whoever is woken by a page, and whoever asks what would not wake anybody."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from monitor.clock import DAY_US, MINUTE_US, SECOND_US
from monitor.findings import PAGE
from monitor.judge.promise.budget import ENOUGH_REFERENCE
from monitor.settings.duration import about
from monitor.stats.digits import number
from monitor.stats.testing.promise import MISSING_NAMED, SHARE, SHIFT, ColumnPromise, ModelPromise, Within
from monitor.text import listed

#: for what takes longer nobody waits
LONGEST_US: Final = 30 * DAY_US
#: columns that are named in a sentence
MAX_NAMED: Final = 5
#: traffic that is so much faster or slower than the reference's is said to be
OTHER_RATE: Final = 1.1
NEVER, LATER = "never", f"over {about(LONGEST_US)}"
#: heads of the table, the first one of the columns' names
HEADS: Final = (
    "column", "change", "pages within", "events", "smallest in a day", "smaller hardly ever", "+1 % missing",
    "+5 % missing", "independent events",
)  # fmt: skip


def statement(promise: ModelPromise) -> list[str]:
    """The promise of a model version, a fact a line."""
    return [*_by_chance(promise), *_seen(promise), *without_pages(promise), *_unseen(promise)]


def _by_chance(promise: ModelPromise) -> Iterator[str]:
    most = f"{number(promise.pages, 2)} page{'s' * (promise.pages != 1)} in {about(promise.per_us)}"
    if promise.max_severity != PAGE:
        yield f"no pages: max_severity is {promise.max_severity}"
    yield f"by chance at most {most}, while traffic is like the reference"
    if promise.besides:
        yield f"besides, outside of that: pages by {listed(promise.besides, MAX_NAMED)}, as the settings say"
    if promise.used < promise.pages:
        part = number(promise.used / promise.pages, 2)
        yield f"only {part} of that is used, as the reference has fewer than {ENOUGH_REFERENCE:,} events"
    worth = sorted({round(column.worth) for column in promise.columns})
    if worth:
        span = f"{worth[0]:,}" if len(worth) == 1 else f"{worth[0]:,} to {worth[-1]:,}"
        yield f"the reference's {promise.events:,} events tell as much as {span} independent ones, by column"


def traffic(promise: ModelPromise) -> str:
    """`100 events a minute, as in the reference`."""
    per_minute = promise.events_per_second * MINUTE_US / SECOND_US
    unit, rate = ("a minute", per_minute) if per_minute >= 1 else ("a day", per_minute * DAY_US / MINUTE_US)
    times = promise.of_reference
    than = ", as in the reference"
    if times > OTHER_RATE:
        than = f", {number(times, 2)} times as many as in the reference"
    elif times < 1 / OTHER_RATE:
        than = f", {number(1 / times, 2)} times fewer than in the reference"
    return f"{number(rate, 2) if rate < 100 else f'{rate:,.0f}'} events {unit}{than}"


def _seen(promise: ModelPromise) -> Iterator[str]:
    """The slowest column of each named change."""
    by_change: dict[str, list[tuple[str, Within]]] = {}
    for column in sorted(promise.columns, key=lambda column: (column.form != SHIFT, column.size)):
        if math.isfinite(column.named.us):
            by_change.setdefault(_change(column), []).append((column.name, column.named))
    never: dict[str, list[str]] = {}
    for at, size in enumerate(MISSING_NAMED):
        waits = [(column.name, column.missing[at]) for column in promise.columns if column.missing]
        what = f"{100 * size:g} % more missing values"
        if within := [one for one in waits if math.isfinite(one[1].us)]:
            by_change[what] = within
            never[what] = [name for name, one in waits if not math.isfinite(one.us)]
    if not by_change:
        yield f"at {traffic(promise)}, no page is promised for any change"
        return
    yield f"at {traffic(promise)}, a change that lasts pages with 95 % chance:"
    for what, waits in by_change.items():
        name, slowest = max(waits, key=lambda one: one[1].us)
        of = name if len(waits) == 1 else f"{name} is the slowest of {len(waits)} columns"
        but = f"; not promised of {listed(never[what], MAX_NAMED)}" if never.get(what) else ""
        yield f"- {what}: {_within(slowest)} ({of}{but})"


def _unseen(promise: ModelPromise) -> Iterator[str]:
    """What no column shows, and why."""
    smallest = []
    for form, words in ((SHIFT, "a mean shift"), (SHARE, "a share change")):
        known = [column for column in promise.columns if column.form == form and math.isfinite(column.unseen)]
        if by_size := sorted(known, key=lambda column: column.unseen):
            least, most = (_short(one, one.unseen) for one in (by_size[0], by_size[-1]))
            smallest.append(f"{words} below {least}" + (f" to {most}, by column" if most != least else ""))
    small = f"{' or '.join(smallest)} (chance makes as much); " if smallest else ""
    wrong = f"wrong predictions ({why}); " if (why := promise.performance_not_judged) else ""
    yield (
        f"not seen: {small}how columns change together, but for the pairs that are compared; {wrong}"
        "what the events do not carry"
    )
    if promise.starting_us:
        first, *later = (about(round(one)) for one in promise.starting_us)
        slower = f" ({later[-1]} for autocorrelated columns)" if later else ""
        yield f"after a start, distributions page only once {first} of traffic is known{slower}"


def without_pages(promise: ModelPromise) -> list[str]:
    """A sentence for each reason why no change of a column's distribution pages."""
    by_reason: dict[str, list[str]] = {}
    for column in promise.columns:
        if column.why_not:
            by_reason.setdefault(column.why_not, []).append(column.name)
    return [f"no page for the distribution of {listed(names, MAX_NAMED)}: {why}" for why, names in by_reason.items()]


def _change(column: ColumnPromise) -> str:
    if column.form == SHIFT:
        return f"a mean shift of {column.size:g} sd"
    return f"a share change of {_points(column.size)}"


def named_changes(column: ColumnPromise) -> Iterator[tuple[str, Within]]:
    """Each named change in short, as a label of series: `mean 0.3 sd`, `share 10 points`, `missing 1 point`."""
    if math.isfinite(column.size):
        yield f"{'mean' if column.form == SHIFT else 'share'} {_short(column, column.size)}", column.named
    for size, one in zip(MISSING_NAMED, column.missing, strict=False):
        yield f"missing {_points(size)}", one


def table(promise: ModelPromise) -> list[tuple[str, ...]]:
    """A row for each column, under `HEADS`."""
    return [_row(column) for column in promise.columns]


def _row(column: ColumnPromise) -> tuple[str, ...]:
    missing = [_time(one) for one in column.missing] or ["-"] * len(MISSING_NAMED)
    worth = f"{column.worth:,.0f}"
    if column.why_not:
        return (column.name, "no page", "-", "-", "-", "-", *missing, worth)
    named = (_short(column, column.size), _time(column.named), f"{column.named.events:,.0f}")
    if not math.isfinite(column.named.us):
        named = ("-", NEVER, "-")
    return (column.name, *named, _short(column, column.smallest), _short(column, column.unseen), *missing, worth)


def _short(column: ColumnPromise, size: float) -> str:
    if not math.isfinite(size):
        return "none"
    return f"{number(size, 2)} sd" if column.form == SHIFT else _points(size)


def _points(size: float) -> str:
    points = number(100 * size, 2)
    return f"{points} point{'s' * (points != '1')}"


def _within(one: Within) -> str:
    time = _time(one)
    return time if time == NEVER else f"not within {about(LONGEST_US)}" if time == LATER else f"within {time}"


def _time(one: Within) -> str:
    """Rounded up to two digits of its unit, as a promise must be."""
    if one.us > LONGEST_US:
        return LATER if math.isfinite(one.us) else NEVER
    unit = next((unit for unit in (DAY_US, 60 * MINUTE_US, MINUTE_US, SECOND_US) if one.us >= unit), SECOND_US)
    count = one.us / unit
    rounded = math.ceil(count * 10 - 1e-6) / 10 if count < 10 else math.ceil(count - 1e-6)
    return about(round(rounded * unit))


def text_table(promise: ModelPromise) -> list[str]:
    """The table for a terminal."""
    rows = [HEADS, *table(promise)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADS))]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{row[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells).rstrip()
