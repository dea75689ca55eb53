"""Predictions without ids where settings or reference want them: usually `id` is looked for in a wrong place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from monitor.count.admission.versions import Admission
from monitor.events import KINDS, PREDICTION, ModelKey
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.settings.model import Model
from monitor.settings.tree import Input, Settings
from monitor.text import many

#: predictions of which one would have an id
LEAST: Final = 20


def no_id_lines(pipeline: Pipeline, settings: Settings, admission: Admission) -> Iterator[str]:
    """A line for each model version of whose predictions, since the process began, none has an id."""
    for (key, kind), count in sorted(pipeline.accepted.items()):
        model = admission.model(key.model)
        if kind != KINDS[PREDICTION] or count < LEAST or pipeline.joins.identified[key] or model is None:
            continue
        if words := no_id_words(settings, settings.inputs, key, model, admission.references.of(key)):
            yield f"{key.model} {key.version}: none of {many(count, 'prediction')} has an id: {words}"


def no_id_words(
    settings: Settings, inputs: Iterable[Input], key: ModelKey, model: Model | None, reference: Reference | None
) -> str:
    """What does not work without, and where the settings look for ids; "" where nothing asks for them."""
    placed = [
        f"inputs[{settings.inputs.index(one)}].fields.id ({one.fields.id})"
        for one in inputs
        if one.fields is not None and one.fields.id is not None and not one.fields.makes_labels()
        if one.model in {None, key.model}
    ]
    is_asked = "id_memory" in settings.model_fields_set and settings.id_memory
    if not (placed or is_asked or _has_labels(model, reference)):
        return ""
    remedy = f"; look at {' and '.join(placed)}" if placed else ""
    return f"labels cannot be joined, repeats cannot be told{remedy}"


def _has_labels(model: Model | None, reference: Reference | None) -> bool:
    """Whether labels or outcomes that come later are watched."""
    if model is not None and (model.outcomes or ("labels" in model.model_fields_set and model.labels.horizon)):
        return True
    late = None if reference is None else reference.performance
    return reference is not None and bool(reference.outcomes or (late is not None and late.came))
