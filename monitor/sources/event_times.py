"""The event times of raw records, by the engine's own decoder: files are sorted by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from monitor.decode.auto_decoder import pairing_of
from monitor.decode.decoder import Decoder, Shapes, decoder_for
from monitor.records import RecordBatch
from monitor.settings.tree import Settings
from monitor.sources.copies import NO_TIME, Times

_LATEST: Final = np.iinfo(np.int64).max


class EventTimes:
    """Called with a batch of n records, returns the earliest event time of each, (n,) in microseconds; `NO_TIME` where
    there is none."""

    def __init__(self, settings: Settings, decoders: Callable[[Settings, str, Shapes], Decoder] = decoder_for) -> None:
        self._settings = settings
        self._new_decoder = decoders
        self._decoders: dict[str, Decoder] = {}

    def __call__(self, batch: RecordBatch) -> Times:
        decoder = self._decoder(batch.partition.topic)
        events = decoder.decode(batch)
        times = np.full(len(batch), _LATEST, np.int64)
        np.minimum.at(times, np.searchsorted(batch.offsets, events.offset), events.ts)
        pairing = pairing_of(decoder)
        for half in () if pairing is None else pairing.take_halves():
            times[np.searchsorted(batch.offsets, half.offset)] = half.ts_us
        return np.where(times == _LATEST, NO_TIME, times)

    def _decoder(self, topic: str) -> Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = self._new_decoder(self._settings, topic, lambda _: None)
        return self._decoders[topic]
