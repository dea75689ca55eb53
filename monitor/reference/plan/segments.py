"""Which values of a feature or a tag become segments of a reference, from the survey of its events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from monitor.events import canonical
from monitor.reference.column import FEATURE, Column
from monitor.reference.segments import LEAST_EVENTS, MOST_VALUES, OTHER, SegmentedBy
from monitor.reference.survey.events import Survey
from monitor.reference.survey.values import Sample
from monitor.stats.bins.reference_bins import CATEGORICAL
from monitor.text import meant


def segment_faults(
    asked: Sequence[str], columns: Sequence[Column], ignored: Mapping[str, str], survey: Survey
) -> Iterator[str]:
    """Why what `segments` of the settings names cannot cut the events."""
    kinds = {column.name: column.kind for column in columns if column.role == FEATURE}
    parents = {column.name: column.parent for column in columns if column.role == FEATURE and column.parent}
    for at, name in enumerate(asked):
        if name in ignored:
            yield f"segments[{at}]: {name} is ignored ({ignored[name]})"
        elif name not in kinds:
            if not _is_tag(survey, name):
                yield f"segments[{at}]: no event of the reference has a feature or a tag {name}{meant(name, kinds)}"
        elif name in parents:
            yield f"segments[{at}]: {name} is derived from {parents[name]}; only features of the events cut them"
        elif kinds[name] != CATEGORICAL:
            yield f"segments[{at}]: {name} is {kinds[name]}; write features.{name}.kind: categorical, or leave it out"


def plan_segments(asked: Sequence[str], columns: Sequence[Column], survey: Survey) -> tuple[SegmentedBy, ...]:
    """By each feature or tag its most frequent values, those first; every other value is in the rest.

    A name that both have is the feature's.
    """
    named = {column.name: set(column.bins.categories) for column in columns if column.role == FEATURE}
    return tuple(
        SegmentedBy(name, _values(survey.features[name], named[name]))
        if name in named
        else SegmentedBy(name, _values(survey.tags[name], None), is_tag=True)
        for name in asked
    )


def _is_tag(survey: Survey, name: str) -> bool:
    return name in survey.tags and bool(survey.tags[name].values)


def _values(sample: Sample, named: set[str] | None) -> tuple[str, ...]:
    """The most frequent values of a sample, of the `named` ones if there are any such."""
    values = [v for v in sample.values if v is not None and (type(v) is not float or math.isfinite(v))]
    counts = Counter(canonical(value) for value in values)
    events = sum(sample.forms.values()) / max(len(sample.values), 1)  # that each value of the sample stands for
    known = counts.keys() if named is None else counts.keys() & named
    often = [(-counts[value], value) for value in known - {OTHER} if counts[value] * events >= LEAST_EVENTS]
    return tuple(value for _, value in sorted(often)[:MOST_VALUES])
