"""Rows of a custom monitoring signal of Azure Machine Learning, as CSV.

Source of the form: MicrosoftDocs/azure-ai-docs, how-to-monitor-model-performance.md, the output of a custom signal:
`group`, `metric_name`, `metric_value`, `group_pivot`, `threshold_value`.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from monitor.exports.form import Written
from monitor.exports.picked import Found, Picked, apart, said_of

NAME: Final = "Azure"
COLUMNS: Final = ("group", "metric_name", "metric_value", "group_pivot", "threshold_value")


def rows(picked: Picked) -> Written:
    """The table: a row for each finding that has a value and a threshold."""
    picked.of_one_model()
    taken, left = apart(picked.found, lambda one: None not in {one.number("value"), one.number("threshold")})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(one) for one in taken)
    return Written(out.getvalue().rstrip("\n"), said_of(left, NAME))


def _row(one: Found) -> tuple[str, str, float | None, str, float | None]:
    """The statistic is part of the name: its threshold is in its own unit."""
    names = filter(None, (one.text("cause"), one.text("figure"), one.text("statistic")))
    group = one.text("subject")
    return group, "_".join(names), one.number("value"), one.text("segment"), one.number("threshold")
