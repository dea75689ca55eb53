"""The steps of `make release VERSION=1.2.3`: `python deploy/release.py check|build|tag 1.2.3`, run in the checkout.

`check` says everything that is in the way, `build` makes wheel and sdist and tries them, `tag` makes the annotated tag.
Nothing is ever pushed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from packaging.metadata import Metadata

BRANCH = "main"
DIST = Path("dist/release")
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<day>\S+))?$", re.MULTILINE)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sections(changelog: str) -> dict[str, tuple[str | None, str]]:
    """{name: (day, text)} of every second heading."""
    found = list(HEADING.finditer(changelog))
    ends = [*(heading.start() for heading in found[1:]), len(changelog)]
    return {
        heading["name"]: (heading["day"], changelog[heading.end() : end].strip())
        for heading, end in zip(found, ends, strict=True)
    }


def faults(version: str) -> Iterator[str]:
    """Everything that is in the way of this release."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"VERSION={version} is no version; write three numbers, as in: make release VERSION=1.2.3"
        return
    yield from tree_faults(version)
    yield from version_faults(version)
    yield from changelog_faults(version, sections(Path("CHANGELOG.md").read_text(encoding="utf-8")))


def tree_faults(version: str) -> Iterator[str]:
    if (branch := output("git", "branch", "--show-current")) != BRANCH:
        yield f"the branch is {branch or 'none'}; releases are made on {BRANCH}"
    if changed := output("git", "status", "--porcelain"):
        yield f"files are changed or new: {', '.join(line[2:].strip() for line in changed.splitlines())}; commit them"
    if output("git", "tag", "--list", tag_of(version)):
        yield f"the tag {tag_of(version)} exists already; a release is never made twice: take the next version"


def version_faults(version: str) -> Iterator[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if project != version:
        yield f'pyproject.toml: version = "{project}"; write version = "{version}"'
    line = f'__version__ = "{version}"'
    if line not in Path("monitor/__init__.py").read_text(encoding="utf-8").splitlines():
        yield f"monitor/__init__.py: write {line}"


def changelog_faults(version: str, by_name: dict[str, tuple[str | None, str]]) -> Iterator[str]:
    heading = f"## [{version}] - {date.today().isoformat()}"  # noqa: DTZ011 - a day as people on this machine write it
    if by_name.get("Unreleased", ("", ""))[1]:
        yield f"CHANGELOG.md: something stands under [Unreleased]; move it below {heading}"
    if version not in by_name:
        yield f"CHANGELOG.md: no section {heading}"
        return
    day, text = by_name[version]
    if day is None or not is_day(day):
        yield f"CHANGELOG.md: [{version}] has no day; write {heading}"
    if not text:
        yield f"CHANGELOG.md: nothing stands under [{version}]"


def is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def tag_of(version: str) -> str:
    return f"v{version}"


def build(version: str) -> None:
    """Wheel and sdist of the commit's time; what they hold is looked at, and the wheel runs where nothing else is."""
    shutil.rmtree(DIST, ignore_errors=True)
    environ = os.environ | {"SOURCE_DATE_EPOCH": output("git", "log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(DIST)], check=True, env=environ)
    wheel, sdist = DIST / f"driftd-{version}-py3-none-any.whl", DIST / f"driftd-{version}.tar.gz"
    require(sorted(DIST.iterdir()) == [wheel, sdist], f"{DIST} holds other files than {wheel.name} and {sdist.name}")
    require_wheel(wheel, version)
    require_sdist(sdist, version)
    require_runs(wheel, version)
    for made in (wheel, sdist):
        print(f"{made}: {made.stat().st_size:,} bytes")


def require_wheel(wheel: Path, version: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"driftd-{version}.dist-info/METADATA")
    require_metadata(metadata, version, wheel)
    others = [name for name in names if not name.startswith(("monitor/", f"driftd-{version}.dist-info/"))]
    require(not others, f"{wheel} holds {', '.join(others[:5])}: only monitor/ belongs into it")


def require_sdist(sdist: Path, version: str) -> None:
    top = f"driftd-{version}"
    with tarfile.open(sdist) as archive:
        names = set(archive.getnames())
        metadata = archive.extractfile(f"{top}/PKG-INFO")
        require_metadata(b"" if metadata is None else metadata.read(), version, sdist)
    for file in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "monitor/__init__.py"):
        require(f"{top}/{file}" in names, f"{sdist} lacks {file}")
    hidden = [name for name in names if "/.venv" in name or "/.real-parts" in name]
    require(not hidden, f"{sdist} holds what is made here, such as {hidden[:1]}")


def require_metadata(raw: bytes, version: str, place: Path) -> None:
    """As an index would check it: every field valid, a description that can be shown."""
    metadata = Metadata.from_email(raw, validate=True)
    require(str(metadata.version) == version, f"{place} says version {metadata.version}")
    shown = metadata.description_content_type == "text/markdown" and metadata.description
    require(bool(shown), f"{place} has no description in Markdown")


def require_runs(wheel: Path, version: str) -> None:
    with tempfile.TemporaryDirectory(prefix="driftd-release-") as folder:
        venv.create(folder, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", f"{folder}/bin/python", "install"]
        subprocess.run([*pip, "--require-hashes", "-r", "requirements.txt"], check=True)
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
        said = subprocess.run(
            [f"{folder}/bin/driftd", "--version"], cwd=folder, check=True, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"]},
        ).stdout.strip()  # fmt: skip
    require(said == f"driftd {version}", f"the installed command says {said!r}")


def require(holds: bool, fault: str) -> None:
    if not holds:
        sys.exit(f"release: {fault}")


def tag(version: str) -> None:
    """The annotated tag, with the version's part of the changelog."""
    text = sections(Path("CHANGELOG.md").read_text(encoding="utf-8"))[version][1]
    message = f"driftd {version}\n\n{text}\n"
    subprocess.run(
        ["git", "tag", "--annotate", "--cleanup=verbatim", "--file=-", tag_of(version)],
        input=message, check=True, text=True,
    )  # fmt: skip
    print(f"tagged {tag_of(version)}; publish it with: git push origin {BRANCH} {tag_of(version)}")


def main(step: str, version: str) -> None:
    found = list(faults(version))
    if found:
        sys.exit("\n".join(f"release: {fault}" for fault in found))
    {"check": lambda _: None, "build": build, "tag": tag}[step](version)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
