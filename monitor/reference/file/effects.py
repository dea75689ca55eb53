"""Validation of the part of a reference file that has the effects of bins on the score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from monitor.reference.score_effects import BEYOND

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Known = Annotated[list[bool], msgspec.Meta(min_length=BEYOND, max_length=BEYOND)]


class _Variance(msgspec.Struct, gc=False):
    ratio: Annotated[float, msgspec.Meta(ge=1)]
    freedom: Annotated[float, msgspec.Meta(gt=0)] | None
    block: _Count
    settled: bool


class _Feature(msgspec.Struct, gc=False):
    effects: list[float]
    means: list[float]
    known: _Known


class EffectsRow(msgspec.Struct, gc=False):
    """`score_effects` in a file."""

    of: Literal["score", "prediction"]
    mean: float
    variance: _NotNegative
    residual_variance: _NotNegative
    rows: _Count
    bins: _Count
    score: _Variance
    residual: _Variance
    largest_rest: list[_NotNegative | None]
    features: dict[str, _Feature]


def effects_faults(row: EffectsRow, targets: Sequence[str], features: Mapping[str, int], levels: int) -> Iterator[str]:
    """`targets` are the roles of numeric columns that may be explained, `features` {name: number of bins}."""
    if row.of not in targets:
        yield f"of: there is no {row.of} of numbers"
    if len(row.largest_rest) != levels:
        yield f"largest_rest has {len(row.largest_rest)} numbers, and there are {levels} levels"
    if row.features.keys() != features.keys():
        yield "features: not those of the columns"
        return
    for name, bins in features.items():
        own = row.features[name]
        if not len(own.effects) == len(own.means) == bins + BEYOND:
            yield f"features: a feature of {bins} bins does not have {bins + BEYOND} effects and means"
        if not all(map(math.isfinite, (*own.effects, *own.means))):
            yield "features: an effect is not finite"
