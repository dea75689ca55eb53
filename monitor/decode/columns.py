"""The result of decoding, for every format: columns of numbers and categories, one group of rows per model version."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.decode.raw import RawFields
from monitor.events import ModelKey
from monitor.stats.derived.columns import Derived

_T = TypeVar("_T", bound=np.generic)

#: bit patterns (of a column viewed as uint64) of the three kinds of a numeric cell without a number
MISSING_BITS: Final = 0x7FF8000000000000
ABSENT_BITS: Final = 0x7FF8000000000001
TYPE_BITS: Final = 0x7FF8000000000002


def _nan(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


#: the same three as floats: null or NaN, a key that is not there, a value of the wrong type
MISSING: Final = _nan(MISSING_BITS)
ABSENT: Final = _nan(ABSENT_BITS)
TYPE_NAN: Final = _nan(TYPE_BITS)


class _Sentinel:
    """A named object that is never equal to a JSON value."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


#: the same in categorical columns, where null is None
ABSENT_VALUE: Final = _Sentinel("ABSENT_VALUE")
TYPE_VALUE: Final = _Sentinel("TYPE_VALUE")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one record: bytes of its value, events in its array, features of one event."""

    record_bytes: int
    events_per_record: int
    features: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every event of an input, whatever its format.

    Events more than `max_skew_us` ahead of their record's timestamp are rejected. `model` and `version`, where set, win
    over the payload's, which are not checked then. Times without an offset are in `zone`, or rejected without one.
    """

    limits: Limits
    max_skew_us: int
    model: str | None = None
    version: str | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder needs to know about a model version.

    `key_features` are (name, kind) of the wanted features in the order of the columns, without ignored ones.
    `positive` is the canonical text of the positive class, whose entry in `scores` is the score. With `raw` all fields
    of its events are wanted as they came. `derived` are what the features of kind `vector` and `text` become, in their
    order. With `confidence` the entry of `scores` for the predicted class is wanted, with `classes` those of all these.
    `names` are the features of a row without names, in the order of its values, empty if that is not known; None where
    nothing is known of the version. `tags` are the names of the wanted tags.
    """

    key_features: tuple[tuple[str, str], ...]
    positive: str
    raw: bool = False
    derived: tuple[Derived, ...] = ()
    confidence: bool = False
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """The prediction and features events of one model version in a batch, in their order.

    `rows` (n,) are positions within `Events`, rising. `numeric` (numeric features, n): finite numbers, or a NaN with
    the bits MISSING_BITS, ABSENT_BITS or TYPE_BITS. `categorical` has one list of n raw values for each feature: str,
    float, int, bool, None (missing), ABSENT_VALUE or TYPE_VALUE. Behind the features' own columns both have those that
    `decode/derived.py` makes of vectors and texts, in the order of `Shape.derived`. For an event without `features`,
    `has_features` is False and every feature is absent. `score` is MISSING if there is none. `prediction` and `label`
    (the inline one) are str, int, float, bool, or None if there is none. `raw` are all fields as they came, and
    `confidence` is the probability of the predicted class (NaN if there is none), each where the shape asks for it.
    `tags` has for each wanted tag n texts, None where an event has none, in the order of `Shape.tags`.
    `probabilities` (n, K) are those of all classes of the shape, NaN where they are not known; None without classes.
    """

    key: ModelKey
    rows: NDArray[np.int64]
    has_features: NDArray[np.bool_]
    numeric: NDArray[np.float64]
    categorical: list[list[object]]
    score: NDArray[np.float64]
    prediction: list[object]
    label: list[object]
    raw: RawFields | None = None
    confidence: NDArray[np.float64] | None = None
    tags: list[list[object]] = field(default_factory=list)
    probabilities: NDArray[np.float32] | None = None

    def first(self, count: int) -> Group:
        """The first `count` rows, without raw fields."""
        return replace(
            self,
            rows=self.rows[:count],
            has_features=self.has_features[:count],
            numeric=self.numeric[:, :count],
            categorical=[column[:count] for column in self.categorical],
            score=self.score[:count],
            prediction=self.prediction[:count],
            label=self.label[:count],
            raw=None,
            confidence=None if self.confidence is None else self.confidence[:count],
            tags=[column[:count] for column in self.tags],
            probabilities=None if self.probabilities is None else self.probabilities[:count],
        )


@dataclass(slots=True)
class Rejected:
    """A record with rejected events.

    `index` is the record's position in its batch. For an array, `indices` are the rejected elements and `reason` is
    that of the first one; otherwise `indices` is empty. `count` is the number of rejected events. `message` has what is
    wrong and what would be right, without a value of the payload. `shown` is the offending value, cut to 60 characters,
    for the terminal of whoever runs a command: it is never logged nor dead-lettered.
    """

    index: int
    offset: int
    reason: str
    message: str
    indices: tuple[int, ...]
    count: int
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes (n,) of label events: further results of predictions, each under a name.

    `label` (n,) are places among the label events, rising, and `name` (n,) places in `names`. `values` are str, int,
    float, bool, or None, which takes an earlier one back.
    """

    label: NDArray[np.int64]
    name: NDArray[np.int64]
    names: list[str]
    values: list[object]

    @classmethod
    def none(cls) -> Outcomes:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), [], [])

    def __len__(self) -> int:
        return len(self.values)

    def of(self, kept: NDArray[np.bool_]) -> Outcomes:
        """Those of the label events that are `kept`, which are counted anew."""
        at = np.flatnonzero(kept[self.label])
        label = np.cumsum(kept)[self.label[at]] - 1
        return Outcomes(label, self.name[at], self.names, [self.values[i] for i in at.tolist()])

    def first(self, labels: int) -> Outcomes:
        """Those of the first label events."""
        count = int(np.searchsorted(self.label, labels))
        return Outcomes(self.label[:count], self.name[:count], self.names, self.values[:count])


@dataclass(slots=True)
class Events:
    """Every event of a batch that was not rejected, in order of offset and array position. Arrays are (n,).

    `kind` holds the codes of `monitor.events`, `key` indices into `keys`, `ts` microseconds of Unix time, `id_key` a
    64-bit hash of (model, version, id), 0 without an id, and `join_key` one of (model, id): by it labels meet their
    predictions. `groups` are the model versions that have a shape. For the
    label events, `label_rows` are their positions, `label_values` their labels (None takes an earlier one back,
    ABSENT_VALUE says nothing of it), `label_amounts` their `value` (MISSING if there is none) and `outcomes` their
    further results. `left_aside` are records of a kind that their format does not read.
    """

    kind: NDArray[np.int8]
    key: NDArray[np.int32]
    keys: list[ModelKey]
    ts: NDArray[np.int64]
    offset: NDArray[np.int64]
    id_key: NDArray[np.uint64]
    join_key: NDArray[np.uint64]
    groups: list[Group]
    label_rows: NDArray[np.int64]
    label_values: list[object]
    label_amounts: NDArray[np.float64]
    rejected: list[Rejected]
    tombstones: int
    left_aside: int = 0
    outcomes: Outcomes = field(default_factory=Outcomes.none)

    def __len__(self) -> int:
        return len(self.kind)

    def first(self, count: int) -> Events:
        """The first `count` events; what was rejected stays."""
        labels = int(np.searchsorted(self.label_rows, count))
        return replace(
            self,
            kind=self.kind[:count],
            key=self.key[:count],
            ts=self.ts[:count],
            offset=self.offset[:count],
            id_key=self.id_key[:count],
            join_key=self.join_key[:count],
            groups=[group.first(int(np.searchsorted(group.rows, count))) for group in self.groups],
            label_rows=self.label_rows[:labels],
            label_values=self.label_values[:labels],
            label_amounts=self.label_amounts[:labels],
            outcomes=self.outcomes.first(labels),
        )


def in_a_row(columns: Sequence[list[object]]) -> list[object]:
    """The values of several columns, one column after the other."""
    whole: list[object] = []
    for column in columns:
        whole += column
    return whole


def joined_arrays(several: Sequence[NDArray[_T] | None]) -> NDArray[_T] | None:
    """Arrays of rows, one after the other; either all are there, or none is."""
    there = [one for one in several if one is not None]
    return np.concatenate(there) if there else None
