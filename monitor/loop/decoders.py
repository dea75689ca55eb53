"""The decoder of each topic, and which features of a model version it has to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from monitor.count.admission.versions import Admission
from monitor.count.columns.aggregator import Aggregators
from monitor.decode.auto_decoder import AutoDecoder
from monitor.decode.columns import Shape
from monitor.decode.decoder import Decoder, Shapes
from monitor.decode.pairing_decoder import PairingDecoder
from monitor.events import ModelKey
from monitor.log import get_log
from monitor.records import RecordBatch
from monitor.settings.tree import Settings

Make = Callable[[Settings, str, Shapes], Decoder]

_log = get_log(__name__)


class Decoders:
    """One decoder for each topic, made when its first records come."""

    def __init__(self, settings: Settings, admission: Admission, aggregators: Aggregators, make: Make) -> None:
        self._settings, self._admission, self._aggregators, self._make = settings, admission, aggregators, make
        self._shapes: dict[ModelKey, Shape | None] = {}
        self._decoders: dict[str, Decoder] = {}
        #: of topics whose format was found: that format; and what a saved state had
        self._formats: dict[str, str] = {}

    def of(self, topic: str) -> Decoder:
        """The decoder of a topic."""
        known = self._decoders.get(topic)
        if known is None:
            known = self._decoders[topic] = self._make(self._settings, topic, self._shape)
            if isinstance(known, AutoDecoder) and topic in self._formats:
                known.settle(self._formats[topic])
        return known

    def pieces(self, batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
        """The batches, cut where the sides of calls and other events meet, and where a format is found."""
        for batch in batches:
            topic = batch.partition.topic
            decoder = self.of(topic)
            if isinstance(decoder, AutoDecoder | PairingDecoder):
                yield from decoder.pieces(batch)
            else:
                yield batch
            if isinstance(decoder, AutoDecoder) and decoder.format and self._formats.get(topic) != decoder.format:
                self._formats[topic] = decoder.format
                _log.info("format_found", topic=topic, format=decoder.format)

    def _shape(self, key: ModelKey) -> Shape | None:
        if key not in self._shapes:
            monitored = self._admission.monitored(key)
            if monitored is None:
                return None
            self._shapes[key] = self._aggregators.of(monitored).shape
        return self._shapes[key]

    def drop_shape(self, key: ModelKey) -> None:
        """Ask again which features of a model version are wanted."""
        self._shapes.pop(key, None)
        for decoder in self._decoders.values():
            decoder.forget(key)

    @property
    def formats(self) -> Mapping[str, str]:
        """The formats that were found, by topic."""
        return self._formats

    def restore(self, formats: Mapping[str, str]) -> None:
        """Continue with the formats of a saved state."""
        self._formats.update(formats)
