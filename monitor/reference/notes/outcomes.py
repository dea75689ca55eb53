"""What a reference knows of named outcomes, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.reference.outcome_part import MEAN, ReferenceOutcome
from monitor.reference.performance_part import LEAST_WINDOWS
from monitor.reference.reference import Reference
from monitor.settings.duration import about
from monitor.settings.model import Model
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from monitor.text import many, number, percent
from monitor.visible import one_line


def outcome_lines(reference: Reference) -> Iterator[str]:
    """One for each outcome: its values, whether they are judged, and when they came."""
    for name, outcome in sorted((reference.outcomes or {}).items()):
        whose = "the value of labels" if name == LABEL_VALUE else f"outcome {one_line(name)}"
        yield f"{whose}: {', '.join(_told(outcome))}"


def unknown_outcomes(reference: Reference, model: Model) -> Iterator[tuple[str, str]]:
    """(place under the model, note) of outcomes of the settings that a reference cannot judge."""
    key = reference.key
    for name in sorted(model.outcomes.keys() - (reference.outcomes or {}).keys()):
        yield (
            f"outcomes.{name}",
            f"the reference of {key.model} {key.version} has no outcome of that name: it is counted, not judged; build "
            "the reference again with the label events that bring it",
        )


def _told(outcome: ReferenceOutcome) -> Iterator[str]:
    values = outcome.counted(outcome.tally)
    yield many(values, "value")
    if outcome.kind == NUMERIC:
        yield f"mean {number(outcome.tally.mean or 0.0)}"
    else:
        shares = (f"{one_line(name)} {percent(count / values)}" for name, count in outcome.tally.texts().items())
        yield "shares " + " ".join(shares)
    if not outcome.is_judged:
        yield f"not judged: {many(outcome.windows, 'base window')} of values, and {LEAST_WINDOWS} are needed"
    elif not all(one.long_run.settled for one in outcome.errors.values()):
        yield f"tickets only: the {MEAN if outcome.kind == NUMERIC else 'shares'} vary too slowly for this reference"
    if outcome.came:
        yield "came " + ", ".join(
            f"{percent(share)} after {about(delay)}" for delay, share in outcome.came if share < 1
        )
    if outcome.settled_us:
        yield f"revised until {about(outcome.settled_us)} after"
