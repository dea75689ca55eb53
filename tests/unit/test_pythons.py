"""`make test-pythons` finds the Pythons of this machine, names those it lacks, and makes each an environment once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import pythons

#: says its version, makes an environment of itself, and writes down what it is to do; `refuses` ends with 1
FAKE = """#!/bin/sh
case "$2" in
  venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  pip|pytest) ;;
  *) echo {version}; exit ;;
esac
echo "{version} $@" >>'{log}'
test "$2" != '{refuses}'
"""
STAND_IN = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"

Put = Callable[..., Path]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log"
    file.touch()
    return file


@pytest.fixture
def put(tmp_path: Path, log: Path) -> Put:
    """Puts a Python of a version where one would look for `python<name>`."""

    def put_there(folder: str, name: str, version: str = "", refuses: str = "") -> Path:
        python = tmp_path / folder / f"python{name}"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(FAKE.format(version=version, log=log, refuses=refuses) if version else STAND_IN)
        python.chmod(0o755)
        return python

    return put_there


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine without any Python, and a folder for environments."""
    monkeypatch.setattr(pythons, "FOLDER", tmp_path / "environments")
    return {"PATH": str(tmp_path / "path"), "HOME": str(tmp_path / "home")}


UV = "home/.local/share/uv/python/cpython-3.12.9-linux-x86_64-gnu/bin"
PYENV = "home/.pyenv/versions/3.12.1/bin"


def test_the_one_on_the_path_comes_first_then_that_of_uv_then_that_of_pyenv(put: Put, environ: dict[str, str]) -> None:
    assert pythons.find("3.12", environ) is None
    for folder in (PYENV, UV, "path"):
        there = put(folder, "3.12", "3.12")
        assert pythons.find("3.12", environ) == there
    assert pythons.find("3.11", environ) is None
    assert pythons.find("3.1", environ) is None


def test_the_folders_of_uv_and_pyenv_may_be_elsewhere(put: Put, environ: dict[str, str], tmp_path: Path) -> None:
    of_uv = put("uv/cpython-3.12.9-linux/bin", "3.12", "3.12")
    of_pyenv = put("pyenv/versions/3.13.0/bin", "3.13", "3.13")
    elsewhere = {"UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    assert pythons.find("3.12", environ | elsewhere) == of_uv
    assert pythons.find("3.13", environ | elsewhere) == of_pyenv


@pytest.mark.parametrize("version", ["", "3.13"], ids=["a stand-in that starts nothing", "one of another version"])
def test_what_is_not_that_python_is_passed_over(put: Put, environ: dict[str, str], version: str) -> None:
    put("path", "3.12", version)
    assert pythons.find("3.12", environ) is None
    assert pythons.find("3.12", environ | {"PATH": ""}) is None
    there = put(PYENV, "3.12", "3.12")
    assert pythons.find("3.12", environ) == there


def test_a_python_that_is_missing_is_named_and_the_others_run_the_quick_part(
    put: Put, environ: dict[str, str], log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put("path", "3.11", "3.11")
    put(PYENV, "3.12", "3.12")
    assert pythons.main(["3.11", "3.12", "3.13", "-n", "2"], environ) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[-3:] == ["Python 3.11: passed", "Python 3.12: passed", "Python 3.13: not on this machine"]
    ran = [line for line in log.read_text().splitlines() if "-m pytest" in line]
    assert ran == [f"{version} -m pytest -m not kafka -n 2" for version in ("3.11", "3.12")]


def test_an_environment_is_made_once_and_again_when_the_locks_change(
    put: Put, environ: dict[str, str], log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    monkeypatch.setattr(pythons, "LOCKS", (str(lock),))
    put("path", "3.12", "3.12")
    for text, times in (("one", 1), ("one", 1), ("two", 2)):
        lock.write_text(text)
        assert pythons.main(["3.12"], environ) == 0
        assert log.read_text().count("-m venv") == times
        assert log.read_text().count("--require-hashes") == times


@pytest.mark.parametrize("step", ["venv", "pip", "pytest"])
def test_a_step_that_fails_is_the_end_of_that_python_alone(
    put: Put, environ: dict[str, str], log: Path, capfd: pytest.CaptureFixture[str], step: str
) -> None:
    put("path", "3.12", "3.12", refuses=step)
    put("path", "3.13", "3.13")
    assert pythons.main(["3.12", "3.13"], environ) == 1
    assert capfd.readouterr().out.splitlines()[-2:] == ["Python 3.12: FAILED", "Python 3.13: passed"]
    before = log.read_text().count("3.12 -m venv")
    assert pythons.main(["3.12"], environ) == 1
    made_again = log.read_text().count("3.12 -m venv") > before
    assert made_again == (step != "pytest"), "what was not made whole is made anew"


def test_where_no_python_is_found_nothing_was_tested(
    environ: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert pythons.main(["3.12"], environ) == 1
    out, err = capfd.readouterr()
    assert out == "Python 3.12: not on this machine\n"
    assert "None of these Pythons was found" in err
