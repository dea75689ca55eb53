"""The calibration of more than two classes is judged as that of two: by the predicted class's probability."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.reference import Reference
from tests.engine import EVENTS, Credit, Event, MemorySource, build, replayed, settings, transitions_in

CLASSES = "abc"
CHANGE = 3_000


def stream(
    events: int, seed: int, sharper: float = 1.0, kept: int = len(CLASSES), only: str | None = None
) -> tuple[Event, ...]:
    """Labels are drawn by probabilities, of which `kept` are written: from the change on these are `sharper` ones.

    With `only` they are so among the events of that group of two.
    """
    rng, made = np.random.default_rng(seed), []
    for at, event in enumerate(Credit(events, seed=seed)):
        probable = rng.dirichlet((2.0, 1.0, 1.0))
        group = "uv"[int(rng.integers(2))]
        event["features"]["group"] = group
        event["label"] = CLASSES[int(rng.choice(len(CLASSES), p=probable))]
        said = probable**sharper if at >= CHANGE and only in {None, group} else probable
        said = said / said.sum()
        best = np.argsort(-said)[:kept].tolist()
        event["prediction"] = CLASSES[int(said.argmax())]
        event["scores"] = {CLASSES[place]: round(float(said[place]), 6) for place in sorted(best)}
        event.pop("score")
        made.append(event)
    return tuple(made)


@cache
def reference(kept: int = len(CLASSES)) -> Reference:
    return build(settings({"segments": ["group"]}), list(stream(8_000, 1, kept=kept)))


def findings(live: tuple[Event, ...], known: Reference, **model: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - settings
    lines = transitions_in(replayed(settings(model), known, MemorySource({EVENTS: live}))[0])
    return [one | {"said": line["summary"]} for line in lines for one in line["findings"]]


@pytest.mark.parametrize("kept", [3, 1])
@pytest.mark.parametrize(("sharper", "way", "said"), [(3.0, "down", "fewer"), (0.4, "up", "more")])
def test_scores_surer_or_less_sure_than_labels_page(kept: int, sharper: float, way: str, said: str) -> None:
    """Which class is predicted stays the same, and so does how often it is right."""
    known = reference(kept)
    found = [one for one in findings(stream(7_000, 2, sharper, kept), known) if one["cause"] == "calibration"]
    assert {(one["subject"], one["figure"], one["direction"]) for one in found} == {
        ("credit", "calibration_error", way)
    }
    assert found[-1]["severity"] == "page"
    right = float(np.mean([one["label"] == one["prediction"] for one in stream(8_000, 1)]))
    sure = np.mean([max(one["scores"].values()) for one in stream(7_000, 2, sharper)[CHANGE:]])
    assert found[-1]["value"] == pytest.approx(right - float(sure), abs=0.05)
    assert "share right less mean score of the predicted class" in found[-1]["detail"]
    assert any(f"{said} are right than scores like these had in the reference" in one["said"] for one in found)


def test_nothing_is_found_where_scores_stay_calibrated() -> None:
    assert not [
        one for one in findings(stream(7_000, 3), reference()) if one["cause"] in {"calibration", "performance"}
    ]


def test_a_segment_whose_scores_are_too_sure_is_named() -> None:
    found = findings(stream(9_000, 4, 4.0, only="u"), reference(), segments=["group"])
    assert "group=u" in {one.get("segment") for one in found if one["cause"] == "calibration"}


def test_a_reference_of_before_knows_no_variation_of_it_and_judges_accuracy_alone() -> None:
    made = reference()
    assert made.performance is not None
    errors = {name: one for name, one in made.performance.errors.items() if name == "accuracy"}
    before = from_json(to_json(replace(made, performance=replace(made.performance, errors=errors, segments={}))))
    found = findings(stream(7_000, 2, 3.0), before)
    assert not [one for one in found if one["cause"] == "calibration"]
