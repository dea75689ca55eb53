"""The model version that a label counts for. Labels do not create versions: predictions do."""

from __future__ import annotations

from monitor.count.admission.versions import Admission, Decision
from monitor.events import ACCEPTED, IGNORED, UNKNOWN_MODEL, ModelKey


class LabelKeys:
    """Labels by the version they name, which may be left out."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def key_of(self, key: ModelKey) -> ModelKey:
        """The key a label counts under: without a version, that of the model's only version if it has just one."""
        model = self._admission.model(key.model)
        if key.version or model is None or len(model.versions) != 1:
            return key
        return ModelKey(key.model, model.versions[0])

    def decision(self, key: ModelKey) -> Decision:
        """Whether labels of this key are admitted, or why not."""
        model = self._admission.model_of_event(key.model)
        if model is None:
            return self._admission.of(key)
        if key.version and model.versions and key.version not in model.versions:
            return Decision(IGNORED, "version", 0)
        if key.version and self._admission.references.of(key) is None and not self._admission.learns_of(key, model):
            return Decision(UNKNOWN_MODEL, "no_reference", 0)
        return Decision(ACCEPTED, "", self._admission.lateness_us(key.model))
