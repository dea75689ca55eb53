"""The decoder that a topic's records are read by, as its input in the settings says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Protocol

from monitor.decode.columns import Events, Limits, Shape
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.reference_decoder import Reader
from monitor.decode.native.rows import FeatureCells
from monitor.events import ModelKey
from monitor.records import RecordBatch
from monitor.settings.tree import Settings


class Decoder(Protocol):
    """Decodes the records of one topic. For one thread only."""

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch: in columns, or in `rejected`. Raises nothing for what a record holds."""

    def forget(self, key: ModelKey) -> None:
        """Ask again for the shape of a model version when it comes next."""


def decoder_for(settings: Settings, topic: str, shapes: Callable[[ModelKey], Shape | None]) -> Decoder:
    """The decoder of whole batches; `shapes` says which features of a model version are wanted."""
    return NativeDecoder(shapes, _limits(settings), settings.windows.max_skew, *_fixed(settings, topic))


def reader_for(settings: Settings, topic: str, cells_of: Callable[[ModelKey, tuple[str, ...]], FeatureCells]) -> Reader:
    """What reads record by record, by the same definition; `cells_of` makes the cells of an event's features."""
    return Reader(_limits(settings), settings.windows.max_skew, cells_of, *_fixed(settings, topic))


def _limits(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(limits.record_bytes, limits.events_per_record, limits.features)


def _fixed(settings: Settings, topic: str) -> tuple[str | None, str | None, tzinfo | None]:
    """Model, version and time zone that the settings fix for the topic."""
    entry = settings.input_of(topic)
    return (None, None, None) if entry is None else (entry.model, entry.version, entry.zone())
