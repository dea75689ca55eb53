"""Names of the further counts of a tally, and the bound on how many of them there are.

Names of new columns come from events, so there may be as many as events: of more than `names.KEPT` those with the
smallest hashes are kept, with all counts of theirs. They have exact counts however the parts are merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.tallies import names

#: one number each: events that repeat an id, in the pane their partition's clock was in; and events of a wrong time far
#: ahead of that clock, in the pane the clock was in when that was known
DUPLICATES: Final = "duplicates"
AHEAD: Final = "ahead"
#: the same events again, in the pane of their own time: they are no traffic of that time
AHEAD_HERE: Final = "ahead_here"
#: those that are shares of events
COUNTED_FACTS: Final = (AHEAD, DUPLICATES)

#: events of the sample; fields of theirs that are new columns; events with a new column (its name behind it); values
#: of a new column by the bins of one that is not there (with the place of that one, a colon, and the name)
SAMPLED: Final = "sampled"
NEW_FIELDS: Final = "new_fields"
NEW: Final = "new:"
VALUES: Final = "values:"

Ints = NDArray[np.int64]


def is_of_sample(name: str) -> bool:
    """Whether a count is of the sample."""
    return name in {SAMPLED, NEW_FIELDS} or name.startswith((NEW, VALUES))


def bounded(counts: dict[str, Ints]) -> dict[str, Ints]:
    """The counts without those of new columns beyond the kept ones; the same object if there are no more."""
    if len(counts) <= names.KEPT:
        return counts
    new = [name.removeprefix(NEW) for name in counts if name.startswith(NEW)]
    if len(new) <= names.KEPT:
        return counts
    kept = set(names.smallest(new, names.KEPT))
    return {name: counted for name, counted in counts.items() if (of := _column(name)) is None or of in kept}


def left_out(counts: Mapping[str, Ints]) -> int:
    """Fields of the sample that are new columns whose names are not kept."""
    fields = int(counts[NEW_FIELDS][0]) if NEW_FIELDS in counts else 0
    return max(0, fields - sum(int(counted[0]) for name, counted in counts.items() if name.startswith(NEW)))


def _column(name: str) -> str | None:
    """The new column that a count is about, if it is about one."""
    if name.startswith(NEW):
        return name[len(NEW) :]
    return name.split(":", 2)[2] if name.startswith(VALUES) else None
