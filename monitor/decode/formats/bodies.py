"""The bodies of prediction requests and responses: V1 of KServe and TensorFlow Serving, V2, MLflow, CSV.

Sources of the formats: tensorflow/serving g3doc/api_rest.md; kserve/open-inference-protocol inference_rest.md;
mlflow/pyfunc/scoring_server (3.17).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final, cast

from monitor.decode.columns import Limits
from monitor.decode.formats.call import Ignored, Row, Wrong
from monitor.decode.formats.tensors import Tensor, are_tensors, require_rows, rows_of, tensors_of
from monitor.errors import RejectedRecord

#: keys of bodies of language models, which have no rows
_CHAT: Final = ("messages", "prompt", "input")
_REQUEST_KEYS: Final = "instances, inputs, dataframe_split, dataframe_records"


def request_rows(body: object, limits: Limits, rest: bytes = b"", *, plain: bool = False) -> Sequence[Row] | Ignored:
    """The rows of a request. `rest` are the bytes behind the JSON of a V2 body in binary form.

    With `plain` an object or list that is none of the known bodies is a row, or rows, itself.

    Raises:
        RejectedRecord: it is no body of a request.
    """
    if isinstance(body, dict):
        found = _of_object(body, limits, rest)
        if found is not None:
            return found
        if plain:
            return [body]
    elif isinstance(body, list) and plain:
        return _rows(body) if body and isinstance(body[0], dict | list) else [body]
    raise RejectedRecord("body", f"the request has none of {_REQUEST_KEYS}")


def _of_object(body: dict[str, object], limits: Limits, rest: bytes) -> Sequence[Row] | Ignored | None:
    if "instances" in body:
        return _rows(_listed(body["instances"]))
    if "inputs" in body:
        inputs = body["inputs"]
        if are_tensors(inputs):
            return rows_of_tensors(tensors_of(cast("list[Mapping[str, object]]", inputs), limits, rest))
        return _columns(inputs, limits) if isinstance(inputs, dict) else _rows(_listed(inputs))
    if "dataframe_records" in body:
        return _rows(_listed(body["dataframe_records"]))
    if "dataframe_split" in body:
        return _split(body["dataframe_split"])
    if any(key in body for key in _CHAT) and len(body) <= 20 and not _looks_tabular(body):
        return Ignored("language model")
    return None


def _looks_tabular(body: Mapping[str, object]) -> bool:
    """A flat row may well have a feature named `input`."""
    flat = all(not isinstance(value, list | dict) for value in body.values())
    return flat and "messages" not in body and len(body) > 3


def rows_of_tensors(tensors: Sequence[Tensor]) -> list[Row]:
    """The rows of a request's tensors; of a single tensor of several columns they have no names.

    Raises:
        RejectedRecord: the tensors have different numbers of rows.
    """
    rows = rows_of(tensors)
    if len(tensors) == 1 and tensors[0].width == 1:
        return [{tensors[0].name: value} for value in rows]
    if len(tensors) == 1:
        return [Unnamed(cast("list[object]", value), tensors[0].name) for value in rows]
    return cast("list[Row]", rows)


def answers_of_tensors(tensors: Sequence[Tensor]) -> list[object]:
    """What the tensors of a response say of each row: by name if there are several, or if the name says what it is.

    Raises:
        RejectedRecord: the tensors have different numbers of rows.
    """
    rows = rows_of(tensors)
    if len(tensors) == 1 and tensors[0].name in ANSWER_NAMES:
        return [{tensors[0].name: row} for row in rows]
    return list(rows)


class Unnamed(list[object]):
    """The values of a tensor of several columns: a vector under the tensor's name, where no names are known."""

    def __init__(self, values: list[object], name: str) -> None:
        super().__init__(values)
        self.name = name


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _rows(listed: Sequence[object]) -> list[Row]:
    return [one if isinstance(one, dict | list) else [one] for one in listed]


def _columns(columns: Mapping[str, object], limits: Limits) -> list[Row]:
    """Rows of columns by name; a single value is that of every row.

    Raises:
        RejectedRecord: their lengths differ, or there are too many rows.
    """
    lengths = {len(column) for column in columns.values() if isinstance(column, list)}
    if len(lengths) > 1:
        raise RejectedRecord("body", "the columns of `inputs` have different lengths")
    count = lengths.pop() if lengths else 1
    require_rows(count, count * sum(not isinstance(column, list) for column in columns.values()), limits)
    whole = [column if isinstance(column, list) else [column] * count for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*whole, strict=True)]


def _split(frame: object) -> list[Row]:
    """Rows of a pandas frame with `orient="split"`."""
    if not isinstance(frame, dict) or not isinstance(frame.get("data"), list):
        raise RejectedRecord("body", "`dataframe_split` has no list `data`")
    columns = frame.get("columns")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        return _rows(frame["data"])
    return [named(row, columns) if isinstance(row, list) else Wrong("body", _NO_ROW) for row in frame["data"]]


_NO_ROW: Final = "a row of `dataframe_split.data` is not a list"


def named(values: Sequence[object], names: Sequence[str]) -> Row:
    """The values by name; wrong if there is another number of them."""
    if len(values) != len(names):
        return Wrong("arity", f"a row has {len(values):,} values, {len(names):,} feature names are known")
    return dict(zip(names, values, strict=True))


def answers_of(body: object, limits: Limits, rest: bytes = b"", *, plain: bool = False) -> list[object] | None:
    """What a response says of each row, as it came; None for an error.

    Raises:
        RejectedRecord: it is no body of a response.
    """
    if isinstance(body, dict):
        if "predictions" in body:
            return _answers(body["predictions"])
        if "outputs" in body:
            outputs = body["outputs"]
            if are_tensors(outputs):
                return answers_of_tensors(tensors_of(cast("list[Mapping[str, object]]", outputs), limits, rest))
            return _answers(outputs)
        if "error" in body or "error_code" in body:
            return None
        if plain:
            return [body]
    elif plain and body is not None:
        return body if isinstance(body, list) else [body]
    raise RejectedRecord("body", "the response has none of predictions, outputs, error")


#: names of outputs that say what they are
ANSWER_NAMES: Final = frozenset(
    (
        *("prediction", "predicted_label", "predicted_class", "label", "class"),
        *("score", "scores", "probability", "probabilities", "proba", "predict_proba", "probs"),
    )
)


def _answers(value: object) -> list[object]:
    if isinstance(value, dict):
        lists = [column for column in value.values() if isinstance(column, list)]
        if lists and len(lists) == len(value) and len({len(column) for column in lists}) == 1:
            return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    return _listed(value)


def csv_rows(text: str) -> list[list[object]]:
    """Rows of CSV without a header; numbers are read as such, an empty field is missing."""
    try:
        lines = list(csv.reader(io.StringIO(text)))
    except csv.Error:
        raise RejectedRecord("body", "the CSV cannot be read") from None
    return [[csv_value(cell) for cell in line] for line in lines if line]


def csv_value(cell: str) -> object:
    """A cell of CSV: a number, a text, or None if it is empty."""
    text = cell.strip()
    if not text:
        return None
    try:
        return int(text) if text.lstrip("+-").isdecimal() and len(text) <= 18 else float(text)
    except ValueError:
        return cell
