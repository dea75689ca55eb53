"""Tensors of the Open Inference Protocol (V2) in JSON, as rows.

Source of the format: kserve/open-inference-protocol, inference_rest.md, and KServe's binary tensor data extension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from monitor.decode.columns import Limits
from monitor.errors import RejectedRecord

#: numpy's name of a datatype, little-endian
NUMBERS: Final = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BYTES: Final = "BYTES"
#: most elements that one tensor may claim to have
MOST_ELEMENTS: Final = 50_000_000
#: most dimensions of a tensor
_MOST_DIMENSIONS: Final = 64
#: most values that one record may have without writing each of them: what is written is bounded by its bytes, but one
#: that is that of every row, or a shape without elements, makes any number of them of a few bytes
MOST_REPEATED: Final = 1_000_000


class Tensor(NamedTuple):
    """A tensor by its first dimension: `rows` has n values, each a scalar or a list, `width` elements each."""

    name: str
    rows: list[object]
    width: int


def are_tensors(value: object) -> bool:
    """Whether a value is a list of tensors, as `inputs` and `outputs` are in V2."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "name" in one and "shape" in one for one in value)
    )


def tensors_of(listed: Sequence[Mapping[str, object]], limits: Limits, rest: bytes = b"") -> list[Tensor]:
    """The tensors of a list; `rest` are the bytes behind the JSON of those in binary form.

    Raises:
        RejectedRecord: a shape, datatype or length is wrong, or there are too many rows.
    """
    shapes = [shape_of(one) for one in listed]
    require_shapes(shapes, limits)
    made, at = [], 0
    for one, shape in zip(listed, shapes, strict=True):
        parameters = one.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            made.append(_tensor(one, shape, _flat(one.get("data"))))
            continue
        if type(size) is not int or not 0 <= size <= len(rest) - at:
            raise _wrong(one, "its bytes are not all there; put Inference-Header-Content-Length into metadataHeaders")
        made.append(_tensor(one, shape, elements(str(one.get("datatype")), rest[at : at + size], shape)))
        at += size
    return made


def require_shapes(shapes: Sequence[Sequence[int]], limits: Limits) -> None:
    """Refuses what tensors of such shapes would be as rows, before any is made.

    Raises:
        RejectedRecord: as of `require_rows`.
    """
    counts = [shape[0] if shape else 1 for shape in shapes]
    rows = max(counts, default=0)
    alike = sum(count != rows or 0 in shape[1:] for count, shape in zip(counts, shapes, strict=True))
    require_rows(rows, alike * rows, limits)


def require_rows(rows: int, repeated: int, limits: Limits) -> None:
    """Refuses rows before they are made; `repeated` are the values in them that are not written one by one.

    Raises:
        RejectedRecord: there are too many of either.
    """
    if rows > limits.events_per_record:
        message = f"the body has more rows than limits.events_per_record ({limits.events_per_record:,})"
        raise RejectedRecord("too_many_events", message, f"{rows:,} rows")
    if repeated > MOST_REPEATED:
        message = f"the body repeats values for its rows, more than {MOST_REPEATED:,} in all; send fewer rows a call"
        raise RejectedRecord("body", message, f"{repeated:,} values")


def tensor_of(name: str, shape: Sequence[int], flat: list[object]) -> Tensor:
    """A tensor of so many elements, row by row.

    Raises:
        RejectedRecord: the shape is another.
    """
    one = {"name": name, "shape": list(shape)}
    return _tensor(one, shape_of(one), flat)


def _tensor(one: Mapping[str, object], shape: Sequence[int], flat: list[object]) -> Tensor:
    n, width = (shape[0] if shape else 1), math.prod(shape[1:])
    if n * width != len(flat):
        raise _wrong(one, f"it has {len(flat):,} elements, its shape says {n * width:,}")
    if not shape[1:] or width == 1:
        rows: list[object] = flat
    else:
        rows = [flat[at : at + width] for at in range(0, n * width, width)] if width else [[] for _ in range(n)]
    return Tensor(str(one.get("name")), rows, width)


def shape_of(one: Mapping[str, object]) -> list[int]:
    """The shape of a tensor.

    Raises:
        RejectedRecord: it is not a list of sizes.
    """
    shape = one.get("shape")
    if type(shape) is list and len(shape) == 1 and type(shape[0]) is int and 0 <= shape[0] <= MOST_ELEMENTS:
        return shape  # of a column, mostly
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size <= MOST_ELEMENTS for size in shape):
        raise _wrong(one, "its shape is not a list of sizes")
    if len(shape) > _MOST_DIMENSIONS or math.prod(shape) > MOST_ELEMENTS:
        raise _wrong(one, "its shape is too large")
    return shape


def _flat(data: object) -> list[object]:
    """The elements of nested lists, in order."""
    flat = data if isinstance(data, list) else [data]
    while any(isinstance(one, list) for one in flat):
        flat = list(chain.from_iterable(one if isinstance(one, list) else [one] for one in flat))
    return flat


def elements(datatype: str, content: bytes, shape: Sequence[int]) -> list[object]:
    """The elements of a tensor in binary form.

    Raises:
        RejectedRecord: the datatype is not one, or the length does not fit.
    """
    if datatype == BYTES:
        return list(_texts(content))
    kind = NUMBERS.get(datatype)
    if kind is None or len(content) % np.dtype(kind).itemsize:
        raise RejectedRecord("body", f"a tensor of shape {list(shape)} in binary form does not fit its datatype")
    values: list[object] = np.frombuffer(content, kind).tolist()
    return values


def _texts(content: bytes) -> Iterator[str]:
    """Each element has its length in four bytes before it."""
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "little")
        at += 4
        if at + size > len(content):
            raise RejectedRecord("body", "a BYTES tensor ends before its last element is whole")
        yield content[at : at + size].decode(errors="replace")
        at += size


def rows_of(tensors: Sequence[Tensor]) -> list[dict[str, object]] | list[object]:
    """The rows of several tensors, by name; of one alone its values. A tensor with one row is that of every row.

    Raises:
        RejectedRecord: they have different numbers of rows.
    """
    count = max((len(one.rows) for one in tensors), default=0)
    if any(len(one.rows) not in {1, count} for one in tensors):
        raise RejectedRecord("body", "the tensors have different first dimensions, and not all others are 1")
    if len(tensors) == 1:
        return tensors[0].rows
    whole = [one.rows if len(one.rows) == count else one.rows * count for one in tensors]
    names = [one.name for one in tensors]
    return [dict(zip(names, row, strict=True)) for row in zip(*whole, strict=True)]


def _wrong(_one: Mapping[str, object], what: str) -> RejectedRecord:
    return RejectedRecord("body", f"a tensor cannot be read: {what}")
