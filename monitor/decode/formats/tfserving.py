"""TensorFlow Serving: bodies of its REST API (V1) as a bridge sends them, and `tensorflow.serving.PredictionLog`.

Sources of the format: tensorflow/serving g3doc/api_rest.md and apis/prediction_log.proto.
"""

from __future__ import annotations

from monitor.decode.columns import Limits
from monitor.decode.formats.call import Read, Received
from monitor.decode.formats.cloudevents import cloud_event, media_type
from monitor.decode.formats.mlflow import read_bodies
from monitor.decode.formats.prediction_log import prediction_log


def read(received: Received, limits: Limits) -> Read:
    """The call of a record; a PredictionLog holds both sides.

    Raises:
        RejectedRecord: it is neither.
    """
    if (
        received.tree is None
        and media_type(received.headers.get("content-type", "")) != "text/csv"
        and cloud_event(received) is None
    ):
        return prediction_log(received.value, limits)
    return read_bodies(received, limits, "tfserving")
