"""`driftd replay --compare`: the incidents of the same records under two settings, paired."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.cli.parser import main
from monitor.run.comparing import Comparison, IncidentLog, compare, summary_line
from monitor.run.reference_file import save_reference
from tests.engine import EVENTS, Credit, Event, MemorySource, credit_reference, replayed, settings, transitions_in

DONE, USAGE, FAILED_ON = 0, 2, 3


def older(made: Event, rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8
    if int(made["id"].partition("-")[2]) >= 2_000 and rng.random() < 0.6:
        made["features"]["BILL"] = None


STREAM = list(Credit(3_000, seed=5, change=1_000, fault=older))


def log_of(model: Mapping[str, object]) -> IncidentLog:
    log = IncidentLog()
    lines, _ = replayed(settings(model), credit_reference(), MemorySource({EVENTS: STREAM}))
    for line in transitions_in(lines):
        log.take(line)
    return log


def pairs_of(old: Mapping[str, object], new: Mapping[str, object]) -> list[Comparison]:
    return compare(log_of(old).incidents(), log_of(new).incidents())


MUTED: dict[str, object] = {"features": {"AGE": {"mute": True}}}


def test_the_same_settings_have_the_same_incidents() -> None:
    (pair,) = pairs_of({}, {})
    assert (pair.change, pair.differences) == ("same", ())


def test_an_incident_that_would_be_less_severe_is_changed() -> None:
    (pair,) = pairs_of({}, {"max_severity": "ticket"})
    assert pair.change == "changed"
    assert pair.differences[0] == "page -> ticket"


def test_an_incident_that_opens_later_for_another_reason_is_new_and_the_old_one_gone() -> None:
    """BILL is a finding of the page on AGE; with AGE muted it is a page of its own, and they share a subject."""
    (pair,) = pairs_of({}, MUTED)
    assert pair.change == "changed"
    assert pair.old is not None
    assert pair.new is not None
    assert pair.old.id != pair.new.id
    assert "without AGE (distribution)" in "; ".join(pair.differences)
    both_muted = {"features": {name: {"mute": True} for name in ("AGE", "BILL")}}
    assert [one.change for one in pairs_of({}, both_muted)] == ["gone"]
    assert [one.change for one in pairs_of(both_muted, {})] == ["new"]


def test_the_other_order_says_the_opposite() -> None:
    there, back = pairs_of({}, MUTED), pairs_of(MUTED, {})
    assert [(one.old, one.new) for one in there] == [(one.new, one.old) for one in back]
    counts = summary_line(there, {}, {})["incidents"]
    assert counts == {"same": 0, "changed": 1, "new": 0, "gone": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    save_reference(credit_reference(), folder / "credit.json")
    (folder / "stream.jsonl").write_text("".join(json.dumps(one) + "\n" for one in STREAM))
    for name, model in (("today", {}), ("muted", MUTED), ("trial", {"max_severity": "ticket"})):
        tree: dict[str, Any] = {
            "inputs": [{"topic": "events"}],
            "models": [{"name": "credit", "reference": "credit.json"} | model],
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(tree))
    (folder / "wrong.yaml").write_text("inputs: [{topic: events}]\nmodels: [{name: credit}]\n")
    return folder


def arguments(folder: Path, other: str, *more: str, source: str = "stream.jsonl") -> list[str]:
    config = ["--config", str(folder / "today.yaml"), "--compare", str(folder / f"{other}.yaml")]
    return ["replay", *config, *more, str(folder / source)]


def test_the_command_prints_old_against_new(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, "trial")) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["~", "changed", "page", "->", "ticket"]
    assert lines[-3:] == [
        f"old ({folder / 'today.yaml'}): credit 1: 1 page, 0 tickets",
        f"new ({folder / 'trial.yaml'}): credit 1: 0 pages, 1 ticket",
        "1 incident: 0 same, 1 changed, 0 new, 0 gone",
    ]


def test_as_json_each_line_has_both_sides_and_the_last_both_summaries(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(folder, "trial", "--json")) == DONE
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["kind"], first["change"], first["model"], first["version"]) == (
        "comparison", "changed", "credit", "1",
    )  # fmt: skip
    assert (first["old"]["severity"], first["new"]["severity"], first["new"]["paged"]) == ("page", "ticket", None)
    assert first["old"]["paged"] == first["old"]["opened"]
    assert last["kind"] == "comparison_summary"
    assert [last[side]["models"][0]["pages"] for side in ("old", "new")] == [1, 0]


@pytest.mark.parametrize(("other", "code"), [("trial", DONE), ("muted", FAILED_ON)])
def test_fail_on_is_about_the_new_settings(
    other: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(folder, other, "--fail-on", "page")) == code
    capsys.readouterr()


def test_a_pipe_is_kept_for_the_second_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, "trial")) == DONE
    expected = capsys.readouterr().out
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=lambda: (folder / "pipe").write_bytes((folder / "stream.jsonl").read_bytes()))
    writer.start()
    assert main(arguments(folder, "trial", source="pipe")) == DONE
    writer.join()
    assert capsys.readouterr().out == expected


def test_faults_name_the_file_they_are_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, "wrong")) == USAGE
    assert "wrong.yaml: models[0].reference: missing" in capsys.readouterr().err
    (folder / "empty.jsonl").write_text("")
    assert main(arguments(folder, "trial", source="empty.jsonl")) == USAGE
    error = capsys.readouterr().err
    assert f"old ({folder / 'today.yaml'}): nothing was judged" in error
    assert f"new ({folder / 'trial.yaml'}): nothing was judged" in error


def test_models_without_a_reference_warm_up_on_both_sides_as_in_a_plain_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.judge.warmup.BASE_WINDOWS", 4)
    (tmp_path / "stream.jsonl").write_text("".join(json.dumps(one) + "\n" for one in Credit(3_000, seed=3)))
    tree: dict[str, object] = {"inputs": [{"topic": "events"}]}
    for name, predictions in (("old", 1_000), ("new", 1_500)):
        models = [{"name": "credit", "reference": {"warmup": predictions}}]
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(tree | {"models": models}))
    source = str(tmp_path / "stream.jsonl")
    summaries = {}
    for name in ("old", "new"):
        assert main(["replay", "--config", str(tmp_path / f"{name}.yaml"), "--json", source]) == DONE
        summaries[name] = json.loads(capsys.readouterr().out.splitlines()[-1])["models"]
    given = ["--config", str(tmp_path / "old.yaml"), "--compare", str(tmp_path / "new.yaml")]
    assert main(["replay", *given, "--json", source]) == DONE
    compared = json.loads(capsys.readouterr().out.splitlines()[-1])
    for name in ("old", "new"):
        assert "warmup" not in summaries[name][0]
        assert compared[name]["models"] == summaries[name]
