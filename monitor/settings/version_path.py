"""Versions of a model in file names: their position, and which ones are allowed."""

from __future__ import annotations

import re
from typing import Final

#: placeholder of the version in `models[].reference`
PLACEHOLDER: Final = "{version}"
#: the allowed versions, as text for messages
ALLOWED: Final = "up to 64 of A-Z a-z 0-9 . _ -"
_IN_PATH: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def may_stand_in_path(version: str) -> bool:
    """Whether a version is safe in a file name: it names one file in the same folder."""
    return _IN_PATH.fullmatch(version) is not None and version not in {".", ".."}


def filled(pattern: str, version: str) -> str:
    """The path of one version."""
    return pattern.replace(PLACEHOLDER, version)


def version_in(pattern: str, name: str) -> str | None:
    """The version in a file's name, at the placeholder of the pattern; None if the name does not match."""
    before, after = pattern.split(PLACEHOLDER, 1)
    found = re.fullmatch(re.escape(before) + "(" + _IN_PATH.pattern + ")" + re.escape(after), name)
    return found[1] if found is not None and may_stand_in_path(found[1]) else None
