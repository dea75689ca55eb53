"""Decoders with the schema registry of the settings, which is asked over HTTP."""

from __future__ import annotations

from functools import lru_cache

from monitor.clock import SystemClock
from monitor.decode.columns import Limits
from monitor.decode.decoder import ENCODINGS, Decoder, Shapes, decoder_for
from monitor.decode.encodings.encoding import Encoding
from monitor.decode.encodings.framing import require_schemas
from monitor.records import RecordBatch
from monitor.registry.client import RegistryClient
from monitor.settings.tree import Registry, Settings


@lru_cache(maxsize=8)
def _client(registry: Registry) -> RegistryClient:
    return RegistryClient(registry, SystemClock())


def decoder_of(settings: Settings, topic: str, shapes: Shapes) -> Decoder:
    """`decoder_for`, with the registry of the settings.

    A decoder of it raises TransientError when a schema cannot be had.
    """
    return decoder_for(settings, topic, shapes, lambda schema: _client(settings.schema_registry).schema(schema))


def encoding_of(settings: Settings, topic: str) -> Encoding:
    """What reads the bytes of a topic's records."""
    entry, limits = settings.input_of(topic), settings.limits
    made = Limits(limits.record_bytes, limits.events_per_record, limits.features)
    name = entry.encoding if entry is not None and entry.topic == topic else "json"
    return ENCODINGS[name](made, lambda schema: _client(settings.schema_registry).schema(schema))


def require_schemas_of(settings: Settings, batch: RecordBatch) -> None:
    """Get every schema that the records of a batch need, so that they can be decoded.

    Raises:
        TransientError: one of them cannot be had now.
    """
    entry = settings.input_of(batch.partition.topic)
    if entry is not None and entry.encoding not in {"json", "json_schema"}:
        require_schemas(batch, _client(settings.schema_registry).schema)
