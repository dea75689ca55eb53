"""Counts the scores of each partition, so that a change that comes through one partition can be told.

A producer, a region or a client often has partitions of its own.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from monitor.events import Partition
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import SUM, Ints

#: name of these counts in a tally's `further`: (SLOTS, 2) events inside the score's range, and their sum of scores
BY_PARTITION: Final = "by_partition"
#: partitions counted apart; more of them share a slot
SLOTS: Final = 32


def slot_of(partition: Partition) -> int:
    """Partitions of one topic share no slot, up to `SLOTS` of them."""
    topic, number = partition
    return (zlib.crc32(topic.encode("utf-8", "replace")) + number) % SLOTS


def scores_of(partition: Partition, reference: Reference, counts: Ints, sums: Ints) -> dict[str, Ints]:
    """The further counts of a tally of one partition, from its `counts` (C, B + Q) and `sums` (C, SUMS)."""
    effects = reference.effects
    if effects is None:
        return {}
    out = np.zeros((SLOTS, 2), np.int64)
    width = counts.shape[1] - len(QUALITY_COUNTS)
    out[slot_of(partition)] = counts[effects.target, :width].sum(), sums[effects.target, SUM]
    return {BY_PARTITION: out.ravel()}
