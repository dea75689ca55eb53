"""The event times of raw records, as the engine reads them: what files are sorted by."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.decode.decoder import Decoder, decoder_for
from monitor.records import RecordBatch
from monitor.settings.tree import Settings
from monitor.sources.kept import NO_TIME, Times

_AFTER_ALL: Final = np.iinfo(np.int64).max


class EventTimes:
    """Called with a batch, gives (n,) the time of each record in microseconds: of an array's its earliest event's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._decoders: dict[str, Decoder] = {}

    def __call__(self, batch: RecordBatch) -> Times:
        events = self._decoder(batch.partition.topic).decode(batch)
        times = np.full(len(batch), _AFTER_ALL, np.int64)
        np.minimum.at(times, np.searchsorted(np.array(batch.offsets, np.int64), events.offset), events.ts)
        return np.where(times == _AFTER_ALL, NO_TIME, times)

    def _decoder(self, topic: str) -> Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = decoder_for(self._settings, topic, lambda _: None)
        return self._decoders[topic]
