"""From which part of a window on a change is in it: the most likely point where a share left what is usual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def onset(hits: Floats, events: Floats, usual: float) -> int:
    """The place of the first changed part, of `hits` (m,) among the `events` (m,) of each part in order of time.

    The parts before it have the `usual` share, it and those behind it the share that they have together: the place
    where this explains the hits best (maximum likelihood with one variance). 0 where there is no change.
    """
    excess = np.cumsum((hits - usual * events)[::-1])[::-1]
    behind = np.cumsum(events[::-1])[::-1]
    gain = excess**2 / np.maximum(behind, 1e-12)
    return int(gain.argmax()) if len(gain) and gain.max() > 0 else 0
