"""Which model versions are monitored, and with which reference; what becomes of an event of any other one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from monitor.count.versions_seen import VersionsSeen
from monitor.events import ACCEPTED, IGNORED, OVER_LIMIT, UNKNOWN_MODEL, ModelKey
from monitor.reference.configured import as_configured
from monitor.reference.monitored import Monitored, settings_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.settings.model import Model
from monitor.settings.tree import Settings

#: decisions on model versions that are not let in that are remembered: events of others are decided one by one
REMEMBERED: Final = 10_000


class Decision(NamedTuple):
    """What becomes of the events of a model version before lateness and duplicates are asked."""

    outcome: str
    reason: str
    lateness_us: int


class Admission:
    """Lets model versions in: those of the settings that have a reference, up to `limits.versions` of each model."""

    def __init__(self, settings: Settings, references: References) -> None:
        self._settings = settings
        self._models = {model.name: model for model in settings.models}
        self._decisions: dict[ModelKey, Decision] = {}
        self._when_replaced: list[Callable[[ModelKey], None]] = []
        self.references = references
        self.seen = VersionsSeen()

    def of(self, key: ModelKey) -> Decision:
        """Outcome and reason for prediction and features events of this key; `accepted` when they are let in."""
        known = self._decisions.get(key)
        if known is not None:
            return known
        decision = self._decide(key)
        if len(self._decisions) < REMEMBERED or decision.outcome == ACCEPTED:
            self._decisions[key] = decision
        return decision

    def _decide(self, key: ModelKey) -> Decision:
        model = self._models.get(key.model)
        if model is None:
            return Decision(UNKNOWN_MODEL, "not_configured", 0)
        if model.versions and key.version not in model.versions:
            return Decision(IGNORED, "version", 0)
        reference = self.references.of(key)
        if reference is None:
            self.seen.add_without_reference(key)
            return Decision(UNKNOWN_MODEL, "no_reference", 0)
        if self.seen.of_model(key.model) >= self._settings.limits.versions:
            return Decision(OVER_LIMIT, "versions", 0)
        self._see(key, model, reference)
        return Decision(ACCEPTED, "", self._settings.lateness_us(model))

    def _see(self, key: ModelKey, model: Model, reference: Reference) -> None:
        meaning = settings_hash(self._settings, model, reference)
        self.seen.add(Monitored(key, model, reference, self._settings.lateness_us(model), meaning))

    def monitored(self, key: ModelKey) -> Monitored | None:
        """The model version, if its events are judged."""
        return self.seen.monitored(key) if self.of(key).outcome == ACCEPTED else None

    def model(self, name: str) -> Model | None:
        """The settings of a model."""
        return self._models.get(name)

    def lateness_us(self, model_name: str) -> int:
        """How late events of a model of the settings may be; 0 for any other."""
        model = self._models.get(model_name)
        return 0 if model is None else self._settings.lateness_us(model)

    def restore(self, keys: Iterable[ModelKey]) -> None:
        """See the model versions of a state again, in its order."""
        for key in keys:
            self.of(key)

    def replace(self, key: ModelKey, reference: Reference) -> None:
        """Compare a model version with another reference from now on, or with its first one.

        All that was counted and judged of it by the one before is dropped, as if the process began again with the new
        one: no tally holds counts by the bins of both. Call it from the thread of the pipeline, not while a batch is
        being counted.

        Raises:
            ValueError: the model is not in the settings, or the reference is another model's.
        """
        model = self._models.get(key.model)
        if model is None or reference.key.model != key.model:
            message = f"{key} cannot be compared with a reference of {reference.key}"
            raise ValueError(message)
        configured = as_configured(reference, model)
        self.references.put(key, configured)
        self._decisions.pop(key, None)
        if self.seen.monitored(key) is not None:
            self._see(key, model, configured)
            self._decisions[key] = Decision(ACCEPTED, "", self._settings.lateness_us(model))
        for call in self._when_replaced:
            call(key)

    def when_replaced(self, call: Callable[[ModelKey], None]) -> None:
        """Have `call` drop what it holds of a model version whenever its reference was replaced."""
        self._when_replaced.append(call)
