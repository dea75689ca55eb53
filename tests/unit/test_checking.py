"""The table of `driftd check`: what is wrong with references, each fault a row with the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from monitor.cli.parser import main
from monitor.run.reference_file import save_reference
from tests.engine import Credit, build, settings
from tests.unit.judge.test_late_labels import reference as late_reference

USAGE = 2


def write_settings(path: Path, **over: object) -> None:
    model = {"name": "credit", "versions": ["1"], "reference": "credit.json"}
    tree = {"inputs": [{"topic": "events"}], "state": {"path": "state"}, "models": [model | over]}
    path.write_text(yaml.safe_dump(tree))


def rows_of(shown: str, verdict: str) -> list[str]:
    """The lines of a check with this verdict, without it."""
    return [line.removeprefix(verdict).strip() for line in shown.splitlines() if line.startswith(verdict)]


def test_a_check_has_a_row_with_the_repair_for_every_reference_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "driftd.yaml", versions=["1", "2"], reference="reference/{version}.json")
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == USAGE
    out, err = capsys.readouterr()
    assert err == ""
    assert [row.split("  ")[0] for row in rows_of(out, "ok")] == ["settings", "state folder"]
    for version, row in zip("12", rows_of(out, "BAD"), strict=True):
        assert row.startswith(f"reference credit {version} ")
        assert f"models[0].reference: {tmp_path}/reference/{version}.json: cannot be read (" in row
        repair = f"--model credit --version {version} --rows 10000 SOURCE -o reference/{version}.json"
        assert row.endswith(f"; build it: driftd reference build --config driftd.yaml {repair}")


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ({"versions": ["1"], "reference": "r.json"}, "--model credit --rows 10000 SOURCE -o r.json"),
        ({"versions": [], "reference": "r.json"}, "--model credit --version VERSION --rows 10000 SOURCE -o r.json"),
        ({"versions": ["7", "8"], "reference": "r.json"}, "--model credit --version 7 --rows 10000 SOURCE -o r.json"),
        ({"name": "a b", "reference": "r.json"}, "--model 'a b' --rows 10000 SOURCE -o r.json"),
    ],
)
@pytest.mark.parametrize("content", [None, "no JSON", "{}"])
def test_the_repair_names_a_version_only_where_the_settings_do_not_name_the_one(
    model: dict[str, object],
    arguments: str,
    content: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "driftd.yaml", **model)
    if content is not None:
        (tmp_path / "r.json").write_text(content)
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == USAGE
    (row,) = rows_of(capsys.readouterr().out, "BAD")
    assert row.endswith(f": driftd reference build --config driftd.yaml {arguments}")
    assert main(["run", "--config", "driftd.yaml"]) == USAGE, "what a check calls wrong, a run refuses"
    assert capsys.readouterr().err.endswith(f": driftd reference build --config driftd.yaml {arguments}\n")


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [
        ("reference/credit-{version}.json", "--version VERSION --rows 10000 SOURCE -o reference/credit-VERSION.json"),
        ("{version}/credit.json", "has to stand in the file's own name, or models[0].versions be named"),
    ],
)
def test_a_check_says_of_a_model_whose_reference_matches_no_file_that_it_is_not_watched(
    reference: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTD_UNKNOWN_MODELS", "ignore")  # else they would learn one
    write_settings(tmp_path / "driftd.yaml", versions=[], reference=reference)
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == USAGE
    (row,) = rows_of(capsys.readouterr().out, "BAD")
    assert f"models[0] credit: no file matches {reference}, so no version of it is watched; " in row
    assert row.endswith(remedy)


def test_a_file_that_matches_and_is_not_a_reference_has_its_own_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_settings(tmp_path / "driftd.yaml", versions=[], reference="credit-{version}.json")
    save_reference(build(settings(), list(Credit(300))), tmp_path / "credit-1.json")
    (tmp_path / "credit-2.json").write_text("no JSON")
    assert main(["check", "--config", str(tmp_path / "driftd.yaml"), "--offline"]) == USAGE
    out = capsys.readouterr().out
    small = next(row for row in rows_of(out, "note") if row.startswith("reference credit 1 ") and "300 events" in row)
    assert "reference credit 2" not in small
    (row,) = rows_of(out, "BAD")
    assert row.startswith("reference credit 2 ")
    (tmp_path / "credit-1.json").unlink()
    assert main(["check", "--config", str(tmp_path / "driftd.yaml"), "--offline"]) == USAGE
    assert len(rows_of(capsys.readouterr().out, "BAD")) == 1


def test_an_outcome_of_the_settings_that_the_reference_lacks_is_named_as_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "driftd.yaml", outcomes={"judge": {}})
    save_reference(build(settings(), list(Credit(3_000))), tmp_path / "credit.json")
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == 0
    (note,) = [row for row in rows_of(capsys.readouterr().out, "note") if "outcomes" in row]
    assert note.startswith("models[0].outcomes.judge")
    assert "credit 1 has no outcome of that name: it is counted, not judged" in note


def test_a_horizon_that_does_not_wait_for_the_references_labels_has_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_reference(late_reference(), tmp_path / "credit.json")
    for horizon, words in (
        ("1h", ""),
        ("2m", "2m: of what came late in"),
        (0, "0s: labels are counted and not joined"),
    ):
        write_settings(tmp_path / "driftd.yaml", labels={"horizon": horizon})
        assert main(["check", "--config", "driftd.yaml", "--offline"]) == 0
        notes = [row for row in rows_of(capsys.readouterr().out, "note") if row.startswith("models[0].labels.horizon")]
        assert len(notes) == bool(words)
        assert all(words in note for note in notes)


def test_a_tolerance_of_a_figure_that_is_not_judged_has_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "driftd.yaml", tolerance={"mae": 0.1, "recall": 0.1})
    save_reference(build(settings(), list(Credit(600))), tmp_path / "credit.json")
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == 0
    (note,) = [row for row in rows_of(capsys.readouterr().out, "note") if "tolerance" in row]
    assert note.startswith("models[0].tolerance.mae")
    assert note.endswith("judged of credit 1 (binary): accuracy, recall, precision, calibration_error")


def test_the_bridge_has_a_row_with_where_posts_go_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, tree = tmp_path / "driftd.yaml", {"inputs": [{"topic": "events"}], "state": {"path": "state"}}

    def checked(**bridge: object) -> tuple[int, str]:
        config.write_text(yaml.safe_dump(tree | {"bridge": bridge}))
        return main(["check", "--config", str(config), "--offline"]), capsys.readouterr().out

    code, shown = checked(labels_topic="labels")
    assert code == 0
    assert "/events to events, /labels to labels, /modeldata/log to events" in rows_of(shown, "ok")[-1]
    code, shown = checked(token_file=str(tmp_path / "none"), tls_certfile="driftd.yaml")
    assert code == USAGE
    assert rows_of(shown, "BAD")[0].endswith("bridge.token_file: cannot be read: No such file or directory")
    assert "bridge.tls_certfile: cannot be read: " in rows_of(shown, "BAD")[1]
    tree["inputs"] = [{"topic": "a"}, {"topic": "b"}]
    code, shown = checked(port=1)
    assert code == USAGE
    assert "bridge.topic: missing, as there are several inputs; write the one that posts go to: a, b" in shown
    config.write_text(yaml.safe_dump(tree))
    assert main(["check", "--config", str(config), "--offline"]) == 0
    assert not [row for row in rows_of(capsys.readouterr().out, "ok") if row.startswith("bridge")]
