"""A model's metadata in the Open Inference Protocol (KServe, Triton); model-settings.json of MLServer and Seldon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from monitor.errors import UsageError
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.imports.trees import json_of, rows_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

SYSTEM: Final = "kserve"
_WHAT: Final = "the answer of GET /v2/models/NAME, or model-settings.json"
_NUMBERS: Final = ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
_KINDS: Final = {**dict.fromkeys(_NUMBERS, NUMERIC), **dict.fromkeys(("BYTES", "BOOL"), CATEGORICAL)}


def read_kserve(files: Sequence[ImportedFile], _slice_name: str = "") -> ImportedData:
    """Names and types of the inputs; there are no distributions in it.

    Raises:
        UsageError: it is no metadata, or names no input.
    """
    if len(files) != 1:
        raise UsageError(f"SOURCE: {len(files)} files; give one: {_WHAT}")
    file = files[0]
    tree = json_of(file, _WHAT)
    inputs = rows_of(tree.get("inputs"))
    if any("data" in one for one in inputs):
        raise UsageError(f"{file.name}: is a request, not metadata; give {_WHAT}")
    if not inputs:
        raise UsageError(f"{file.name}: names no inputs; give {_WHAT}, with inputs")
    data = ImportedData(SYSTEM)
    data.columns = [_column(file.name, at, one) for at, one in enumerate(inputs)]
    data.order = [one.name for one in data.columns]
    data.notes.append("metadata has names and types only: all distributions are learned in the warm-up")
    return data


def _column(name: str, at: int, tensor: dict[str, Any]) -> ImportedColumn:
    own, datatype = tensor.get("name"), str(tensor.get("datatype", ""))
    if not isinstance(own, str) or not own:
        raise UsageError(f"{name}: inputs[{at}] has no name")
    column = ImportedColumn(own, kind=_KINDS.get(datatype.upper().removeprefix("TYPE_"), ""))
    shape = tensor.get("shape")
    width = _width(shape if isinstance(shape, list) else [])
    if width > 1:
        column.left_out = f"a tensor of {width} columns, which have no names: write inputs[].feature_names"
    elif not column.kind:
        column.left_out = f"its datatype is {datatype or 'not told'}"
    return column


def _width(shape: Sequence[object]) -> int:
    """Columns of a tensor: its dimensions behind the first, which is that of rows."""
    width = 1
    for one in shape[1:]:
        width *= one if isinstance(one, int) and one > 0 else 1
    return width
