"""What a reference says of its segments, for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.reference.reference import Reference
from monitor.text import listed, percent

#: segments of a feature that are listed
MOST_LISTED = 5


def segment_lines(reference: Reference) -> Iterator[str]:
    """A line for each feature that cuts the events: its values, with their shares of the events that have it."""
    segments = reference.segments
    if segments is None:
        return
    shares = segments.event_shares(reference.width)
    seen = np.count_nonzero(segments.counts[:, :, : reference.width], axis=(1, 2))
    for at, one in enumerate(segments.by):
        own = shares[segments.whole == at].tolist()
        names = [f"{value} {percent(share)}" for value, share in zip(one.values, own, strict=False)]
        others = [f"other {percent(own[-1])}"] if seen[segments.whole == at][-1] else []
        yield f"segments by {one.feature}: {listed([*names, *others], MOST_LISTED)}"
