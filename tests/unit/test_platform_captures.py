"""Records that the platforms' own packages wrote (tests/platforms): their rows are native events of the same calls."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

import pytest

from monitor.events import Partition
from monitor.settings.tree import Settings
from tests.engine import MemorySource, plain
from tests.platform_calls import NAMES, Record
from tests.unit.test_platform_formats import KEY, NATIVE, outcomes, ran, source_of

_FOLDER: Final = Path(__file__).parents[1] / "platforms" / "captured"
#: records of platforms; what platforms took of the recipes is beside them
CAPTURED: Final = sorted(file for file in _FOLDER.glob("*.json") if not file.name.startswith("retraining_"))
#: formats whose records `auto` tells apart by what stands in them
TOLD_ALONE: Final = ("kserve", "oip", "seldon", "tfserving", "sagemaker", "vertex", "azure")


def capture(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def records_of(content: dict[str, Any]) -> list[Record]:
    return [
        Record(
            base64.b64decode(one["value"]),
            one["headers"],
            None if one["key"] is None else one["key"].encode(),
            one["topic"],
        )
        for one in content["records"]
    ]


def settings_of(content: dict[str, Any], form: str) -> Settings:
    """Without names of features: where rows have none, the reference has them."""
    topics = sorted({one["topic"] for one in content["records"]})
    tree = {"inputs": [{"topic": topic, "format": form} | content.get("input", {}) for topic in topics]}
    return Settings.model_validate(
        tree | {"models": [{"name": "credit", "reference": "credit.json", "task": "binary"}]}
    )


def forms() -> list[tuple[Path, str]]:
    found = [(file, capture(file)["format"]) for file in CAPTURED]
    return found + [(file, "auto") for file, form in found if form in TOLD_ALONE]


@pytest.mark.parametrize(("file", "form"), forms(), ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_captured_rows_are_counted_as_native_events_to_the_last_count(file: Path, form: str) -> None:
    content = capture(file)
    pipeline, outputs = ran(settings_of(content, form), source_of(records_of(content)), NAMES)
    native = [{**event, "model": "credit", "version": "12", "type": "prediction"} for event in content["events"]]
    expected, _ = ran(NATIVE, MemorySource({Partition("traffic", 0): native}))
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": len(native)} == outcomes(expected)
    found, wanted = pipeline.totals.events[KEY], expected.totals.events[KEY]
    assert plain(found.counts) == plain(wanted.counts)
    assert found.events == wanted.events == len(native) > 12


def test_every_package_is_named_with_its_version() -> None:
    made_by = [capture(file)["made_by"] for file in CAPTURED]
    packages = {package for made in made_by for package in made} - {"python"}
    assert packages >= {
        "mlflow",
        "kserve",
        "mlserver",
        "azureml-ai-monitoring",
        "sagemaker",
        "google-cloud-aiplatform",
        "tensorflow-serving-api",
    }
    assert all(version[0].isdigit() for made in made_by for version in made.values())
