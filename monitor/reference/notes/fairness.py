"""What the settings ask of a reference's groups, for people."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.events import canonical
from monitor.reference.reference import Reference
from monitor.reference.segments import LEAST_EVENTS
from monitor.settings.model import Model
from monitor.text import many


def fairness_lines(reference: Reference, model: Model) -> Iterator[tuple[bool, str]]:
    """For each feature or tag of `fairness.by` whether its groups are compared, and a sentence."""
    asked = model.fairness
    if asked is None:
        return
    wanted = canonical(model.positive if asked.favourable is None else asked.favourable)
    impact, opportunity = asked.disparate_impact, asked.equal_opportunity
    permitted = [f"disparate impact at least {impact:.2f}"] if impact is not None else []
    permitted += [f"equal opportunity within {opportunity:.2f}"] if opportunity is not None else []
    for one in () if reference.segments is None else reference.segments.by:
        if one.feature not in asked.by:
            continue
        groups = many(len(one.values), "group")
        if len(one.values) > 1:
            yield True, f"by {one.feature}, {groups}: {', '.join(permitted)}; favourable: {wanted}"
        else:
            needed = f"the reference has {groups}, and a group needs {LEAST_EVENTS} events of one value"
            yield False, f"by {one.feature}: not judged: {needed}"
