"""Categories with many names: which names have bins of their own, and where all the others are counted.

A name chosen for its count is too common in the rows it was chosen from, and the ones left out too rare there. So the
list of names is cut only where no near-tie is cut; every other value, seen or never seen, is counted in one of 32
buckets by the hash of its text, which knows nothing of counts. `unseen` is a mark beside that.

The hash is part of the reference's format: xxh3, 64 bits, of the canonical text in UTF-8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from scipy.special import gammaln

from monitor.stats.bins import CATEGORICAL, NAMES_SHOWN, ColumnBins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

HASH: Final = "xxh3_64"
BUCKETS: Final = 32
#: names that may have bins of their own
MAX_NAMES: Final = 30
#: what the chosen names may hold too much of, in standard deviations of their sum
MAX_SURPLUS: Final = 0.25
#: names a reference knows by hash; a rarer one counts as unseen, in the reference and in live traffic alike
MAX_KNOWN: Final = 20_000
#: effective events a joined group of bins is expected to hold
MIN_EXPECTED: Final = 20.0
#: bits of a hash that a float holds exactly
FLOAT_BITS: Final = 52


def hash_of(text: str) -> int:
    """The 64-bit hash of a category's canonical text."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def hashes_of(texts: Iterable[str]) -> Hashes:
    return np.array([hash_of(text) for text in texts], np.uint64)


def bucket_of(hashes: Hashes) -> Ints:
    """Which of the `BUCKETS` each hash belongs to."""
    return (hashes % np.uint64(BUCKETS)).astype(np.int64)


def as_extreme(hashes: Hashes) -> Floats:
    """Hashes as floats whose lowest and highest tell whether a column had one value only."""
    return (hashes >> np.uint64(64 - FLOAT_BITS)).astype(np.float64)


def allowed_cuts(counts: Ints | Floats, most: int = MAX_NAMES) -> tuple[int, ...]:
    """How many of the commonest names may have bins of their own: 0 and rising numbers; `counts` of all names, falling.

    K names with counts down to T hold sum(c P(Poisson(c) = T - 1)) events too many in the rows they were chosen from:
    E[(X - c) 1(X >= T)] of a Poisson count X. All names, or such a K that this is at most `MAX_SURPLUS` standard
    deviations of their sum.
    """
    c = np.asarray(counts, np.float64)
    total = c.sum()
    cuts = [0]
    for k in range(1, min(len(c), most) + 1):
        if k == len(c):
            cuts.append(k)
        elif c[k] < c[k - 1]:
            share = c[:k].sum() / total
            if _surplus(c, c[k - 1]) <= MAX_SURPLUS * np.sqrt(total * share * (1 - share)):
                cuts.append(k)
    return tuple(cuts)


def _surplus(counts: Floats, least: float) -> float:
    """Events that the names with at least `least` hold too many; only names near it matter."""
    near = counts[np.abs(counts - least) < 8 * np.sqrt(least) + 8]
    return float((near * np.exp((least - 1) * np.log(near) - near - gammaln(least))).sum())


@dataclass(frozen=True, slots=True)
class NameBins:
    """K names, commonest first, and the buckets behind them.

    `cuts` the allowed numbers of names, `homes` (K,) each name's bucket, `reference` (K + BUCKETS,) counts.
    """

    cuts: tuple[int, ...]
    homes: Ints
    reference: Ints

    @property
    def names(self) -> int:
        return len(self.homes)

    def join(self, effective: float) -> Ints:
        """The group 0, 1, ... of every bin for a window of so many effective events.

        Names expected often enough stay alone; the others are counted in their bucket, and buckets side by side are
        joined until each group is expected `MIN_EXPECTED` times. The order comes from the hash, never from counts.
        """
        per_event = self.reference / max(int(self.reference.sum()), 1)
        expected = per_event * effective
        alone = max(k for k in self.cuts if k == 0 or expected[k - 1] >= MIN_EXPECTED)
        buckets = expected[self.names :].copy()
        np.add.at(buckets, self.homes[alone:], expected[alone : self.names])
        run = join_neighbours(buckets, MIN_EXPECTED)
        if alone and run[-1] == 0 and buckets.sum() < MIN_EXPECTED:
            run = run - 1  # a tail too small for a group goes to the last name
        groups = np.concatenate([np.arange(self.names), alone + run])
        groups[alone : self.names] = alone + run[self.homes[alone:]]
        return groups


def join_neighbours(expected: Floats, least: float = MIN_EXPECTED) -> Ints:
    """The group of each bin when neighbours are joined until each group expects `least`.

    A short rest joins the last group.
    """
    groups = np.zeros(len(expected), np.int64)
    now, held = 0, 0.0
    for at, mass in enumerate(expected.tolist()):
        groups[at] = now
        held += mass
        if held >= least:
            now, held = now + 1, 0.0
    if now and len(groups) and groups[-1] == now:
        groups[groups == now] = now - 1
    return groups


def regroup(counts: Ints, groups: Ints) -> Ints:
    """Counts (..., bins) by group, (..., groups)."""
    to = np.zeros((len(groups), int(groups.max(initial=-1)) + 1), np.int64)
    to[np.arange(len(groups)), groups] = 1
    return np.asarray(counts @ to, np.int64)


def joined_chi_square(reference: Ints, counts: Ints) -> tuple[Floats, int]:
    """Two-sample Pearson chi-square (...,) of joined groups `counts` (..., groups), and its degrees of freedom.

    For independent columns with buckets, beside their directions: many small changes add up in it (half of a tail's
    names die), where a direction sees one share move.
    """
    c, r = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    n, m = c.sum(-1, keepdims=True), r.sum(-1, keepdims=True)
    terms = (c * m - r * n) ** 2 / np.maximum((c + r) * n * m, 1.0)
    return np.asarray(terms.sum(-1), np.float64), max(len(r) - 1, 0)


def total_variation(reference: Ints, counts: Ints, variance: Floats | float = 1.0) -> Floats:
    """Half the sum of all changes of share, less what chance alone would give: counts (..., bins) to (...,).

    `variance` (bins,) of each share against that of independent events. Without the noise taken off, a tail of many
    bins would seem to have moved whenever few events are looked at.
    """
    c, r = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    n, m = c.sum(-1, keepdims=True), r.sum(-1, keepdims=True)
    pool = (c + r) / np.maximum(n + m, 1)
    change = np.abs(c / np.maximum(n, 1) - r / np.maximum(m, 1))
    noise = np.sqrt(2 / np.pi * variance * pool * (1 - pool) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)))
    both = ((n > 0) & (m > 0))[..., 0]
    return np.where(both, np.maximum(0.5 * (change - noise).sum(-1), 0.0), 0.0)


def constant_log_chance(values: Floats | Ints, modal: Floats, overdispersion: Floats) -> Floats:
    """Log of the chance that so many values in a row are one and the same: p_max^((n - 1) / phi).

    The first value is free: it may be any. Exact for equally common names.
    """
    more = np.maximum(np.asarray(values, np.float64) - 1, 0)
    return np.asarray(more / overdispersion * np.log(np.clip(modal, 1e-12, 1.0)), np.float64)


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names a reference has seen, as sorted 64-bit hashes."""

    hashes: Hashes

    @classmethod
    def of(cls, hashes: Hashes, counts: Ints) -> KnownNames:
        """The commonest of them; names of equal count by their hash."""
        order = np.lexsort((hashes, -counts))[:MAX_KNOWN]
        return cls(np.unique(hashes[order]))

    def holds(self, hashes: Hashes) -> Flags:
        if not len(self.hashes):
            return np.zeros(len(hashes), np.bool_)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.asarray(self.hashes[at] == hashes, np.bool_)

    def to_bytes(self) -> bytes:
        """Eight bytes a hash, lowest byte first."""
        return self.hashes.astype("<u8").tobytes()

    @classmethod
    def from_bytes(cls, packed: bytes) -> KnownNames:
        """Back from `to_bytes`.

        Raises:
            ValueError: no whole number of hashes.
        """
        return cls(np.frombuffer(packed, "<u8").astype(np.uint64))


def category_bins(values: Iterable[str]) -> ColumnBins:
    """The bins of a categorical column: names as far as they may be cut, and buckets for the others.

    Raises:
        ValueError: no values.
    """
    counted = Counter(values)
    if not counted:
        message = "a categorical column without values has no bins"
        raise ValueError(message)
    ranked = sorted(counted, key=lambda category: (-counted[category], category))
    counts = np.array([counted[name] for name in ranked], np.int64)
    cuts = allowed_cuts(counts)
    hashes = hashes_of(ranked)
    others = ranked[cuts[-1] :]
    shown: list[list[str]] = [[] for _ in range(BUCKETS)]
    for name, bucket in zip(others, bucket_of(hashes[cuts[-1] :]).tolist(), strict=True):
        if len(shown[bucket]) < NAMES_SHOWN:
            shown[bucket].append(name)
    return ColumnBins(
        CATEGORICAL,
        categories=tuple(ranked[: cuts[-1]]),
        buckets=BUCKETS if others else 0,
        cuts=cuts,
        known=KnownNames.of(hashes, counts).to_bytes(),
        bucket_names=tuple(map(tuple, shown)) if others else (),
    )


def buckets_of(names: Sequence[str]) -> Ints:
    """The bucket of each name."""
    return bucket_of(hashes_of(names))
