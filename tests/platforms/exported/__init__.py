"""A sample of every form of `driftd export`: `python -m tests.platforms.exported` writes them afresh."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from monitor.clock import ManualClock
from monitor.exports.exporting import findings_of
from monitor.exports.forms import FORMS
from tests.engine import settings
from tests.told import days, recording, records_of

HERE: Final = Path(__file__).parent
FILES: Final = {
    "sagemaker": "constraint_violations.json",
    "tfdv": "anomalies.pbtxt",
    "openlineage": "openlineage.jsonl",
    "azure": "azure.csv",
    "vertex": "vertex.jsonl",
}


def samples() -> dict[str, str]:
    """The texts, by the name of their file."""
    with TemporaryDirectory() as folder:
        path = recording(Path(folder, "alerts.records.jsonl"), records_of(days()))
        picked = findings_of(settings(), str(path), ManualClock(), (None, None), (None, None))
    return {FILES[name]: write(picked).text + "\n" for name, write in FORMS.items()}
