"""An MLmodel with a signature, as MLflow infers and writes it, and the dataset that it was inferred from."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from import_made_by import write_made_by
from import_rows import rows
from mlflow.models import Model, infer_signature


def main(folder: Path) -> None:
    frame = pd.DataFrame(rows())
    inputs = frame.drop(columns=["customer"])
    model = Model(run_id="1", utc_time_created="2026-01-01 00:00:00", model_uuid="1", signature=infer_signature(inputs))
    model.save(str(folder / "import_MLmodel"))
    frame[:500].to_csv(folder / "import_mlflow.csv", index=False)
    write_made_by(folder, "mlflow", "mlflow", "pandas")


main(Path(sys.argv[1]))
