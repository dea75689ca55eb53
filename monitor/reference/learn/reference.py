"""A reference from counted base windows and their rows in time order: totals and variability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey
from monitor.reference.column import Column
from monitor.reference.file.encoding import with_hash
from monitor.reference.learn.effects import ScoredRows
from monitor.reference.learn.estimate import LabelledRows
from monitor.reference.learn.relations import PairRows, learn_relations
from monitor.reference.learn.season import MIN_WINDOWS_LEARNED, Learned, RowsInTime
from monitor.reference.performance_part import ReferencePerformance
from monitor.reference.plan.columns import Plan
from monitor.reference.reference import Reference
from monitor.reference.segments import Segments
from monitor.reference.variability import Level, ReferenceVariability
from monitor.stats.bins.agreement import Agreement
from monitor.stats.bins.name_bins import KnownNames, hash_of
from monitor.stats.bins.reference_bins import (
    CATEGORICAL,
    NUMERIC,
    OUTSIDE,
    QUALITY_COUNTS,
    UNSEEN,
    outside_bins,
    width_of,
)
from monitor.stats.bins.unseen import LeftOut, NamesByWindow
from monitor.stats.digits import KEPT_DIGITS, rounded
from monitor.stats.sliding import sliding
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.further import COUNTED_FACTS
from monitor.stats.tallies.tally import BELOW, Tally, merged
from monitor.stats.testing.directional import largest_move
from monitor.stats.testing.directions import Directions
from monitor.stats.testing.evidence import dispersion
from monitor.stats.testing.fact_share import FactShare
from monitor.stats.testing.fact_share import learned as fact_share
from monitor.stats.traffic import TrafficLearner
from monitor.stats.variance.equal_runs import EqualRuns, RunLengths
from monitor.stats.variance.live_watch import kappa, pairs_by_chance
from monitor.stats.variance.long_run import BlockSums, LongRun, settle
from monitor.stats.variance.quality_dispersion import by_length, stream_clump

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: least windows of a length to measure its dispersion
MIN_WINDOWS: Final = 8


class RowStatistics:
    """Statistics of a reference's rows in time order, per column."""

    def __init__(self, columns: Sequence[Column], no_value: int, task: str = "none", positive: str = "1") -> None:
        """`no_value` is the code of a row without a value."""
        self._no_value = no_value
        #: what performance is estimated from
        self.labelled = LabelledRows(columns, task, positive, no_value)
        self._in_time = RowsInTime(no_value)
        self._sums = [BlockSums(column.directions().sets) for column in columns]
        self._equal = [RunLengths(_identity_of_modal(column)) for column in columns]
        self._names = {at: NamesByWindow() for at, column in enumerate(columns) if column.bins.kind == CATEGORICAL}
        self._waiting: dict[int, list[NDArray[np.uint64]]] = {at: [] for at in self._names}
        #: what the regression of the score is learned from
        self.scored = ScoredRows(columns, no_value)
        width = width_of([column.bins for column in columns])
        self._agreement = Agreement(len(columns), width)
        #: per base window: near pairs in the same bin, near pairs, expected share x events, events; each (C,)
        self._near: list[Floats] = []
        self.pairs = PairRows(columns)
        self.traffic = TrafficLearner()

    def add(
        self,
        codes: NDArray[np.uint8],
        values: NDArray[np.uint64],
        labels: NDArray[np.uint64] | None = None,
        confidence: Floats | None = None,
    ) -> None:
        """Add the next rows: `codes` of their bins (C, n), the others as `CountedRows` has them."""
        self._in_time.add(codes)
        for sums, equal, row, own in zip(self._sums, self._equal, codes, values, strict=True):
            is_value = row != self._no_value
            if is_value.any():
                sums.add(row[is_value])
                equal.add(own[is_value])
        for at, waiting in self._waiting.items():
            waiting.append(values[at][values[at] != 0])
        self.pairs.add(codes)
        self.scored.add(codes, values)
        if labels is not None and confidence is not None:
            self.labelled.add(codes, values, labels, confidence)

    def add_pane(self, tally: Tally, middle_us: int) -> None:
        """Add the pane that the last rows belong to, and the time of its middle."""
        self._in_time.add_pane(tally, middle_us, self._agreement.bins)
        self._agreement.add(tally.counts[:, : self._agreement.bins], tally.events)

    def close_window(self, tally: Tally) -> None:
        """End a base window with this tally: it consists of the rows added since the last call."""
        self._in_time.close_window()
        self.pairs.close_window()
        same, pairs = self._agreement.close()
        chance, events = pairs_by_chance(tally.counts[:, : self._agreement.bins])
        self._near.append(np.array([same, pairs, chance * events, events], np.float64))
        for at, waiting in self._waiting.items():
            self._names[at].add(np.concatenate([np.zeros(0, np.uint64), *waiting]))
            waiting.clear()

    def long_runs(self, columns: Sequence[Column]) -> tuple[LongRun, ...]:
        return tuple(
            settle(sums.finish(), column.directions().group).rounded()
            for sums, column in zip(self._sums, columns, strict=True)
        )

    def seasons(
        self, columns: Sequence[Column], runs: Sequence[LongRun], windows: Sequence[Block], timezone: str
    ) -> Learned:
        """The columns' waves, and what varies beside them; `runs` without a wave."""
        learned = self._in_time.learn(columns, runs, lambda: _values_of(windows, columns), timezone)
        return replace(learned, long_runs={at: run.rounded() for at, run in learned.long_runs.items()})

    def equal_runs(self) -> tuple[EqualRuns, ...]:
        return tuple(lengths.finish() for lengths in self._equal)

    def kappa(self) -> Floats:
        """(C,) how much more often near events share a bin than any two of a base window; NaN: not known."""
        same, pairs, chance, events = np.sum([np.zeros((4, self._agreement.columns)), *self._near], axis=0)
        known = kappa(same, pairs, chance / np.maximum(events, 1))
        return np.where(pairs > 0, np.round(known, KEPT_DIGITS), np.nan)

    def left_out(self) -> dict[int, LeftOut]:
        return {at: names.left_out() for at, names in self._names.items()}

    def known(self, at: int) -> bytes:
        """All names of a categorical column, as `KnownNames` packs them."""
        return KnownNames.of(*self._names[at].known()).to_bytes()


@dataclass(frozen=True, slots=True)
class Origin:
    """What a reference records about the events it was built from."""

    positive: str
    score_classes: Sequence[str] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    in_order: bool = True
    labels: int = 0
    timezone: str = "UTC"
    performance: ReferencePerformance | None = None
    segments: Segments | None = None
    feature_order: Sequence[str] = ()
    label_facts: Sequence[tuple[str, FactShare]] = ()
    #: whether waves are looked for; the level of an import's counts is no level of the rows
    with_waves: bool = True


def assemble(
    key: ModelKey,
    plan: Plan,
    windows: Sequence[Block],
    rest: Block | None,
    rows: RowStatistics,
    origin: Origin,
) -> Reference:
    """The reference of counted base windows; `rest` are events after the last complete one: counted, not a window.

    Raises:
        ValueError: nothing was counted.
    """
    left_out = rows.left_out()
    columns = tuple(
        replace(column, bins=replace(column.bins, known=rows.known(at))) if column.bins.buckets else column
        for at, column in enumerate(plan.columns)
    )
    parts = [*windows, *([rest] if rest is not None else [])]
    total = merged([part.tally for part in parts])
    counts = total.counts.copy()
    for at, left in left_out.items():
        if columns[at].bins.buckets:
            counts[at, UNSEEN - len(QUALITY_COUNTS)] = left.total
    spans = [window.end_us - window.start_us for window in windows]
    long_runs = rows.long_runs(columns)
    learned = (
        rows.seasons(columns, long_runs, windows, origin.timezone)
        if origin.in_order and origin.with_waves
        else Learned()
    )
    levels = _levels(len(windows), sum(window.tally.events for window in windows))
    base_us = int(np.median(spans)) if spans else 0
    reference = Reference(
        key=key,
        task=plan.task,
        positive=origin.positive,
        columns=columns,
        counts=counts,
        levels=levels,
        variability=replace(
            _beside(learned, measure_variability(columns, windows, total, long_runs, left_out)),
            kappa=rows.kappa(),
            equal_runs=rows.equal_runs(),
        ),
        events=total.events,
        predictions=total.predictions,
        labels=origin.labels,
        start_us=parts[0].start_us,
        end_us=parts[-1].end_us,
        base_windows=len(windows),
        base_us=base_us,
        ignored=tuple(sorted(plan.ignored.items())),
        in_order=origin.in_order,
        score_classes=tuple(sorted(origin.score_classes)),
        unread=tuple(sorted(origin.unread.items(), key=lambda one: (-one[1], one[0]))),
        seasons=learned.seasons,
        relations=learn_relations(rows.pairs, [run.block > 0 for run in long_runs], levels, len(windows)),
        derived=tuple(plan.derived),
        facts=(*_facts(windows), *origin.label_facts),
        traffic=rows.traffic.finish(base_us) if origin.in_order else None,
        effects=rows.scored.finish(columns, total, windows),
        performance=origin.performance,
        feature_order=tuple(origin.feature_order),
        estimate=rows.labelled.finish(),
        segments=origin.segments,
    )
    return with_hash(reference)


def _beside(learned: Learned, plain: ReferenceVariability) -> ReferenceVariability:
    """The variability of columns without a wave, and that beside the waves of the others."""
    largest = plain.max_reference_distance.copy()
    for at, distances in learned.largest_distances.items():
        largest[at] = distances
    runs = (learned.long_runs.get(at, run) for at, run in enumerate(plain.long_runs))
    return replace(plain, long_runs=tuple(runs), max_reference_distance=largest)


def _facts(windows: Sequence[Block]) -> tuple[tuple[str, FactShare], ...]:
    """Shares of events with a fact, which are not among the tallies' events."""

    def share(name: str) -> FactShare:
        hits = [int(window.tally.further[name][0]) if name in window.tally.further else 0 for window in windows]
        return fact_share(hits, [window.tally.events + hit for window, hit in zip(windows, hits, strict=True)])

    return tuple((name, share(name)) for name in COUNTED_FACTS) if windows else ()


def _identity_of_modal(column: Column) -> int:
    """The most frequent value as rows have it: the hash of a category, the bits of a number."""
    if column.bins.kind == CATEGORICAL:
        return hash_of(column.modal)
    return int(np.float64(float(column.modal)).view(np.uint64))


def _levels(base_windows: int, events: int) -> tuple[Level, ...]:
    """Lengths 1, 2, 4, ... base windows that fit; always at least the first."""
    mean = events / base_windows if base_windows else 0.0
    lengths = [1 << k for k in range(max(1, base_windows.bit_length()))]
    return tuple(
        Level(length, length * mean, base_windows // length, base_windows // length >= MIN_WINDOWS_LEARNED)
        for length in lengths
    )


def measure_variability(
    columns: Sequence[Column],
    windows: Sequence[Block],
    total: Tally,
    long_runs: tuple[LongRun, ...],
    left_out: Mapping[int, LeftOut],
) -> ReferenceVariability:
    """Variability of the reference's windows; `total` of the whole, `left_out` by categorical column."""
    width = total.counts.shape[1] - len(QUALITY_COUNTS)
    stack = np.array([window.tally.counts for window in windows], np.int64).reshape(-1, *total.counts.shape)
    values = _values_of(windows, columns).reshape(-1, len(columns), width)
    clump = rounded(stream_clump(stack[..., :width]))
    quality, with_hit = _quality(columns, stack, left_out, clump)
    return ReferenceVariability(
        long_runs=long_runs,
        overdispersion=_overdispersion(stack[..., :width], total.counts[:, :width]),
        quality_overdispersion=quality,
        quality_windows=with_hit,
        unseen_error=np.array([left_out[at].error if at in left_out else 1.0 for at in range(len(columns))]),
        unseen_expected=np.array([left_out[at].total if at in left_out else 0 for at in range(len(columns))], np.int64),
        max_reference_distance=_largest_distances(columns, values, all_values(total, columns)),
        kappa=np.full(len(columns), np.nan),
        equal_runs=(EqualRuns(),) * len(columns),
        clump=clump,
    )


def _values_of(windows: Sequence[Block], columns: Sequence[Column]) -> Ints:
    """Counts (W, C, B) of all values of windows."""
    return np.array([all_values(window.tally, columns) for window in windows], np.int64)


def all_values(tally: Tally, columns: Sequence[Column]) -> Ints:
    """Counts (C, B) of all values of numeric columns, those outside the range in the first or last bin."""
    width = tally.counts.shape[1] - len(QUALITY_COUNTS)
    counts = tally.counts[:, :width].copy()
    for at, column in enumerate(columns):
        if column.bins.kind == NUMERIC:
            below = tally.sums[at, BELOW]
            counts[at, 0] += below
            counts[at, column.bins.bins - 1] += tally.counts[at, width + OUTSIDE] - below
    return counts


def _quality(
    columns: Sequence[Column], stack: Ints, left_out: Mapping[int, LeftOut], clump: float
) -> tuple[Floats, Ints]:
    """Dispersion (C, Q, K) of each quality count, and base windows with a hit (C, Q)."""
    width = stack.shape[2] - len(QUALITY_COUNTS)
    hits = stack[..., width:].copy()
    outside = outside_bins([column.bins for column in columns])
    events = stack[..., :width].sum(2) + (hits * outside).sum(2)
    for at, left in left_out.items():
        hits[:, at, UNSEEN] = left.hits[: len(stack)]
    n = np.broadcast_to(events[..., None], hits.shape)
    each = (len(stack), len(columns) * len(QUALITY_COUNTS))
    flat = by_length(hits.reshape(each), n.reshape(each), clump)
    quality = flat.reshape(len(columns), len(QUALITY_COUNTS), flat.shape[1])
    for at, left in left_out.items():
        if left.total:
            own = by_length(hits[:, at, UNSEEN, None], n[:, at, UNSEEN, None], None, np.array([left.clump]))
            quality[at, UNSEEN] = own[0]
    return np.asarray(np.round(quality, KEPT_DIGITS), np.float64), np.asarray((hits > 0).sum(0), np.int64)


def _overdispersion(stack: Ints, total: Ints) -> Floats:
    """Dispersion (C, K) of the value bins, never falling with length."""
    levels = max(1, len(stack).bit_length())
    out = np.ones((len(total), levels))
    for at in range(levels):
        windows = _side_by_side(stack, 1 << at)
        if len(windows) < MIN_WINDOWS:
            continue
        part = windows.sum() / max(total.sum(), 1) / len(windows)
        for c, whole in enumerate(total):
            if whole.sum():
                out[c, at] = max(1.0, dispersion(windows[:, c], whole / whole.sum(), part))
    return np.asarray(np.round(np.maximum.accumulate(out, axis=1), KEPT_DIGITS), np.float64)


def _largest_distances(columns: Sequence[Column], values: Ints, total: Ints) -> Floats:
    """(C, K) the largest change of a direction's share that a window had from the rest; NaN where not learned."""
    levels = max(1, len(values).bit_length())
    out = np.full((len(columns), levels), np.nan)
    for kind in (NUMERIC, CATEGORICAL):
        here = np.flatnonzero([column.bins.kind == kind for column in columns])
        if not len(here):
            continue
        directions = Directions.of([columns[at].directions() for at in here.tolist()], total.shape[1])
        for level in range(levels):
            if len(values) >> level >= MIN_WINDOWS_LEARNED:
                windows = sliding(values[:, here], 1 << level)
                out[here, level] = largest_move(directions, total[None, here] - windows, windows).max(0)
    return np.asarray(np.round(out, KEPT_DIGITS), np.float64)


def _side_by_side(stack: Ints, length: int) -> Ints:
    windows = len(stack) // length
    return np.asarray(stack[: windows * length].reshape(windows, length, *stack.shape[1:]).sum(1), np.int64)
