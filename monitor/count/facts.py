"""Facts about events that are counted beside the columns, in `Tally.further`: by name, and where they are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Group
from monitor.stats.tally import Tally

#: names of the counts: events that repeat an id, and events far ahead of their partition's clock; one number each
DUPLICATES: Final = "duplicates"
AHEAD: Final = "ahead"
#: the same events again, in the pane of their own time: they are no traffic of that time
AHEAD_HERE: Final = "ahead_here"

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Fact(NamedTuple):
    """So many events of a group have a fact, in one pane."""

    name: str
    pane: int
    events: int


def in_time(tally: Tally) -> int:
    """The events of a pane that were not read long before its time."""
    return tally.events - (int(tally.further[AHEAD_HERE][0]) if AHEAD_HERE in tally.further else 0)


def facts_of(group: Group, masks: dict[str, Mask], clock_us: Ints, ts: Ints, pane_us: int) -> Iterator[Fact]:
    """The facts of a group's events, by the pane that the partition's clock was in when each was read.

    Their own times may be wrong, or of panes that are final. Masks and times are (n,) over all events.
    """
    for name, mask in masks.items():
        rows = group.rows[mask[group.rows]]
        of_each = ts if name == AHEAD_HERE else clock_us
        panes, counts = np.unique(of_each[rows] // pane_us, return_counts=True)
        for pane, count in zip(panes.tolist(), counts.tolist(), strict=True):
            yield Fact(name, pane, count)
