"""What a reference knows of its model's performance, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from monitor.reference.performance_part import LEAST_WINDOWS, is_judged
from monitor.reference.reference import Reference
from monitor.settings.duration import about, format_duration
from monitor.stats.performance.figures import figures, labelled
from monitor.stats.performance.judged_errors import judged
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from monitor.text import listed, many, number, percent
from monitor.visible import one_line

#: figures that are named, as far as they are defined
_LATE_NAMED: Final = 5
_NAMED: Final = ("accuracy", "recall", "precision", "roc_auc", "calibration_error", "mae", "rmse", "bias")


def performance_lines(reference: Reference) -> Iterator[str]:
    """The figures and by how many labels; whether errors are judged; when the labels came."""
    known = reference.performance
    if known is None:
        if reference.labels:
            yield f"performance: {many(reference.labels, 'label')}, none beside what was predicted: not judged"
        return
    found, labels = figures(known.tally, reference.meaning), labelled(known.tally, reference.task)
    told = ", ".join(f"{name.replace('_', ' ')} {number(found[name])}" for name in _NAMED if name in found)
    words = f"performance by {many(labels, 'label')}: {told}"
    if not is_judged(known):
        yield f"{words}; not judged: {many(known.windows, 'base window')} of labels, and {LEAST_WINDOWS} are needed"
        return
    errors = (name for name in judged(reference.meaning) if name in known.errors)
    yield f"{words}; judged: {', '.join(errors)}"
    tickets = [name for name in judged(reference.meaning) if name in known.errors and not _may_page(reference, name)]
    if tickets:
        yield f"tickets only: {', '.join(tickets)}: their errors vary too slowly for this reference"
    if known.came:
        revised = f"; revised until {about(known.settled_us)} after" if known.settled_us else ""
        yield f"labels that came later than their predictions: {came_in_words(known.came)}{revised}"


def why_not_judged(reference: Reference) -> str:
    """Why errors are not compared with the reference's, and what helps."""
    if not reference.labels:
        return "the reference was made without labels; build one with them (driftd reference build)"
    return "the reference has too few labels"


def came_in_words(came: Sequence[tuple[int, float]]) -> str:
    """`50 % after 8 min, 95 % after 16 min, all after 25 min`: the delays behind the end of a cohort of predictions."""
    return ", ".join(f"{percent(share) if share < 1 else 'all'} after {about(delay)}" for delay, share in came)


def horizon_notes(reference: Reference, horizon_us: int) -> Iterator[str]:
    """What of the reference's late labels and outcomes such a `labels.horizon` does not wait for."""
    late = [] if reference.performance is None else [("labels", reference.performance.came)]
    late += [
        ("value of labels" if name == LABEL_VALUE else f"outcome {one_line(name)}", one.came)
        for name, one in sorted((reference.outcomes or {}).items())
    ]
    late = [(name, came) for name, came in late if came]
    if not horizon_us and late:
        names = ", ".join(name for name, _ in late)
        yield f"0s: labels are counted and not joined, so what came late in the reference is not judged: {names}"
        return
    missed = list[str]()
    for name, came in late:
        share = next((share for delay, share in came if delay > horizon_us), None)
        if share is not None:
            part = "not all" if share == 1 else f"fewer than {percent(share)}"
            missed.append(f"{part} of {name} (all after {about(came[-1][0])})")
    if missed:
        within = f"of what came late in the reference only a part came within it: {listed(missed, _LATE_NAMED)}"
        yield f"{format_duration(horizon_us)}: {within}; the others are never joined"


def _may_page(reference: Reference, figure: str) -> bool:
    known = reference.performance
    return known is not None and known.errors[figure].long_run.settled
