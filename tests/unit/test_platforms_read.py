"""What the platforms' own packages read is what `driftd export` writes today, and they understood all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from monitor.chain import Told
from monitor.findings import PAGE, Transition
from monitor.kafka.alerts import messages_of
from monitor.kafka.cloud_events import BINARY
from tests.platforms.exported import HERE, on_topic, samples
from tests.platforms.read import READ
from tests.told import every_kind

SAMPLES = samples()
TAGS = ("status", "incident", "summary", "at", "told", "reference", "settings")


@pytest.mark.parametrize("file", SAMPLES)
def test_the_samples_that_were_read_are_those_of_today(file: str) -> None:
    assert (HERE / file).read_text(encoding="utf-8") == SAMPLES[file], "python -m tests.platforms.exported"


def understood(form: str) -> Any:  # noqa: ANN401  # any JSON
    return json.loads((READ / f"{form}.json").read_text(encoding="utf-8"))["read"]


def test_sagemaker_holds_every_violation() -> None:
    written = json.loads(SAMPLES["constraint_violations.json"])["violations"]
    assert understood("sagemaker") == [f"{one['feature_name']}: {one['constraint_check_type']}" for one in written]


def test_tfdv_has_every_column_under_its_name() -> None:
    read = understood("tfdv")
    assert len(read["columns"]) == SAMPLES["anomalies.pbtxt"].count("\nanomaly_info {") + 1
    assert read["data_set"] == "WARNING COMPARATOR_HIGH_NUM_EXAMPLES"  # it is a ticket
    assert read["paths_are_names"] is True


def test_openlineage_has_every_event_and_they_fit_its_schemas() -> None:
    read = understood("openlineage")
    assert len(read["events"]) == len(SAMPLES["openlineage.jsonl"].splitlines())
    assert read["fit"] == [
        "DataQualityAssertionsDatasetFacet.json 1-1-0",
        "DataQualityMetricsInputDatasetFacet.json 1-0-3",
        "NominalTimeRunFacet.json 1-0-1",
        "OpenLineage.json 2-0-2",
    ]


def test_vertex_has_an_alert_of_every_line() -> None:
    assert len(understood("vertex")) == len(SAMPLES["vertex.jsonl"].splitlines())


def test_mlflow_tagged_the_version_and_logged_each_figure_once_though_it_was_told_twice() -> None:
    read = understood("mlflow")
    assert read["tags"]["driftd.status"] == "page"
    assert set(read["tags"]) == {f"driftd.{name}" for name in TAGS}
    assert len(read["figures"]) == 3 * len(every_kind())
    assert read["said_again"] is True


def test_knative_passes_on_what_a_trigger_wants_and_the_event_is_whole() -> None:
    read = understood("knative")
    told = on_topic()
    incidents = [one for one in told if isinstance(one, Transition)]
    pages = [one for one in incidents if one.severity == PAGE]
    wanted: dict[str, Sequence[Told]] = {"all": told, "incidents": incidents, "pages": pages}
    wanted["pages that begin"] = [one for one in pages if one.transition == "opened"]
    assert {name: [line.rpartition(" io.driftd.")[0] for line in lines] for name, lines in read.items()} == {
        **{name: [one.id for one in lines] for name, lines in wanted.items()},
        "another case": [],
        "another severity": [],
    }
    for one, line in zip(incidents, read["incidents"], strict=True):
        headers = dict(next(messages_of(one, "alerts", "driftd", 0, None, BINARY)).headers)
        names = ("ce_id", "ce_type", "ce_subject", "ce_severity", "ce_transition")
        of_id, of_type, subject, severity, transition = (headers[name].decode() for name in names)
        assert line == f"{of_id} {of_type} of {subject} {severity} {transition}: transition"
