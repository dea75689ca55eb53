"""Names of never-seen values: few of them, and the same ones in whatever order they came.

Of more than `KEPT` names those with the smallest hashes stay. A name that is among the smallest of all is among the
smallest of every part it is in, so what stays has its exact count however the parts are merged.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

#: names that are kept of one column
KEPT: Final = 16
#: characters of a name that are kept; names that begin alike are counted as one
LONGEST: Final = 48

#: by column: names and how often each came
Names = dict[int, Counter[str]]


@lru_cache(maxsize=1 << 14)
def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def shortened(name: str) -> str:
    """A name as it is kept."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def kept(names: Counter[str]) -> Counter[str]:
    """At most `KEPT` of the names, with their counts."""
    if len(names) <= KEPT:
        return names
    return Counter({name: names[name] for name in sorted(names, key=lambda name: (_rank(name), name))[:KEPT]})


def add(names: Names, more: Mapping[int, Counter[str]]) -> None:
    """Merge `more` into `names`, which alone is changed."""
    for column, counted in more.items():
        known = names.get(column)
        names[column] = Counter(counted) if known is None else kept(known + counted)


def most_frequent(names: Counter[str], count: int) -> list[tuple[str, int]]:
    """The most frequent names first, equal ones by name."""
    return sorted(names.items(), key=lambda item: (-item[1], item[0]))[:count]
