"""`tensorflow.serving.PredictionLog`, which holds request and response of a call, and no id.

Source of the format: tensorflow/serving apis/prediction_log.proto, predict.proto, classification.proto,
regression.proto, input.proto; tensorflow's tensor.proto and example.proto.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of_tensors, rows_of_tensors
from monitor.decode.formats.call import WHOLE, Call, Ignored, Read
from monitor.decode.formats.tensors import BYTES, Tensor, elements, require_rows, require_shapes, shape_of, tensor_of
from monitor.decode.formats.wire import Fields, fields_of, floats, integers, message, messages, text, unsigned
from monitor.errors import RejectedRecord

_CLASSIFY, _REGRESS, _PREDICT = 2, 3, 6
#: sessions, several heads at once, and streams have no rows
_LEFT_ASIDE: Final = (4, 5, 7)

#: by the number of a DataType: its name in V2, and what reads the typed field of a TensorProto
_TYPES: Final[dict[int, tuple[str, Callable[[Fields], list[Any]]]]] = {
    1: ("FP32", lambda fields: floats(fields, 5, "<f4")),
    2: ("FP64", lambda fields: floats(fields, 6, "<f8")),
    3: ("INT32", lambda fields: integers(fields, 7)),
    4: ("UINT8", lambda fields: integers(fields, 7)),
    5: ("INT16", lambda fields: integers(fields, 7)),
    6: ("INT8", lambda fields: integers(fields, 7)),
    7: (BYTES, lambda fields: [value.decode(errors="replace") for value in messages(fields, 8)]),
    9: ("INT64", lambda fields: integers(fields, 10)),
    10: ("BOOL", lambda fields: [value != 0 for value in unsigned(fields, 11)]),
    17: ("UINT16", lambda fields: integers(fields, 7)),
    22: ("UINT32", lambda fields: unsigned(fields, 16)),
    23: ("UINT64", lambda fields: unsigned(fields, 17)),
}


def prediction_log(data: bytes, limits: Limits) -> Read:
    """The call of a PredictionLog.

    Raises:
        RejectedRecord: it is none.
    """
    log = fields_of(data)
    metadata = fields_of(message(log, 1) or b"")
    found: dict[int, Callable[[Fields, Fields], tuple[list[Any], list[Any]]]] = {
        _PREDICT: lambda request, response: _predict(request, response, limits),
        _CLASSIFY: lambda request, response: (_examples(request, limits), _classes(response)),
        _REGRESS: lambda request, response: (_examples(request, limits), _values(response)),
    }
    for number, read in found.items():
        inside = message(log, number)
        if inside is not None:
            both = fields_of(inside)
            request, response = fields_of(message(both, 1) or b""), fields_of(message(both, 2) or b"")
            rows, answers = read(request, response)
            model, version = _model(request, response, metadata)
            seconds = integers(metadata, 4)
            ts = seconds[-1] if seconds and seconds[-1] > 0 else None
            return Call(WHOLE, model=model, version=version, ts=ts, rows=rows or None, answers=answers or None)
    if any(number in log for number in _LEFT_ASIDE):
        return Ignored("log")
    raise RejectedRecord("protobuf", "the bytes are not a PredictionLog: none of its kinds of log is there")


def _model(request: Fields, response: Fields, metadata: Fields) -> tuple[str | None, str | None]:
    """Name and version: of the request, else the response, else the log's metadata."""
    specs = [fields_of(spec) for spec in (message(request, 1), message(response, 2), message(metadata, 1)) if spec]
    names = [text(spec, 1) for spec in specs if text(spec, 1)]
    versions = [version for spec in specs if (version := _version(spec))]
    return next(iter(names), None), next(iter(versions), None)


def _version(spec: Fields) -> str:
    number = message(spec, 2)
    if number is not None:
        return str(next(iter(integers(fields_of(number), 1)), 0))
    return text(spec, 4)


def _predict(request: Fields, response: Fields, limits: Limits) -> tuple[list[Any], list[Any]]:
    inputs, outputs = _map(messages(request, 2), limits), _map(messages(response, 1), limits)
    rows = list(rows_of_tensors(inputs)) if inputs else []
    return rows, answers_of_tensors(outputs) if outputs else []


def _map(entries: list[bytes], limits: Limits) -> list[Tensor]:
    """The tensors of a map, by name, so that their order is always the same."""
    read = {text(entry, 1): fields_of(message(entry, 2) or b"") for entry in map(fields_of, entries)}
    written = [(name, *_written(read[name])) for name in sorted(read)]
    shapes = [shape for _, shape, _ in written]
    require_shapes(shapes, limits)
    repeated = sum(max(math.prod(shape) - len(values), 0) for _, shape, values in written)
    require_rows(0, repeated, limits)
    return [tensor_of(name, shape, _filled(values, math.prod(shape))) for name, shape, values in written]


def _filled(values: list[Any], count: int) -> list[Any]:
    """A list that is short repeats its last value."""
    return values + values[-1:] * (count - len(values))


def _written(fields: Fields) -> tuple[list[int], list[Any]]:
    """The shape of a TensorProto, and its values as far as they are there: they are typed, or raw bytes."""
    kinds = unsigned(fields, 1)
    known = _TYPES.get(kinds[-1] if kinds else 0)
    if known is None:
        raise RejectedRecord("protobuf", "a tensor's data type is none of numbers, booleans and strings")
    shape = [*_shape(message(fields, 2) or b"")]
    content = message(fields, 4)
    return shape, elements(known[0], content, shape) if content else known[1](fields)


@lru_cache(maxsize=1024)
def _shape(data: bytes) -> tuple[int, ...]:
    """The shape of a TensorShapeProto: that of a column is the same in every call of as many rows."""
    sizes = [integers(fields_of(dim), 1) for dim in messages(fields_of(data), 2)]
    return tuple(shape_of({"shape": [size[-1] if size else 0 for size in sizes]}))


def _examples(request: Fields, limits: Limits) -> list[Any]:
    """The rows of `tf.Example`s, with or without a context."""
    wanted = fields_of(message(request, 2) or b"")
    plain, with_context = message(wanted, 1), message(wanted, 2)
    listed = fields_of(plain if plain is not None else with_context or b"")
    context = _example(message(listed, 2)) if plain is None else {}
    examples = messages(listed, 1)
    require_rows(len(examples), len(context) * len(examples), limits)
    return [context | _example(one) for one in examples]


def _example(data: bytes | None) -> dict[str, object]:
    features = fields_of(message(fields_of(data or b""), 1) or b"")
    return {text(entry, 1): _feature(message(entry, 2)) for entry in map(fields_of, messages(features, 1))}


def _feature(data: bytes | None) -> object:
    """The value of a feature; a list of values of its own, None if it is empty."""
    fields = fields_of(data or b"")
    values: list[Any] = []
    if 1 in fields:
        values = [value.decode(errors="replace") for value in messages(fields_of(message(fields, 1) or b""), 1)]
    elif 2 in fields:
        values = floats(fields_of(message(fields, 2) or b""), 1, "<f4")
    elif 3 in fields:
        values = integers(fields_of(message(fields, 3) or b""), 1)
    return values if len(values) > 1 else next(iter(values), None)


def _result(response: Fields) -> Fields:
    return fields_of(message(response, 1) or b"")


def _classes(response: Fields) -> list[Any]:
    """The scores of each row by class; a class without a name is its place."""
    answers = []
    for one in messages(_result(response), 1):
        listed = [fields_of(entry) for entry in messages(fields_of(one), 1)]
        answers.append({"scores": {text(entry, 1) or str(at): _last(entry, 2) for at, entry in enumerate(listed)}})
    return answers


def _values(response: Fields) -> list[Any]:
    return [_last(fields_of(one), 1) for one in messages(_result(response), 1)]


def _last(fields: Fields, number: int) -> float:
    """A float; one that is 0 is not written."""
    return next(iter(floats(fields, number, "<f4")[-1:]), 0.0)
