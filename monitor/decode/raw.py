"""The fields of decoded events as they came, wanted or not, by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class RawColumn(NamedTuple):
    """The values of one feature, and which rows have it.

    `rows` (n,) are positions within the rows of the group, rising; `values` has n of str, int, float (also one that is
    not finite), bool, None, list or dict, as the payload has them.
    """

    rows: Ints
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class RawFields:
    """What the rows of a `Group` hold, by name, in the order in which names first came.

    `score_classes` has the rows of predictions whose `scores` name a class, `unread` those with a field that nobody
    reads, `tags` the texts of tags (None for null). Rows are positions within the rows of the group, rising.
    """

    features: dict[str, RawColumn]
    score_classes: dict[str, Ints]
    unread: dict[str, Ints]
    tags: dict[str, RawColumn] = field(default_factory=dict)


class OneEvent(NamedTuple):
    """The features of one event of a record, and its place among all events of it."""

    place: int
    features: Mapping[str, object]
