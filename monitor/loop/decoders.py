"""The decoder of each topic, and which features of a model version it has to read."""

from __future__ import annotations

from collections.abc import Callable

from monitor.count.admission import Admission
from monitor.count.aggregator import Aggregators
from monitor.decode.columns import Shape
from monitor.decode.decoder import Decoder, Shapes
from monitor.events import ModelKey
from monitor.settings.tree import Settings

Make = Callable[[Settings, str, Shapes], Decoder]


class Decoders:
    """One decoder for each topic, made when its first records come."""

    def __init__(self, settings: Settings, admission: Admission, aggregators: Aggregators, make: Make) -> None:
        self._settings, self._admission, self._aggregators, self._make = settings, admission, aggregators, make
        self._shapes: dict[ModelKey, Shape | None] = {}
        self._decoders: dict[str, Decoder] = {}

    def of(self, topic: str) -> Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = self._make(self._settings, topic, self._shape)
        return self._decoders[topic]

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
