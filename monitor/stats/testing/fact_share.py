"""The share of events with a fact about them, such as a repeated id, and how much it varied in the reference.

A window is over its threshold if its share is larger than the reference's by a least effect, larger than in any of the
reference's windows of that length, and too large to be chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitor.stats.digits import rounded
from monitor.stats.sliding import TIMES_LARGEST, sliding
from monitor.stats.testing.evidence import exact_excess_tail

Ints = NDArray[np.int64]

#: lengths in blocks that are judged: 1, 2, 4, ... up to this
LONGEST: Final = 16
#: least windows of a length in the reference, side by side
MIN_WINDOWS: Final = 3
#: chance of so few hits, if the share were above what counts as the largest that is possible
SURELY: Final = 1e-3


@dataclass(frozen=True, slots=True)
class FactShare:
    """`hits` of `events` in the reference; `largest` share in windows of 1, 2, 4, ... base windows."""

    hits: int = 0
    events: int = 0
    largest: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        return self.hits / self.events if self.events else 0.0

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"hits": self.hits, "events": self.events, "largest": list(self.largest)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FactShare:
        """Back from `to_plain`."""
        return cls(int(plain["hits"]), int(plain["events"]), tuple(map(float, plain["largest"])))


def learned(hits: Sequence[int], events: Sequence[int]) -> FactShare:
    """Of the base windows of a reference, in time order; `events` include the hits."""
    of_hits, of_events = np.asarray(hits, np.int64), np.asarray(events, np.int64)
    largest, length = [], 1
    while length <= LONGEST and len(of_hits) // length >= MIN_WINDOWS:
        shares = sliding(of_hits, length) / np.maximum(sliding(of_events, length), 1)
        largest.append(rounded(shares.max()))
        length *= 2
    return FactShare(int(of_hits.sum()), int(of_events.sum()), tuple(largest))


class Excess(NamedTuple):
    """The newest `blocks` as one window: `share` of the events, tail probability, exceedance (1: at the threshold)."""

    blocks: int
    hits: int
    events: int
    share: float
    p: float
    exceedance: float


def judged(
    reference: FactShare, hits: Sequence[int], events: Sequence[int], alpha: float, least_effect: float
) -> Excess | None:
    """The window that is furthest over, of those of 1, 2, 4, ... blocks that end with the newest (the last) one.

    `alpha` is what one window's test may spend. None where no window can be judged.
    """
    found = []
    for level, largest in enumerate(reference.largest):
        length = 1 << level
        if len(hits) < length:
            break
        k, n = sum(hits[-length:]), sum(events[-length:])
        p = _tail(k, n, reference)
        evidence = math.log(max(p, 1e-300)) / math.log(alpha)
        share = k / max(n, 1)
        asked = (share - reference.share) / max(least_effect, 1e-9)
        beyond = share / (TIMES_LARGEST * largest) if largest > 0 else math.inf
        found.append(Excess(length, k, n, share, p, min(evidence, asked, beyond)))
    return max(found, key=lambda one: one.exceedance, default=None)


def still_over(reference: FactShare, hits: int, events: int, blocks: int, alpha: float, least_effect: float) -> float:
    """Exceedance of a window of so many blocks at the end of a finding: as when it opens, but by the largest share
    that so few hits may still be of, as a quarter of a small change is within the noise of a few hundred events."""
    if not reference.largest:
        return 0.0
    largest = reference.largest[min(blocks.bit_length(), len(reference.largest)) - 1]
    at_most = float(chdtri(2 * hits + 2, SURELY)) / 2 / max(events, 1)
    evidence = math.log(max(_tail(hits, events, reference), 1e-300)) / math.log(alpha)
    beyond = at_most / (TIMES_LARGEST * largest) if largest > 0 else math.inf
    return min(evidence, (at_most - reference.share) / max(least_effect, 1e-9), beyond)


def _tail(hits: int, events: int, reference: FactShare) -> float:
    """Chance of so many hits, by the reference's counts."""
    arrays = (np.array([float(value)]) for value in (hits, events, reference.hits, max(reference.events, 1), 1.0))
    return float(exact_excess_tail(*arrays)[0])
