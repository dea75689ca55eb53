"""Versions of a model in the name of a file: where they stand, and which ones may."""

from __future__ import annotations

import re
from typing import Final

#: what stands for the version in `models[].reference`
PLACEHOLDER: Final = "{version}"
#: what is allowed, for a person
ALLOWED: Final = "up to 64 of A-Z a-z 0-9 . _ -"
_IN_PATH: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def may_stand_in_path(version: str) -> bool:
    """Whether a version names one file, of no other folder."""
    return _IN_PATH.fullmatch(version) is not None and version not in {".", ".."}


def filled(pattern: str, version: str) -> str:
    """The path of one version."""
    return pattern.replace(PLACEHOLDER, version)


def version_in(pattern: str, name: str) -> str | None:
    """The version that stands in the name of a file where the pattern has its placeholder; None: no such file."""
    before, after = pattern.split(PLACEHOLDER, 1)
    found = re.fullmatch(re.escape(before) + "(" + _IN_PATH.pattern + ")" + re.escape(after), name)
    return found[1] if found is not None and may_stand_in_path(found[1]) else None
