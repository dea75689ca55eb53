"""Columns that follow time instead of describing an event: counters, times, dates, identifiers. Pure arithmetic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitor.clock import DAY_US
from monitor.stats.bins.numeric_bins import range_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: least values for judging their order or their renewal
MIN_VALUES: Final = 200
#: blocks whose medians are compared with their order, and the least Kendall tau that is "only rises"
BLOCKS: Final = 20
#: least different medians of a trend: fewer are a change of level
LEVELS: Final = 4
LEAST_TAU: Final = 0.9
#: least share of the second half beyond the first half's range if a column only rises, and of values that can be read
#: as the event's time
BEYOND: Final = 0.5
NEARLY_ALL: Final = 0.9
EIGHTHS: Final = 8
#: least share of the second half beyond the first half's range if a column leaves its range
LEAVES_LEAST: Final = 0.01
#: a steady trend: standard errors of the slope, p-value of the residuals, and the rise over the reference in standard
#: deviations of the ranks: a column that moves more slowly stays in its range for tens of references
SLOPE_ERRORS: Final = 6.0
LEFT_CHANCE: Final = 1e-3
LEAST_TREND: Final = 0.25
#: share of values on each side that are outermost, and events in a row of which half must not be among them: a column
#: that wanders leaves its range for as long as it stays at its edge (AR(1) of 0.99: 33 of 50 and more; independent: 8)
OUTERMOST: Final = 0.03
TOGETHER: Final = 50
#: a column renews itself if its second half has this many more new values than any other window, as a share of
#: events and as a factor; number of events of a window
RENEWS_SHARE: Final = 0.05
RENEWS_FACTOR: Final = 1.5
WINDOW: Final = 250
#: largest distance of a number from the event's time that it may be
NEAR_US: Final = 31 * DAY_US
#: microseconds in a second, millisecond, microsecond, nanosecond
UNITS: Final = {"s": 1e6, "ms": 1e3, "µs": 1.0, "ns": 1e-3}
_DATE: Final = re.compile(
    r"(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}))([T ].*)?", re.ASCII
)


def direction(values: Floats) -> int:
    """1 if values in time order only rise, -1 if they only fall, else 0.

    They do if the medians of 20 blocks follow their order and half of the second half is beyond the first half's range
    with its margin: not so for a wave, or a trend within the range.
    """
    if len(values) < MIN_VALUES:
        return 0
    tau = _tau(values, ties=False)
    if abs(tau) < LEAST_TAU or len(np.unique(_medians(values))) < LEVELS:
        return 0
    return int(np.sign(tau)) if _beyond(values) >= BEYOND else 0


def has_order(times: Ints) -> bool:
    """Whether the events' times define an order: at least `BLOCKS` different ones."""
    return len(np.unique(times[: 100 * BLOCKS])) >= BLOCKS or len(np.unique(times)) >= BLOCKS


def leaves_range(values: Floats, times: Ints) -> float:
    """Share of the second half beyond the first half's range with its margin; 0 if it is too small to matter.

    Values are in time order; 0 if the times define no order. The first half serves as reference for the second: a
    column that would page there would page for ever.
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
    ranks = _ranks(values)
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


def _ranks(values: Floats) -> Floats:
    """The rank of each value as a share of their number; equal ones have their mean rank."""
    order = np.argsort(values)
    ordered = values[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    count = np.diff(np.append(begins, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((begins + (count + 1) / 2) / len(values), count)
    return ranks


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def stays_outermost(values: Floats, times: Ints) -> bool:
    """Whether the lowest or the highest values cluster: half of some 50 events in a row.

    Such a wandering column has visited its extremes only a few times: it will leave the reference's range, and stay
    outside as long as a column with wrong values would. Values are in time order.
    """
    if len(values) < MIN_VALUES or not has_order(times):
        return False
    tail = int(OUTERMOST * len(values))
    places = (tail - 1, len(values) - tail)
    low, high = np.partition(values, places)[list(places)]
    sides = (values <= low, values >= high)
    # a single value that makes up a whole side or more is a usual one
    return any(side.sum() <= 2 * tail and _most_within(side, TOGETHER) >= TOGETHER // 2 for side in sides)


def _most_within(hits: NDArray[np.bool_], rows: int) -> int:
    before = np.concatenate([[0], np.cumsum(hits)])
    return int((before[rows:] - before[:-rows]).max())


def _beyond(values: Floats) -> float:
    half = len(values) // 2
    low, high = range_of(float(values[:half].min()), float(values[:half].max()))
    return float(((values[half:] < low) | (values[half:] > high)).mean())


def renews(texts: Sequence[str], times: Ints) -> float:
    """Share of the second half's events whose value is new there; 0 if it is no larger than in any other half.

    A column whose names come and go renews itself without being an identifier; a set that is complete before the last
    eighth does not. Texts are in time order; 0 if the times define no order.
    """
    if len(texts) < MIN_VALUES or not has_order(times):
        return 0.0
    names = _numbered(texts)[0]
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
    """Kendall's tau of the medians of `BLOCKS` blocks with their order; without `ties`, over unequal pairs only."""
    medians = _medians(values)
    signs = np.sign(medians[None, :] - medians[:, None])[np.triu_indices(BLOCKS, 1)]
    return float(signs.sum() / max(len(signs) if ties else np.count_nonzero(signs), 1))


def time_read_as(values: Floats, times: NDArray[np.int64]) -> str:
    """The format in which numbers are their event's time (`ms since 1970`, `days since 1970`, `YYYYMMDD`), or "".

    Numbers near the event's time that do not move with it do not count: they may be a time of day or an amount.
    """
    if len(values) < MIN_VALUES:
        return ""
    days = times // DAY_US
    if (np.abs(values - days) <= 1).mean() >= NEARLY_ALL:
        return "days since 1970"
    if _near_day(values, days):
        return "YYYYMMDD"
    # seconds are the smallest of such numbers
    if times.min() > NEAR_US and (values >= (times.min() - 2 * NEAR_US) / UNITS["s"]).mean() < NEARLY_ALL:
        return ""
    for unit, us in UNITS.items():
        with np.errstate(over="ignore"):
            near = np.abs(values * us - times) <= NEAR_US
        if near.mean() >= NEARLY_ALL and _tau(values) >= LEAST_TAU:
            return f"{unit} since 1970"
    return ""


def _near_day(values: Floats, days: NDArray[np.int64]) -> bool:
    """Whether numbers such as 20260921 are the event's date or an adjacent one."""
    first, last = _written_day(np.array([days.min(), days.max()])).tolist()
    if ((values >= first - 1) & (values <= last + 1)).mean() < NEARLY_ALL:
        return False
    return bool((np.abs(values - _written_day(days)) <= 1).mean() >= NEARLY_ALL)


def _written_day(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970 as numbers such as 20260921."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.asarray(
        years * 10_000 + (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1, np.int64
    )


def are_dates(texts: Sequence[str]) -> bool:
    """True if nearly all texts are dates or begin with one."""
    dates = sum(count for text, count in Counter(texts).items() if _is_date(text))
    return bool(texts) and dates >= NEARLY_ALL * len(texts)


def _is_date(text: str) -> bool:
    return len(text) <= 40 and _DATE.fullmatch(text) is not None


def dates_move_on(texts: Sequence[str]) -> bool:
    """True if dates, in time order, only rise or fall, and most of the second half's are new."""
    before = set(texts[: len(texts) // 2])
    new = sum(text not in before for text in texts[len(texts) // 2 :])
    if len(texts) < MIN_VALUES or 2 * new < len(texts) * BEYOND:
        return False
    ranks = (np.unique(keys, return_inverse=True)[1].astype(np.float64) for keys in _sortable(texts))
    return any(abs(_tau(rank, ties=False)) >= LEAST_TAU for rank in ranks)


def _sortable(texts: Sequence[str]) -> list[list[str]]:
    """Dates as sortable texts; day and month may be in either order."""
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
    """True if nearly all texts begin with their event's ISO 8601 date, or one a day before or after."""
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


def renewed(names: Sequence[str]) -> float:
    """The expected share of never-seen values among the next events; `names` are in time order.

    Estimated by eighths: values that occur in only one of them were new there.
    """
    if not names:
        return 0.0
    numbers, different = _numbered(names)
    eighths = np.arange(len(names)) * EIGHTHS // len(names)
    counts = np.bincount(numbers * EIGHTHS + eighths, minlength=different * EIGHTHS).reshape(different, EIGHTHS)
    return int(counts[(counts > 0).sum(1) == 1].sum()) / len(names)


def _numbered(texts: Sequence[str]) -> tuple[Ints, int]:
    """A number from 0 for each text, equal for equal ones; and how many there are."""
    number = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    return np.fromiter(map(number.__getitem__, texts), np.int64, len(texts)), len(number)
