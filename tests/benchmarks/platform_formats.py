"""The same events as calls in the formats of serving platforms, for the benchmark `formats`."""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.clock import rfc3339
from monitor.count.pairs_waiting import PairsWaiting
from monitor.decode.columns import Shape
from monitor.decode.decoder import Decoder, decoder_for
from monitor.decode.pairing_decoder import PairingDecoder, in_partitions
from monitor.events import Partition
from monitor.records import Envelope, RecordBatch
from monitor.settings.tree import Settings
from tests.benchmarks.perf_events import NAMES, NUMBERS, START_MS, perf_tree
from tests.platform_calls import Record
from tests.protobuf import field, packed, tensor_proto, varint

Event = dict[str, Any]
CHUNK: Final = 500
NOW_US: Final = (START_MS << 1) * 1000


def when(call: Sequence[Event]) -> str:
    return rfc3339(call[0]["ts"] * 1000)


def rows(call: Sequence[Event]) -> list[list[Any]]:
    return [list(event["features"].values()) for event in call]


def scores(call: Sequence[Event]) -> list[float]:
    return [event["score"] for event in call]


def dumped(tree: object) -> bytes:
    return text(tree).encode()


def text(tree: object) -> str:
    return json.dumps(tree, separators=(",", ":"))


def column(call: Sequence[Event], name: str) -> list[Any]:
    """The values of a feature, with NaN for null."""
    return [math.nan if (value := event["features"][name]) is None else value for event in call]


def kserve(call: Sequence[Event]) -> list[Record]:
    made = []
    for side, body in (("request", {"instances": rows(call)}), ("response", {"predictions": scores(call)})):
        headers = {
            "ce_specversion": "1.0",
            "ce_id": call[0]["id"],
            "ce_type": f"org.kubeflow.serving.inference.{side}",
            "ce_time": when(call),
            "ce_inferenceservicename": "perf-0",
            "ce_component": "predictor",
            "ce_annotations": '{"modelVersion":"1"}',
            "content-type": "application/json",
        }
        made.append(Record(dumped(body), headers))
    return made


def oip(call: Sequence[Event]) -> list[Record]:
    n = len(call)
    kinds = ["FP64"] * NUMBERS + ["BYTES"] * (len(NAMES) - NUMBERS)
    values = ([event["features"][name] for event in call] for name in NAMES)
    inputs = [
        {"name": name, "shape": [n], "datatype": kind, "data": data}
        for name, kind, data in zip(NAMES, kinds, values, strict=True)
    ]
    output = {"name": "score", "shape": [n], "datatype": "FP64", "data": scores(call)}
    key, headers = call[0]["id"].encode(), {"mlserver-model": "perf-0", "mlserver-version": "1"}
    answer = {"model_name": "perf-0", "model_version": "1", "id": call[0]["id"], "outputs": [output]}
    return [Record(dumped({"inputs": inputs}), headers, key), Record(dumped(answer), {}, key)]


def seldon(call: Sequence[Event]) -> list[Record]:
    shape = field(3, varint(len(call)))
    request = field(1, "perf-0") + field(2, "1")
    for at, name in enumerate(NAMES):
        values = column(call, name)
        content = packed(7, values, "d") if at < NUMBERS else b"".join(field(8, value) for value in values)
        request += field(5, field(1, name) + field(2, "FP64" if at < NUMBERS else "BYTES") + shape + field(5, content))
    output = field(1, "score") + field(2, "FP64") + shape + field(5, packed(7, scores(call), "d"))
    response = field(1, "perf-0") + field(2, "1") + field(5, output)
    key = f"0.perf-0.{call[0]['id']}".encode()
    topic = "seldon.prod.model.perf-0."
    return [Record(request, {}, key, topic + "inputs"), Record(response, {}, key, topic + "outputs")]


def tfserving(call: Sequence[Event]) -> list[Record]:
    n = len(call)
    spec = field(1, "perf-0") + field(2, field(1, 1))
    request = field(1, spec)
    for at, name in enumerate(NAMES):
        values = column(call, name)
        doubles = at < NUMBERS
        content = field(4, struct.pack(f"<{n}d", *values)) if doubles else b"".join(field(8, one) for one in values)
        request += field(2, field(1, name) + field(2, tensor_proto(2 if doubles else 7, n, content)))
    answer = field(1, field(1, "score") + field(2, tensor_proto(2, n, packed(6, scores(call), "d")))) + field(2, spec)
    metadata = field(1, spec) + field(4, call[0]["ts"] // 1000)
    return [Record(field(1, metadata) + field(6, field(1, request) + field(2, answer)))]


def split(call: Sequence[Event]) -> Event:
    return {"dataframe_split": {"columns": list(NAMES), "data": rows(call)}}


def mlflow(call: Sequence[Event]) -> list[Record]:
    whole = {"id": call[0]["id"], "model": "perf-0", "version": "1", "ts": when(call), "request": split(call)}
    return [Record(dumped(whole | {"response": {"predictions": scores(call)}}))]


def databricks(call: Sequence[Event]) -> list[Record]:
    row = {
        "databricks_request_id": call[0]["id"],
        "request_time": when(call),
        "status_code": 200,
        "request": text(split(call)),
        "response": text({"predictions": scores(call)}),
        "served_entity_id": "1",
    }
    return [Record(dumped(row))]


def sagemaker(call: Sequence[Event]) -> list[Record]:
    def side(mode: str, data: str) -> Event:
        return {"observedContentType": "text/csv", "mode": mode, "data": data, "encoding": "CSV"}

    lines = "\n".join(",".join("" if one is None else str(one) for one in row) for row in rows(call))
    captured = {
        "endpointInput": side("INPUT", lines),
        "endpointOutput": side("OUTPUT", "\n".join(map(str, scores(call)))),
    }
    metadata = {"eventId": call[0]["id"], "inferenceTime": when(call)}
    return [Record(dumped({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}))]


def vertex(call: Sequence[Event]) -> list[Record]:
    row = {
        "endpoint": "projects/1/locations/l/endpoints/perf-0",
        "deployed_model_id": "1",
        "logging_time": when(call),
        "request_id": call[0]["id"],
        "request_payload": [text(event["features"]) for event in call],
        "response_payload": [text(score) for score in scores(call)],
    }
    return [Record(dumped(row))]


def azure(call: Sequence[Event]) -> list[Record]:
    def line(collection: str, data: object) -> Record:
        event = {
            "specversion": "1.0",
            "id": f"{collection}-{call[0]['id']}",
            "source": "/subscriptions/s/onlineEndpoints/perf-0/deployments/blue",
            "type": f"azureml.inference.{collection}",
            "time": when(call),
            "correlationid": call[0]["id"],
            "modelversion": "1",
            "data": data,
        }
        return Record(dumped(event))

    outputs = [{"probability": score} for score in scores(call)]
    return [line("model_inputs", [event["features"] for event in call]), line("model_outputs", outputs)]


#: by format: what writes the records of a call, and what the input's settings have to say
WRITTEN: Final[dict[str, tuple[Callable[[Sequence[Event]], list[Record]], Event]]] = {
    "kserve": (kserve, {"feature_names": list(NAMES)}),
    "oip": (oip, {}),
    "seldon": (seldon, {}),
    "tfserving": (tfserving, {}),
    "mlflow": (mlflow, {}),
    "databricks": (databricks, {"model": "perf-0"}),
    "sagemaker": (sagemaker, {"model": "perf-0", "version": "1", "feature_names": list(NAMES)}),
    "vertex": (vertex, {}),
    "azure": (azure, {}),
}


@dataclass(frozen=True)
class Calls:
    """Events as calls of so many rows in a format; records in the runs that are polled together."""

    name: str
    decoder: Decoder
    polled: list[list[Record]]
    events: int

    def seconds(self) -> float:
        """CPU seconds of one pass, with the pairing of both sides."""
        batches = [_batch(records, at * CHUNK) for at, records in enumerate(self.polled)]  # decoders know the last
        began, decoded = time.process_time(), 0
        waiting = PairsWaiting(60_000_000, 100_000)
        for batch in batches:
            decoded += len(self.decoder.decode(batch))
            if not isinstance(self.decoder, PairingDecoder):
                continue
            pairs = [pair for half in self.decoder.take_halves() if (pair := waiting.add(half)) is not None]
            for partition, own in in_partitions(pairs):
                decoded += len(self.decoder.decode_pairs(partition, own, NOW_US)[1])
        spent = time.process_time() - began
        if decoded != self.events:
            message = f"{self.name}: {decoded:,} of {self.events:,} events were decoded"
            raise AssertionError(message)
        return spent


def calls(name: str, events: Sequence[Event], in_call: int, shape: Shape) -> Calls:
    make, entry = WRITTEN[name]
    records = [one for at in range(0, len(events), in_call) for one in make(events[at : at + in_call])]
    topics = sorted({record.topic for record in records})
    inputs = [{"topic": topic, "format": name, **entry} for topic in topics]
    decoder = decoder_for(Settings.model_validate(perf_tree(1) | {"inputs": inputs}), topics[0], lambda _: shape)
    polled = [
        [record for record in records[first : first + CHUNK] if record.topic == topic]
        for first in range(0, len(records), CHUNK)
        for topic in topics
    ]
    return Calls(f"{name}, {in_call} {'row' if in_call == 1 else 'rows'} a call", decoder, polled, len(events))


def _batch(records: Sequence[Record], first: int) -> RecordBatch:
    envelopes = [Envelope(one.key, [(name, value.encode()) for name, value in one.headers.items()]) for one in records]
    offsets = np.arange(first, first + len(records))
    return RecordBatch(
        Partition(records[0].topic, 0),
        [record.value for record in records],
        offsets,
        START_MS + offsets * 100,
        first + len(records),
        NOW_US,
        envelopes.__getitem__,
    )
