"""Prints what the image installs: the lock's entries of driftd's dependencies and of theirs.

With the extras `registry` and `confluent`.
Run as `python deploy/image_requirements.py 3.12`, with the Python of the image, where the lock is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def applies(requirement: Requirement, python: str) -> bool:
    """Whether its marker holds in the image: on Linux, with that Python, without extras."""
    image = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(image)


def closure(first: list[str], python: str) -> set[str]:
    """The names of these requirements and of all that they need in turn."""
    names: set[str] = set()
    waiting = list(first)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in names or not applies(requirement, python):
            continue
        names.add(name)
        try:
            waiting += requires(name) or []
        except PackageNotFoundError:  # this Python does without it, the image's does not
            continue
    return names


def image_lock(lock: str, plain: list[str], python: str) -> str:
    """The entries of `lock` that the plain dependencies lead to; their markers are decided and left out."""
    names = closure(plain, python)
    chosen = []
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        requirement = Requirement(entry.partition("\\")[0])
        if canonicalize_name(requirement.name) in names and applies(requirement, python):
            chosen.append(re.sub(r" ;[^\\]*", " ", entry, count=1))
    return "\n".join(chosen) + "\n"


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["registry"], *extras["confluent"]]
    sys.stdout.write(image_lock(locked, wanted, sys.argv[1]))
