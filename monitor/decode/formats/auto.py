"""Tells the format of a topic by its first records."""

from __future__ import annotations

from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats import oip, seldon, wrapped
from monitor.decode.formats.azure import TYPE_PREFIX as AZURE
from monitor.decode.formats.call import Call, Received
from monitor.decode.formats.cloudevents import cloud_event, media_type
from monitor.decode.formats.mlflow import REQUEST_KEYS
from monitor.decode.formats.prediction_log import prediction_log
from monitor.decode.formats.tensors import are_tensors
from monitor.errors import RejectedRecord

_NATIVE: Final = ("features", "prediction", "score", "scores", "label")


def format_of(received: Received, limits: Limits) -> str | None:
    """The format of a record, as in `inputs[].format`; None if it is not recognised."""
    try:
        event = cloud_event(received)
    except RejectedRecord:
        event = None
    if oip.is_of_mlserver(received):
        return "oip"
    if event is not None:
        kind = event.get("type") or ""
        if kind.startswith(AZURE):
            return "azure"
        return "kserve" if kind.startswith(wrapped.TYPE_PREFIX) else None
    if received.headers.get(oip.MODEL_HEADER):
        return "oip"
    if seldon.TOPIC.fullmatch(received.topic):
        return "seldon"
    if received.tree is None:
        return "tfserving" if _is_prediction_log(received, limits) else None
    tree = received.tree[0] if isinstance(received.tree, list) and received.tree else received.tree
    return _of_object(tree) if isinstance(tree, dict) else None


def _is_prediction_log(received: Received, limits: Limits) -> bool:
    """Whether the bytes are a PredictionLog with rows or answers of a model; other messages lack one of the three."""
    if media_type(received.headers.get("content-type", "")) == "text/csv":
        return False
    try:
        found = prediction_log(received.value, limits)
    except RejectedRecord:
        return False
    return isinstance(found, Call) and bool(found.model) and bool(found.rows or found.answers)


def _of_object(tree: dict[str, object]) -> str | None:
    if are_tensors(tree.get("inputs")) or are_tensors(tree.get("outputs")):
        return "oip"
    if "reqType" in tree and "bytes" in tree:
        return "kserve"
    if "kind" in tree and "modelid" in tree and "data" in tree:
        return "oip"
    if "captureData" in tree or "groundTruthData" in tree:
        return "sagemaker"
    if "databricks_request_id" in tree or "invocation_id" in tree:
        return "databricks"
    if "deployed_model_id" in tree and "logging_time" in tree:
        return "vertex"
    if any(key in tree for key in (*REQUEST_KEYS, "predictions")):
        return "mlflow"
    if "model" in tree and any(name in tree for name in _NATIVE):
        return "native"
    return None
