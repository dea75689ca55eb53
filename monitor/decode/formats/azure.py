"""Azure Machine Learning's data collector: JSON lines of structured CloudEvents, inputs and outputs apart.

Source of the format: MicrosoftDocs/azure-ai-docs how-to-collect-production-data.md; azureml-ai-monitoring 1.0.0.
"""

from __future__ import annotations

import re
from typing import Final

from monitor.decode.columns import Limits
from monitor.decode.formats.call import REQUEST, RESPONSE, Call, Ignored, Read, Received, Side
from monitor.decode.formats.cloudevents import CloudEvent, cloud_event
from monitor.decode.formats.labels import label_event
from monitor.decode.formats.unwrap import inner, wrong_format
from monitor.decode.formats.wrapped import with_tree

TYPE_PREFIX: Final = "azureml.inference."
#: by collection: the side, and whether it is tabular or the raw payload
_COLLECTIONS: Final[dict[str, tuple[Side, str]]] = {
    "model_inputs": (REQUEST, "tabular"),
    "inputs": (REQUEST, "tabular"),
    "request": (REQUEST, "payload"),
    "model_outputs": (RESPONSE, "tabular"),
    "outputs": (RESPONSE, "tabular"),
    "response": (RESPONSE, "payload"),
}
_ENDPOINT: Final = re.compile(r"/onlineEndpoints/([^/]+)", re.IGNORECASE)
_DEPLOYMENT: Final = re.compile(r"/deployments/([^/]+)", re.IGNORECASE)


def read(received: Received, limits: Limits) -> Read:
    """The side of a call that a line holds. Rows of one object share its correlation id.

    Raises:
        RejectedRecord: it is no line of the collector, or its data cannot be read.
    """
    event = cloud_event(received)
    if event is None:
        label = label_event(received.tree)
        if label is None:
            raise wrong_format("azure", "it is no CloudEvent")
        return [label]
    kind = event.get("type") or ""
    if not kind.startswith(TYPE_PREFIX):
        raise wrong_format("azure", f"its type does not begin with {TYPE_PREFIX}")
    collection = _COLLECTIONS.get(kind.removeprefix(TYPE_PREFIX))
    in_blob = event.get("datainblob")
    if collection is None or (in_blob is not None and in_blob.lower() == "true"):
        return Ignored("collection" if collection is None else "data in blob")
    data = inner(event.data.decode(errors="replace") if isinstance(event.data, bytes) else event.data, limits)
    return with_tree(_call(event, *collection), data, limits, plain=True)


def _call(event: CloudEvent, side: Side, family: str) -> Call:
    source, version = event.get("source") or "", event.get("modelversion")
    identity = event.get("correlationid") or event.get("xrequestid") or ""
    endpoint, deployment = _ENDPOINT.search(source), _DEPLOYMENT.search(source)
    if version in {None, "default"} and deployment is not None:
        version = deployment[1]
    model = None if endpoint is None else endpoint[1]
    return Call(side, identity, f"{family}/{identity}" if identity else "", model, version, event.get("time"))
