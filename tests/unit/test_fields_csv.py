"""A table in a layout of one's own: `inputs[].fields` names its columns, as `--map` does."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from monitor.cli.parser import main
from tests.engine import Credit

DONE, USAGE = 0, 2
FIELDS = {
    "id": "key",
    "ts": "when",
    "model": {"value": "credit"},
    "version": {"value": "1"},
    "score": "p",
    "features": "rest",
}
NAMES = ("AGE", "LIMIT", "BILL", "EDU")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of credit events, whose ids would read as numbers."""
    file = tmp_path / "credit.csv"
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["key", "when", "p", *NAMES])
        for at, event in enumerate(Credit(1_000)):
            rows.writerow([f"{at}e5", event["ts"], event["score"], *(event["features"][name] for name in NAMES)])
    return file


def config_of(tmp_path: Path, entry: dict[str, object]) -> str:
    file = tmp_path / "driftd.yaml"
    tree = {"inputs": [{"topic": "t", **entry}], "models": [{"name": "credit", "reference": "credit.json"}]}
    file.write_text(json.dumps(tree))
    return str(file)


def test_a_table_gives_the_same_reference_by_fields_and_by_map(table: Path, tmp_path: Path) -> None:
    out = [str(tmp_path / f"{name}.json") for name in ("fields", "map")]
    what = ["reference", "build", "--model", "credit", "--version", "1", "--rows", "1000", str(table), "--config"]
    assert main([*what, config_of(tmp_path, {"format": "fields", "fields": FIELDS}), "-o", out[0]]) == DONE
    by_map = ["--map", "key=id", "--map", "when=ts", "--map", "p=score"]
    entry: dict[str, object] = {"model": "credit", "version": "1"}
    assert main([*what, config_of(tmp_path, entry), "-o", out[1], *by_map]) == DONE
    first, second = (json.loads(Path(name).read_text()) for name in out)
    assert {**first, "hash": None} == {**second, "hash": None}


def test_one_of_both_maps_a_table(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(tmp_path, {"format": "fields", "fields": FIELDS})
    what = [
        "reference",
        "build",
        "--model",
        "credit",
        "--rows",
        "9",
        "-o",
        str(tmp_path / "r.json"),
        "--config",
        config,
    ]
    assert main([*what, "-o", str(tmp_path / "r.json"), str(table), "--map", "when=ts"]) == USAGE
    assert "--map: inputs[0].fields says where each field is" in capsys.readouterr().err
