"""A state that a version before wrote shows the same, and a run goes on from it as if it had never stopped."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from monitor.count.admission.versions import Admission
from monitor.findings import Transition
from monitor.pipeline import Pipeline
from monitor.records import OffsetGap
from monitor.run.state_show import state_json
from monitor.settings.load import load_settings
from monitor.state.codec import encode
from monitor.state.directory import Loaded, StateDirectory
from monitor.state.parts import State, state_in, whole_tree
from tests.engine import EVENTS, MemorySource, plain, run_to_end, trees
from tests.golden_state import GOLDEN, LOST, TURNS, pipeline_in, references_in

#: model versions that events came of, and those that labels alone name
EVENTS_OF = [("credit", "1"), ("credit", "2"), ("loan", "7")]
LABELS_ALONE_OF = [("loan", "0"), ("loan", "1"), ("loan", "2")]
PARTS = {
    "outbox",
    *(f"{prefix}/{number}" for prefix in ("task", "task_labels") for number in (0, 1)),
    *(f'model/["{model}", "{version}"]' for model, version in EVENTS_OF),
    *(f'model_labels/["{model}", "{version}"]' for model, version in EVENTS_OF + LABELS_ALONE_OF),
}
FOLDERS = ["state_format_1", "state_format_2", "state_format_3", "state_format_3_last", "state_format_4"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "golden"))


def loaded(folder: Path) -> Loaded:
    with StateDirectory(folder / "state") as store:
        found = store.load()
    assert found is not None
    assert found.damaged == ()
    return found


def shown(state: State, folder: Path) -> dict[str, Any]:
    settings = load_settings(folder / "driftd.yaml", {})
    return state_json(state, Admission(settings, references_in(folder)))


@cache
def uncut() -> dict[str, Any]:
    """The parts of this version where the golden states were cut, without having stopped."""
    pipeline, source, outputs = pipeline_in(GOLDEN / FOLDERS[-1])
    outputs.failing = {"publish"}
    source.new_changes.append(OffsetGap(EVENTS, 0, LOST))
    for _ in range(TURNS):
        pipeline.turn()
    return cast("dict[str, Any]", plain(trees(pipeline.to_state())))


def counts_of(tree: Any) -> Any:  # noqa: ANN401 - any part of a state
    """Without what the versions before did not count beside labels: scores, and sums over predictions."""
    if isinstance(tree, dict):
        return {name: counts_of(of) for name, of in tree.items() if name not in {"score_counts", "label_sums"}}
    return [counts_of(one) for one in tree] if isinstance(tree, list) else tree


def test_its_labels_are_those_that_this_version_would_have_counted(folder: Path) -> None:
    pipeline, _ = restored(folder)
    again, expected = plain(trees(pipeline.to_state())), uncut()
    # these versions joined no labels, and knew the newest time of a topic's labels in place of its clock
    assert again.keys() == {name for name in expected if not name.startswith("join/")} == {"", *PARTS}
    for name in PARTS:
        if name.startswith(("task_labels/", "model_labels/")):
            others: dict[str, Any] = {"waiting": [], "clocks": {}}
            assert counts_of(again[name]) | others == counts_of(expected[name]) | others
        if name.startswith("task_labels/"):
            assert {topic: one["us"] for topic, one in again[name]["clocks"].items()} == {
                topic: one["us"] for topic, one in expected[name]["clocks"].items()
            }
    # where label events wait was another place once
    assert waiting(again) == waiting(expected)
    if folder_format(folder) >= 3:
        assert all(again[name]["waiting"] == expected[name]["waiting"] for name in PARTS if "labels/" in name)
    of_tasks = [expected[f"task_labels/{number}"] for number in (0, 1)]
    assert all(one["clocks"] and one["waiting"] and one["inline"] for one in of_tasks)


def folder_format(folder: Path) -> int:
    return int(loaded(folder).tree["format"])


def waiting(parts: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Label events that no judge was given yet, by model version, in tasks and at the exchange."""
    found: Counter[tuple[str, str]] = Counter()
    for part in (part for name, part in parts.items() if "labels/" in name):
        for one in part["waiting"]:
            owner = one if "model" in one else part
            found[owner["model"], owner["model_version"]] += one["labels"]
    return found


def restored(folder: Path) -> tuple[Pipeline, MemorySource]:
    pipeline, source, _ = pipeline_in(folder)
    assert pipeline.restore(state_in(loaded(folder))) == []
    source.next.update(pipeline.positions())
    return pipeline, source


def test_it_shows_what_it_showed_to_the_version_that_wrote_it(folder: Path) -> None:
    expected = json.loads((folder / "shown.json").read_text(encoding="utf-8"))
    now = shown(state_in(loaded(folder)), folder)
    expected.setdefault("chain", None)  # before there was one
    for model in expected["models"]:
        model.setdefault("lasting", None)  # before there was any
        model.setdefault("fates", {})  # before labels were joined
        model.setdefault("outcomes", {})  # before there were any
        model.setdefault("outcome_fates", {})
        model.setdefault("value", {"values": 0})
    assert now == expected
    assert expected["unsent"] > 0
    assert all(task["open_panes"] for task in expected["units"])
    assert any(model["incident"] for model in expected["models"])


def test_every_transition_that_nobody_took_is_there_with_its_findings(folder: Path) -> None:
    unsent = [one for one in state_in(loaded(folder)).outbox.unsent if isinstance(one, Transition)]
    numbers: dict[str, list[int]] = {}
    for one in unsent:
        numbers.setdefault(one.incident, []).append(one.number)
    assert all(of_it == list(range(1, len(of_it) + 1)) for of_it in numbers.values())
    assert {one.key.model for one in unsent} == {"credit", "loan"}
    assert all(one.findings for one in unsent)


def test_a_run_goes_on_from_it_as_if_it_had_never_stopped(folder: Path) -> None:
    again, source = restored(folder)
    run_to_end(again, source)
    whole, source, _ = pipeline_in(folder)
    run_to_end(whole, source)
    of_again, of_whole = (shown(one.to_state().state(), folder) for one in (again, whole))
    assert of_again["outcomes"] == of_whole["outcomes"]
    assert of_again["units"] == of_whole["units"]
    assert [model["features"] for model in of_again["models"]] == [model["features"] for model in of_whole["models"]]
    assert of_again | {"gaps": {}, "models": []} == of_whole | {"gaps": {}, "models": []}
    assert list(map(counted, of_again["models"])) == list(map(counted, of_whole["models"]))


def counted(model: dict[str, Any]) -> dict[str, Any]:
    """Without when an incident began and what was spent until then: this version judges otherwise than those before."""
    incident = model["incident"] and model["incident"]["severity"]
    return {**model, "incident": incident, "expected_false_pages": 0}


def test_it_is_kept_in_parts_from_then_on(folder: Path) -> None:
    pipeline, _ = restored(folder)
    with StateDirectory(folder / "state") as store:
        before = store.load()
        assert before is not None
        cut = pipeline.to_state()
        store.save(before.sequence + 1, whole_tree(cut.whole), cut.parts)
        after = store.load()
    assert after is not None
    assert after.parts.keys() == PARTS
    again, _, _ = pipeline_in(folder)
    assert again.restore(state_in(after)) == []
    assert encode(plain(trees(again.to_state()))) == encode(plain(trees(pipeline.to_state())))
