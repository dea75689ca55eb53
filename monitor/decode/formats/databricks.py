"""Databricks inference tables: a row for each HTTP call, with request and response as JSON strings.

Source of the format: the vendor's page on inference tables, and public table definitions; the schema that ended in
March 2026 (`timestamp_ms`, `request_metadata`), the one of AI Gateway, and the names of Unity AI Gateway.
"""

from __future__ import annotations

from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of, request_rows
from monitor.decode.formats.call import WHOLE, Call, Ignored, Read, Received
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import inner, text_of, wrong_format

_IDS: Final = ("client_request_id", "databricks_request_id", "invocation_id")
_TIMES: Final = ("timestamp_ms", "request_time", "event_time")
_FINE: Final = (None, 200, "200")


def read(received: Received, limits: Limits) -> Read:
    """The call of a row. Without a response that is fine, only its request counts.

    Raises:
        RejectedRecord: it is no row of an inference table, or its bodies cannot be read.
    """
    row = received.tree
    if not isinstance(row, dict) or not any(name in row for name in ("databricks_request_id", "invocation_id")):
        label = label_event(_renamed(row))
        if label is not None:
            return [label]
        raise wrong_format("databricks", "it has neither databricks_request_id nor invocation_id")
    metadata = inner(row.get("request_metadata"), limits)
    names = metadata if isinstance(metadata, dict) else {}
    request = inner(row.get("request"), limits)
    rows = None if request is None else request_rows(request, limits)
    if isinstance(rows, Ignored):
        return rows
    fine = row.get("status_code") in _FINE
    response = inner(row.get("response"), limits) if fine else None
    return Call(
        WHOLE,
        next((text for name in _IDS if (text := text_of(row.get(name)))), ""),
        model=text_of(names.get("model_name")) or text_of(names.get("endpoint_name")),
        version=text_of(names.get("model_version")) or text_of(row.get("served_entity_id")),
        ts=next((row[name] for name in _TIMES if row.get(name) is not None), None),
        rows=rows,
        answers=None if response is None else answers_of(response, limits),
    )


def _renamed(row: object) -> object:
    """A row of a label table, which is joined by `client_request_id`."""
    if isinstance(row, dict) and "client_request_id" in row and "id" not in row:
        return {**row, "id": row["client_request_id"]}
    return row
