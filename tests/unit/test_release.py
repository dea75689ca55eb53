"""`make release` on its own small project: what stops it, what it builds and tries, and the tag that it makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.2.3"
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "driftd"
version = "1.2.3"
requires-python = ">=3.11"
readme = "README.md"
license-files = ["LICENSE"]
[project.scripts]
driftd = "monitor.__main__:main"
[tool.hatch.build.targets.wheel]
packages = ["monitor"]
"""
COMMAND = """\
import sys
def main():
    from monitor import __version__
    print("driftd", __version__) if sys.argv[1:] == ["--version"] else sys.exit(2)
"""
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-02-03\n\n### Added\n\n- A thing.\n"
FILES = {
    "pyproject.toml": PROJECT,
    "README.md": "# driftd\n",
    "LICENSE": "as you like\n",
    "CHANGELOG.md": CHANGELOG,
    "requirements.txt": "",
    "requirements-dev.txt": "",
    ".gitignore": "dist/\n.venv/\n",
    "monitor/__init__.py": f'__version__ = "{VERSION}"\n',
    "monitor/__main__.py": COMMAND,
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def release(folder: Path, *variables: str, version: str = VERSION) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "release", f"VERSION={version}", "ENGINE=no-such-engine", *variables]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def change(folder: Path, file: str, before: str, after: str) -> None:
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after))
    git(folder, "commit", "--quiet", "--all", "--message", "a change")
    (folder / ".venv" / ".installed").touch()  # else make installs this project over the one that is tested


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A committed project whose .venv is there: its Python is the one that runs the tests."""
    folder = tmp_path / "a checkout"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "release.py", folder / "deploy")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for setting in ("user.name", "user.email"):
        git(folder, "config", setting, "tester@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


def test_it_builds_tries_and_tags_and_pushes_nothing(checkout: Path) -> None:
    git(checkout.parent, "init", "--quiet", "--bare", "origin.git")
    git(checkout, "remote", "add", "origin", str(checkout.parent / "origin.git"))
    dry = release(checkout, "DRY=1")
    assert dry.returncode == 0, dry.stderr
    assert git(checkout, "tag") == ""
    done = release(checkout)
    assert done.returncode == 0, done.stderr
    assert git(checkout, "tag") == f"v{VERSION}"
    assert git(checkout, "cat-file", "-t", f"v{VERSION}") == "tag"
    message = git(checkout, "tag", "--list", "--format=%(contents)", f"v{VERSION}")
    assert message == f"driftd {VERSION}\n\n### Added\n\n- A thing."
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "ls-remote", "origin") == ""
    wheel, sdist = sorted((checkout / "dist" / "release").iterdir(), key=lambda made: made.suffix == ".gz")
    with zipfile.ZipFile(wheel) as archive:
        assert {"monitor/__init__.py", "monitor/__main__.py"} <= set(archive.namelist())
    with tarfile.open(sdist) as unpacked:
        assert f"driftd-{VERSION}/CHANGELOG.md" in unpacked.getnames()
    again = release(checkout)
    assert again.returncode != 0
    assert f"the tag v{VERSION} exists already" in again.stderr


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("pyproject.toml", '"1.2.3"', '"1.2.4"', 'pyproject.toml: version = "1.2.4"; write version = "1.2.3"'),
        ("monitor/__init__.py", "1.2.3", "1.2.4", 'monitor/__init__.py: write __version__ = "1.2.3"'),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- Another.\n", "something stands under [Unreleased]"),
        ("CHANGELOG.md", " - 2026-02-03", "", "[1.2.3] has no day"),
        ("CHANGELOG.md", "2026-02-03", "2026-02-30", "[1.2.3] has no day"),
        ("CHANGELOG.md", "[1.2.3]", "[1.2.30]", "CHANGELOG.md: no section ## [1.2.3] - "),
        ("CHANGELOG.md", "### Added\n\n- A thing.\n", "", "nothing stands under [1.2.3]"),
        ("monitor/__main__.py", '"driftd", __version__', '"driftd 1"', "the installed command says 'driftd 1'"),
        ("pyproject.toml", '["monitor"]', '["monitor", "deploy"]', "only monitor/ belongs into it"),
        ("pyproject.toml", 'readme = "README.md"\n', "", "has no description in Markdown"),
    ],
)
def test_what_is_in_the_way_is_reported_and_nothing_is_tagged(
    checkout: Path, file: str, before: str, after: str, said: str
) -> None:
    change(checkout, file, before, after)
    done = release(checkout)
    assert done.returncode != 0
    assert said in done.stderr
    assert git(checkout, "tag") == ""


def test_only_what_is_committed_on_main_is_released_and_all_faults_come_at_once(checkout: Path) -> None:
    git(checkout, "switch", "--quiet", "--create", "other")
    (checkout / "new.txt").touch()
    (checkout / "README.md").write_text("changed")
    done = release(checkout)
    assert done.returncode != 0
    assert "the branch is other; releases are made on main" in done.stderr
    assert "files are changed or new: README.md, new.txt; commit them" in done.stderr


@pytest.mark.parametrize("version", ["", "v1.2.3", "1.2", "1.2.3-rc1", "1.2.3; ls"])
def test_a_version_is_three_numbers(checkout: Path, version: str) -> None:
    done = release(checkout, version=version)
    assert done.returncode != 0
    assert "write three numbers, as in: make release VERSION=1.2.3" in done.stderr
