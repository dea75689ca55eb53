"""The tally: what is kept of the events of one model version, segment and pane.

A plain mergeable value of integers (and exact extremes): merging is associative and commutative to the last digit, so
a tally of a batch equals the sum of the tallies of its rows, however polls cut the stream. Sums are fixed-point.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition
from monitor.stats.bins import FACTS

#: fixed-point steps in one unit: of the standardised value, of its square, of a decimal logarithm and its square
UNIT: Final = 1 << 20
SQUARE_UNIT: Final = 1 << 10
#: standardised values beyond this are clipped in the sums, so that 2^31 events cannot overflow 64 bits
CLIP_SD: Final = 2_048.0

#: columns of `sums`
SUM, SQUARES, OUTSIDE_COUNT, OUTSIDE_LOG, OUTSIDE_LOG_SQUARES = range(5)
SUMS: Final = 5

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Tally:
    """Counts and sums over some events.

    Shapes: `counts` (columns, bins + facts), `sums` (columns, SUMS), `lows` and `highs` (columns,), the extremes of
    the numbers seen (+inf and -inf where none).
    """

    counts: Ints
    sums: Ints
    lows: Floats
    highs: Floats
    predictions: int = 0
    feature_events: int = 0
    labels: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: dict[Partition, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def empty(cls, columns: int, bins: int) -> Tally:
        return cls(
            np.zeros((columns, bins + len(FACTS)), np.int64),
            np.zeros((columns, SUMS), np.int64),
            np.full(columns, np.inf),
            np.full(columns, -np.inf),
        )

    @property
    def events(self) -> int:
        """Prediction and features events; labels are no events of a window."""
        return self.predictions + self.feature_events

    def merge(self, other: Tally) -> None:
        """Add another tally of the same columns to this one."""
        self.counts += other.counts
        self.sums += other.sums
        np.minimum(self.lows, other.lows, out=self.lows)
        np.maximum(self.highs, other.highs, out=self.highs)
        self.predictions += other.predictions
        self.feature_events += other.feature_events
        self.labels += other.labels
        self.pairs.update(other.pairs)
        for partition, span in other.records.items():
            self.add_records(partition, *span)

    def add_records(self, partition: Partition, first: int, last: int) -> None:
        """Widen the span of offsets whose events are in here."""
        known = self.records.get(partition)
        self.records[partition] = (first, last) if known is None else (min(first, known[0]), max(last, known[1]))

    def copy(self) -> Tally:
        return Tally(
            self.counts.copy(),
            self.sums.copy(),
            self.lows.copy(),
            self.highs.copy(),
            self.predictions,
            self.feature_events,
            self.labels,
            Counter(self.pairs),
            dict(self.records),
        )

    @property
    def errors(self) -> int:
        """Inline-labelled predictions whose class was wrong."""
        return sum(count for (label, prediction), count in self.pairs.items() if label != prediction)

    @property
    def labelled(self) -> int:
        """Predictions that brought their own label."""
        return self.pairs.total()

    def to_state(self) -> dict[str, Any]:
        """An explicit tree of plain values and arrays, for a checkpoint."""
        return {
            "counts": self.counts,
            "sums": self.sums,
            "lows": self.lows,
            "highs": self.highs,
            "predictions": self.predictions,
            "feature_events": self.feature_events,
            "labels": self.labels,
            "pairs": [[label, prediction, count] for (label, prediction), count in self.pairs.items()],
            "records": [[topic, number, *span] for (topic, number), span in self.records.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tally:
        return cls(
            np.array(state["counts"], np.int64),
            np.array(state["sums"], np.int64),
            np.array(state["lows"], np.float64),
            np.array(state["highs"], np.float64),
            state["predictions"],
            state["feature_events"],
            state["labels"],
            Counter({(label, prediction): count for label, prediction, count in state["pairs"]}),
            {Partition(topic, number): (first, last) for topic, number, first, last in state["records"]},
        )


def merged(tallies: list[Tally]) -> Tally:
    """One tally of all the given ones (at least one); none of them is changed."""
    total = tallies[0].copy()
    for tally in tallies[1:]:
        total.merge(tally)
    return total


def pack(tallies: list[Tally]) -> dict[str, Any]:
    """Many tallies of the same columns as a few arrays, for a checkpoint."""
    if not tallies:
        return {"n": 0}
    columns, slots = tallies[0].counts.shape
    return {
        "n": len(tallies),
        "columns": columns,
        "slots": slots,
        "counts": np.stack([tally.counts for tally in tallies]).reshape(-1, columns * slots),
        "sums": np.stack([tally.sums for tally in tallies]).reshape(-1, columns * SUMS),
        "lows": np.stack([tally.lows for tally in tallies]),
        "highs": np.stack([tally.highs for tally in tallies]),
        **_the_rest(tallies),
    }


def unpack(state: dict[str, Any]) -> list[Tally]:
    """Back from `pack`."""
    if not state["n"]:
        return []
    columns, slots = state["columns"], state["slots"]
    counts = np.array(state["counts"], np.int64).reshape(-1, columns, slots)
    sums = np.array(state["sums"], np.int64).reshape(-1, columns, SUMS)
    lows, highs = np.array(state["lows"], np.float64), np.array(state["highs"], np.float64)
    return [
        Tally(
            counts[at].copy(),
            sums[at].copy(),
            lows[at].copy(),
            highs[at].copy(),
            predictions=int(state["events"][at][0]),
            feature_events=int(state["events"][at][1]),
            labels=int(state["events"][at][2]),
            pairs=Counter({(label, prediction): n for label, prediction, n in state["pairs"][at]}),
            records={Partition(topic, number): (first, last) for topic, number, first, last in state["records"][at]},
        )
        for at in range(state["n"])
    ]


def pack_mixed(tallies: list[Tally]) -> dict[str, Any]:
    """Many tallies of any columns as a few arrays, for a checkpoint: an array costs more than the numbers in it."""
    return {
        "shapes": np.array([tally.counts.shape for tally in tallies], np.int64).reshape(-1, 2),
        "counts": _joined([tally.counts for tally in tallies], np.int64),
        "sums": _joined([tally.sums for tally in tallies], np.int64),
        "lows": _joined([tally.lows for tally in tallies], np.float64),
        "highs": _joined([tally.highs for tally in tallies], np.float64),
        **_the_rest(tallies),
    }


def _joined(arrays: list[Ints] | list[Floats], dtype: type[np.int64] | type[np.float64]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *(array.ravel() for array in arrays)])


def _the_rest(tallies: list[Tally]) -> dict[str, Any]:
    return {
        "events": np.array([(t.predictions, t.feature_events, t.labels) for t in tallies], np.int64).reshape(-1, 3),
        "pairs": [[[label, prediction, n] for (label, prediction), n in t.pairs.items()] for t in tallies],
        "records": [[[topic, number, *span] for (topic, number), span in t.records.items()] for t in tallies],
    }


def unpack_mixed(state: dict[str, Any]) -> list[Tally]:
    """Back from `pack_mixed`."""
    shapes = np.array(state["shapes"], np.int64)
    if not len(shapes):
        return []
    columns = shapes[:, 0]
    parts = [
        np.split(np.array(state[name], dtype), np.cumsum(sizes)[:-1])
        for name, dtype, sizes in (
            ("counts", np.int64, shapes.prod(1)),
            ("sums", np.int64, columns * SUMS),
            ("lows", np.float64, columns),
            ("highs", np.float64, columns),
        )
    ]
    return [
        Tally(
            counts.reshape(shape).copy(),
            sums.reshape(-1, SUMS).copy(),
            lows.copy(),
            highs.copy(),
            predictions=int(events[0]),
            feature_events=int(events[1]),
            labels=int(events[2]),
            pairs=Counter({(label, prediction): n for label, prediction, n in pairs}),
            records={Partition(topic, number): (first, last) for topic, number, first, last in records},
        )
        for shape, counts, sums, lows, highs, events, pairs, records in zip(
            shapes.tolist(), *parts, state["events"], state["pairs"], state["records"], strict=True
        )
    ]
