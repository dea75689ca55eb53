"""Findings in the forms of other platforms. Their own packages read them in `tests/platforms`."""

from __future__ import annotations

import csv
import io
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from monitor.chain import Told
from monitor.cli.parser import main
from monitor.clock import ManualClock
from monitor.errors import TransientError
from monitor.events import ModelKey
from monitor.exit_codes import DONE, REFUSED, USAGE
from monitor.exports import azure, mlflow, openlineage, sagemaker, tfdv, vertex
from monitor.exports.exporting import findings_of
from monitor.exports.forms import FORMS
from monitor.exports.names import FORMS as NAMED
from monitor.exports.names import MLFLOW
from monitor.exports.picked import Picked
from monitor.findings import PAGE, TICKET, Span
from tests.engine import settings
from tests.told import HOUR_US, INCIDENT, START_US, days, every_kind, finding, recording, records_of, transition

OTHER = ModelKey("loan", "2")


def picked_from(
    folder: Path, lines: list[Told], hours: tuple[float | None, float | None] = (None, None), **of: str
) -> Picked:
    path = recording(folder / "alerts.records.jsonl", records_of(lines))
    start, end = (None if hour is None else START_US + int(hour * HOUR_US) for hour in hours)
    of_model = of.get("model"), of.get("version")
    return findings_of(settings(), str(path), ManualClock(START_US + 99 * HOUR_US), of_model, (start, end))


@pytest.fixture
def everything(tmp_path: Path) -> Picked:
    return picked_from(tmp_path, days())


def test_each_finding_is_there_once_with_its_newest_figures_and_whether_it_is_open(everything: Picked) -> None:
    keys = [(one.text("subject"), one.text("cause")) for one in everything.found]
    assert sorted(keys) == sorted((one.key.subject, one.key.cause) for one in every_kind())
    assert {(key): one.is_open for key, one in zip(keys, everything.found, strict=True)} == {
        key: key != ("AGE", "distribution") for key in keys
    }
    assert {one.line.name for one in everything.found} == {f"{INCIDENT}/2", f"{INCIDENT}/3"}


def test_what_was_open_at_the_beginning_of_a_time_is_in_it(tmp_path: Path) -> None:
    assert len(picked_from(tmp_path, days(), (10, 20)).found) == len(every_kind()) - 1
    over = [*days(), transition(4, "resolved", [], hour=4)]
    assert picked_from(tmp_path, over, (10, 20)).found == []
    assert len(picked_from(tmp_path, over, (0, 1)).found) == 2
    assert picked_from(tmp_path, over).found[0].is_open is False


def test_a_model_of_which_nothing_was_told_and_a_file_of_something_else_are_said(tmp_path: Path) -> None:
    assert picked_from(tmp_path, days(), model="credit").doubt is None
    assert picked_from(tmp_path, days()).doubt is None
    assert "nothing was told of nix; known there: credit 1" in (picked_from(tmp_path, days(), model="nix").doubt or "")
    events = tmp_path / "events.jsonl"
    events.write_text('{"id": "p-1", "model": "loans"}\n')
    doubt = findings_of(settings(), str(events), ManualClock(), (None, None), (None, None)).doubt or ""
    assert "no incident in 1 record" in doubt
    assert "driftd replay --json" in doubt


def test_a_file_of_one_model_version_is_not_made_of_two(tmp_path: Path) -> None:
    two = [*days(), transition(1, "opened", [finding()], hour=1, incident="loan/2/aa", key=OTHER)]
    for form in ("sagemaker", "tfdv", "azure", "vertex"):
        with pytest.raises(Exception, match=r"several have findings: credit 1, loan 2"):
            FORMS[form](picked_from(tmp_path, two))
    assert {one.model for one in picked_from(tmp_path, two, model="loan").found} == {"loan"}
    assert picked_from(tmp_path, two, model="loan", version="1").found == []


def test_sagemaker_has_the_checks_of_its_description_and_says_what_has_none(everything: Picked) -> None:
    written = sagemaker.violations(everything)
    violations = json.loads(written.text)["violations"]
    assert {tuple(one) for one in violations} == {("feature_name", "constraint_check_type", "description")}
    assert {(one["feature_name"], one["constraint_check_type"]) for one in violations} == {
        ("AGE", "baseline_drift_check"),
        ("AGE", "completeness_check"),
        ("SEX", "categorical_values_check"),
        ("LIMIT", "baseline_drift_check"),
        ("LIMIT", "data_type_check"),
        ("EDU", "missing_column_check"),
        ("NEW", "extra_column_check"),
        ("PAY", "baseline_drift_check"),
        ("score", "baseline_drift_check"),
        ("emb", "baseline_drift_check"),
    }
    assert written.left_out == (
        "SageMaker has no form for 1 finding of performance, 1 finding of relation, 1 finding of traffic: left out"
    )


def test_tfdv_has_an_entry_for_each_column_and_one_for_the_data(everything: Picked) -> None:
    text = tfdv.anomalies(everything).text
    assert text.count("anomaly_info {") == 8 + 1  # eight columns, and the data set
    assert text.count("dataset_anomaly_info {") == 1
    assert text.count("reason {") == 12
    assert r"\"quoted\"\012" in text
    assert "type: FLOAT_TYPE_SMALL_FLOAT" in text
    assert "type: COMPARATOR_HIGH_NUM_EXAMPLES" in text


def test_azure_has_a_row_for_each_finding(everything: Picked) -> None:
    rows = list(csv.DictReader(io.StringIO(azure.rows(everything).text)))
    assert tuple(rows[0]) == azure.COLUMNS
    assert len(rows) == len(every_kind())
    (f1,) = [row for row in rows if "f1" in row["metric_name"]]
    assert (float(f1["metric_value"]), float(f1["threshold_value"])) == (0.6, 0.7)
    assert [row["group_pivot"] for row in rows if row["group"] == "SEX"] == ["region=north"]


def test_vertex_has_an_alert_for_each_finding_of_a_column(everything: Picked) -> None:
    alerts = [json.loads(line) for line in vertex.alerts(everything).text.splitlines()]
    assert len(alerts) == 11
    assert {one["objectiveType"] for one in alerts} == {"raw-feature-drift", "prediction-output-drift"}


def lines_of(picked: Picked) -> list[dict[str, Any]]:
    return [json.loads(line) for line in openlineage.events(picked).text.splitlines()]


def test_openlineage_has_a_run_for_each_verdict_with_what_failed_and_what_is_over(everything: Picked) -> None:
    events = lines_of(everything)
    assert [one["eventType"] for one in events].count("START") == 3
    runs = {one["run"]["runId"] for one in events}
    assert len(runs) == 3
    assert lines_of(everything) == events
    last = [one for one in events if one["eventType"] == "COMPLETE"][-1]
    facets = last["inputs"][0]["inputFacets"]
    of_age = [one for one in facets["dataQualityAssertions"]["assertions"] if one.get("column") == "AGE"]
    assert [(one["assertion"], one["success"]) for one in of_age] == [("missing", False), ("distribution", True)]
    assert of_age[0]["severity"] == "warn"
    assert (of_age[0]["expected"], of_age[0]["actual"]) == ("0.25", "0.5")
    assert "expected" not in of_age[1]
    assert facets["dataQualityMetrics"]["rowCount"] == 500
    assert events[1]["inputs"][0]["name"] == "model-events"


WINDOW = {
    "kind": "window", "model": "credit", "version": "1", "subject": "AGE", "base_windows": 1,
    "window": {"start": "2026-09-21T10:00:00Z", "end": "2026-09-21T10:05:00Z", "events": 250},
    "bins": [100, 110], "missing": 20, "absent": 10, "unseen": 0, "outside": 7, "type": 3, "distances": {},
}  # fmt: skip


def test_openlineage_has_the_counts_of_the_windows_that_a_replay_wrote(tmp_path: Path) -> None:
    path = tmp_path / "replayed.jsonl"
    lines = [
        WINDOW,
        WINDOW | {"subject": "SEX"},
        WINDOW | {"base_windows": 2},
        days()[0].to_json(),
        {"kind": "summary"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    picked = findings_of(settings(), str(path), ManualClock(), (None, None), (None, None))
    assert len(picked.found) == 2
    (window,) = [
        facets["dataQualityMetrics"]
        for one in lines_of(picked)
        if one["eventType"] == "COMPLETE" and "dataQualityAssertions" not in (facets := one["inputs"][0]["inputFacets"])
    ]
    assert window["rowCount"] == 250
    assert window["columnMetrics"] == {name: {"nullCount": 30, "count": 220} for name in ("AGE", "SEX")}


def test_nothing_told_is_an_empty_file_of_each_form(tmp_path: Path) -> None:
    nothing = picked_from(tmp_path, [transition(1, "opened", [], hour=1)])
    assert json.loads(sagemaker.violations(nothing).text) == {"violations": []}
    assert tfdv.anomalies(nothing).text == ""
    assert vertex.alerts(nothing).text == ""


CONFIG = "inputs: [{topic: events}]\nmodels: [{name: credit, reference: credit.json}]\n"


def test_the_command_writes_a_file_and_refuses_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config, out = tmp_path / "driftd.yaml", tmp_path / "constraint_violations.json"
    config.write_text(CONFIG)
    source = str(recording(tmp_path / "alerts.records.jsonl", records_of(days())))
    common = ["--config", str(config), source]
    assert main(["export", "sagemaker", *common, "-o", str(out)]) == DONE
    assert "has no form for" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["violations"]) == 11
    assert main(["export", "sagemaker", *common, "--model", "other"]) == DONE
    assert json.loads(capsys.readouterr().out) == {"violations": []}
    assert main(["export", "sagmaker", *common]) == USAGE
    assert "did you mean sagemaker?" in capsys.readouterr().err
    assert {*FORMS, MLFLOW} == {*NAMED}
    assert main(["export", "mlflow", *common]) == USAGE
    assert "--tracking-uri" in capsys.readouterr().err
    assert main(["export", "mlflow", *common, "--tracking-uri", "mlruns"]) == USAGE
    assert main(["export", "mlflow", *common, "--tracking-uri", "http://127.0.0.1:9"]) == REFUSED
    assert PAGE in {one.severity for one in every_kind()}


def test_openlineage_events_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Also where one time has a fraction of a second and another has none."""
    late = replace(finding(), window=Span(START_US, START_US + 500_000, 500))
    told = transition(1, "opened", [late], hour=0.5 / 3_600)
    kinds = [event["eventType"] for event in lines_of(picked_from(tmp_path, [told]))]
    assert kinds == ["START", "COMPLETE"]


class Registry:
    """A server that knows every version and keeps the tags; it stands in for `mlflow.Server`."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def get(self, _path: str, **_query: str) -> dict[str, Any]:
        return {"model_version": {}}

    def post(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.tags[body["key"]] = body["value"]
        return {}


def test_a_version_with_an_incident_from_before_the_time_is_not_fine(tmp_path: Path) -> None:
    other = {"incident": "credit/1/11", "severity": TICKET}
    small = [finding("SEX", "missing", TICKET)]
    lines: list[Told] = [
        transition(1, "opened", [finding()], hour=1),
        transition(1, "opened", small, hour=2, **other),
        transition(2, "resolved", [], hour=3, **other),
    ]
    registry = Registry()
    assert list(mlflow.send(picked_from(tmp_path, lines, (1.5, 9)), cast("mlflow.Server", registry)))
    assert registry.tags["driftd.status"] == PAGE
    assert registry.tags["driftd.incident"] == INCIDENT
    lines.append(transition(2, "resolved", [], hour=4))
    assert list(mlflow.send(picked_from(tmp_path, lines, (1.5, 9)), cast("mlflow.Server", registry)))
    assert registry.tags["driftd.status"] == "fine"


def test_a_server_that_hangs_up_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            client, _ = listener.accept()
            client.recv(10_000)
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(TransientError, match="does not answer as MLflow"):
            mlflow.Server(f"http://127.0.0.1:{listener.getsockname()[1]}", {}).get("model-versions/get")
        thread.join()
