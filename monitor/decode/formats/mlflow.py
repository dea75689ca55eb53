"""Bodies of MLflow's scoring server, which logs nothing itself: as a gateway or client sends them.

They come in the common wrapper (`wrapped`), as one object with `request` and `response`, or alone.

Source of the format: mlflow/pyfunc/scoring_server (3.17).
"""

from __future__ import annotations

from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.bodies import answers_of, csv_rows, request_rows
from monitor.decode.formats.call import RESPONSE, WHOLE, Call, Ignored, Read, Received
from monitor.decode.formats.cloudevents import media_type
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import inner, text_of, wrong_format
from monitor.decode.formats.wrapped import wrapped_call

REQUEST_KEYS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ID_HEADERS: Final = ("x-request-id", "ce_id")


def read(received: Received, limits: Limits) -> Read:
    """The call of a record.

    Raises:
        RejectedRecord: it is no body of a request or response.
    """
    return read_bodies(received, limits, "mlflow")


def read_bodies(received: Received, limits: Limits, name: str) -> Read:
    """The same for any format that has such bodies; `name` is that in `inputs[].format`.

    Raises:
        RejectedRecord: it is no body of a request or response.
    """
    found = wrapped_call(received, limits)
    if found is not None:
        return found
    if media_type(received.headers.get("content-type", "")) == "text/csv":
        text = received.tree if isinstance(received.tree, str) else received.value.decode(errors="replace")
        return Call(WHOLE, _id_of(received), rows=csv_rows(text))
    tree = received.tree
    label = label_event(tree)
    if label is not None:
        return [label]
    if not isinstance(tree, dict):
        raise wrong_format(name, "its JSON is no object")
    if "request" in tree or "response" in tree:
        return _both(received, tree, limits)
    if any(key in tree for key in REQUEST_KEYS):
        rows = request_rows(tree, limits)
        return rows if isinstance(rows, Ignored) else Call(WHOLE, _id_of(received), rows=rows)
    if "predictions" in tree or "outputs" in tree:
        return Call(RESPONSE, _id_of(received), answers=answers_of(tree, limits))
    raise wrong_format(name, f"it has none of {', '.join(REQUEST_KEYS)}, predictions")


def _both(received: Received, tree: dict[str, object], limits: Limits) -> Read:
    """A record with the request, the response, and what the bridge knows beside them."""
    request, response = inner(tree.get("request"), limits), inner(tree.get("response"), limits)
    rows = None if request is None else request_rows(request, limits)
    if isinstance(rows, Ignored):
        return rows
    identity = next(
        (text for name in ("id", "request_id", "client_request_id") if (text := text_of(tree.get(name)))), ""
    )
    return Call(
        WHOLE,
        identity or _id_of(received),
        model=text_of(tree.get("model")) or text_of(tree.get("model_name")),
        version=text_of(tree.get("version")) or text_of(tree.get("model_version")),
        ts=tree.get("ts", tree.get("time")),
        rows=rows,
        answers=None if response is None else answers_of(response, limits),
    )


def _id_of(received: Received) -> str:
    """The id of a body without one, from a header. Keys are those of models or clients as often: they are none."""
    return next((received.headers[name] for name in _ID_HEADERS if received.headers.get(name)), "")
