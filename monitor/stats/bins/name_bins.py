"""Categories with many names: which names have their own bins, and where all the others are counted.

A name chosen for its high count has, on average, a count above its true rate, and the others below (selection bias). So
the list of names ends only where counts are clearly different; every other value, seen or never seen, is counted in one
of 32 buckets by the hash of its text, which does not depend on counts. Never-seen values count as `unseen` too.

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

from monitor.stats.bins.reference_bins import CATEGORICAL, NAMES_SHOWN, ColumnBins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

HASH: Final = "xxh3_64"
BUCKETS: Final = 32
#: most names with their own bins
MAX_NAMES: Final = 30
#: largest selection bias of the chosen names' total, in standard deviations
MAX_SURPLUS: Final = 0.25
#: most names a reference keeps by hash; a rarer one counts as unseen, in the reference and in live traffic alike
MAX_KNOWN: Final = 20_000
#: least effective events expected in a joined group of bins
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
    """Hashes as floats: if the lowest and the highest are equal, a column had one value only."""
    return (hashes >> np.uint64(64 - FLOAT_BITS)).astype(np.float64)


def allowed_cuts(counts: Ints | Floats, most: int = MAX_NAMES) -> tuple[int, ...]:
    """Allowed numbers of most frequent names with their own bins, rising from 0; `counts` of all names, falling.

    The bias of K names with counts down to T is sum(c P(Poisson(c) = T - 1)) events: E[(X - c) 1(X >= T)] of a Poisson
    count X. K may be all names, or a number for which the bias is at most `MAX_SURPLUS` standard deviations.
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
    """The bias, in events, of the names with at least `least`; only names near it matter."""
    near = counts[np.abs(counts - least) < 8 * np.sqrt(least) + 8]
    return float((near * np.exp((least - 1) * np.log(near) - near - gammaln(least))).sum())


@dataclass(frozen=True, slots=True)
class NameBins:
    """K names, most frequent first, followed by the buckets.

    `cuts` the allowed numbers of names, `homes` (K,) each name's bucket, `reference` (K + BUCKETS,) counts.
    """

    cuts: tuple[int, ...]
    homes: Ints
    reference: Ints

    @property
    def names(self) -> int:
        return len(self.homes)

    def join(self, effective: float) -> Ints:
        """The group 0, 1, ... of every bin for a window of `effective` events.

        Names expected often enough stay alone; the others are counted in their bucket, and neighbouring buckets are
        joined until each group is expected `MIN_EXPECTED` times. The order is that of hashes, never of counts.
        """
        per_event = self.reference / max(int(self.reference.sum()), 1)
        expected = per_event * effective
        alone = max(k for k in self.cuts if k == 0 or expected[k - 1] >= MIN_EXPECTED)
        buckets = expected[self.names :].copy()
        np.add.at(buckets, self.homes[alone:], expected[alone : self.names])
        run = join_neighbours(buckets, MIN_EXPECTED)
        if alone and run[-1] == 0 and buckets.sum() < MIN_EXPECTED:
            run = run - 1  # a tail too small for a group is joined with the last name
        groups = np.concatenate([np.arange(self.names), alone + run])
        groups[alone : self.names] = alone + run[self.homes[alone:]]
        return groups


def join_neighbours(expected: Floats, least: float = MIN_EXPECTED) -> Ints:
    """The group of each bin when neighbours are joined until each group expects `least`.

    A remainder that is too small joins the last group.
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

    For independent columns with buckets, in addition to their directions: it detects many small changes (half of the
    names in a long tail disappear), while a direction detects a change of one share.
    """
    c, r = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    n, m = c.sum(-1, keepdims=True), r.sum(-1, keepdims=True)
    terms = (c * m - r * n) ** 2 / np.maximum((c + r) * n * m, 1.0)
    return np.asarray(terms.sum(-1), np.float64), max(len(r) - 1, 0)


def total_variation(reference: Ints, counts: Ints, variance: Floats | float = 1.0) -> Floats:
    """Half the sum of all absolute changes of share, minus its expectation under no change: (..., bins) to (...,).

    `variance` (bins,) of each share relative to independent events. Without subtracting the noise, a tail of many bins
    would seem to change in every small window.
    """
    c, r = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    n, m = c.sum(-1, keepdims=True), r.sum(-1, keepdims=True)
    pool = (c + r) / np.maximum(n + m, 1)
    change = np.abs(c / np.maximum(n, 1) - r / np.maximum(m, 1))
    noise = np.sqrt(2 / np.pi * variance * pool * (1 - pool) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)))
    both = ((n > 0) & (m > 0))[..., 0]
    return np.where(both, np.maximum(0.5 * (change - noise).sum(-1), 0.0), 0.0)


def constant_log_chance(values: Floats | Ints, modal: Floats, overdispersion: Floats) -> Floats:
    """Log of the probability that n consecutive values are equal: p_max^((n - 1) / phi).

    The first value may be any. Exact for equally frequent names.
    """
    more = np.maximum(np.asarray(values, np.float64) - 1, 0)
    return np.asarray(more / overdispersion * np.log(np.clip(modal, 1e-12, 1.0)), np.float64)


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names in a reference, as sorted 64-bit hashes."""

    hashes: Hashes

    @classmethod
    def of(cls, hashes: Hashes, counts: Ints) -> KnownNames:
        """The most frequent ones; names with equal counts by their hash."""
        order = np.lexsort((hashes, -counts))[:MAX_KNOWN]
        return cls(np.unique(hashes[order]))

    def holds(self, hashes: Hashes) -> Flags:
        if not len(self.hashes):
            return np.zeros(len(hashes), np.bool_)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.asarray(self.hashes[at] == hashes, np.bool_)

    def to_bytes(self) -> bytes:
        """Eight bytes per hash, little endian."""
        return self.hashes.astype("<u8").tobytes()

    @classmethod
    def from_bytes(cls, packed: bytes) -> KnownNames:
        """The inverse of `to_bytes`.

        Raises:
            ValueError: not a whole number of hashes.
        """
        return cls(np.frombuffer(packed, "<u8").astype(np.uint64))


def category_bins(values: Iterable[str]) -> ColumnBins:
    """The bins of a categorical column: the most frequent names, and buckets for the others.

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
