"""Amazon SageMaker: data capture of endpoints and batch transform, and ground truth, one JSON line a record.

Source of the format: awsdocs/amazon-sagemaker-developer-guide model-monitor-*.md (2023-06). Endpoint and variant are
only in the path of the captured file: the bridge adds them as headers or fields `endpointName`, `variantName`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of, csv_rows, request_rows
from monitor.decode.formats.call import WHOLE, Call, Ignored, Native, Read, Received, Row, event_id
from monitor.decode.formats.cloudevents import from_base64, media_type
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import inner, text_of, wrong_format
from monitor.errors import RejectedRecord

_INPUTS: Final = ("endpointInput", "batchTransformInput")
_OUTPUTS: Final = ("endpointOutput", "batchTransformOutput")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")
_ADDED: Final = ("SageMakerInferenceId", "SageMakerInferenceTime")


def read(received: Received, limits: Limits) -> Read:
    """The call of a captured line, or the label events of a line of ground truth.

    Raises:
        RejectedRecord: it is neither, or its data cannot be read.
    """
    line = received.tree
    if not isinstance(line, dict) or not ("captureData" in line or "groundTruthData" in line):
        label = label_event(line)
        if label is not None:
            return [label]
        raise wrong_format("sagemaker", "it has neither captureData nor groundTruthData")
    metadata = line.get("eventMetadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if "captureData" not in line:
        return _labels(line, metadata)
    captured = line["captureData"]
    if not isinstance(captured, dict):
        raise wrong_format("sagemaker", "captureData is no object")
    rows = _rows(_first(captured, _INPUTS), limits)
    if isinstance(rows, Ignored):
        return rows
    return Call(
        WHOLE,
        text_of(metadata.get("inferenceId")) or text_of(metadata.get("eventId")) or "",
        model=_added(received, line, "endpointName", "endpoint"),
        version=_added(received, line, "variantName", "variant"),
        ts=metadata.get("inferenceTime"),
        rows=rows,
        answers=_answers(_first(captured, _OUTPUTS), limits),
        labels=_truth(line["groundTruthData"]) if "groundTruthData" in line else None,
    )


def _first(captured: Mapping[str, object], names: tuple[str, ...]) -> Mapping[str, object] | None:
    found = next((captured[name] for name in names if isinstance(captured.get(name), dict)), None)
    return found if isinstance(found, dict) else None


def _added(received: Received, line: Mapping[str, object], field: str, header: str) -> str | None:
    """What the bridge added, as a field, or as a header of that or a shorter name."""
    return text_of(line.get(field)) or received.headers.get(field.lower()) or received.headers.get(header)


def _content(side: Mapping[str, object], limits: Limits) -> tuple[object, bool]:
    """The data of a side, a text or a tree, and whether it is CSV."""
    data, encoding = side.get("data"), side.get("encoding")
    kind = media_type(str(side.get("observedContentType") or ""))
    if encoding == "BASE64":
        data = from_base64(data).decode(errors="replace")
    if encoding == "CSV" or kind == "text/csv":
        return data, True
    return (_lines(data, limits) if kind.endswith(("jsonlines", "jsonl")) else inner(data, limits)), False


def _lines(data: object, limits: Limits) -> object:
    return [inner(text, limits) for text in data.splitlines() if text.strip()] if isinstance(data, str) else data


def _rows(side: Mapping[str, object] | None, limits: Limits) -> list[Row] | Ignored | None:
    if side is None:
        return None
    data, is_csv = _content(side, limits)
    if is_csv:
        return list(_csv(data))
    rows = request_rows(data, limits, plain=True)
    return rows if isinstance(rows, Ignored) else list(rows)


def _answers(side: Mapping[str, object] | None, limits: Limits) -> list[object] | None:
    if side is None:
        return None
    data, is_csv = _content(side, limits)
    if is_csv:
        return [_without_added_cells(row) for row in _csv(data)]
    answers = answers_of(data, limits, plain=True)
    return None if answers is None else [_without_added(one) for one in answers]


def _without_added(answer: object) -> object:
    """A batch transform appends its id and time to each output."""
    if isinstance(answer, dict) and _ADDED[0] in answer:
        kept = {name: value for name, value in answer.items() if name not in _ADDED}
        return kept.get("output") if len(kept) == 1 and "output" in kept else kept
    return answer


def _without_added_cells(row: list[object]) -> list[object]:
    """The same in CSV."""
    added = len(row) > 2 and all(isinstance(cell, str) for cell in row[-2:]) and _TIME.fullmatch(str(row[-1]))
    return row[:-2] if added else row


def _csv(data: object) -> list[list[object]]:
    if not isinstance(data, str):
        raise RejectedRecord("body", "captured CSV is not a string")
    return csv_rows(data)


def _labels(line: Mapping[str, object], metadata: Mapping[str, object]) -> list[Native]:
    """A label for each row of ground truth."""
    identity = text_of(metadata.get("eventId"))
    if identity is None:
        raise RejectedRecord("id", "ground truth has no eventMetadata.eventId")
    labels = _truth(line["groundTruthData"])
    return [{"type": "label", "id": event_id(identity, at), "label": label} for at, label in enumerate(labels)]


def _truth(truth: object) -> list[object]:
    """The label of each row of ground truth."""
    rows = _csv(truth.get("data") if isinstance(truth, dict) else None)
    return [row[0] if row else None for row in rows]
