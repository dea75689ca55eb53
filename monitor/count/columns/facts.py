"""Facts about events that are counted beside the columns, in `Tally.further`: by name, and where they are counted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Group
from monitor.stats.tallies.further import AHEAD, AHEAD_HERE, DUPLICATES
from monitor.stats.tallies.tally import Tally

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def in_time(tally: Tally) -> int:
    """The events of a pane whose time is not known to be wrong."""
    return tally.events - (int(tally.further[AHEAD_HERE][0]) if AHEAD_HERE in tally.further else 0)


def events_of_facts(tally: Tally) -> int:
    """The events that a pane holds a fact of, each fact once."""
    return sum(int(tally.further[name][0]) for name in (DUPLICATES, AHEAD) if name in tally.further)


def by_pane(group: Group, mask: Mask, clock_us: Ints, pane_us: int) -> Iterator[tuple[int, int]]:
    """(pane, number) of a group's events where `mask`, by the pane that the partition's clock was in before each.

    Their own times may be of panes that are final. `mask` and `clock_us` are (n,) over all events.
    """
    panes, counts = np.unique(clock_us[group.rows[mask[group.rows]]] // pane_us, return_counts=True)
    yield from zip(panes.tolist(), counts.tolist(), strict=True)
