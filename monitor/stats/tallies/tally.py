"""The tally: what is kept of the events of one model version, segment and pane.

A plain mergeable value of integers (and exact extremes): merging is associative and commutative to the last digit, so
a tally of a batch equals the sum of the tallies of its rows, however polls cut the stream. Sums are fixed-point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies import names
from monitor.stats.tallies.further import bounded

#: fixed-point steps in one unit: of the standardised value, of its square, of a decimal logarithm and its square
UNIT: Final = 1 << 20
SQUARE_UNIT: Final = 1 << 10
#: standardised values beyond this are clipped in the sums, so that 2^31 events cannot overflow 64 bits
CLIP_SD: Final = 2_048.0

#: ... and of the standardised value outside the range, and of its square, which lie further out: to so many
FAR_UNIT: Final = 1 << 10
FAR_SQUARE_UNIT: Final = 1
FAR_SD: Final = 46_340.0

#: the first and last time of no event: neither changes a minimum or maximum
NO_FIRST: Final = 1 << 62
NO_LAST: Final = -NO_FIRST

#: columns of `sums`: of the values inside the range; of those outside that are not 0; how many lie below the range;
#: of those outside that lie within `FAR_SD`
SUM, SQUARES, OUTSIDE_COUNT, OUTSIDE_LOG, OUTSIDE_LOG_SQUARES, BELOW, FAR_COUNT, FAR_SUM, FAR_SQUARES = range(9)
SUMS: Final = 9

#: what numbers that are only kept are kept in, where they fit; a sum of two such types is exact in 64 bits
_UNSIGNED: Final = (np.uint8, np.uint16, np.uint32)
_SIGNED: Final = (np.int8, np.int16, np.int32)
_LIMITS: Final[dict[type[np.integer[Any]], tuple[int, int]]] = {
    kind: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in (*_UNSIGNED, *_SIGNED)
}

_NO_TIMES: Final = (NO_FIRST, NO_LAST)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Tally:
    """Counts and sums over some events.

    Shapes: `counts` (columns, bins + facts), `sums` (columns, SUMS), `lows` and `highs` (columns,), the extremes of
    the numbers seen (+inf and -inf where none); of a category with a bin for the rare ones, of the places of the known
    categories. `first_us` and `last_us` are the earliest and latest event time in microseconds. `unseen` has names of
    never-seen values, by column. `further` are other counts by name, each (any,): who counts and who reads them know
    what they mean; a name that is not there is all zeros. Any of them may be in a smaller type of integers,
    and is widened as far as its sums need. A `narrowed` tally has smaller types of all: it can be added to others, and
    nothing to it.
    """

    counts: Ints
    sums: Ints
    lows: Floats
    highs: Floats
    predictions: int = 0
    feature_events: int = 0
    records: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    unseen: names.Names = field(default_factory=dict)
    further: dict[str, Ints] = field(default_factory=dict)
    first_us: int = NO_FIRST
    last_us: int = NO_LAST

    @classmethod
    def empty(cls, columns: int, bins: int) -> Tally:
        return cls(
            np.zeros((columns, bins + len(QUALITY_COUNTS)), np.int64),
            np.zeros((columns, SUMS), np.int64),
            np.full(columns, np.inf),
            np.full(columns, -np.inf),
        )

    @property
    def events(self) -> int:
        """Prediction and features events."""
        return self.predictions + self.feature_events

    def merge(self, other: Tally) -> None:
        """Add another tally of the same columns to this one."""
        self.counts += other.counts
        self.sums += other.sums
        np.minimum(self.lows, other.lows, out=self.lows)
        np.maximum(self.highs, other.highs, out=self.highs)
        self.predictions += other.predictions
        self.feature_events += other.feature_events
        self.first_us = min(self.first_us, other.first_us)
        self.last_us = max(self.last_us, other.last_us)
        if other.unseen:
            names.add(self.unseen, other.unseen)
        for partition, span in other.records.items():
            self.add_records(partition, *span)
        self.add_further(other.further)

    def add_further(self, further: Mapping[str, Ints]) -> None:
        """Add further counts; of those of new columns a bounded number is kept."""
        for name, counts in further.items():
            known = self.further.get(name)
            if known is None:
                self.further[name] = counts.copy()
            elif known.dtype == np.int64:
                self.further[name] = known + counts
            else:
                self.further[name] = narrow(np.add(known, counts, dtype=np.int64))
        self.further = bounded(self.further)

    def add_records(self, partition: Partition, first: int, last: int) -> None:
        """Widen the span of offsets whose events are in here."""
        known = self.records.get(partition)
        self.records[partition] = (first, last) if known is None else (min(first, known[0]), max(last, known[1]))

    def narrowed(self) -> Tally:
        """The same numbers in the smallest types that hold them, to be kept and read; `copy` makes it one to add to.

        What is no array is shared.
        """
        return replace(
            self,
            counts=_narrow(self.counts, _UNSIGNED),
            sums=_narrow(self.sums, _SIGNED),
            further={name: narrow(counts) for name, counts in self.further.items()},
        )

    def copy(self) -> Tally:
        return Tally(
            self.counts.astype(np.int64),
            self.sums.astype(np.int64),
            self.lows.copy(),
            self.highs.copy(),
            self.predictions,
            self.feature_events,
            dict(self.records),
            {column: Counter(counted) for column, counted in self.unseen.items()},
            {name: counts.astype(np.int64) for name, counts in self.further.items()},
            self.first_us,
            self.last_us,
        )

    @property
    def counted(self) -> Ints:
        """(columns, bins + facts + 1): the counts, and behind them how many of `outside` lie below the range."""
        return np.concatenate((self.counts, self.sums[:, BELOW, None]), axis=1)

    def to_state(self) -> dict[str, Any]:
        """An explicit tree of plain values and arrays, for a checkpoint."""
        return {
            "counts": self.counts,
            "sums": self.sums,
            "lows": self.lows,
            "highs": self.highs,
            "predictions": self.predictions,
            "feature_events": self.feature_events,
            "records": [[topic, number, *span] for (topic, number), span in self.records.items()],
            "unseen": _names_to_state(self.unseen),
            "times": [self.first_us, self.last_us],
            **({"further": dict(sorted(self.further.items()))} if self.further else {}),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tally:
        counts, sums = np.array(state["counts"], np.int64), _widened(np.array(state["sums"], np.int64))
        if counts.ndim != 2 or sums.shape != (len(counts), SUMS):
            message = f"counts of shape {counts.shape} and sums of shape {sums.shape} are no tally's"
            raise ValueError(message)
        lows, highs = _extremes(state, counts)
        return cls(
            counts,
            sums,
            lows,
            highs,
            state["predictions"],
            state["feature_events"],
            {Partition(topic, number): (first, last) for topic, number, first, last in state["records"]},
            _names_from_state(state.get("unseen", [])),
            _further_from_state(state.get("further", {})),
            *state.get("times", _NO_TIMES),
        )


def _names_to_state(unseen: names.Names) -> list[list[Any]]:
    return [[at, name, count] for at, counted in sorted(unseen.items()) for name, count in sorted(counted.items())]


def _names_from_state(state: list[list[Any]]) -> names.Names:
    unseen: names.Names = {}
    for at, name, count in state:
        unseen.setdefault(at, Counter())[name] = count
    return unseen


def _further_from_state(state: dict[str, Any]) -> dict[str, Ints]:
    return {name: np.array(counts, np.int64) for name, counts in state.items()}


def _widened(sums: Ints) -> Ints:
    """(..., SUMS) of sums that may be those of the version before, which had fewer: nothing is known of the others."""
    missing = SUMS - sums.shape[-1]
    return np.concatenate((sums, np.zeros((*sums.shape[:-1], missing), np.int64)), axis=-1) if missing else sums


def _extremes(state: dict[str, Any], counts: Ints) -> tuple[Floats, Floats]:
    """Lows and highs (..., columns) of a state with those `counts` (..., columns, slots).

    The version before had none of categories: such columns are then taken to hold more than one value.
    """
    lows, highs = np.array(state["lows"], np.float64), np.array(state["highs"], np.float64)
    if "unseen" not in state:
        unknown = (lows > highs) & (counts[..., : -len(QUALITY_COUNTS)].sum(-1) > 0)
        lows, highs = np.where(unknown, -np.inf, lows), np.where(unknown, np.inf, highs)
    return lows, highs


def narrow(numbers: Ints) -> NDArray[Any]:
    """The same numbers in the smallest type that holds them."""
    return _narrow(numbers, _SIGNED if numbers.min(initial=0) < 0 else _UNSIGNED)


def _narrow(numbers: Ints, types: tuple[type[np.integer[Any]], ...]) -> NDArray[Any]:
    least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    for kind in types:
        low, high = _LIMITS[kind]
        if low <= least and most <= high:
            return numbers.astype(kind)
    return numbers.astype(np.int64)


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
    number = state["n"]
    sums = _widened(np.array(state["sums"], np.int64).reshape(number, columns, -1))
    lows, highs = _extremes(state, counts)
    unseen = state.get("unseen", [[]] * number)
    further, times = _further_by_tally(state.get("further", {}), number), _times_of(state, number)
    return [
        Tally(
            counts[at].copy(),
            sums[at].copy(),
            lows[at].copy(),
            highs[at].copy(),
            predictions=int(state["events"][at][0]),
            feature_events=int(state["events"][at][1]),
            records={
                Partition(topic, partition): (first, last) for topic, partition, first, last in state["records"][at]
            },
            unseen=_names_from_state(unseen[at]),
            further=further[at],
            first_us=times[at][0],
            last_us=times[at][1],
        )
        for at in range(number)
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
        "events": np.array([(t.predictions, t.feature_events) for t in tallies], np.int64).reshape(-1, 2),
        "records": [[[topic, number, *span] for (topic, number), span in t.records.items()] for t in tallies],
        "unseen": [_names_to_state(t.unseen) for t in tallies],
        "times": np.array([(t.first_us, t.last_us) for t in tallies], np.int64).reshape(-1, 2),
        **({"further": _further_of(tallies)} if any(t.further for t in tallies) else {}),
    }


def _times_of(state: dict[str, Any], number: int) -> list[list[int]]:
    """First and last time of so many tallies; the version before had none."""
    times: list[list[int]] = np.array(state.get("times", [_NO_TIMES] * number), np.int64).tolist()
    return times


def _further_of(tallies: list[Tally]) -> dict[str, list[Any]]:
    """{name: [(n, 2) place and length of the counts of each tally that has them, all these counts joined]}."""
    out: dict[str, list[Any]] = {}
    for name in sorted({name for tally in tallies for name in tally.further}):
        there = [(at, tally.further[name]) for at, tally in enumerate(tallies) if name in tally.further]
        lengths = np.array([(at, len(counts)) for at, counts in there], np.int64)
        out[name] = [lengths, np.concatenate([counts for _, counts in there])]
    return out


def _further_by_tally(state: dict[str, list[Any]], number: int) -> list[dict[str, Ints]]:
    """Back from `_further_of`, for so many tallies."""
    out: list[dict[str, Ints]] = [{} for _ in range(number)]
    for name, (lengths, joined) in state.items():
        places, ends = np.array(lengths, np.int64)[:, 0], np.cumsum(np.array(lengths, np.int64)[:, 1])
        for at, counts in zip(places.tolist(), np.split(np.asarray(joined), ends[:-1]), strict=True):
            out[at][name] = narrow(counts)
    return out


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
            records={Partition(topic, number): (first, last) for topic, number, first, last in records},
            unseen=_names_from_state(unseen),
            further=further,
            first_us=first_us,
            last_us=last_us,
        )
        for shape, counts, sums, lows, highs, events, records, unseen, further, (first_us, last_us) in zip(
            shapes.tolist(),
            *parts,
            *(state[name] for name in ("events", "records", "unseen")),
            _further_by_tally(state.get("further", {}), len(shapes)),
            _times_of(state, len(shapes)),
            strict=True,
        )
    ]
