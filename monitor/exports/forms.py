"""The forms by name: a new one is one file, one line here and one in `names`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from monitor.exports import azure, openlineage, sagemaker, tfdv, vertex
from monitor.exports.form import Written
from monitor.exports.picked import Picked

FORMS: Final[Mapping[str, Callable[[Picked], Written]]] = {
    "sagemaker": sagemaker.violations,
    "tfdv": tfdv.anomalies,
    "openlineage": openlineage.events,
    "azure": azure.rows,
    "vertex": vertex.alerts,
}
