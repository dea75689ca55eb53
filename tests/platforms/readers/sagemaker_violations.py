"""What the class of SageMaker's package for `constraint_violations.json` holds of a file."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # none is called

from sagemaker.model_monitor.monitoring_files import ConstraintViolations

body = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
found = ConstraintViolations(body_dict=body, constraint_violations_file_s3_uri="s3://bucket/constraint_violations.json")
read = [f"{one['feature_name']}: {one['constraint_check_type']}" for one in found.body_dict["violations"]]
print(json.dumps({"read_by": {"sagemaker": version("sagemaker")}, "read": read}))
