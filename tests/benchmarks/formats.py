"""CPU of decoding 25-feature events by format and encoding, as a ratio to native events in JSON.

The same events in every form; the best of several rounds, which take turns.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
import numpy as np
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from monitor.decode.columns import Shape
from monitor.decode.decoder import Decoder, decoder_for
from monitor.decode.encodings.proto_text import parse_proto
from monitor.events import Partition
from monitor.records import Envelope, RecordBatch, RegisteredSchema
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.benchmarks.material import say, table
from tests.benchmarks.perf_events import NAMES, NUMBERS, START_MS, PerfEvents, perf_tree
from tests.benchmarks.platform_formats import WRITTEN, calls

Event = dict[str, Any]
SHAPE = Shape(tuple((name, NUMERIC if at < NUMBERS else CATEGORICAL) for at, name in enumerate(NAMES)), "1")
CHUNK = 500
ROWS = 10


def nested(event: Event) -> Event:
    """Fields of one's own, under keys of their own."""
    return {
        "request": {"id": event["id"], "inputs": event["features"]},
        "scored_at": event["ts"],
        "model": {"name": event["model"], "version": event["version"]},
        "result": {"class": event["prediction"], "proba": event["score"]},
    }


def flat(event: Event) -> Event:
    """Features beside the other fields."""
    beside: Event = {name: value for name, value in event.items() if name not in {"features", "type"}}
    return {**beside, **event["features"]}


NESTED: Event = {
    "id": "request.id",
    "ts": "scored_at",
    "model": "model.name",
    "version": "model.version",
    "features": "request.inputs",
    "prediction": "result.class",
    "score": "result.proba",
}
FLAT: Event = {name: name for name in ("id", "ts", "model", "version", "prediction", "score")}


def in_rows(form: Callable[[Event], Event]) -> Callable[[Sequence[Event]], list[bytes]]:
    """Records of several events."""
    return lambda events: [
        json.dumps({"rows": [form(event) for event in events[at : at + ROWS]]}, separators=(",", ":")).encode()
        for at in range(0, len(events), ROWS)
    ]


def each(form: Callable[[Event], Event]) -> Callable[[Sequence[Event]], list[bytes]]:
    return lambda events: [json.dumps(form(event), separators=(",", ":")).encode() for event in events]


def with_id_in_list(event: Event) -> Event:
    """Some fields are items of lists."""
    beside: Event = {name: value for name, value in event.items() if name not in {"features", "type", "id", "score"}}
    return {**beside, "ids": [event["id"], "trace"], "result": [{"p": event["score"]}], "inputs": event["features"]}


def without_outside(event: Event) -> Event:
    return {name: value for name, value in event.items() if name not in {"id", "type"}}


OWN: Event = {name: name for name in ("ts", "model", "version", "prediction", "score", "features")}


AVRO = {"type": "record", "name": "Scored", "fields": [
    {"name": "id", "type": "string"}, {"name": "model", "type": "string"}, {"name": "version", "type": "string"},
    {"name": "ts", "type": "long"}, {"name": "prediction", "type": "int"}, {"name": "score", "type": "double"},
    {"name": "features", "type": {"type": "record", "name": "Features", "fields": [
        {"name": name, "type": ["null", "double" if at < NUMBERS else "string"]} for at, name in enumerate(NAMES)
    ]}},
]}  # fmt: skip
PROTO = "syntax = 'proto3'; message Scored { string id = 1; string model = 2; string version = 3; int64 ts = 4;" + (
    "int32 prediction = 5; double score = 6; Features features = 7; } message Features {"
    + "".join(f"optional {'double' if n < NUMBERS else 'string'} {name} = {n + 1};" for n, name in enumerate(NAMES))
    + "}"
)
SCHEMAS = {1: RegisteredSchema("AVRO", json.dumps(AVRO)), 2: RegisteredSchema("PROTOBUF", PROTO)}


def in_avro(events: Sequence[Event]) -> list[bytes]:
    parsed = fastavro.parse_schema(AVRO)
    values = []
    for event in events:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed, event)
        values.append(b"\0\0\0\0\1" + stream.getvalue())
    return values


def in_protobuf(events: Sequence[Event]) -> list[bytes]:
    pool = DescriptorPool()
    pool.AddSerializedFile(parse_proto(PROTO, "scored.proto").SerializeToString())
    made = GetMessageClass(pool.FindMessageTypeByName("Scored"))
    wholes = ({name: value for name, value in event.items() if name != "type"} for event in events)
    return [b"\0\0\0\0\2\0" + ParseDict(whole, made()).SerializeToString() for whole in wholes]


def framed(events: Sequence[Event]) -> list[bytes]:
    return [b"\0\0\0\0\3" + value for value in each(lambda event: event)(events)]


@dataclass(frozen=True)
class Form:
    """How the events are written, and the input that reads them."""

    name: str
    written: Callable[[Sequence[Event]], list[bytes]]
    entry: Event = field(default_factory=dict)
    #: what the header `id` of each record holds, if it has one
    ids: Callable[[Sequence[Event]], list[str]] | None = None


FORMS = (
    Form("native", each(lambda event: event)),
    Form("fields: nested", each(nested), {"format": "fields", "fields": NESTED}),
    Form("fields: rest", each(flat), {"format": "fields", "fields": FLAT | {"features": "rest"}}),
    Form("fields: map", each(flat), {"format": "fields", "fields": FLAT | {"features": {n: n for n in NAMES}}}),
    Form(
        "fields: items of lists",
        each(with_id_in_list),
        {"format": "fields", "fields": OWN | {"id": "ids[0]", "score": "result[0].p", "features": "inputs"}},
    ),
    Form(
        "fields: header",
        each(without_outside),
        {"format": "fields", "fields": OWN | {"id": {"header": "id"}}},
        lambda events: [event["id"] for event in events],
    ),
    Form(f"fields: {ROWS} rows", in_rows(nested), {"format": "fields", "fields": NESTED, "rows": "rows"}),
    Form("avro", in_avro, {"encoding": "avro"}),
    Form("protobuf", in_protobuf, {"encoding": "protobuf"}),
    Form("json_schema", framed, {"encoding": "json_schema"}),
)


def decoder_of(form: Form) -> Decoder:
    registry = {"url": "http://127.0.0.1:1"}  # not asked
    tree = perf_tree(1) | {"inputs": [{"topic": "perf", **form.entry}], "schema_registry": registry}
    return decoder_for(Settings.model_validate(tree), "perf", lambda _: SHAPE, lambda schema: SCHEMAS[int(schema)])


def seconds(decoder: Decoder, values: Sequence[bytes], envelopes: Sequence[Envelope], events: int) -> float:
    """CPU seconds of one pass; `envelopes` is empty, or has one for each value."""
    began, decoded = time.process_time(), 0
    for first in range(0, len(values), CHUNK):
        part: list[bytes | None] = [*values[first : first + CHUNK]]
        offsets = np.arange(first, first + len(part))
        batch = RecordBatch(
            Partition("perf", 0), part, offsets, START_MS + offsets * 100, first + len(part), (START_MS << 1) * 1000
        )
        if envelopes:
            batch.envelope = envelopes[first : first + CHUNK].__getitem__
        decoded += len(decoder.decode(batch))
    spent = time.process_time() - began
    if decoded != events:
        message = f"{decoded:,} of {events:,} events were decoded"
        raise AssertionError(message)
    return spent


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="formats", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="forms with this in their name, and native")
    asked = parser.parse_args(arguments)
    events = list(PerfEvents(asked.events))
    forms = [form for form in FORMS if form is FORMS[0] or asked.only in form.name]
    written = [form.written(events) for form in forms]
    named = [[] if form.ids is None else form.ids(events) for form in forms]
    envelopes = [[Envelope(None, (("id", one.encode()),)) for one in ids] for ids in named]
    decoders = [decoder_of(form) for form in forms]
    of_platforms = [
        calls(name, events, in_call, SHAPE) for in_call in (1, ROWS) for name in WRITTEN if asked.only in name
    ]
    names = [*(form.name for form in forms), *(form.name for form in of_platforms)]
    best = [float("inf")] * len(names)
    for _ in range(asked.rounds):
        for at, (decoder, values, around) in enumerate(zip(decoders, written, envelopes, strict=True)):
            best[at] = min(best[at], seconds(decoder, values, around, len(events)))
        for at, form in enumerate(of_platforms, len(forms)):
            best[at] = min(best[at], form.seconds())
    rows = [
        [name, f"{spent / len(events) * 1e6:.2f}", f"{len(events) / spent:,.0f}", f"{spent / best[0]:.2f}"]
        for name, spent in zip(names, best, strict=True)
    ]
    table(("format", "µs of CPU per event", "events/s", "ratio to native"), rows)
    say("decoding alone; counting and judging are the same for all of them")
