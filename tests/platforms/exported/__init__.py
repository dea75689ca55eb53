"""A sample of every form of `driftd export`, and of the alert topic in binary mode, as a recording:
`python -m tests.platforms.exported` writes them afresh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from monitor.chain import Told
from monitor.clock import ManualClock
from monitor.events import ModelKey
from monitor.exports.exporting import findings_of
from monitor.exports.forms import FORMS
from monitor.findings import PAGE, Transition
from monitor.kafka.cloud_events import BINARY
from tests.engine import settings
from tests.told import days, recording, records_of, story

#: a name that headers of HTTP have to escape
ODD: Final = ModelKey('crédit "€" 100 %', "1")

HERE: Final = Path(__file__).parent
FILES: Final = {
    "sagemaker": "constraint_violations.json",
    "tfdv": "anomalies.pbtxt",
    "openlineage": "openlineage.jsonl",
    "azure": "azure.csv",
    "vertex": "vertex.jsonl",
    "knative": "alerts.records.jsonl",
}


def on_topic() -> list[Told]:
    """All kinds of lines, and a page of a model with an odd name."""
    told = story()
    first = next(one for one in told if isinstance(one, Transition))
    return [*told, replace(first, key=ODD, incident=f"{ODD}/00bb00bb00bb00bb", severity=PAGE)]


def samples() -> dict[str, str]:
    """The texts, by the name of their file."""
    with TemporaryDirectory() as folder:
        path = recording(Path(folder, "alerts.records.jsonl"), records_of(days()))
        picked = findings_of(settings(), str(path), ManualClock(), (None, None), (None, None))
        alerts = recording(Path(folder, "binary.records.jsonl"), records_of(on_topic(), mode=BINARY))
        events = alerts.read_text(encoding="utf-8")
    exported = {FILES[name]: write(picked).text + "\n" for name, write in FORMS.items()}
    return {**exported, FILES["knative"]: events}
