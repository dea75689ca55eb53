"""What a finding about a quality count says: how many values are missing, impossible or of another kind, and which."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.stats import binom

from monitor.judge.causes.cause import CauseName
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.stats.bins.reference_bins import NUMERIC, OUTSIDE
from monitor.stats.derived.columns import VECTOR
from monitor.stats.tallies.tally import (
    BELOW,
    FAR_COUNT,
    FAR_SUM,
    FAR_UNIT,
    OUTSIDE_COUNT,
    OUTSIDE_LOG,
    UNIT,
)
from monitor.stats.testing.onset import onset
from monitor.text import percent

#: of one column, and of all features of a model together
ABSENCE = CauseName(
    "absent",
    on_page="key not there",
    share="value",
    of_model="features",
    next_step="ask who produces it what was deployed at that time; if it is to stay away, build a new reference",
)
NAMES: Final = {
    "missing": CauseName(
        "missing",
        on_page="missing values",
        share="value",
        next_step="ask who produces it what was deployed at that time: a join, a source or a default value",
    ),
    "absent": ABSENCE,
    "unseen": CauseName(
        "unseen",
        in_alert="with never-seen values",
        on_page="never-seen values",
        share="value",
        next_step="map the values, or train the model with them; if they are to stay, build a new reference",
    ),
    "outside": CauseName(
        "outside",
        in_alert="outside its range",
        on_page="outside the reference's range",
        share="value",
        next_step="look for a changed unit, scale or sentinel value where it is produced",
    ),
    "type": CauseName(
        "type",
        in_alert="of the wrong type",
        on_page="values of the wrong type",
        share="value",
        next_step="undo what writes it in another form: a changed schema, client or export",
    ),
}
#: what a share is of, where the cause's name does not say
SHARES: Final = {"type": "of the wrong type", "unseen": "never seen"}
#: what a person does first where all values outside the range are one number
ONE_VALUE_STEP: Final = "if that value stands for a missing one, write null where it is produced; else see what sets it"
#: the share of the newest events is told where they are so many, and it has this probability in a window of one share
LEAST_NEWEST: Final = 10
BY_CHANCE: Final = 0.005
#: values are told to be one number where they are so many
LEAST_EQUAL: Final = 5


class Began(NamedTuple):
    """Since when a share is a changed one, and the share of the `newest` events where it is clearly more than that.

    `newest` is 0 where it is not.
    """

    start_us: int
    share: float
    newest: int = 0


def began(
    prepared: PreparedReference, windows: Windows, at: tuple[int, int, int], newest: tuple[int, int] | None = None
) -> Began:
    """When the share of one (window, column, quality count) changed: a hit long before is no beginning.

    A window holds events of before the change; those behind the block it began in do not, nor do the `newest` (hits,
    events).
    """
    window, column, slot = at
    parts, place = windows.parts[window], prepared.width + slot
    hits = np.array([part.tally.counts[column, place] for part in parts], np.int64)
    carried = np.array([prepared.carried(part.tally.counts)[column] for part in parts], np.int64)
    first = onset(hits.astype(np.float64), carried.astype(np.float64), float(prepared.quality_shares[column, slot]))
    share = int(hits.sum()) / max(int(carried.sum()), 1)
    behind = int(hits[first + 1 :].sum()), int(carried[first + 1 :].sum())
    for of, events in (behind, newest or (0, 0)):
        if events >= LEAST_NEWEST and of > share * events and binom.sf(of - 1, events, share) < BY_CHANCE:
            return Began(parts[first].start_us, of / events, events)
    return Began(parts[first].start_us, share)


def is_one_value_outside(prepared: PreparedReference, windows: Windows, at: tuple[int, int, int]) -> bool:
    """Whether all values outside the range are one number, which is never named: their sums are exact multiples."""
    window, column, slot = at
    sums, outside = windows.sums[window, column], int(windows.counts[window, column, prepared.width + OUTSIDE])
    below = int(sums[BELOW])
    if slot != OUTSIDE or int(sums[FAR_COUNT]) != outside or below not in {0, outside} or outside < LEAST_EQUAL:
        return False
    about, value = prepared.columns[column], float((windows.lows if below else windows.highs)[window, column])
    steps = np.rint((value - about.center) / about.scale * FAR_UNIT)
    if not np.isfinite(steps) or int(sums[FAR_SUM]) != outside * int(steps):
        return False
    if value == 0:  # zeros have no logarithm
        return int(sums[OUTSIDE_COUNT]) == 0
    return int(sums[OUTSIDE_LOG]) == outside * int(np.rint(np.log10(abs(value)) * UNIT))


def headline(about: Column, subject: str, cause: str, before: float, share: float) -> str:
    how_many = percent(share)
    instead = f", in the reference in {percent(before)}" if before > 0 else ""
    own = about.role in {SCORE, PREDICTION}
    if cause == "absent":
        if own:
            return f"{subject} is null or left out in {how_many}{instead}"
        return f"{subject} is gone" if share == 1 else f"{subject} is absent in {how_many}{instead}"
    words = {
        "missing": f"{subject} is missing (null) in {how_many}",
        "unseen": f"{subject} has never-seen {'classes' if own else 'values'} in {how_many}",
        "outside": f"{subject} is outside the reference's range in {how_many}",
        "type": f"{subject} is {wrong_type(about)} in {how_many}",
    }
    return words[cause] + instead


def wrong_type(about: Column) -> str:
    """What a value of the wrong type is."""
    if about.is_presence:
        return f"no vector of {about.bins.categories[0]}" if about.kind == VECTOR else "no text"
    return "not a number" if about.bins.kind == NUMERIC else "neither text nor a number"
