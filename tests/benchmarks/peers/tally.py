"""Ten bins for each feature of the benchmark's events, in plain Python: what the peers count with."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

BINS = 10
WINDOW_MS = 10_000
#: features of numbers have the mean k and the deviation 1 + k / 10
NUMBERS = 20
EDGES = {f"feature_{k:02d}": NormalDist(k, 1 + k / 10).quantiles(BINS) for k in range(NUMBERS)}
MISSING = "missing"

#: {feature: {bin, name or "missing": values}}
Counts = dict[str, dict[str, int]]


def bins_of(features: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The bin of each feature of one event; keys are texts, as some of the peers keep them in JSON."""
    for name, value in features.items():
        edges = EDGES.get(name)
        if value is None:
            yield name, MISSING
        else:
            yield name, value if edges is None else _NAMES[bisect(edges, value)]


_NAMES = [str(at) for at in range(BINS)]


def add(counts: Counts, event: Mapping[str, Any]) -> Counts:
    """Counts one event, in place."""
    for name, found in bins_of(event["features"]):
        of = counts.setdefault(name, {})
        of[found] = of.get(found, 0) + 1
    return counts


def merge(counts: Counts, others: Counts) -> Counts:
    for name, of in others.items():
        mine = counts.setdefault(name, {})
        for found, number in of.items():
            mine[found] = mine.get(found, 0) + number
    return counts


def values(counts: Counts) -> int:
    return sum(sum(of.values()) for of in counts.values())
