"""What every format decodes to: columns of numbers and categories, one group of rows per model version."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey

#: bit patterns (view the column as uint64) of the three ways in which a numeric cell holds no number
MISSING_BITS: Final = 0x7FF8000000000000
ABSENT_BITS: Final = 0x7FF8000000000001
TYPE_BITS: Final = 0x7FF8000000000002


def _nan(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


#: the same three as floats: `null`, no such key, a value of the wrong type
MISSING: Final = _nan(MISSING_BITS)
ABSENT: Final = _nan(ABSENT_BITS)
TYPE_NAN: Final = _nan(TYPE_BITS)


class _Mark:
    """A named object that no JSON value can be."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


#: the same in categorical columns, where `null` is None
ABSENT_VALUE: Final = _Mark("ABSENT_VALUE")
TYPE_VALUE: Final = _Mark("TYPE_VALUE")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one record: bytes of its value, events in its array, features of one event."""

    record_bytes: int
    events_per_record: int
    features: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder must know of a model version.

    `key_features` are (name, kind) of the wanted features in the order of the columns; ignored ones are not in it.
    `positive` is the canonical text of the positive class: the entry of `scores` that is the score.
    """

    key_features: tuple[tuple[str, str], ...]
    positive: str


@dataclass(slots=True)
class Group:
    """The prediction and features events of one model version within a batch, in their order.

    `rows` are positions within `Events`, rising. `numeric` is (numeric features, rows): finite numbers, or a NaN whose
    bits are MISSING_BITS, ABSENT_BITS or TYPE_BITS. `categorical` holds per feature one raw value a row: str, float,
    int, bool, None (missing), ABSENT_VALUE or TYPE_VALUE. Without `features` in the event a row is absent everywhere
    and `has_features` is False. `score` is MISSING where there is none. `prediction` and `label` (the inline one) are
    str, int, float, bool, or None where there is none.
    """

    key: ModelKey
    rows: NDArray[np.int64]
    has_features: NDArray[np.bool_]
    numeric: NDArray[np.float64]
    categorical: list[list[object]]
    score: NDArray[np.float64]
    prediction: list[object]
    label: list[object]


@dataclass(slots=True)
class Rejected:
    """What is wrong with one record.

    `index` is the record's position in its batch. Of an array, `indices` are the bad elements and `reason` is that of
    the first one; otherwise `indices` is empty. `count` is the number of events that are rejected by it. `message` says
    what is wrong and what would be right, without a value of the payload. `shown` is what came, cut to 60 characters,
    for the terminal of whoever runs a command: it is never logged nor dead-lettered.
    """

    index: int
    offset: int
    reason: str
    message: str
    indices: tuple[int, ...]
    count: int
    shown: str = ""


@dataclass(slots=True)
class Events:
    """Every event of a batch that was not rejected, in order of offset and array position.

    `kind` holds the codes of `monitor.events`, `key` indices into `keys`, `ts` microseconds of Unix time, `id_key` the
    64-bit key of (model, version, id) or 0 where there is no id. `groups` are the model versions that have a shape.
    `label_rows` are the positions of label events, `label_values` their labels (None takes one back) and
    `label_amounts` their `value` (MISSING where there is none).
    """

    kind: NDArray[np.int8]
    key: NDArray[np.int32]
    keys: list[ModelKey]
    ts: NDArray[np.int64]
    offset: NDArray[np.int64]
    id_key: NDArray[np.uint64]
    groups: list[Group]
    label_rows: NDArray[np.int64]
    label_values: list[object]
    label_amounts: NDArray[np.float64]
    rejected: list[Rejected]
    tombstones: int

    def __len__(self) -> int:
        return len(self.kind)
