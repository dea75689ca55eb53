"""Creates the decoder of a topic from its input in the settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Protocol

from monitor.decode.columns import Events, Limits, Shape
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.reference_decoder import ReferenceDecoder
from monitor.decode.native.rows import FeatureCells
from monitor.events import ModelKey
from monitor.records import RecordBatch
from monitor.settings.tree import Settings


class Decoder(Protocol):
    """Decodes the records of one topic. Not thread-safe."""

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch, in columns or in `rejected`. Never raises for the content of a record."""

    def forget(self, key: ModelKey) -> None:
        """Drop the cached shape of a model version, so that it is asked for again."""


def decoder_for(settings: Settings, topic: str, shapes: Callable[[ModelKey], Shape | None]) -> Decoder:
    """A decoder of batches; `shapes` returns the wanted features of a model version, None if it is not watched."""
    return NativeDecoder(shapes, _limits(settings), settings.windows.max_skew, *_fixed(settings, topic))


def reference_decoder_for(
    settings: Settings, topic: str, cells_of: Callable[[ModelKey, tuple[str, ...]], FeatureCells]
) -> ReferenceDecoder:
    """A decoder of single records with the same rules; `cells_of` returns what converts an event's features."""
    return ReferenceDecoder(_limits(settings), settings.windows.max_skew, cells_of, *_fixed(settings, topic))


def _limits(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(limits.record_bytes, limits.events_per_record, limits.features)


def _fixed(settings: Settings, topic: str) -> tuple[str | None, str | None, tzinfo | None]:
    """Model, version and time zone that the settings set for the topic."""
    entry = settings.input_of(topic)
    return (None, None, None) if entry is None else (entry.model, entry.version, entry.zone())
