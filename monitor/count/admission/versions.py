"""Which model versions are monitored, and with which reference; what becomes of an event of any other one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from monitor.count.admission.versions_seen import VersionsSeen
from monitor.events import ACCEPTED, IGNORED, OVER_LIMIT, UNKNOWN_MODEL, ModelKey, canonical
from monitor.reference.blank import WARMUP, warmup_reference
from monitor.reference.configured import as_configured
from monitor.reference.monitored import Monitored, settings_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.settings.model import WARMUP_PREDICTIONS, Model, WarmUp
from monitor.settings.tree import Settings

#: decisions on model versions that are not let in that are remembered: events of others are decided one by one
REMEMBERED: Final = 10_000


class Decision(NamedTuple):
    """What becomes of the events of a model version before lateness and duplicates are asked."""

    outcome: str
    reason: str
    lateness_us: int


class Admission:
    """Lets model versions in: those that have a reference or learn one, up to `limits.versions` of each model."""

    def __init__(self, settings: Settings, references: References, *, warms_up: bool = False) -> None:
        """`warms_up`: model versions without a reference may learn one, where the settings want that."""
        self.settings = self._settings = settings
        self._warms_up = warms_up
        #: models that are not in the settings
        self._made = 0
        self._learned: set[ModelKey] = set()
        self._when_learned: list[Callable[[ModelKey], None]] = []
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
        model = self.model_of_event(key.model)
        if model is None:
            warms_up = self._warms_up and self._settings.unknown_models == WARMUP
            return Decision(OVER_LIMIT, "models", 0) if warms_up else Decision(UNKNOWN_MODEL, "not_configured", 0)
        if model.versions and key.version not in model.versions:
            return Decision(IGNORED, "version", 0)
        reference = self.references.of(key)
        if reference is None and self.learns_of(key, model):
            reference = warmup_reference(key, canonical(model.positive))
        if reference is None:
            self.seen.add_without_reference(key)
            return Decision(UNKNOWN_MODEL, "no_reference", 0)
        if self.seen.of_model(key.model) >= self._settings.limits.versions:
            return Decision(OVER_LIMIT, "versions", 0)
        self._see(key, model, reference, warmed_up=key in self._learned or reference.hash == WARMUP)
        return Decision(ACCEPTED, "", self._settings.lateness_us(model))

    def _see(self, key: ModelKey, model: Model, reference: Reference, *, warmed_up: bool) -> None:
        meaning = settings_hash(self._settings, model, reference)
        self.seen.add(Monitored(key, model, reference, self._settings.lateness_us(model), meaning, warmed_up))

    def monitored(self, key: ModelKey) -> Monitored | None:
        """The model version, if its events are judged."""
        return self.seen.monitored(key) if self.of(key).outcome == ACCEPTED else None

    def model(self, name: str) -> Model | None:
        """The settings of a model."""
        return self._models.get(name)

    def model_of_event(self, name: str) -> Model | None:
        """The same; a model that is not in the settings gets default ones if unknown models are learned."""
        model = self._models.get(name)
        wanted = self._warms_up and self._settings.unknown_models == WARMUP
        if model is None and wanted and self._made < self._settings.limits.models:
            self._made += 1
            model = self._models[name] = Model(name=name, reference=WarmUp(warmup=WARMUP_PREDICTIONS))
        return model

    def learns(self, model: Model) -> bool:
        """Whether versions of this model without a reference learn one."""
        return self._warms_up and (isinstance(model.reference, WarmUp) or self._settings.unknown_models == WARMUP)

    def learns_of(self, key: ModelKey, model: Model) -> bool:
        """Whether this version of the model learns its reference, or what an import lacks."""
        return self.learns(model) or (self._warms_up and self.references.imported(key) is not None)

    def learns_any(self) -> bool:
        """Whether a reference may be learned of any model, in the settings or not."""
        by_settings = self._settings.unknown_models == WARMUP or any(map(self.learns, self._models.values()))
        return by_settings or any(True for _ in self.references.imports())

    def warmup_meaning(self, key: ModelKey) -> str:
        """The hash of the settings that a warm-up of this model version depends on; "" if it would have none."""
        model = self.model_of_event(key.model)
        if model is None or self.references.of(key) is not None or not self.learns_of(key, model):
            return ""
        imported = self.references.imported(key)
        return settings_hash(self._settings, model, imported or warmup_reference(key, canonical(model.positive)))

    def learned(self, key: ModelKey, reference: Reference) -> None:
        """Compare a model version with the reference that it has learned, from now on."""
        model = self._models[key.model]
        configured = as_configured(reference, model)
        self.references.put(key, configured)
        self._learned.add(key)
        if self.seen.monitored(key) is not None:
            self._see(key, model, configured, warmed_up=True)
        for call in self._when_learned:
            call(key)

    def when_learned(self, call: Callable[[ModelKey], None]) -> None:
        """Have `call` drop what it holds of a model version whenever it has learned its reference."""
        self._when_learned.append(call)

    def lateness_us(self, model_name: str) -> int:
        """How late events of a model of the settings may be; 0 for any other."""
        model = self._models.get(model_name)
        return 0 if model is None else self._settings.lateness_us(model)

    def horizon_us(self, model_name: str) -> int:
        """How long labels of a model's predictions are waited for; 0 for a model that is not known."""
        model = self._models.get(model_name)
        return 0 if model is None else model.labels.horizon

    def restore(self, keys: Iterable[ModelKey], retired: Iterable[ModelKey] = ()) -> None:
        """See the model versions of a state again, in its order; `retired` ones take no place of others."""
        self.seen.retired.update(retired)
        for key in keys:
            self.of(key)

    def replace(self, key: ModelKey, reference: Reference) -> None:
        """Compare a model version with another reference from now on, or with its first one.

        All that was counted and judged of it by the one before is dropped, as if the process began again with the new
        one: no tally holds counts by the bins of both. Call it from the thread of the pipeline, not while a batch is
        being counted.

        Raises:
            ValueError: the model is not in the settings, or the reference is another model's, or an import alone.
        """
        model = self._models.get(key.model)
        if model is None or reference.key.model != key.model or reference.is_import_alone:
            message = f"{key} cannot be compared with a reference of {reference.key}"
            raise ValueError(message)
        configured = as_configured(reference, model)
        self.references.put(key, configured)
        self._decisions.pop(key, None)
        self._learned.discard(key)
        if self.seen.monitored(key) is not None:
            self._see(key, model, configured, warmed_up=False)
            self._decisions[key] = Decision(ACCEPTED, "", self._settings.lateness_us(model))
        for call in self._when_replaced:
            call(key)

    def when_replaced(self, call: Callable[[ModelKey], None]) -> None:
        """Have `call` drop what it holds of a model version whenever its reference was replaced."""
        self._when_replaced.append(call)
