"""References without counts: while one is built, and of a model version that is in its warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.events import ModelKey
from monitor.reference.column import Column
from monitor.reference.reference import Reference
from monitor.reference.variability import ReferenceVariability
from monitor.stats.bins.reference_bins import QUALITY_COUNTS, width_of

#: instead of the hash of a reference: there is none yet
WARMUP: Final = "warmup"


def blank_reference(key: ModelKey, columns: Sequence[Column], task: str, positive: str, digest: str = "") -> Reference:
    """A reference with these columns and no counts."""
    return Reference(
        key=key,
        task=task,
        positive=positive,
        columns=tuple(columns),
        counts=np.zeros((len(columns), width_of([c.bins for c in columns]) + len(QUALITY_COUNTS)), np.int64),
        levels=(),
        variability=ReferenceVariability.unknown(tuple(columns)),
        events=0,
        predictions=0,
        labels=0,
        start_us=0,
        end_us=0,
        base_windows=0,
        base_us=0,
        hash=digest,
    )


def warmup_reference(key: ModelKey, positive: str) -> Reference:
    """What a model version has until its warm-up ends: no columns, so that its events are counted and nothing else."""
    return blank_reference(key, (), "none", positive, WARMUP)
