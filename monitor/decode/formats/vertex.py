"""Google Vertex AI: rows of the request-response logging table in BigQuery, one JSON string an instance.

Source of the format: googleapis/python-aiplatform and vertex-ai-samples (model monitoring notebooks).
"""

from __future__ import annotations

from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of, request_rows
from monitor.decode.formats.call import WHOLE, Call, Read, Received, Row
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import inner, text_of, wrong_format

_BODIES: Final = ("instances", "predictions")


def read(received: Received, limits: Limits) -> Read:
    """The call of a row.

    Raises:
        RejectedRecord: it is no row of the table, or a payload cannot be read.
    """
    row = received.tree
    if not isinstance(row, dict) or "deployed_model_id" not in row or "request_payload" not in row:
        label = label_event(row)
        if label is not None:
            return [label]
        raise wrong_format("vertex", "it has not both deployed_model_id and request_payload")
    requests, responses = _payloads(row.get("request_payload"), limits), _payloads(row.get("response_payload"), limits)
    endpoint = text_of(_plain(row.get("endpoint")))
    return Call(
        WHOLE,
        text_of(_plain(row.get("request_id"))) or "",
        model=None if endpoint is None else endpoint.rstrip("/").rpartition("/")[2],
        version=text_of(_plain(row.get("deployed_model_id"))),
        ts=_plain(row.get("logging_time")),
        rows=None if requests is None else _rows(requests, limits),
        answers=None if not responses else _answers(responses, limits),
    )


def _plain(cell: object) -> object:
    """A cell without the object that some exports put around it."""
    return cell["v"] if isinstance(cell, dict) and set(cell) == {"v"} else cell


def _payloads(cells: object, limits: Limits) -> list[object] | None:
    cells = _plain(cells)
    if cells is None:
        return None
    listed = cells if isinstance(cells, list) else [cells]
    return [_read(_plain(cell), limits) for cell in listed]


def _read(cell: object, limits: Limits) -> object:
    """A payload: JSON in a string; a string that is no JSON is the value itself."""
    if isinstance(cell, str) and cell.strip()[:1] not in set('{["0123456789-tfnNI'):
        return cell
    return inner(cell, limits)


def _rows(payloads: list[object], limits: Limits) -> list[Row]:
    """A row an instance; one payload may also be the whole body."""
    if len(payloads) == 1 and isinstance(payloads[0], dict) and _BODIES[0] in payloads[0]:
        found = request_rows(payloads[0], limits)
        return list(found) if isinstance(found, list) else []
    return [one if isinstance(one, dict | list) else [one] for one in payloads]


def _answers(payloads: list[object], limits: Limits) -> list[object] | None:
    if len(payloads) == 1 and isinstance(payloads[0], dict) and _BODIES[1] in payloads[0]:
        return answers_of(payloads[0], limits)
    return payloads
