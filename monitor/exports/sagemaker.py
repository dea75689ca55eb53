"""`constraint_violations.json` of SageMaker Model Monitor.

Source of the form: its developer guide, "Schema for Violations (constraint_violations.json file)".
"""

from __future__ import annotations

import json
from typing import Final

from monitor.exports.form import Written
from monitor.exports.picked import Found, Picked, apart, said_of

NAME: Final = "SageMaker"
#: the check of each cause
CHECKS: Final = {
    "type": "data_type_check",
    "missing": "completeness_check",
    "absent": "missing_column_check",
    "schema": "extra_column_check",
    "unseen": "categorical_values_check",
    "distribution": "baseline_drift_check",
    "outside": "baseline_drift_check",
    "constant": "baseline_drift_check",
    "score": "baseline_drift_check",
    "prediction": "baseline_drift_check",
}


def violations(picked: Picked) -> Written:
    """The file: a violation for each finding of a column that has a check."""
    picked.of_one_model()
    taken, left = apart(picked.found, lambda one: one.text("cause") in CHECKS and bool(one.column))
    text = json.dumps({"violations": [_violation(one) for one in taken]}, indent=2, ensure_ascii=False)
    return Written(text, said_of(left, NAME))


def _violation(one: Found) -> dict[str, str]:
    return {
        "feature_name": one.column,
        "constraint_check_type": CHECKS[one.text("cause")],
        "description": one.description,
    }
