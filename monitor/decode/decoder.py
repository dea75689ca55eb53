"""Creates the decoder of a topic from its input in the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from monitor.decode.auto_decoder import AutoDecoder
from monitor.decode.columns import Events, Limits, Rules, Shape
from monitor.decode.encodings.encoding import Encoding
from monitor.decode.encodings.framing import FramedJson
from monitor.decode.encodings.json import JsonEncoding
from monitor.decode.fields.compiled import CompiledFields
from monitor.decode.fields.layout import FieldsLayout
from monitor.decode.layout import Layout, NativeLayout
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.rows import NativeRows
from monitor.decode.pairing_decoder import PairingDecoder
from monitor.decode.platform import READERS, WHOLE_CALLS, AsCaptured, PlatformLayout
from monitor.decode.raw import OneEvent, RawFields
from monitor.decode.table_decoder import TableDecoder
from monitor.errors import TransientError, UsageError
from monitor.events import ModelKey
from monitor.records import RecordBatch, RegisteredSchema, SchemaId, Schemas
from monitor.settings.fields import Fields
from monitor.settings.tree import Input, Settings

#: the wanted features of a model version, None if it is not watched
Shapes = Callable[[ModelKey], Shape | None]


class Decoder(Protocol):
    """Decodes the records of one topic. Not thread-safe.

    What an event is, whose it is, when it was, its score and its prediction are decided in `decode` alone.
    """

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch, in columns or in `rejected`. Never raises for the content of a record."""

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        """What `decode` gives, and for each of its groups every field of its events, wanted or not.

        For `reference build`, which asks for no feature by name yet. Never raises for the content of a record.
        """

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        """All features of one event of each record at these places, as they came; None where there are none.

        Which event it is depends on the record's offset alone. For a sample of them, to notice new columns.
        """

    def forget(self, key: ModelKey) -> None:
        """Drop the cached shape of a model version, so that it is asked for again."""


def _avro(limits: Limits, schemas: Schemas) -> Encoding:
    try:
        from monitor.decode.encodings.avro import AvroEncoding  # noqa: PLC0415  # its library is an extra
    except ModuleNotFoundError as error:
        raise _missing("avro", error) from None
    return AvroEncoding(limits, schemas)


def _protobuf(limits: Limits, schemas: Schemas) -> Encoding:
    try:
        from monitor.decode.encodings.protobuf import ProtobufEncoding  # noqa: PLC0415  # its library is an extra
    except ModuleNotFoundError as error:
        raise _missing("protobuf", error) from None
    return ProtobufEncoding(limits, schemas)


def _missing(encoding: str, error: ModuleNotFoundError) -> UsageError:
    return UsageError(f"inputs[].encoding: {encoding} needs {error.name}; run: pip install 'driftd[registry]'")


def no_registry(schema: SchemaId) -> RegisteredSchema:
    """Raises TransientError: there is no registry."""
    raise TransientError(f"schema {schema} is asked for, and there is no schema registry")


#: creates a decoder
Format = Callable[[Shapes, Rules], Decoder]
#: decoders of their own for JSON, by the name in `inputs[].format`; every other one is made of an encoding and a layout
FORMATS: Final[dict[str, Format]] = {"native": TableDecoder}
#: record trees to native events, by the name in `inputs[].format`
LAYOUTS: Final[dict[str, Callable[[Input], Layout]]] = {
    "native": lambda _: NativeLayout(),
    "fields": lambda entry: FieldsLayout(entry.fields or Fields(), entry.rows, entry.ignore),
}
#: bytes to record trees, by the name in `inputs[].encoding`
ENCODINGS: Final[dict[str, Callable[[Limits, Schemas], Encoding]]] = {
    "json": lambda limits, _: JsonEncoding(limits),
    "avro": _avro,
    "protobuf": _protobuf,
    "json_schema": FramedJson,
}
#: encodings whose bytes are JSON: `Bodies`
_HOLD_JSON: Final = frozenset(("json", "json_schema"))


def decoder_for(settings: Settings, topic: str, shapes: Shapes, schemas: Schemas = no_registry) -> Decoder:
    """A decoder of batches; `shapes` returns the wanted features of a model version, None if it is not watched.

    `schemas` are those of the schema registry, for inputs whose encoding needs one. While it raises TransientError, so
    does `decode`.

    Raises:
        UsageError: the encoding's library is not installed.
    """
    entry = settings.input_of(topic)
    rules = _rules(settings, entry)
    if entry is None:
        return FORMATS["native"](shapes, rules)
    if entry.format in FORMATS and entry.encoding == "json":
        return FORMATS[entry.format](shapes, rules)
    if entry.format in {"auto", *READERS}:
        return _of_platform(settings, entry, shapes, rules, schemas)
    encoding, layout = ENCODINGS[entry.encoding](rules.limits, schemas), LAYOUTS[entry.format](entry)
    compiler = _compiler_of(layout) if entry.encoding in _HOLD_JSON else None
    return LayoutDecoder(encoding, layout, shapes, rules, compiler)


def _compiler_of(layout: Layout) -> CompiledFields | NativeRows | None:
    """What compiles the decoder of JSON records in a layout; None if nothing does."""
    if isinstance(layout, FieldsLayout):
        return CompiledFields(layout)
    return NativeRows() if isinstance(layout, NativeLayout) else None


def _rules(settings: Settings, entry: Input | None) -> Rules:
    given, skew_us = settings.limits, settings.windows.max_skew
    limits = Limits(given.record_bytes, given.events_per_record, given.features)
    return Rules(limits, skew_us) if entry is None else Rules(limits, skew_us, entry.model, entry.version, entry.zone())


def _of_platform(settings: Settings, entry: Input, shapes: Shapes, rules: Rules, schemas: Schemas) -> Decoder:
    """The decoder of a platform's format, or of the one that is found."""
    limits = rules.limits
    two_classes = {model.name for model in settings.models if model.task == "binary"}
    encoding = AsCaptured(limits) if entry.encoding == "json" else ENCODINGS[entry.encoding](limits, schemas)

    def of_format(name: str) -> NativeDecoder:
        if name == "native":
            return NativeDecoder(shapes, rules)
        layout = PlatformLayout(name, rules, entry.feature_names, shapes, two_classes.__contains__)
        make = LayoutDecoder if name in WHOLE_CALLS else PairingDecoder
        return make(encoding, layout, shapes, rules)

    return AutoDecoder(of_format, encoding, rules) if entry.format == "auto" else of_format(entry.format)
