"""Columns that are no features: ids, times, counters; and columns that leave what they were.

The reference is judged by its own first half: what would page there will page for ever. Values come in the order of
their events' times; where those are missing or all the same, nothing of this can be told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.numeric_bins import range_of
from monitor.stats.unseen import is_identifier

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

#: what becomes of the column: it is counted in full, not at all, or one of its facts is at most a ticket
WATCH, IGNORE, OUTSIDE_TICKET, UNSEEN_TICKET = "watch", "ignore", "outside_ticket", "unseen_ticket"
#: why
TIME_OF_EVENT: Final = "reads_as_time"
RISES: Final = "only_rises"
FALLS: Final = "only_falls"
DATES: Final = "dates_go_on"
IDENTIFIER: Final = "identifier"
LEAVES_RANGE: Final = "leaves_range"
RENEWS: Final = "renews"

#: seconds in one unit of a number that may be a time since 1970
UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "days": 86_400.0}
NEAR_SECONDS: Final = 31 * 86_400
TIME_SHARE: Final = 0.9
#: blocks of rows whose medians are put in order, and how ordered they are in a column that only rises
BLOCKS: Final = 20
ORDERED: Final = 0.9
#: of the second half's values beyond the first half's range, or never seen in it
GONE_HALF: Final = 0.5
GONE_LEAST: Final = 0.01
#: the second half has so many more new names than windows in between have, in share and as a factor
RENEWED_SHARE: Final = 0.05
RENEWED_FACTOR: Final = 1.5
WINDOW: Final = 250
#: different times that an order needs
FEWEST_TIMES: Final = BLOCKS
#: names looked at for the form of a date
NAMES_INSPECTED: Final = 1_000
DATE_SHARE: Final = 0.95
DATE: Final = re.compile(r"\d{4}[-/.]?\d{2}[-/.]?\d{2}(?:[ T]\d{2}:?\d{2}.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`action` and `reason` are words from above; `unit` of a time, `share` of what made the reason true."""

    action: str
    reason: str = ""
    unit: str = ""
    share: float = 0.0


def has_order(times_us: Ints) -> bool:
    """Whether the events' times put rows in an order at all."""
    return len(np.unique(times_us[: 100 * FEWEST_TIMES])) >= FEWEST_TIMES or len(np.unique(times_us)) >= FEWEST_TIMES


def judge_numbers(values: Floats, times_us: Ints) -> Verdict:
    """A number column; `values` (n,) finite, in the order of `times_us` (n,)."""
    if len(values) < 2 * BLOCKS:
        return Verdict(WATCH)
    share, unit = _nearest_unit(values, times_us)
    if share >= TIME_SHARE:
        return Verdict(IGNORE, TIME_OF_EVENT, unit, share)
    if not has_order(times_us):
        return Verdict(WATCH)
    gone, tau = leaves_range(values), trend(values)
    if abs(tau) >= ORDERED and gone >= GONE_HALF:
        return Verdict(IGNORE, RISES if tau > 0 else FALLS, "", gone)
    return Verdict(OUTSIDE_TICKET, LEAVES_RANGE, "", gone) if gone >= GONE_LEAST else Verdict(WATCH)


def judge_texts(texts: Sequence[str], hashes: Hashes, times_us: Ints) -> Verdict:
    """A category column; `texts` (n,) and their `hashes` (n,) in the order of `times_us` (n,)."""
    if len(texts) < 2 * BLOCKS:
        return Verdict(WATCH)
    ordered = has_order(times_us)
    later, between = new_later(hashes) if ordered else (0.0, 0.0)
    if later >= GONE_HALF and _are_dates(texts) and abs(trend(_ranks(texts))) >= ORDERED:
        return Verdict(IGNORE, DATES, "", later)
    if is_identifier(hashes):
        return Verdict(IGNORE, IDENTIFIER)
    if later - between >= RENEWED_SHARE and later > RENEWED_FACTOR * between:
        return Verdict(UNSEEN_TICKET, RENEWS, "", later)
    return Verdict(WATCH)


def _nearest_unit(values: Floats, times_us: Ints) -> tuple[float, str]:
    """The largest share of values that are within a month of their event's time, and the unit they are then in."""
    seconds = times_us / 1e6
    with np.errstate(over="ignore"):
        near = {unit: np.abs(values * each - seconds) <= NEAR_SECONDS for unit, each in UNITS.items()}
    return max((float(flags.mean()), unit) for unit, flags in near.items())


def leaves_range(values: Floats) -> float:
    """Share of the second half that lies beyond the first half's range with its margin."""
    half = len(values) // 2
    low, high = range_of(float(values[:half].min()), float(values[:half].max()))
    late = values[half:]
    return float(((late < low) | (late > high)).mean())


def trend(values: Floats | Ints) -> float:
    """Kendall's tau-b of the medians of `BLOCKS` blocks against their order; 0 where they are all the same."""
    medians = np.array([np.median(part) for part in np.array_split(values, BLOCKS)])
    signs = np.sign(medians[None] - medians[:, None])[np.triu_indices(len(medians), 1)]
    untied = np.count_nonzero(signs)
    return float(signs.sum() / np.sqrt(untied * len(signs))) if untied else 0.0


def new_later(hashes: Hashes) -> tuple[float, float]:
    """Share of events with a new name: in the second half after the first, and in every other window after the rest."""
    half = len(hashes) // 2
    even = np.arange(len(hashes)) // WINDOW % 2 == 0
    one, other = hashes[even], hashes[~even]
    return _new(hashes[:half], hashes[half:]), (_new(one, other) + _new(other, one)) / 2


def _new(known: Hashes, late: Hashes) -> float:
    return float(np.isin(late, known, invert=True).mean()) if len(late) else 0.0


def _are_dates(texts: Sequence[str]) -> bool:
    names = sorted(set(texts))
    inspected = names[:: max(1, len(names) // NAMES_INSPECTED)][:NAMES_INSPECTED]
    return sum(DATE.fullmatch(name) is not None for name in inspected) >= DATE_SHARE * len(inspected)


def _ranks(texts: Sequence[str]) -> Ints:
    """Each text's place among the distinct ones, in their alphabetical order."""
    place = {name: at for at, name in enumerate(sorted(set(texts)))}
    return np.fromiter(map(place.__getitem__, texts), np.int64, len(texts))
