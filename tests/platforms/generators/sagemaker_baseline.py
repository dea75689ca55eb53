"""A baseline of SageMaker Model Monitor: statistics.json with sketches, and constraints.json in both spellings.

The container that computes them is no package: `baseline_statistics.py` writes them after its documentation. The
package's own classes carry both files, and write the overrides of a feature.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from baseline_statistics import feature
from import_made_by import write_made_by
from import_rows import rows

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # none is called

from sagemaker.model_monitor import Constraints, Statistics


def main(folder: Path) -> None:
    made = rows()
    both = [feature(name, [row[name] for row in made]) for name in made[0]]
    statistics = Statistics(
        {"version": 0.0, "dataset": {"item_count": len(made)}, "features": [one for one, _ in both]}, None
    )
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": {
            "perform_comparison": "Enabled",
            "comparison_threshold": 0.1,
            "comparison_method": "Robust",
            "categorical_comparison_threshold": 0.1,
            "categorical_drift_method": "LInfinity",
        },
    }
    body = {"version": 0.0, "features": [one for _, one in both], "monitoring_config": config}
    constraints = Constraints(body, None)
    constraints.set_monitoring(enable_monitoring=True, feature_name="grade")
    (folder / "import_sagemaker_statistics.json").write_text(json.dumps(statistics.body_dict) + "\n")
    (folder / "import_sagemaker_constraints.json").write_text(json.dumps(constraints.body_dict) + "\n")
    write_made_by(folder, "sagemaker", "sagemaker")


main(Path(sys.argv[1]))
