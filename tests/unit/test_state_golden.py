"""A state that a version before wrote shows the same, and a run goes on from it as if it had never stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from monitor.count.admission import Admission
from monitor.pipeline import Pipeline
from monitor.run.state_show import state_json
from monitor.settings.load import load_settings
from monitor.state.codec import encode
from monitor.state.directory import Loaded, StateDirectory
from monitor.state.parts import State, state_in, whole_tree
from tests.engine import MemorySource, plain, run_to_end, trees
from tests.golden_state import GOLDEN, pipeline_in, references_in

#: model versions that events came of, and those that labels alone name
VERSIONS = [("credit", "1"), ("credit", "2"), ("loan", "7"), ("loan", "0"), ("loan", "1"), ("loan", "2")]
FOLDERS = ["state_format_1", "state_format_2", "state_format_3"]


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


def restored(folder: Path) -> tuple[Pipeline, MemorySource]:
    pipeline, source, _ = pipeline_in(folder)
    assert pipeline.restore(state_in(loaded(folder))) == []
    source.next.update(pipeline.positions())
    return pipeline, source


def test_it_shows_what_it_showed_to_the_version_that_wrote_it(folder: Path) -> None:
    expected = json.loads((folder / "shown.json").read_text(encoding="utf-8"))
    now = shown(state_in(loaded(folder)), folder)
    assert [model.pop("lasting") for model in now["models"]] == [None] * len(now["models"])  # nothing lasted then
    assert now == expected
    assert expected["unsent"] > 0
    assert all(task["open_panes"] for task in expected["units"])
    assert any(model["incident"] for model in expected["models"])


def test_every_transition_that_nobody_took_is_there_with_its_findings(folder: Path) -> None:
    unsent = state_in(loaded(folder)).outbox.unsent
    assert [one.number for one in unsent] == [1] * len(unsent)
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
    assert after.parts.keys() == {"task/0", "task/1", "outbox", *(f'model/["{m}", "{v}"]' for m, v in VERSIONS)}
    again, _, _ = pipeline_in(folder)
    assert again.restore(state_in(after)) == []
    assert encode(plain(trees(again.to_state()))) == encode(plain(trees(pipeline.to_state())))
