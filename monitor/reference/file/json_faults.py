"""Faults of a file's JSON that its types do not show: numbers that are not finite or exact, half characters, depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

#: deepest nesting of lists and objects, with room to spare
DEEPEST: Final = 20
#: the largest integer that is the same as a float
_LARGEST: Final = 2**53


def json_faults(body: dict[str, Any]) -> Iterator[str]:
    """NaN, infinity, integers beyond 2^53 and halves of surrogate pairs, anywhere.

    Level by level, as recursion could overflow.
    """
    below: list[tuple[str, Any]] = [("", body)]
    for _ in range(DEEPEST):
        if not below:
            return
        found: list[tuple[str, Any]] = []
        for place, node in below:
            if isinstance(node, dict):
                found += ((f"{place}.{name}".lstrip("."), value) for name, value in node.items())
                found += (("a name", name) for name in node)
            elif isinstance(node, list):
                found += ((f"{place}[{at}]", value) for at, value in enumerate(node))
            elif isinstance(node, float) and not math.isfinite(node):
                yield f"{place} is {node}, which is not a finite number"
            elif isinstance(node, int) and abs(node) > _LARGEST:
                yield f"{place} is {node}, beyond the integers that are exact (2^53)"
            elif isinstance(node, str) and any(0xD800 <= ord(char) < 0xE000 for char in node):
                yield f"{place} holds half of a character"
        below = found
    yield f"nested deeper than {DEEPEST}"
