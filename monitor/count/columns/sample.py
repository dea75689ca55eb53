"""The sample of a batch that is read once more, as a whole: the records at some offsets, however it was polled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monitor.count.columns.schema import sampled
from monitor.decode.decoder import Decoder
from monitor.records import RecordBatch


class Sampled(NamedTuple):
    """A record of the sample, and the features of its first event."""

    offset: int
    features: Mapping[str, object]


def sample_of(batch: RecordBatch, decoder: Decoder) -> list[Sampled]:
    """The sample of a batch."""
    places = sampled(batch.offsets).tolist()
    read = zip(batch.offsets[places].tolist(), decoder.features(batch, places), strict=True) if places else ()
    return [Sampled(offset, features) for offset, features in read if features is not None]
