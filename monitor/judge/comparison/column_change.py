"""Whether a column's own values moved in a window: then a changed relation belongs to that, and is no news of its own.

By evidence, not by what was told: a column that is muted, below its least effect or held back is none the less the
likelier reason for a changed table than a relation that was lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.judge.windows.all_values import in_reference, in_window
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows

#: standard errors and share of events from which on a column has moved itself
MOVED_ERRORS: Final = 6.0
MOVED_SHARE: Final = 0.02


def column_has_changed(prepared: PreparedReference, windows: Windows, window: int, column: int) -> bool:
    """Whether a cut of its numbers, a category or a quality count differs from the reference by far."""
    live, reference = in_window(prepared, windows, window, column), in_reference(prepared, column)
    quality = windows.counts[window, column, prepared.width :], prepared.quality_counts[column]
    n = float(prepared.carried(windows.counts[window])[column])
    variances = prepared.reference.variability.long_runs[column].variance
    variance = max(float(np.median(variances)), 1.0) if len(variances) else 1.0
    hits, known = (np.cumsum(x)[:-1] if prepared.ordered[column] else x for x in (live, reference))
    sides = ((hits, known, live.sum(), reference.sum()), (*quality, n, prepared.events[column]))
    for now, before, events, of_reference in sides:
        if events <= 0 or of_reference <= 0:
            continue
        pooled = (now + before) / (events + of_reference)
        error = np.sqrt(variance * pooled * (1 - pooled) * (1 / events + 1 / of_reference))
        moved = np.abs(now / events - before / of_reference)
        if bool(((moved >= MOVED_SHARE) & (moved >= MOVED_ERRORS * error)).any()):
            return True
    return False
