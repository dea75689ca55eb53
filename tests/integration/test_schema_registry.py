"""Records of a schema registry's own serializers, on a real broker and a real registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import yaml
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP

from monitor.cli.parser import main
from monitor.decode.encodings.proto_text import parse_proto
from tests.engine import Credit, Event
from tests.integration.conftest import Running, Site
from tests.integration.test_own_layout import lines_of, without_hashes
from tests.real_parts.registry import SchemaRegistry

DONE, REFUSED = 0, 4
EVENTS: Final = 1_500
Encode = Callable[[Event], bytes]

MODEL: Final = {"type": "record", "name": "Model", "namespace": "own", "fields": [
    {"name": "name", "type": "string"}, {"name": "version", "type": ["null", "string"], "default": None},
]}  # fmt: skip
SCORED: Final = {"type": "record", "name": "Scored", "namespace": "own", "fields": [
    {"name": "id", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "model", "type": "own.Model"},
    {"name": "inputs", "type": {"type": "map", "values": ["null", "double", "string"]}},
    {"name": "score", "type": ["null", "double"]},
    {"name": "class", "type": {"type": "enum", "name": "Class", "symbols": ["NO", "YES"]}},
]}  # fmt: skip
FIELDS: Final = {
    "id": "id", "ts": "at", "model": "model.name", "version": "model.version", "features": "inputs", "score": "score",
    "prediction": "class",
}  # fmt: skip


def evolved() -> dict[str, Any]:
    """The second version of the schema: a field more, and one in another place."""
    *others, last = SCORED["fields"]
    return SCORED | {"fields": [last, {"name": "host", "type": "string", "default": ""}, *others]}


def row_of(event: Event) -> dict[str, Any]:
    return {
        "id": event["id"],
        "at": datetime.fromtimestamp(event["ts"] // 1_000_000, UTC).replace(microsecond=event["ts"] % 1_000_000),
        "model": {"name": event["model"], "version": event["version"]},
        "inputs": event["features"],
        "score": event["score"],
        "class": "YES" if event["prediction"] else "NO",
    }


@pytest.fixture
def client(registry: SchemaRegistry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url}) as made:
        yield made


def avro(client: SchemaRegistryClient, topic: str) -> tuple[Encode, Encode]:
    """Serializers of both versions of the schema, which refers to another subject."""
    subject = f"{topic}-model"
    client.register_schema(subject, Schema(json.dumps(MODEL), "AVRO"))
    reference = SchemaReference("own.Model", subject, 1)
    return (
        _encoder(client, topic, Schema(json.dumps(SCORED), "AVRO", [reference])),
        _encoder(client, topic, Schema(json.dumps(evolved()), "AVRO", [reference])),
    )


def _encoder(client: SchemaRegistryClient, topic: str, schema: Schema) -> Encode:
    serializer = AvroSerializer(client, schema, lambda event, _: row_of(event))
    context = SerializationContext(topic, MessageField.VALUE)

    def encode(event: Event) -> bytes:
        value = serializer(event, context)
        assert value is not None
        return bytes(value)

    return encode


def native_of(event: Event) -> Event:
    return event | {"prediction": "YES" if event["prediction"] else "NO"}


def written(site: Site, values: Sequence[bytes], events: Iterable[Event]) -> None:
    site.broker.produce(site.topic, list(values), 0, timestamps_ms=[event["ts"] // 1000 for event in events])


def configure(site: Site, url: str, encoding: str, **fields: object) -> None:
    site.write(
        inputs=[{"topic": site.topic, "format": "fields", "encoding": encoding, "fields": FIELDS | fields}],
        schema_registry={"url": url, "timeout": "2s"},
        models=[{"name": "credit", "versions": ["1"], "reference": "credit.json", "positive": "YES"}],
    )


def configure_native(site: Site) -> None:
    site.write(models=[{"name": "credit", "versions": ["1"], "reference": "credit.json", "positive": "YES"}])


def test_avro_of_two_versions_is_the_same_native_events(
    site: Site, registry: SchemaRegistry, client: SchemaRegistryClient, capsys: pytest.CaptureFixture[str]
) -> None:
    site.make_topics()
    first, second = avro(client, site.topic)
    events = list(Credit(EVENTS))
    half = EVENTS // 2
    written(site, [*map(first, events[:half]), *map(second, events[half:])], events)
    configure(site, registry.url, "avro")
    config, source = ["--config", str(site.config)], f"kafka://{site.topic}"
    build = [
        "reference",
        "build",
        *config,
        "--model",
        "credit",
        "--rows",
        str(EVENTS),
        "-o",
        str(site.folder / "credit.json"),
    ]
    assert main(["fields", "suggest", *config, source]) == DONE
    assert yaml.safe_load(capsys.readouterr().out)["inputs"] == [
        {"topic": site.topic, "format": "fields", "encoding": "avro", "fields": FIELDS}
    ]
    assert main([*build, source]) == DONE
    assert f"fields that nobody reads: host ({half:,} events)" in capsys.readouterr().err
    assert main(["check", *config]) == DONE
    assert f"{site.topic}-0@{EVENTS - 1}: prediction of credit/1: at 2025-" in capsys.readouterr().out
    assert main(["replay", *config, "--json", source]) == DONE
    of_avro = lines_of(capsys)
    native = site.folder / "native.jsonl"
    native.write_text("\n".join(json.dumps(native_of(event)) for event in events))
    configure_native(site)
    assert main([*build, str(native)]) == DONE
    capsys.readouterr()
    assert main(["replay", *config, "--json", str(native)]) == DONE
    assert list(map(without_hashes, lines_of(capsys))) == list(map(without_hashes, of_avro))
    assert of_avro[-1]["outcomes"] == {"accepted": EVENTS}


PROTO: Final = """syntax = "proto3"; package own; import "google/protobuf/timestamp.proto"; import "own/model.proto";
message Scored {
  message Value { oneof kind { double number = 1; string text = 2; } }
  string id = 1; google.protobuf.Timestamp at = 2; Model model = 3; optional double score = 4; Class class = 5;
  double AGE = 6; optional double LIMIT = 7; double BILL = 8; string EDU = 9;
}
enum Class { NO = 0; YES = 1; }"""
PROTO_MODEL: Final = 'syntax = "proto3"; package own; message Model { string name = 1; string version = 2; }'


def scored_messages() -> tuple[Any, Any]:
    """The library's messages of the texts."""
    pool = DescriptorPool()
    pool.AddSerializedFile(TIMESTAMP.serialized_pb)
    pool.AddSerializedFile(parse_proto(PROTO_MODEL, "own/model.proto").SerializeToString())
    pool.AddSerializedFile(parse_proto(PROTO, "own/scored.proto").SerializeToString())
    return tuple(GetMessageClass(pool.FindMessageTypeByName(f"own.{name}")) for name in ("Scored", "Model"))


def filled(scored: Any, model: Any, event: Event) -> Any:  # noqa: ANN401  # messages have no other type
    row = row_of(event)
    message = scored(id=row["id"], model=model(**row["model"]), score=row["score"], **event["features"])
    setattr(message, "class", row["class"])
    message.at.FromDatetime(row["at"])
    return message


@pytest.mark.parametrize("as_text", [True, False])
def test_protobuf_is_the_same_native_events(
    site: Site,
    registry: SchemaRegistry,
    client: SchemaRegistryClient,
    capsys: pytest.CaptureFixture[str],
    as_text: bool,
) -> None:
    """Registered as text, as most clients do, and by confluent-kafka's serializer."""
    site.make_topics()
    scored, model = scored_messages()
    events = list(Credit(300))
    messages = [filled(scored, model, event) for event in events]
    if as_text:
        client.register_schema(f"{site.topic}-model", Schema(PROTO_MODEL, "PROTOBUF"))
        reference = SchemaReference("own/model.proto", f"{site.topic}-model", 1)
        number = client.register_schema(f"{site.topic}-value", Schema(PROTO, "PROTOBUF", [reference]))
        values = [b"\0" + number.to_bytes(4, "big") + b"\0" + message.SerializeToString() for message in messages]
    else:
        context = SerializationContext(site.topic, MessageField.VALUE)
        serializer = ProtobufSerializer(scored, client, {"use.deprecated.format": False})
        values = [bytes(serializer(message, context) or b"") for message in messages]
    written(site, values, events)
    names = ("AGE", "LIMIT", "BILL", "EDU")
    configure(site, registry.url, "protobuf", features={name: name for name in names})
    config = ["--config", str(site.config)]
    assert main(["replay", *config, "--json", f"kafka://{site.topic}"]) == DONE
    of_protobuf = lines_of(capsys)
    native = site.folder / "native.jsonl"
    native.write_text("\n".join(json.dumps(native_of(event)) for event in events))
    configure_native(site)
    assert main(["replay", *config, "--json", str(native)]) == DONE
    assert list(map(without_hashes, lines_of(capsys))) == list(map(without_hashes, of_protobuf))
    assert of_protobuf[-1]["outcomes"] == {"accepted": len(events)}


def test_a_partition_waits_while_its_schema_is_not_known_and_the_others_are_read(
    site: Site, registry: SchemaRegistry, client: SchemaRegistryClient, capsys: pytest.CaptureFixture[str]
) -> None:
    site.make_topics(partitions=2)
    first, _ = avro(client, site.topic)
    events = list(Credit(30))
    site.broker.produce(site.topic, [first(event) for event in events[:20]], 0)
    unknown = [b"\0" + (900_000).to_bytes(4, "big") + first(event)[5:] for event in events[20:]]
    site.broker.produce(site.topic, unknown, 1)
    configure(site, registry.url, "avro")
    running = site.start()
    running.wait_records(20)
    assert main(["check", "--config", str(site.config)]) == REFUSED
    assert "schema 900000: it is not there (404)" in capsys.readouterr().out
    running.wait_until(lambda: not_ready(running, "schema 900000: it is not there (404)"), "it says what is missing")
    assert f"{site.topic}-1 waits" in running.get("/readyz")[1]
    assert running.outcomes() == {("accepted", ""): 20}
    running.stop()
    assert site.positions() == {f"{site.topic}-0": 20, f"{site.topic}-1": 0}


def test_nothing_is_lost_while_the_registry_does_not_answer(
    site: Site, registry: SchemaRegistry, client: SchemaRegistryClient
) -> None:
    site.make_topics()
    first, _ = avro(client, site.topic)
    events = list(Credit(20))
    values = [first(event) for event in events]
    site.broker.produce(site.topic, [*values[:10], b"\0\0\0\0", *values[10:]], 0)
    configure(site, registry.url, "avro")
    registry.freeze()
    try:
        running = site.start()
        running.wait_until(lambda: not_ready(running, "does not answer"), "it says that the registry is down")
        assert running.records() == 0
    finally:
        registry.thaw()
    running.wait_records(len(values) + 1)
    running.wait_ready()
    assert running.outcomes() == {("accepted", ""): 20, ("rejected", "schema"): 1}
    running.stop()


def not_ready(running: Running, why: str) -> bool:
    status, text = running.get("/readyz")
    return status == 503 and why in text
