"""Names of never-seen values: a bounded sample that does not depend on their order.

Of more than `KEPT` names those with the smallest hashes are kept. A name that is among the smallest of all is among the
smallest of every part it is in, so the kept names have exact counts however the parts are merged.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

#: most names kept per column
KEPT: Final = 16
#: characters kept of a name; names with the same beginning are counted as one
LONGEST: Final = 48

#: {column: count of each name}
Names = dict[int, Counter[str]]


@lru_cache(maxsize=1 << 14)
def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def shortened(name: str) -> str:
    """The kept beginning of a name."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def smallest(names: Iterable[str], most: int) -> list[str]:
    """At most so many of the names: those with the smallest hashes."""
    return sorted(names, key=lambda name: (_rank(name), name))[:most]


def kept(names: Counter[str]) -> Counter[str]:
    """At most `KEPT` of the names, with their counts."""
    if len(names) <= KEPT:
        return names
    return Counter({name: names[name] for name in smallest(names, KEPT)})


def add(names: Names, more: Mapping[int, Counter[str]]) -> None:
    """Merge `more` into `names` in place."""
    for column, counted in more.items():
        known = names.get(column)
        names[column] = Counter(counted) if known is None else kept(known + counted)


def most_frequent(names: Mapping[str, int], count: int) -> list[tuple[str, int]]:
    """The most frequent names first, equal ones by name."""
    return sorted(names.items(), key=lambda item: (-item[1], item[0]))[:count]
