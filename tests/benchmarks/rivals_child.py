"""What the installed rivals say of streams; runs in their own environment: `rivals_child.py CHUNK ROWS FILE...`.

Each file has predictions in order (`.csv`): the first ROWS are the reference, then come chunks of CHUNK rows. Prints
one JSON object: versions, the chunks of each file in which NannyML has an alert, and Evidently's values of the first.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd


def main(chunk: int, rows: int, files: list[Path]) -> None:
    warnings.simplefilter("ignore")
    out: dict[str, Any] = {"versions": {name: version(name) for name in ("nannyml", "evidently")}, "nannyml": {}}
    for file in files:
        table = pd.read_csv(file)
        for name in table.columns:
            if not pd.api.types.is_float_dtype(table[name]):
                table[name] = table[name].astype(str)
        out["nannyml"][file.name] = _nannyml(table.iloc[:rows], table.iloc[rows:], chunk)
    out["evidently"] = _evidently(table.iloc[:rows], table.iloc[rows : rows + chunk])
    sys.stdout.write(json.dumps(out) + "\n")


def _nannyml(reference: pd.DataFrame, live: pd.DataFrame, chunk: int) -> list[bool]:
    """Whether any column of a chunk is outside its thresholds; methods and thresholds are the defaults."""
    import nannyml  # noqa: PLC0415  # slow to import

    calculator = nannyml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=chunk)
    calculator.fit(reference)
    found = calculator.calculate(live).filter(period="analysis").to_df()
    alerts = [column for column in found.columns if column[-1] == "alert"]
    return [bool(row) for row in found[alerts].any(axis=1)]


def _evidently(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, float]:
    """The preset's value of each column."""
    from evidently import Report  # noqa: PLC0415  # slow to import
    from evidently.presets import DataDriftPreset  # noqa: PLC0415  # as above

    metrics = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
    return {one["config"]["column"]: float(one["value"]) for one in metrics if "column" in one["config"]}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
