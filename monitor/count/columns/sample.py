"""The sample of a batch that is read once more, as a whole: the records at some offsets, however it was polled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitor.count.columns.schema import sampled
from monitor.decode.columns import Events
from monitor.decode.decoder import Decoder
from monitor.records import RecordBatch


class Sampled(NamedTuple):
    """A record of the sample, and the features of one of its events, which is at a place among all of them."""

    offset: int
    place: int
    features: Mapping[str, object]


def sample_of(batch: RecordBatch, decoder: Decoder) -> list[Sampled]:
    """The sample of a batch."""
    places = sampled(batch.offsets).tolist()
    read = zip(batch.offsets[places].tolist(), decoder.features(batch, places), strict=True) if places else ()
    return [Sampled(offset, *one) for offset, one in read if one is not None]


def rows_of(sample: Sequence[Sampled], events: Events) -> list[int | None]:
    """The row of each event of the sample among those of its batch; None for one that was rejected."""
    bad = {one.offset: one.indices for one in events.rejected} if events.rejected else {}
    first = np.searchsorted(events.offset, [one.offset for one in sample]).tolist() if sample else ()
    rows: list[int | None] = []
    for one, begins in zip(sample, first, strict=True):
        faults = bad.get(one.offset, ())
        row = begins + one.place - sum(at < one.place for at in faults)
        is_there = row < len(events) and events.offset[row] == one.offset and one.place not in faults
        rows.append(row if is_there else None)
    return rows
