"""A tree as it is at one moment, so that it can be encoded while what it was made of changes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from monitor.stats.tallies.growing import Growing
from monitor.stats.tallies.later import Later

#: these never change: numbers and texts, and what is made to be read later
_NEVER_CHANGE: Final = frozenset({str, float, bool, bytes, int, type(None), Later, Growing})


def frozen(node: Any) -> Any:  # noqa: ANN401 - a tree of any shape
    """The same tree with its own dicts, lists and arrays; `codec.encode` refuses what is of no known type."""
    kind = type(node)
    if kind in _NEVER_CHANGE:
        return node
    if kind is dict:
        return {key: child if type(child) in _NEVER_CHANGE else frozen(child) for key, child in node.items()}
    if kind is list:
        return list(node) if _NEVER_CHANGE.issuperset(map(type, node)) else [frozen(child) for child in node]
    if isinstance(node, np.ndarray):
        return node.copy()
    if isinstance(node, dict):
        return {key: frozen(child) for key, child in node.items()}
    return node
