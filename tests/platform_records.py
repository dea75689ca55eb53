"""Calls of a model as records of serving platforms, made by hand after the published formats (see `decode/formats`)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from monitor.clock import rfc3339
from monitor.events import Partition
from monitor.records import Envelope, RecordBatch
from monitor.settings.tree import Settings
from tests.platform_calls import NAMES, T0_US, Called, Record, arrays, dumped, split_frame, text
from tests.platform_tables import (
    azure,
    databricks_gateway,
    databricks_legacy,
    sagemaker_base64,
    sagemaker_batch,
    sagemaker_csv,
    sagemaker_json,
    vertex,
    vertex_export,
)
from tests.protobuf import field, packed, tensor_proto, varint

SIDE: Final = "org.kubeflow.serving.inference."


def ce(side: str, call: Called, **more: str) -> dict[str, str]:
    """Headers of a CloudEvent in binary mode."""
    return {
        "ce_specversion": "1.0",
        "ce_id": call.id,
        "ce_type": SIDE + side,
        "ce_source": "http://localhost:9081/",
        "ce_time": rfc3339(call.ts_us),
        "ce_inferenceservicename": "credit",
        "ce_namespace": "prod",
        "ce_component": "predictor",
        "ce_endpoint": "",
        "ce_metadata": "{}",
        "ce_annotations": '{"modelVersion":"12"}',
        "content-type": "application/json",
    } | more


def kserve_binary(call: Called) -> list[Record]:
    return [
        Record(dumped({"instances": arrays(call)}), ce("request", call)),
        Record(dumped({"predictions": call.scores}), ce("response", call)),
    ]


def kserve_structured(call: Called) -> list[Record]:
    made = []
    for side, data in (("request", {"instances": call.rows}), ("response", {"predictions": call.scores})):
        attributes = {name.removeprefix("ce_"): value for name, value in ce(side, call).items() if name[:3] == "ce_"}
        event = attributes | {"datacontenttype": "application/json", "data": data}
        made.append(Record(dumped(event), {"content-type": "application/cloudevents+json; charset=UTF-8"}))
    return made


def kserve_csv(call: Called) -> list[Record]:
    """The response has the content type of the request, whatever it is."""
    rows = "".join(",".join(map(str, row)) + "\n" for row in arrays(call))
    kind = {"content-type": "text/csv; charset=utf-8"}
    return [
        Record(rows.encode(), ce("request", call, **kind)),
        Record(dumped({"predictions": call.scores}), ce("response", call, **kind)),
    ]


def kserve_blob(call: Called) -> list[Record]:
    """As the blob logger stores it in JSON."""
    made = []
    for side, data in (("request", {"instances": call.rows}), ("response", {"predictions": call.scores})):
        stored = {
            "url": {"Scheme": "http", "Host": "localhost"},
            "bytes": base64.b64encode(dumped(data)).decode(),
            "contentType": "application/json",
            "reqType": SIDE + side if side == "request" else side,
            "id": call.id,
            "inferenceService": "credit",
            "namespace": "prod",
            "component": "predictor",
            "annotations": {"modelVersion": "12"},
            "metadata": {},
            "occurrenceTime": rfc3339(call.ts_us),
        }
        made.append(Record(dumped(stored)))
    return made


def kserve_base64(call: Called) -> list[Record]:
    made = []
    for side, data in (("request", {"instances": call.rows}), ("response", {"predictions": call.scores})):
        attributes = {name.removeprefix("ce_"): value for name, value in ce(side, call).items() if name[:3] == "ce_"}
        made.append(Record(dumped(attributes | {"data_base64": base64.b64encode(dumped(data)).decode()})))
    return made


def v2_request(call: Called) -> dict[str, Any]:
    n = len(call.rows)
    kinds = {"age": "INT64", "income": "FP64", "grade": "BYTES"}
    return {
        "id": "42",
        "inputs": [
            {"name": name, "shape": [n, 1], "datatype": kinds[name], "data": [row[name] for row in call.rows]}
            for name in NAMES
        ],
        "outputs": [{"name": "score"}],
    }


def v2_response(call: Called) -> dict[str, Any]:
    flat = [share for score in call.scores for share in (1 - score, score)]
    return {
        "model_name": "credit",
        "model_version": "12",
        "id": "42",
        "outputs": [{"name": "score", "shape": [len(call.scores), 2], "datatype": "FP32", "data": flat}],
    }


def kserve_v2(call: Called) -> list[Record]:
    return [
        Record(dumped(v2_request(call)), ce("request", call)),
        Record(dumped(v2_response(call)), ce("response", call)),
    ]


def binary_tensors(call: Called) -> tuple[bytes, int]:
    """A V2 request with binary tensors, and the length of its JSON."""
    contents = [
        b"".join(struct.pack("<q", row["age"]) for row in call.rows),
        b"".join(struct.pack("<d", row["income"]) for row in call.rows),
        b"".join(struct.pack("<I", len(row["grade"].encode())) + row["grade"].encode() for row in call.rows),
    ]
    tree = v2_request(call)
    for tensor, content in zip(tree["inputs"], contents, strict=True):
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": len(content)}
    head = dumped(tree)
    return head + b"".join(contents), len(head)


def kserve_binary_tensors(call: Called) -> list[Record]:
    value, length = binary_tensors(call)
    metadata = text({"Inference-Header-Content-Length": [str(length)]})
    kind = {"content-type": "application/octet-stream", "ce_metadata": metadata}
    headers = ce("request", call, **kind)
    answer = dumped(v2_response(call))
    plain = {"ce_metadata": text({"Inference-Header-Content-Length": [str(len(answer))]})}
    return [Record(value, headers), Record(answer, ce("response", call, **(kind | plain)))]


def mlserver(call: Called) -> list[Record]:
    key = call.id.encode()
    headers = {"mlserver-model": "credit", "mlserver-version": "12"}
    answer = v2_response(call) | {"id": call.id}  # MLServer puts the key into the request's id
    return [Record(dumped(v2_request(call)), headers, key), Record(dumped(answer), {}, key)]


def infer_request(call: Called, *, raw: bool) -> bytes:
    n = len(call.rows)
    shape = field(3, varint(n) + varint(1))
    typed = [
        field(3, b"".join(varint(row["age"]) for row in call.rows)),
        packed(7, [row["income"] for row in call.rows], "d"),
        b"".join(field(8, row["grade"]) for row in call.rows),
    ]
    contents = [
        b"".join(struct.pack("<q", row["age"]) for row in call.rows),
        b"".join(struct.pack("<d", row["income"]) for row in call.rows),
        b"".join(struct.pack("<I", len(row["grade"].encode())) + row["grade"].encode() for row in call.rows),
    ]
    made = field(1, "credit") + field(2, "12") + field(3, "42")
    for name, kind, content in zip(NAMES, ("INT64", "FP64", "BYTES"), typed, strict=True):
        made += field(5, field(1, name) + field(2, kind) + shape + (b"" if raw else field(5, content)))
    return made + (b"".join(field(7, content) for content in contents) if raw else b"")


def infer_response(call: Called, *, raw: bool) -> bytes:
    flat = [share for score in call.scores for share in (1 - score, score)]
    shape = field(3, varint(len(call.scores)) + varint(2))
    tensor = field(1, "score") + field(2, "FP64") + shape
    made = field(1, "credit") + field(2, "12") + field(3, "42")
    if raw:
        return made + field(5, tensor) + packed(6, flat, "d")
    return made + field(5, tensor + field(5, packed(7, flat, "d")))


def seldon(call: Called) -> list[Record]:
    key, headers = f"0.credit.{call.id}".encode(), {"x-request-id": call.id}
    topic = "seldon.prod.model.credit."
    return [
        Record(infer_request(call, raw=True), headers, key, topic + "inputs"),
        Record(infer_response(call, raw=False), headers, key, topic + "outputs"),
    ]


def modelmesh(call: Called) -> list[Record]:
    made = []
    for kind, data in (("request", infer_request(call, raw=False)), ("response", infer_response(call, raw=True))):
        payload = {"id": call.id, "modelid": "credit__isvc-0a1b2c", "kind": kind, "metadata": {}}
        made.append(Record(dumped(payload | {"data": base64.b64encode(data).decode()})))
    return made


def prediction_log(call: Called) -> list[Record]:
    n = len(call.rows)
    spec = field(1, "credit") + field(2, field(1, 12)) + field(3, "serving_default")
    inputs = {
        "age": tensor_proto(9, n, field(10, b"".join(varint(row["age"]) for row in call.rows))),
        "income": tensor_proto(2, n, field(4, struct.pack(f"<{n}d", *(row["income"] for row in call.rows)))),
        "grade": tensor_proto(7, n, b"".join(field(8, row["grade"]) for row in call.rows)),
    }
    request = field(1, spec) + b"".join(field(2, field(1, name) + field(2, made)) for name, made in inputs.items())
    scores = tensor_proto(2, n, packed(6, call.scores, "d"))
    response = field(1, field(1, "score") + field(2, scores)) + field(2, spec)
    metadata = field(1, spec) + field(4, call.ts_us // 1_000_000)
    return [Record(field(1, metadata) + field(6, field(1, request) + field(2, response)))]


def mlflow_whole(call: Called) -> list[Record]:
    tree = {"id": call.id, "model": "credit", "version": "12", "ts": rfc3339(call.ts_us)}
    return [Record(dumped(tree | {"request": split_frame(call), "response": {"predictions": call.scores}}))]


def mlflow_wrapped(call: Called) -> list[Record]:
    wrapper = {"ce_inferenceservicename": "", "ce_modelname": "credit", "ce_annotations": "", "ce_modelversion": "12"}
    return [
        Record(
            dumped({"inputs": {name: [row[name] for row in call.rows] for name in NAMES}}),
            ce("request", call, **wrapper),
        ),
        Record(
            dumped({"predictions": [{"probability": score} for score in call.scores]}), ce("response", call, **wrapper)
        ),
    ]


def tfserving_wrapped(call: Called) -> list[Record]:
    return kserve_binary(call)


def connected(make: Callable[[Called], list[Record]]) -> Callable[[Called], list[Record]]:
    """The same records as Kafka Connect's JSON converter and a string converter write them, one inside the other."""

    def made(call: Called) -> list[Record]:
        return [
            one._replace(value=dumped({"schema": {"type": "string"}, "payload": (one.value or b"").decode()}))
            for one in make(call)
        ]

    return made


#: by name: the format, and what makes the records of a call
KINDS: Final[dict[str, tuple[str, Callable[[Called], list[Record]]]]] = {
    "kserve binary": ("kserve", kserve_binary),
    "kserve structured": ("kserve", kserve_structured),
    "kserve base64": ("kserve", kserve_base64),
    "kserve CSV": ("kserve", kserve_csv),
    "kserve blob logger": ("kserve", kserve_blob),
    "kserve V2": ("kserve", kserve_v2),
    "kserve binary tensors": ("kserve", kserve_binary_tensors),
    "kserve in Connect": ("kserve", connected(kserve_structured)),
    "mlserver": ("oip", mlserver),
    "modelmesh": ("oip", modelmesh),
    "seldon": ("seldon", seldon),
    "prediction log": ("tfserving", prediction_log),
    "tfserving V1": ("tfserving", tfserving_wrapped),
    "mlflow whole": ("mlflow", mlflow_whole),
    "mlflow wrapped": ("mlflow", mlflow_wrapped),
    "databricks legacy": ("databricks", databricks_legacy),
    "databricks gateway": ("databricks", databricks_gateway),
    "sagemaker CSV": ("sagemaker", sagemaker_csv),
    "sagemaker JSON": ("sagemaker", sagemaker_json),
    "sagemaker batch transform": ("sagemaker", sagemaker_batch),
    "sagemaker base64": ("sagemaker", sagemaker_base64),
    "sagemaker in Connect": ("sagemaker", connected(sagemaker_csv)),
    "vertex": ("vertex", vertex),
    "vertex export": ("vertex", vertex_export),
    "azure": ("azure", azure),
}


def settings_for(name: str, **over: object) -> Settings:
    """Settings of one input, `traffic` (for Seldon its topics), in that format, and of the model `credit`."""
    topics = (
        ["seldon.prod.model.credit.inputs", "seldon.prod.model.credit.outputs"] if name == "seldon" else ["traffic"]
    )
    return Settings.model_validate(
        {
            "inputs": [
                {"topic": topic, "format": name, "feature_names": None if name == "native" else list(NAMES)} | over
                for topic in topics
            ],
            "models": [{"name": "credit", "reference": "credit.json", "task": "binary"}],
        }
    )


def batch_of(records: Sequence[Record], first: int = 0, time_us: int | None = T0_US) -> RecordBatch:
    """A batch of one topic."""
    return RecordBatch(
        Partition(records[0].topic, 0),
        [record.value for record in records],
        np.arange(first, first + len(records)),
        None if time_us is None else np.full(len(records), time_us // 1_000),
        first + len(records),
        T0_US,
        lambda at: Envelope(records[at].key, [(name, value.encode()) for name, value in records[at].headers.items()]),
    )
