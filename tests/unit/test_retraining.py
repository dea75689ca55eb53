"""The recipes that start a training: which pages they take, and that their requests are those that the platform's own
package took (tests/platforms/generators/retraining_*.py)."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monitor.judge.causes.catalog import CAUSES
from monitor.kafka.cloud_events import BINARY, INCIDENT, STRUCTURED
from tests.told import records_of, story

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "examples" / "retraining"
PLATFORMS = ROOT / "tests" / "platforms"
PAGE: dict[str, Any] = json.loads((PLATFORMS / "generators" / "retraining_page.json").read_text(encoding="utf-8"))
EVENT_ID = "credit/1/0d3f5a/1"


@pytest.fixture(autouse=True)
def _recipes_are_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(RECIPES))
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        del sys.modules[name]


def recipe(name: str) -> ModuleType:
    return importlib.import_module(name)


def taken(platform: str) -> Any:  # noqa: ANN401  # JSON
    return json.loads((PLATFORMS / "retraining" / f"retraining_{platform}.json").read_text(encoding="utf-8"))["taken"]


@pytest.mark.parametrize(
    ("platform", "module", "function"),
    [
        ("sagemaker", "sagemaker_pipeline", "execution_of"),
        ("vertex", "vertex_pipeline", "request_of"),
        ("kubeflow", "kubeflow_pipeline", "run_of"),
    ],
)
def test_the_request_is_the_one_that_the_platform_takes(platform: str, module: str, function: str) -> None:
    assert getattr(recipe(module), function)(EVENT_ID, PAGE) == taken(platform)


def test_the_azure_job_has_the_inputs_of_the_page() -> None:
    job = taken("azure")
    asked: dict[str, str] = {}
    for one in recipe("azure_pipeline").overrides_of(EVENT_ID, PAGE):
        asked |= one
    inputs = {f"inputs.{name}": value["value"] for name, value in job["inputs"].items()}
    found = {"name": job["name"], "display_name": job["displayName"], "description": job["description"], **inputs}
    assert {**found, "tags.incident": job["tags"]["incident"]} == asked


def test_the_registry_has_tags_and_the_alias_moves_only_where_labels_say_that_the_model_is_worse() -> None:
    told = taken("mlflow")
    # the page of version 2 moves nothing, nor does one of inputs alone; back to 1, because 2 has a page itself
    assert told["moved"] == [None, None, "1"]
    assert told["alias"] == "1"
    tags = {"drift": "page", "drift.since": PAGE["since"], "drift.summary": PAGE["summary"]}
    assert told["tags"] == {"1": {}, "2": tags, "3": tags}


def with_causes(*causes: str) -> dict[str, Any]:
    return {**PAGE, "findings": [{"cause": cause} for cause in causes]}


@pytest.mark.parametrize(
    ("transition", "wanted"),
    [
        (PAGE, True),
        ({**PAGE, "transition": "escalated"}, True),
        ({**PAGE, "transition": "updated"}, False),
        ({**PAGE, "transition": "resolved"}, False),
        ({**PAGE, "severity": "ticket"}, False),
        (with_causes("performance"), True),
        (with_causes("distribution", "missing"), False),
        (with_causes("absent"), False),
        ({**PAGE, "kind": "finding"}, False),
    ],
)
def test_pages_that_a_new_model_may_mend(transition: dict[str, Any], wanted: bool) -> None:
    assert recipe("alert_topic").is_wanted(transition) is wanted


def test_the_causes_are_those_that_driftd_names() -> None:
    assert {name.name for cause in CAUSES for name in cause.names} >= recipe("alert_topic").CAUSES


@pytest.mark.parametrize("mode", [STRUCTURED, BINARY])
def test_events_are_read_as_they_are_written(mode: str) -> None:
    event_in = recipe("alert_topic").event_in
    for told, record in zip(story(), records_of(story(), mode=mode), strict=True):
        attributes, data = event_in([*record.headers], record.value)
        assert attributes["id"] == told.id
        assert data == json.loads(json.dumps(told.to_json()))
        assert (attributes["type"] == INCIDENT) is (data["kind"] == "transition")


def test_a_record_without_a_value_is_no_page() -> None:
    assert recipe("alert_topic").event_in([], None) == ({}, {})
