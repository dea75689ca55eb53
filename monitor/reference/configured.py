"""A reference under the settings of its model: contradictions, and the columns that remain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import canonical
from monitor.reference.column import FEATURE, PREDICTION, Column
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.reference.performance_part import ReferencePerformance
from monitor.reference.reference import Reference
from monitor.reference.score_effects import ScoreEffects
from monitor.reference.score_split import ScoreSplit
from monitor.reference.segments import Segments
from monitor.settings.detector import ERROR
from monitor.settings.model import Model
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, width_of
from monitor.text import listed, meant

IGNORE: Final = "ignore"


def contradictions(reference: Reference, model: Model) -> Iterator[str]:
    """Settings of the model that its reference was not built for."""
    if reference.is_import_alone:
        return _contradictions_of_import(reference, model)
    return _contradictions(reference, model)


def _contradictions(reference: Reference, model: Model) -> Iterator[str]:
    kinds = {column.name: column.kind for column in reference.columns if column.role == FEATURE}
    ignored = dict(reference.ignored)
    for name, feature in model.features.items():
        if name not in kinds and name not in ignored:
            yield f"features.{name}: no event of the reference has it; build the reference again or leave it out"
        elif feature.kind not in {None, IGNORE} and kinds.get(name) != feature.kind:
            was = kinds.get(name) or f"ignored ({ignored[name]})"
            yield f"features.{name}.kind: {feature.kind}, but the reference has it as {was}; build the reference again"
        elif feature.direction != "both" and kinds.get(name) != NUMERIC and feature.kind != IGNORE:
            was = kinds.get(name) or f"ignored ({ignored[name]})"
            yield f"features.{name}.direction: {feature.direction}, but only numbers have one, and it is {was}"
    built_for = () if reference.segments is None else tuple(one.feature for one in reference.segments.by)
    remain = _remaining(reference, model) | _tags(reference)
    for at, name in enumerate(model.segments):
        if name not in built_for:
            yield f"segments[{at}]: {_why_not_cut(name, kinds, built_for)}"
        elif name not in remain:
            yield f"segments[{at}]: {name} is ignored; leave it out, or do not ignore it"
    segments = _segments(reference, model, _kept(reference, model))
    if segments is not None and segments.size_fault:
        yield f"segments: {segments.size_fault}"
    yield from fairness_faults(reference.columns, model, reference.task)
    zone = reference.seasons.calendar.timezone if reference.seasons else model.timezone
    if model.timezone != zone:
        yield f"timezone: {model.timezone}, but the reference has its daily waves in {zone}; build the reference again"
    yield from _outcome_faults(reference.outcomes or {}, model)
    numeric = [column.subject(model.name) for column in reference.columns if column.bins.kind == NUMERIC]
    for at, detector in enumerate(model.detectors):
        if detector.on != ERROR and detector.on not in numeric:
            known = ", ".join([ERROR, *numeric])
            yield f"detectors[{at}].on: {detector.on!r} is no numeric column of the reference; write one of {known}"
    if model.task is not None and model.task != reference.task:
        yield f"task: {model.task}, but the reference was built for {reference.task}; build the reference again"


def _contradictions_of_import(reference: Reference, model: Model) -> Iterator[str]:
    """Kinds that are not those of the import; what it does not have comes from the events of the warm-up."""
    kinds = {column.name: column.kind for column in reference.columns if column.role == FEATURE}
    for name, feature in model.features.items():
        if feature.kind not in {None, IGNORE, kinds.get(name, feature.kind)}:
            yield f"features.{name}.kind: {feature.kind}, but the import has it as {kinds[name]}; leave it out"


def _outcome_faults(known: Mapping[str, ReferenceOutcome], model: Model) -> Iterator[str]:
    """Settings of outcomes that those of the reference contradict; one that it lacks is counted and not judged."""
    for name, outcome in model.outcomes.items():
        was = known[name].kind if name in known else None
        if was is not None and outcome.kind not in {None, was}:
            yield f"outcomes.{name}.kind: {outcome.kind}, but the reference has it as {was}; build the reference again"
        elif was not in {None, NUMERIC} and outcome.direction != "both":
            yield f"outcomes.{name}.direction: {outcome.direction}, but only numbers have one, and it is {was}"


def _why_not_cut(name: str, kinds: Mapping[str, str], built_for: Sequence[str]) -> str:
    """Why a reference has no segments by a feature or tag, and the remedy; `kinds` of its features."""
    again = "build the reference again"
    if kinds.get(name, CATEGORICAL) != CATEGORICAL:
        remedy = f"write features.{name}.kind: categorical and {again}, or leave it out"
        return f"{name} is {kinds[name]} in the reference; {remedy}"
    near = "" if name in kinds else meant(name, {*kinds, *built_for})
    return f"{name}, but the reference was built without it; {again}{near}"


def fairness_faults(columns: Sequence[Column], model: Model, task: str) -> Iterator[str]:
    """Why predictions of the columns of a reference cannot be favourable: it has no such class, or none at all."""
    if model.fairness is None:
        return
    classes = [one.bins.categories for one in columns if one.role == PREDICTION and one.bins.kind != NUMERIC]
    favourable = model.fairness.favourable
    wanted = canonical(model.positive if favourable is None else favourable)
    if not classes:
        yield "fairness: no event of the reference has a predicted class; leave it out"
    elif wanted not in classes[0]:
        known = f"write one of {listed(classes[0], 10)}"
        if favourable is None:
            said = (
                "is missing" if task == "multiclass" else f"is missing, and positive ({wanted!r}) is no predicted class"
            )
            yield f"fairness.favourable: {said}; {known}"
        else:
            yield f"fairness.favourable: {wanted!r} is no predicted class of the reference; {known}"


def as_configured(reference: Reference, model: Model) -> Reference:
    """The reference without the features that the settings ignore, and with the settings' positive class."""
    ignored = _ignored(model)
    kept = _kept(reference, model)
    return replace(
        reference,
        positive=canonical(model.positive),
        columns=tuple(reference.columns[at] for at in kept),
        ignored=(*reference.ignored, *((column.name, "by the settings") for column in _others(reference, kept))),
        counts=_narrowed(reference, kept),
        variability=reference.variability.of(kept),
        seasons=reference.seasons.of(kept) if reference.seasons else None,
        relations=reference.relations.of(kept) if reference.relations else None,
        derived=tuple(
            replace(one, left_out=one.left_out | ignored) for one in reference.derived if one.parent not in ignored
        ),
        effects=_effects(reference, kept),
        segments=_segments(reference, model, kept),
        performance=_performance(reference, model),
        outcomes=_outcomes(reference, model),
    )


def _ignored(model: Model) -> set[str]:
    return {name for name, feature in model.features.items() if feature.kind == IGNORE}


def _kept(reference: Reference, model: Model) -> list[int]:
    """Places of the columns that remain; what is derived from an ignored feature goes with it."""
    ignored = _ignored(model)
    return [
        at
        for at, column in enumerate(reference.columns)
        if column.role != FEATURE or not ignored & {column.name, column.parent}
    ]


def _remaining(reference: Reference, model: Model) -> set[str]:
    """Names of the features that remain."""
    columns = [reference.columns[at] for at in _kept(reference, model)]
    return {column.name for column in columns if column.role == FEATURE}


def _tags(reference: Reference) -> set[str]:
    """Names of the tags that cut its events."""
    return set() if reference.segments is None else {one.feature for one in reference.segments.by if one.is_tag}


def _others(reference: Reference, kept: list[int]) -> list[Column]:
    return [column for at, column in enumerate(reference.columns) if at not in kept]


def _effects(reference: Reference, kept: list[int]) -> ScoreEffects | None:
    effects = reference.effects
    if effects is None:
        return None
    shares = ScoreSplit(reference.columns, reference.counts, effects).shares
    return effects.of(kept, width_of([reference.columns[at].bins for at in kept]), shares)


def _segments(reference: Reference, model: Model, kept: list[int]) -> Segments | None:
    if reference.segments is None:
        return None
    asked = _asked(reference, model)
    return reference.segments.of(asked, kept, width_of([reference.columns[at].bins for at in kept]))


def _asked(reference: Reference, model: Model) -> list[str]:
    """The features and tags that cut the events."""
    remain = _remaining(reference, model) | _tags(reference)
    return [name for name in model.segments if name in remain]


def _performance(reference: Reference, model: Model) -> ReferencePerformance | None:
    if reference.performance is None or reference.segments is None:
        return reference.performance
    return reference.performance.of_segments(reference.segments.numbers(_asked(reference, model)))


def _outcomes(reference: Reference, model: Model) -> Mapping[str, ReferenceOutcome] | None:
    if reference.outcomes is None or reference.segments is None:
        return reference.outcomes
    numbers = reference.segments.numbers(_asked(reference, model))
    return {name: one.of_segments(numbers) for name, one in reference.outcomes.items()}


def _narrowed(reference: Reference, kept: list[int]) -> NDArray[np.int64]:
    """Counts of the kept columns, padded to the widest of them."""
    width = width_of([reference.columns[at].bins for at in kept])
    counts = reference.counts[kept]
    return np.concatenate([counts[:, :width], counts[:, reference.width :]], axis=1)
