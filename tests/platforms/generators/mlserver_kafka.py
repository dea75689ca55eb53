"""Captures what MLServer itself writes to Kafka: its own handlers and messages, without a broker between them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from import_made_by import write_made_by
from mlserver import MLModel, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.handlers import DataPlane
from mlserver.kafka.handlers import KafkaHandlers
from mlserver.kafka.message import KafkaMessage
from mlserver.registry import MultiModelRegistry
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor
from traffic import KINDS, NAMES, Call, calls, drifting, record, score, write_capture, write_recording

INPUT = {"mlserver-model": "credit", "mlserver-version": "12"}


class Scorer(MLModel):  # type: ignore[misc]  # from a library without types here
    """The model."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        import numpy as np  # noqa: PLC0415  # comes with mlserver

        columns = {one.name: [*one.data] for one in payload.inputs}
        found = [score(age, income, grade) for age, income, grade in zip(*(columns[name] for name in NAMES))]  # noqa: B905
        output = NumpyCodec.encode_output("score", np.array(found, np.float32).reshape(-1, 1))
        return InferenceResponse(id=payload.id, model_name="credit", model_version="12", outputs=[output])


def request_of(call: Call) -> dict[str, Any]:
    inputs = [
        {"name": name, "shape": [len(call.rows), 1], "datatype": KINDS[name], "data": [row[name] for row in call.rows]}
        for name in NAMES
    ]
    return {"id": "body", "inputs": inputs}


async def sent(call: Call, handlers: KafkaHandlers) -> list[dict[str, Any]]:
    """Both records of a call."""
    request = KafkaMessage(key=call.id, value=request_of(call), headers=dict(INPUT))
    records = [as_record(request, "mlserver-input")]  # before it is handled, which adds headers to it
    return [*records, as_record(await handlers.infer(request), "mlserver-output")]


def as_record(one: KafkaMessage, topic: str) -> dict[str, Any]:
    headers = {name: value.decode() for name, value in one.encoded_headers}
    made: dict[str, Any] = record(one.encoded_value, headers, one.encoded_key, topic)
    return made


def write_settings(folder: Path) -> None:
    """The model's settings with its inputs, as MLServer's own class writes them: `driftd reference import kserve`."""
    inputs = [MetadataTensor(name=name, datatype=KINDS[name], shape=[-1, 1]) for name in NAMES]
    outputs = [MetadataTensor(name="score", datatype="FP32", shape=[-1, 1])]
    settings = ModelSettings(name="credit", implementation=Scorer, inputs=inputs, outputs=outputs)
    text = settings.model_dump_json(indent=1, exclude_unset=True, by_alias=True)
    (folder / "import_mlserver.json").write_text(text + "\n", encoding="utf-8")
    write_made_by(folder, "mlserver", "mlserver")


async def main() -> None:
    write_settings(Path(sys.argv[1]))
    registry = MultiModelRegistry()
    await registry.load(ModelSettings(name="credit", implementation=Scorer, parameters={"version": "12"}))
    handlers = KafkaHandlers(DataPlane(Settings(metrics_endpoint=None), registry))
    records = [one for call in calls() for one in await sent(call, handlers)]
    write_capture("mlserver", "oip", ["mlserver"], records)
    write_recording(
        "mlserver", ["mlserver"], [(call, one) for call in drifting() for one in await sent(call, handlers)]
    )


if __name__ == "__main__":
    asyncio.run(main())
