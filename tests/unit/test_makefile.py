"""What `make venv` puts into .venv: what runs, and the command; `make dev` adds what tests and builds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.platforms.run import GENERATORS

ROOT = Path(__file__).resolve().parents[2]
SAYS_HOW_IT_RUNS = "import json, os, sys; print(json.dumps([os.getcwd(), *sys.argv[1:]]))"


def make(folder: Path, *arguments: str) -> str:
    # the tests may run under a make themselves, which tells its children so, and what it was given
    own = {"PYTHONS", "WORKERS", "PLATFORMS"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name not in own}
    command = ["make", f"PYTHON={sys.executable}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile without libraries to get, and a command that says how it was called; its name has a space."""
    folder = tmp_path / "a checkout"
    (folder / "monitor").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        (folder / name).touch()
    (folder / "monitor" / "__init__.py").touch()
    (folder / "monitor" / "__main__.py").write_text(SAYS_HOW_IT_RUNS)
    return folder


def test_what_runs_is_installed_without_what_tests(checkout: Path) -> None:
    assert "requirements-dev" not in make(checkout, "-n", "venv")
    assert "requirements-dev" in make(checkout, "-n", "dev")
    for target in ("lint", "unit", "test-pythons", "real-parts", "bench", "lock"):
        assert "requirements-dev" in make(checkout, "-n", target), target


@pytest.mark.parametrize("asked", [[], ["mlflow"], ["kserve", "azure"]])
def test_the_packages_of_the_platforms_are_those_that_are_asked_for(asked: list[str], checkout: Path) -> None:
    made = make(checkout, "-n", "test-platforms", *([f"PLATFORMS={' '.join(asked)}"] if asked else []))
    (line,) = [line for line in made.splitlines() if "tests.platforms.run" in line]
    assert line.split()[3:] == asked
    assert {*asked} <= {*GENERATORS}


def test_the_command_runs_the_checkout_from_any_folder_and_through_a_link(checkout: Path, tmp_path: Path) -> None:
    make(checkout, "venv")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "monitor").mkdir(parents=True)  # somebody's own folder of that name
    (elsewhere / "monitor" / "__main__.py").write_text("print('the wrong one')")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    (tmp_path / "driftd").symlink_to(checkout / ".venv" / "bin" / "driftd")
    for command in (checkout / ".venv" / "bin" / "driftd", tmp_path / "driftd"):
        done = subprocess.run(
            [command, "run", "a b"], cwd=elsewhere, env=environ, capture_output=True, text=True, check=True
        )
        assert done.stdout == f'["{elsewhere}", "run", "a b"]\n'
    assert make(checkout, "venv").strip() == "make: Nothing to be done for 'venv'."


@pytest.mark.parametrize(("given", "versions"), [((), ["3.11", "3.12", "3.13"]), (("PYTHONS=3.14",), ["3.14"])])
def test_the_quick_part_is_run_on_these_pythons(checkout: Path, given: tuple[str, ...], versions: list[str]) -> None:
    (checkout / "tests").mkdir()
    (checkout / "tests" / "__init__.py").touch()
    (checkout / "tests" / "pythons.py").write_text(SAYS_HOW_IT_RUNS)
    with_libraries = ["-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}"]
    said = json.loads(make(checkout, *with_libraries, "test-pythons", "WORKERS=7", *given))
    assert said[: 1 + len(versions)] == [str(checkout), *versions]
    assert said[1 + len(versions) :][:2] == ["-n", "7"]


def test_the_hooks_before_a_commit_are_what_lint_runs() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    recipe = (ROOT / "Makefile").read_text().split("\nlint: ", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    assert [hook["entry"] for hook in local["hooks"]] == [
        line.strip().replace("$(BIN)", ".venv/bin") for line in recipe
    ]
