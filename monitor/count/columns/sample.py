"""The sample of a batch that is read once more, as a whole: the records at some offsets, however it was polled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.schema import sampled
from monitor.decode.columns import Events
from monitor.decode.decoder import Decoder
from monitor.events import ModelKey
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


def accepted_sample(
    sample: Sequence[Sampled], events: Events, accepted: NDArray[np.bool_]
) -> Iterator[tuple[ModelKey, int, Mapping[str, object]]]:
    """The model version, the time (microseconds) and the features of each event of the sample that was accepted.

    `events` are those of its batch, and `accepted` (n,) says which of them were.
    """
    if not sample:
        return
    rows, is_there = _rows_of(sample, events)
    is_there[is_there] = accepted[rows[is_there]]
    rows = rows[is_there]
    told = zip(np.flatnonzero(is_there).tolist(), events.key[rows].tolist(), events.ts[rows].tolist(), strict=True)
    for at, key, ts in told:
        yield events.keys[key], ts, sample[at].features


def _rows_of(sample: Sequence[Sampled], events: Events) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The row of each event of the sample among those of its batch, and whether it is there: it may be rejected."""
    offsets = np.array([one.offset for one in sample], np.int64)
    rows = np.searchsorted(events.offset, offsets) + np.array([one.place for one in sample], np.int64)
    was_rejected = np.zeros(len(sample), np.bool_)
    bad = {one.offset: one.indices for one in events.rejected}
    for at, one in enumerate(sample if bad else ()):
        faults = bad.get(one.offset, ())
        was_rejected[at] = one.place in faults
        rows[at] -= sum(fault < one.place for fault in faults)
    is_there = ~was_rejected & (rows < len(events))
    is_there[is_there] = events.offset[rows[is_there]] == offsets[is_there]
    return rows, is_there
