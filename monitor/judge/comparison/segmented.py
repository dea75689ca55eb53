"""The columns of a model once for each segment, so that all segments are compared at once.

A segment is compared with itself in the reference, moved by as much as the other events have moved since: a change of
the whole model, a wave that all events share or a reference that is too short are no change of a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.findings import FindingKey
from monitor.judge.comparison.columns import Compared, sides_of
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.segments import OTHER, Segments, below_name, counts_name
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.names import LONGEST
from monitor.stats.tallies.tally import BELOW, SUMS
from monitor.stats.testing.directional import Expected
from monitor.visible import one_line

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentedWindows(Windows):
    """Windows of S * C columns, and of C columns of `whole`."""

    whole: Windows = field(kw_only=True)

    def of_part(self, part: Block, column: int) -> tuple[Ints, int]:
        segment, own = divmod(column, self.whole.counts.shape[1])
        alone = replace(self.whole, parts=((part,),))
        columns, slots = self.whole.counts.shape[1:]
        counts = alone.further(counts_name(segment), columns * slots).reshape(columns, slots)
        return counts[own], int(alone.further(below_name(segment), columns)[0, own])


class Segmented:
    """S segments of C columns: column `segment * C + at` is column `at` in a segment."""

    def __init__(self, prepared: PreparedReference, segments: Segments, policy: Policy) -> None:
        self._segments, self._whole = segments, prepared
        columns = len(prepared.columns)
        #: (S,) names in findings, and the share that a segment has of the reference's events
        self.names = segment_names(segments, policy)
        self.shares = segments.event_shares(prepared.width)
        #: (C,) names of the columns in findings
        self.subjects = prepared.subjects
        tiled = np.tile(np.arange(columns), len(self.names)).tolist()
        counts = segments.counts.reshape(-1, segments.counts.shape[2])
        reference = replace(
            prepared.reference,
            columns=tuple(prepared.columns[at] for at in tiled),
            counts=counts,
            variability=replace(
                prepared.reference.variability.of(tiled),
                max_reference_distance=segments.largest.reshape(len(tiled), -1),
            ),
            seasons=None,
            relations=None,
            derived=(),
            effects=None,
            performance=None,
            estimate=None,
            segments=None,
        )
        self.prepared = replace(
            PreparedReference.of(reference),
            subjects=tuple(f"{prepared.subjects[at]} in {name}" for name in self.names for at in range(columns)),
        )
        self.prepared.kept["sides"] = self._sides()
        #: (S * C, B) values of the reference's other events
        self._rest = np.tile(prepared.bins, (len(self.names), 1)) - self.prepared.bins

        events = prepared.events - self.prepared.events.reshape(len(self.names), -1)
        hits = prepared.quality_counts - self.prepared.quality_counts.reshape(len(self.names), columns, -1)
        #: (S * C, Q) shares of the quality counts among the reference's other events
        self.rest_quality_shares = (hits / np.maximum(events, 1)[..., None]).reshape(len(tiled), -1)
        #: (S * C,) the share of the events in the segment of each column
        self.shares_of_columns = np.repeat(self.shares, columns)

    @classmethod
    def of(cls, prepared: PreparedReference, policy: Policy) -> Segmented | None:
        """That of a reference, made once; None where it has no segments."""
        segments = prepared.reference.segments
        if segments is None:
            return None
        if "segmented" not in prepared.kept:
            prepared.kept["segmented"] = cls(prepared, segments, policy)
        return cast("Segmented", prepared.kept["segmented"])

    def key(self, column: int, cause: str) -> FindingKey:
        """The key of a finding about a column."""
        return FindingKey(self.subjects[self.column_of(column)], cause, self.names[self.segment_of(column)])

    def tiled(self, of_columns: Floats) -> Floats:
        """What (W, C, ...) of all events is of each column (W, S * C, ...) of the segments."""
        return np.tile(of_columns, (1, len(self.names), *(1,) * (of_columns.ndim - 2)))

    def segment_of(self, column: int) -> int:
        return column // len(self._whole.columns)

    def column_of(self, column: int) -> int:
        """The place of the column among the model's."""
        return column % len(self._whole.columns)

    def _sides(self) -> tuple[Compared, Compared]:
        """The numeric columns and the categorical ones, whose tests share the page budget by events.

        Each direction is one of as many as if its group had been tried once for every segment of that size.
        """
        numeric, categorical = (self._side(Compared.of(self.prepared, numeric=numeric)) for numeric in (True, False))
        return numeric, categorical

    def _side(self, side: Compared) -> Compared:
        segments = side.places // len(self._whole.columns)
        sizes = np.ceil(side.reference.sizes / self.shares[segments][:, None]).astype(np.int64)
        return replace(side, reference=replace(side.reference, sizes=sizes, _critical={}), _names={}, _alone={})

    def weights(self, side: Compared) -> Floats:
        """(C,) how much of a test's part of the page budget a test of each column of a side takes."""
        return np.asarray(self.shares[side.places // len(self._whole.columns)], np.float64)

    def windows(self, whole: Windows, picked: Sequence[int] | None) -> SegmentedWindows:
        """Some windows by segment; None is all of them."""
        picked = range(len(whole.lengths)) if picked is None else picked
        some = _picked(whole, picked)
        segments, columns, slots = self._segments.counts.shape
        counts = np.empty((len(picked), segments * columns, slots), np.int64)
        sums = np.zeros((len(picked), segments * columns, SUMS), np.int64)
        for segment in range(segments):
            own = slice(segment * columns, (segment + 1) * columns)
            counts[:, own] = some.further(counts_name(segment), columns * slots).reshape(-1, columns, slots)
            sums[:, own, BELOW] = some.further(below_name(segment), columns)
        nothing = np.zeros((len(picked), segments * columns))
        return SegmentedWindows(some.lengths, some.spans, counts, sums, nothing, nothing, some.parts, whole=some)

    def rest(self, side: Compared, windows: SegmentedWindows) -> Ints:
        """(W, C, B) values of the events outside each segment, of the columns of a side."""
        whole = next(one for one in sides_of(self._whole) if one.numeric == side.numeric)
        values = whole.values(windows.whole, self.prepared.width)
        at = np.searchsorted(whole.places, side.places % len(self._whole.columns))
        return np.asarray(values[:, at] - side.values(windows, self.prepared.width), np.int64)

    def expected(self, side: Compared, rest: Ints) -> Expected:
        """What is expected of the segments: their own shares, moved as those of `rest`, the others."""
        before, own = self._before(side), rest.sum(2)
        moved = side.reference.directions.shares(rest) - before
        moved[own == 0] = 0.0
        shares = np.clip(side.reference.shares + moved, 0.0, 1.0)
        # the error of three shares, as that of one with so many values
        with np.errstate(divide="ignore"):
            rows = 1 / (1 / side.reference.rows + 1 / self._rest[side.places].sum(1) + 1 / own)
        return Expected(shares, np.asarray(rows, np.float64), np.ones(len(side.places), np.bool_), rare=True)

    def _before(self, side: Compared) -> Floats:
        """(1, C, D) the shares of the reference's events outside each segment, of the columns of a side."""
        name = f"before {side.numeric}"
        if name not in self.prepared.kept:
            shares = side.reference.directions.shares(self._rest[side.places][None])
            self.prepared.kept[name] = shares
        return cast("Floats", self.prepared.kept[name])


def segment_names(segments: Segments, policy: Policy) -> tuple[str, ...]:
    """(S,) the names of segments in findings and series."""
    return tuple(f"{feature}={value if value == OTHER else _shown(value, policy)}" for feature, value in segments.keys)


def _shown(value: str, policy: Policy) -> str:
    """A value as it may be shown, on one line; of a long one its beginning, and a hash that tells it from others."""
    text = one_line(policy.category(value))
    if len(text) <= LONGEST:
        return text
    mark = replace(policy, show_values=False).category(value)
    return f"{text[: LONGEST - len(mark) - 1]}…{mark}"


def _picked(windows: Windows, picked: Sequence[int]) -> Windows:
    if len(picked) == len(windows.lengths):
        return windows
    at = list(picked)
    return Windows(
        tuple(windows.lengths[one] for one in at),
        tuple(windows.spans[one] for one in at),
        windows.counts[at],
        windows.sums[at],
        windows.lows[at],
        windows.highs[at],
        tuple(windows.parts[one] for one in at),
    )
