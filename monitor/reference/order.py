"""Columns that follow time instead of describing an event: counters, times, dates, identifiers. Pure arithmetic."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitor.clock import DAY_US
from monitor.stats.numeric_bins import range_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: fewer values than this say nothing about their order or their renewal
MIN_VALUES: Final = 200
#: blocks whose medians are compared with their order, and the least Kendall tau that is "only rises"
BLOCKS: Final = 20
#: different medians that make a direction: fewer are a change of level
LEVELS: Final = 4
LEAST_TAU: Final = 0.9
#: share of the second half that lies beyond the first half's range when a column only rises, and of values that read
#: as the event's time
BEYOND: Final = 0.5
NEARLY_ALL: Final = 0.9
EIGHTHS: Final = 8
#: share of the second half beyond the first half's range, from which on a column leaves its own range
LEAVES_LEAST: Final = 0.01
#: a steady trend: standard errors of the slope, chance of what is left beside the line, and how far it goes over the
#: reference in standard deviations of the ranks: what moves so slowly stays in its range for tens of references
SLOPE_ERRORS: Final = 6.0
LEFT_CHANCE: Final = 1e-3
LEAST_TREND: Final = 0.25
#: values on one side that are its outermost ones, and events in a row of which half may not be among them: what wanders
#: leaves the range for as long as it stays at its edge (AR(1) of 0.99: 33 of 50 and more; independent: 8)
OUTERMOST: Final = 0.03
TOGETHER: Final = 50
#: a column renews itself where its second half has so many more new values than every other window has, in share of
#: events and as a factor; windows of so many events
RENEWS_SHARE: Final = 0.05
RENEWS_FACTOR: Final = 1.5
WINDOW: Final = 250
#: how far from its event a number may lie and still be the event's time
NEAR_US: Final = 31 * DAY_US
#: microseconds in a second, millisecond, microsecond, nanosecond
UNITS: Final = {"s": 1e6, "ms": 1e3, "µs": 1.0, "ns": 1e-3}
_DATE: Final = re.compile(
    r"(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}))([T ].*)?", re.ASCII
)


def direction(values: Floats) -> int:
    """1 where values in the order of time only rise, -1 where they only fall, else 0.

    The medians of 20 blocks follow their order, and half of the second half lies beyond the first half's range with
    its margin: a trend that stays within what was seen, or a wave, does not.
    """
    if len(values) < MIN_VALUES:
        return 0
    tau = _tau(values, ties=False)
    if abs(tau) < LEAST_TAU or len(np.unique(_medians(values))) < LEVELS:
        return 0
    return int(np.sign(tau)) if _beyond(values) >= BEYOND else 0


def has_order(times: Ints) -> bool:
    """Whether the events' times put them in an order at all: at least `BLOCKS` different ones."""
    return len(np.unique(times[: 100 * BLOCKS])) >= BLOCKS or len(np.unique(times)) >= BLOCKS


def leaves_range(values: Floats, times: Ints) -> float:
    """Share of the second half beyond the first half's range with its margin; 0 where that is too little to matter.

    Values come in the order of their times; without an order of time nothing can be said. The reference is judged by
    its own first half: what would page there pages for ever.
    """
    if len(values) < MIN_VALUES or not has_order(times):
        return 0.0
    beyond = _beyond(values)
    return beyond if beyond >= LEAVES_LEAST else 0.0


def steady_trend(values: Floats, times: Ints) -> float:
    """By how many standard deviations of its ranks a column's level moves over the reference; 0 where not steadily.

    The mean ranks of 20 blocks lie on a line, but for what chance leaves of independent values: a wave, a walk or a
    change of level does not. What moves so goes on, and leaves the range that was seen one day. Values come in the
    order of their times.
    """
    if len(values) < MIN_VALUES or not has_order(times):
        return 0.0
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place] / len(values)  # equal values have their mean rank
    blocks = np.array_split(ranks, BLOCKS)
    means, errors = (np.array([f(block) for block in blocks]) for f in (np.mean, _error_of_mean))
    at = np.arange(BLOCKS) - (BLOCKS - 1) / 2
    error = float(np.sqrt((errors**2).mean()))
    slope = float((at * means).sum() / (at * at).sum())
    left = float(((means - means.mean() - slope * at) ** 2).sum())
    moved = slope * BLOCKS / max(float(ranks.std()), 1e-12)
    steady = left <= error**2 * chdtri(BLOCKS - 2, LEFT_CHANCE)
    clear = abs(slope) * np.sqrt((at * at).sum()) >= SLOPE_ERRORS * error
    return moved if steady and clear and abs(moved) >= LEAST_TREND else 0.0


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def stays_outermost(values: Floats, times: Ints) -> bool:
    """Whether values that are the lowest or the highest come together: half of some 50 events in a row.

    A column that wanders so has been at few of its extremes: it leaves the range that was seen, and stays there for as
    long as a column does whose values are wrong. Values come in the order of their times.
    """
    if len(values) < MIN_VALUES or not has_order(times):
        return False
    ordered = np.sort(values)
    tail = int(OUTERMOST * len(values))
    sides = (values <= ordered[tail - 1], values >= ordered[-tail])
    # a value that is a whole side and more is a usual one
    return any(side.sum() <= 2 * tail and _most_within(side, TOGETHER) >= TOGETHER // 2 for side in sides)


def _most_within(hits: NDArray[np.bool_], rows: int) -> int:
    before = np.concatenate([[0], np.cumsum(hits)])
    return int((before[rows:] - before[:-rows]).max())


def _beyond(values: Floats) -> float:
    half = len(values) // 2
    low, high = range_of(float(values[:half].min()), float(values[:half].max()))
    return float(((values[half:] < low) | (values[half:] > high)).mean())


def renews(texts: Sequence[str], times: Ints) -> float:
    """Share of the second half's events with a value new there; 0 where that is no more than in any other half.

    Names that come for a while and go renew a column without being an identifier; a set that is complete before the
    last eighth does not. Texts come in the order of their times; without an order of time nothing can be said.
    """
    if len(texts) < MIN_VALUES or not has_order(times):
        return 0.0
    names = np.unique(np.array(texts), return_inverse=True)[1]
    half = len(names) // 2
    even = np.arange(len(names)) // WINDOW % 2 == 0
    last = len(names) * (EIGHTHS - 1) // EIGHTHS
    if _new(names[:last], names[last:]) < RENEWS_SHARE:
        return 0.0
    later = _new(names[:half], names[half:])
    usual = (_new(names[even], names[~even]) + _new(names[~even], names[even])) / 2
    return later if later - usual >= RENEWS_SHARE and later > RENEWS_FACTOR * usual else 0.0


def _new(known: Ints, later: Ints) -> float:
    return float(np.isin(later, known, invert=True).mean()) if len(later) else 0.0


def _medians(values: Floats) -> Floats:
    return np.array([np.median(block) for block in np.array_split(values, BLOCKS)])


def _tau(values: Floats, *, ties: bool = True) -> float:
    """Kendall's rank correlation of the medians of `BLOCKS` blocks with their order; without `ties` of unequal ones."""
    medians = _medians(values)
    signs = np.sign(medians[None, :] - medians[:, None])[np.triu_indices(BLOCKS, 1)]
    return float(signs.sum() / max(len(signs) if ties else np.count_nonzero(signs), 1))


def time_read_as(values: Floats, times: NDArray[np.int64]) -> str:
    """How numbers read as their event's time (`ms since 1970`, `days since 1970`, `YYYYMMDD`), "" where they do not.

    Numbers near the event's time that do not move with it may be anything: a time of day somewhere else, an amount.
    """
    if len(values) < MIN_VALUES:
        return ""
    days = times // DAY_US
    if (np.abs(values - days) <= 1).mean() >= NEARLY_ALL:
        return "days since 1970"
    if _near_day(values, days):
        return "YYYYMMDD"
    for unit, us in UNITS.items():
        with np.errstate(over="ignore"):
            near = np.abs(values * us - times) <= NEAR_US
        if near.mean() >= NEARLY_ALL and _tau(values) >= LEAST_TAU:
            return f"{unit} since 1970"
    return ""


def _near_day(values: Floats, days: NDArray[np.int64]) -> bool:
    """Numbers such as 20260921 that are the event's date or one beside it."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    written = years * 10_000 + (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1
    return bool((np.abs(values - written) <= 1).mean() >= NEARLY_ALL)


def are_dates(texts: Sequence[str]) -> bool:
    """True where nearly all texts are dates or begin with one."""
    return bool(texts) and sum(map(_is_date, texts)) >= NEARLY_ALL * len(texts)


def _is_date(text: str) -> bool:
    return len(text) <= 40 and _DATE.fullmatch(text) is not None


def dates_move_on(texts: Sequence[str]) -> bool:
    """True where dates, in the order of time, only rise or fall, and most of the second half's were not there yet."""
    before = set(texts[: len(texts) // 2])
    new = sum(text not in before for text in texts[len(texts) // 2 :])
    if len(texts) < MIN_VALUES or 2 * new < len(texts) * BEYOND:
        return False
    ranks = (np.unique(keys, return_inverse=True)[1].astype(np.float64) for keys in _sortable(texts))
    return any(abs(_tau(rank, ties=False)) >= LEAST_TAU for rank in ranks)


def _sortable(texts: Sequence[str]) -> list[list[str]]:
    """Dates as texts that sort; day and month may stand in either order."""
    found: tuple[list[str], list[str]] = [], []
    for text in texts:
        match = _DATE.fullmatch(text)
        year, *parts, rest = ("", "", "", text) if match is None else _parts(match)
        for keys, (first, second) in zip(found, (parts, parts[::-1]), strict=True):
            keys.append(f"{year}{first:>2}{second:>2}{rest}")
    return list(found)


def _parts(match: re.Match[str]) -> tuple[str, str, str, str]:
    year, month, day, first, second, last, rest = match.groups("")
    return (year, month, day, rest) if year else (last, second, first, rest)


def are_events_dates(texts: Sequence[str], times: Sequence[int]) -> bool:
    """True where nearly all texts begin with their event's date as ISO 8601 writes it, or one a day beside it."""
    if len(texts) < MIN_VALUES:
        return False
    near: dict[int, frozenset[str]] = {}
    hits = 0
    for text, ts in zip(texts, times, strict=True):
        day = ts // DAY_US
        if day not in near:
            near[day] = frozenset(str(np.datetime64(day + step, "D")) for step in (-1, 0, 1))
        hits += text[:10] in near[day]
    return hits >= NEARLY_ALL * len(texts)


def renewed(names: Sequence[str], among: Collection[str] | None = None) -> float:
    """The share of values, in the order of time, that the next events are expected to bring for the first time.

    As the eighths tell: a value that occurs in one of them alone was new there. `among` are the names asked for (all).
    """
    if not names:
        return 0.0
    occurs: defaultdict[str, set[int]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for at, name in enumerate(names):
        if among is None or name in among:
            occurs[name].add(at * EIGHTHS // len(names))
            counts[name] += 1
    return sum(counts[name] for name, eighths in occurs.items() if len(eighths) == 1) / len(names)
