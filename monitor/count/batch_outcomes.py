"""What became of the events of a batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from monitor.count.losses import Refused
from monitor.decode.columns import Events
from monitor.events import ACCEPTED, DUPLICATE, IGNORED, KINDS, LATE, REJECTED, ModelKey


def accepted_of(events: Events, accepted: NDArray[np.bool_]) -> Counter[tuple[ModelKey, str]]:
    """Accepted events by model version and kind."""
    if len(events.keys) == 1:
        kinds = np.bincount(events.kind if accepted.all() else events.kind[accepted]).tolist()
        return Counter({(events.keys[0], KINDS[kind]): count for kind, count in enumerate(kinds) if count})
    pairs = events.key[accepted].astype(np.int64) * len(KINDS) + events.kind[accepted]
    counts = np.bincount(pairs, minlength=0)
    return Counter(
        {
            (events.keys[pair // len(KINDS)], KINDS[pair % len(KINDS)]): int(counts[pair])
            for pair in np.flatnonzero(counts).tolist()
        }
    )


def outcomes_of(
    events: Events, refused: list[Refused], late: NDArray[np.bool_], duplicate: NDArray[np.bool_]
) -> Counter[tuple[str, str]]:
    """Outcomes by (outcome, reason); they add up to the events of the batch's records."""
    found: Counter[tuple[str, str]] = Counter()
    for rejected in events.rejected:
        found[REJECTED, rejected.reason] += rejected.count
    found[IGNORED, "tombstone"] += events.tombstones
    found[IGNORED, "kind"] += events.left_aside
    for one in refused:
        found[one.outcome, one.reason] += len(one.rows)
    found[LATE, ""] += (behind := int(np.count_nonzero(late)))
    found[DUPLICATE, ""] += (again := int(np.count_nonzero(duplicate)))
    found[ACCEPTED, ""] += len(events) - sum(len(one.rows) for one in refused) - behind - again
    return Counter({outcome: count for outcome, count in found.items() if count})
