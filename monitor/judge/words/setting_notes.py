"""Notes of `check` on settings of a model that are valid, and do something else than whoever wrote them may expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.clock import DAY_US
from monitor.findings import PAGE
from monitor.judge.promise.budget import TICKETS_PER_US
from monitor.settings.model import LEAST_WARMUP, Model, WarmUp

#: causes that are judged outside the page budget, and pages of which the settings may make
OUTSIDE_THE_BUDGET: Final = ("traffic", "duplicates", "clock", "schema", "label_delay", "label_coverage", "fairness")


#: settings of whoever has labels
OF_LABELS: Final = {"labels", "outcomes", "costs"}
#: what a warm-up does not learn, and the remedy
NO_LATE_LABELS: Final = (
    "performance, outcomes and the times of labels are not judged by it; build a reference with label events (driftd "
    "reference build) for that"
)
#: the same of segments
NO_SEGMENT_LABELS: Final = (
    "its labels are not cut by segment: performance by segment and equal opportunity are not judged; build a reference "
    "(driftd reference build) for that"
)


def pages_besides(model: Model) -> list[str]:
    """The causes that the settings let page outside the page budget."""
    if model.max_severity != PAGE:
        return []
    return [cause for cause in OUTSIDE_THE_BUDGET if model.severity.get(cause) == PAGE]


def setting_notes(model: Model) -> Iterator[tuple[str, str]]:
    """(place under the model, note)."""
    for cause in pages_besides(model):
        days = TICKETS_PER_US // DAY_US
        often = "it has no known rate" if cause == "schema" else f"by chance at most one in {days} days"
        yield f"severity.{cause}", f"pages outside the page budget: {often}, beside those of the budget"
    if isinstance(model.reference, WarmUp) and model.model_fields_set & OF_LABELS:
        yield "reference.warmup", f"a warm-up learns no labels that come later than their predictions: {NO_LATE_LABELS}"
    if isinstance(model.reference, WarmUp) and model.segments:
        yield "segments", f"of a reference that is learned in a warm-up: {NO_SEGMENT_LABELS}"
    if isinstance(model.reference, WarmUp) and model.reference.warmup < LEAST_WARMUP:
        yield (
            "reference.warmup",
            f"{model.reference.warmup:,} predictions are fewer than the 40 base windows that are needed: the warm-up "
            f"lasts for about {LEAST_WARMUP:,}; write warmup: {LEAST_WARMUP}",
        )
