"""What some causes ask of the judge of the model version that they belong to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import SECOND_US

#: what a test may spend where no page budget is given
NO_BUDGET: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Around:
    """`pane_us` is the width of panes of events, `joined_us()` the time up to which labels of the model are joined.

    `spend(what, start and end of its shortest window, number of tests)` gives the alpha of each test of an evaluation
    of labels, which spends by itself for `what` is tested. `changed_counts(column, until_us)` are the counts (B + Q,)
    of a column in base windows before a time, since its distribution is a finding, empty where there are none yet; None
    where it is no finding.
    """

    pane_us: int = 10 * SECOND_US
    joined_us: Callable[[], float] = lambda: math.inf
    spend: Callable[[str, int, int, int], float] = lambda _what, _start_us, _end_us, _tests: NO_BUDGET
    changed_counts: Callable[[int, int], NDArray[np.int64] | None] = lambda _column, _until_us: None


#: a cause without a judge
ALONE: Final = Around()
