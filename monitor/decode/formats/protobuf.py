"""Messages of the Open Inference Protocol over gRPC: `inference.ModelInferRequest` and `ModelInferResponse`.

Source of the format: kserve/open-inference-protocol open_inference_grpc.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of_tensors, rows_of_tensors
from monitor.decode.formats.tensors import BYTES, Tensor, elements, require_shapes, tensor_of
from monitor.decode.formats.wire import Fields, fields_of, floats, integers, message, messages, text, unsigned
from monitor.errors import RejectedRecord


class Infer(NamedTuple):
    """A request with its rows, or a response with an answer a row."""

    model: str
    version: str
    id: str
    rows: list[Any]


#: what reads the elements of a tensor's `contents`, by datatype
_CONTENTS: Final[dict[str, Callable[[Fields], list[Any]]]] = {
    "BOOL": lambda fields: [value != 0 for value in unsigned(fields, 1)],
    **dict.fromkeys(("INT8", "INT16", "INT32"), lambda fields: integers(fields, 2)),
    "INT64": lambda fields: integers(fields, 3),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), lambda fields: unsigned(fields, 4)),
    "UINT64": lambda fields: unsigned(fields, 5),
    "FP32": lambda fields: floats(fields, 6, "<f4"),
    "FP64": lambda fields: floats(fields, 7, "<f8"),
    BYTES: lambda fields: [value.decode(errors="replace") for value in messages(fields, 8)],
}


def infer_request(data: bytes, limits: Limits) -> Infer:
    """A `ModelInferRequest`.

    Raises:
        RejectedRecord: it is none.
    """
    fields = fields_of(data)
    return _infer(fields, rows_of_tensors(_tensors(messages(fields, 5), messages(fields, 7), limits)))


def infer_response(data: bytes, limits: Limits) -> Infer:
    """A `ModelInferResponse`.

    Raises:
        RejectedRecord: it is none.
    """
    fields = fields_of(data)
    return _infer(fields, answers_of_tensors(_tensors(messages(fields, 5), messages(fields, 6), limits)))


def _infer(fields: Fields, rows: Sequence[Any]) -> Infer:
    return Infer(text(fields, 1), text(fields, 2), text(fields, 3), list(rows))


def _tensors(listed: Sequence[bytes], raw: Sequence[bytes], limits: Limits) -> list[Tensor]:
    if not listed:
        raise RejectedRecord("protobuf", "the message has no tensors; is it a request where a response was expected?")
    if raw and len(raw) != len(listed):
        raise RejectedRecord("protobuf", "the message has raw contents, but not of every tensor")
    read_fields = [fields_of(one) for one in listed]
    shapes = [integers(fields, 3) for fields in read_fields]
    require_shapes(shapes, limits)
    made = []
    for at, (fields, shape) in enumerate(zip(read_fields, shapes, strict=True)):
        name, datatype = text(fields, 1), text(fields, 2)
        if raw:
            content: list[Any] = elements(datatype, raw[at], shape)
        else:
            read = _CONTENTS.get(datatype)
            if read is None:
                raise RejectedRecord("protobuf", "a tensor has a datatype that there is not")
            content = read(fields_of(message(fields, 5) or b""))
        made.append(tensor_of(name, shape, content))
    return made
