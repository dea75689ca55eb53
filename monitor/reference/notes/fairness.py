"""What the settings ask of a reference's groups, for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.events import canonical
from monitor.reference.reference import Reference
from monitor.reference.segments import LEAST_EVENTS, MOST_VALUES, Segments
from monitor.settings.model import Model
from monitor.text import many, percent


def fairness_lines(reference: Reference, model: Model) -> Iterator[tuple[bool, str]]:
    """For each feature or tag of `fairness.by` whether its groups are compared, and a sentence."""
    asked = model.fairness
    if asked is None:
        return
    wanted = canonical(model.positive if asked.favourable is None else asked.favourable)
    impact, opportunity = asked.disparate_impact, asked.equal_opportunity
    permitted = [f"disparate impact at least {impact:.2f}"] if impact is not None else []
    permitted += [f"equal opportunity within {opportunity:.2f}"] if opportunity is not None else []
    segments = reference.segments
    for at, one in enumerate(() if segments is None else segments.by):
        if segments is None or one.feature not in asked.by:
            continue
        groups = many(len(one.values), "group")
        if len(one.values) > 1:
            others = _without_a_group(segments, at, reference.width)
            yield True, f"by {one.feature}, {groups}: {', '.join(permitted)}; favourable: {wanted}{others}"
        else:
            needed = f"the reference has {groups}, and a group needs {LEAST_EVENTS} events of one value"
            yield False, f"by {one.feature}: not judged: {needed}"


def _without_a_group(segments: Segments, at: int, width: int) -> str:
    """How many events have none of a feature's groups, so that nothing is said of them; "" where all have one."""
    other = np.flatnonzero(segments.whole == at)[-1]
    if not segments.counts[other, :, :width].any():
        return ""
    share = percent(float(segments.event_shares(width)[other]))
    group = f"a value with {LEAST_EVENTS} events of the reference, of the {MOST_VALUES} most frequent"
    return f"; the other {share} of the events are in no group: one is {group}"
