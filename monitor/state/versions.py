"""Each part of a state has a version."""

from __future__ import annotations

from typing import Any

import msgspec


class _Versioned(msgspec.Struct):
    version: int


def require_version(tree: object, newest: int) -> int:
    """The version of a part's tree, which is at most `newest`.

    Raises:
        msgspec.ValidationError: it has none, or a later one.
    """
    version = msgspec.convert(tree, _Versioned).version
    if not 1 <= version <= newest:
        raise msgspec.ValidationError(f"version {version} of a part; this build reads versions up to {newest}")
    return version


Tree = dict[str, Any]
