"""Whether a change of the mean score comes through one partition alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.count.columns.by_partition import BY_PARTITION, SLOTS, slot_of
from monitor.events import Partition
from monitor.findings import ExplainedBy
from monitor.judge.windows.pyramid import Windows
from monitor.reference.score_effects import ScoreEffects
from monitor.stats.tallies.tally import UNIT

#: share of the change that one partition accounts for, if it does so alone
ALONE: Final = (0.6, 1.6)
#: ... in standard errors at least
ERRORS: Final = 5.0
#: a partition with more of the events is no news
MOST_EVENTS: Final = 0.6
#: least part of the change that must have come after the windows it is compared with
LEAST_SINCE: Final = 0.5


def partition_behind_change(windows: Windows, window: int, change: float, effects: ScoreEffects) -> ExplainedBy | None:
    """The partition that accounts for the `change` of the mean score in a window, in its standard deviations.

    Partitions are not in the reference, so the window is compared with the events before it in the longest one; of the
    longest one the newer half is.
    """
    longest = max(range(len(windows.spans)), key=lambda at: windows.lengths[at])
    if window == longest:
        halves = [at for at, length in enumerate(windows.lengths) if 2 * length == windows.lengths[longest]]
        if not halves:
            return None
        window = halves[0]
    counted = windows.further(BY_PARTITION, SLOTS * 2).reshape(-1, SLOTS, 2)
    now, whole = counted[window].astype(np.float64), counted[longest].astype(np.float64)
    before = whole - now
    events, earlier = now[:, 0].sum(), before[:, 0].sum()
    if not events or not earlier:
        return None
    mean_before = before[:, 1].sum() / earlier / UNIT
    since = now[:, 1].sum() / events / UNIT - mean_before
    if since * change <= 0 or abs(since) < LEAST_SINCE * abs(change):
        return None
    shares, shares_before = now[:, 0] / events, before[:, 0] / earlier
    parts = now[:, 1] / events / UNIT - before[:, 1] / earlier / UNIT - (shares - shares_before) * mean_before
    at = int(np.abs(parts).argmax())
    error = np.sqrt(
        effects.score.ratio * effects.variance * max(shares_before[at], shares[at]) * (1 / events + 1 / earlier)
    )
    names = [partition for partition in windows.records(longest) if slot_of(Partition(*partition)) == at]
    alone = ALONE[0] < parts[at] / since < ALONE[1] and abs(parts[at]) > ERRORS * error
    if not alone or shares[at] > MOST_EVENTS or len(names) != 1:
        return None
    share = float(f"{parts[at] / since:.3g}")
    return ExplainedBy(str(names[0]), share, share)
