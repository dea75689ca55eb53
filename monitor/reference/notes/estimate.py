"""In words: from what a reference's performance is estimated, or why it cannot be."""

from __future__ import annotations

from typing import Final

from monitor.reference.column import PREDICTION, SCORE
from monitor.reference.learn.estimate import LEAST_ROWS, MOST_CLASSES
from monitor.reference.reference import Reference
from monitor.text import many

#: what an estimate of each task is called, so that its assumption is read with it
ESTIMATED: Final = {
    "binary": "estimated, if the scores stay calibrated",
    "multiclass": "estimated, if the scores stay calibrated",
    "regression": "estimated, if errors stay as large in each bin",
}


def estimate_note(reference: Reference) -> str:
    """One line."""
    if reference.estimate is None:
        return f"performance cannot be estimated before labels come: {_why_not(reference)}"
    rows = many(reference.estimate.rows, "labelled row")
    return f"before labels come performance is {ESTIMATED[reference.task]}: from {rows}"


def _why_not(reference: Reference) -> str:
    roles = {column.role: column for column in reference.columns}
    if reference.task == "none":
        return "the task is none"
    if not reference.labels:
        return "no row of the reference has a label"
    if reference.task == "binary" and SCORE not in roles:
        return "no event has a score"
    if reference.task == "multiclass" and not reference.score_classes:
        return "no event has `scores`"
    if PREDICTION not in roles and reference.task != "binary":
        return "no event has a prediction"
    if reference.labels < LEAST_ROWS:
        return f"it takes {LEAST_ROWS} labelled rows, and there are {reference.labels:,}"
    if reference.task == "multiclass" and len(roles[PREDICTION].bins.categories) > MOST_CLASSES:
        return f"{MOST_CLASSES} classes are the most"
    return "the labelled rows are of one class, too few of them have what it takes, or an older version built it"
