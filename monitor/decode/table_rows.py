"""Rows of a table as the records of a source: their JSON is made only where somebody asks for it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TableColumn(Protocol):
    """The n values of one feature, with the meaning of the JSON of their rows."""

    def numbers(self) -> NDArray[np.float64]:
        """The cells (n,) of a numeric column, as `Group.numeric` has them."""

    def values(self) -> list[object]:
        """n of str, int, float, bool or None, as a parser of the JSON gives them: floats are finite."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """n rows of which each is a prediction of the same model version, and is certainly accepted by the format.

    But for what limits and names decide: see `TableDecoder`. `model` and `version` are "" where the table has none.
    `ts` (n,) in microseconds; `score` (n,) NaN where there is none. None stands for a column that the table does not
    have. `features` are by name, in the order of the row's object; `tags` by name, None where a row has none.
    `most_bytes` is no less than the JSON of any row.
    """

    model: str
    version: str
    ids: list[str] | None
    ts: NDArray[np.int64]
    score: NDArray[np.float64] | None
    prediction: list[object] | None
    label: list[object] | None
    features: Mapping[str, TableColumn]
    most_bytes: int
    tags: Mapping[str, list[object]] = field(default_factory=dict)


class TableRows(Sequence[bytes]):
    """The rows of a part of a table; each is the JSON of one native event, made when it is asked for."""

    @abstractmethod
    def predictions(self) -> Predictions | None:
        """What the rows say, without their JSON; None where only that tells."""

    @abstractmethod
    def at(self, places: Sequence[int]) -> TableRows:
        """The rows at some places."""

    @property
    @abstractmethod
    def size(self) -> int:
        """About how many bytes are held."""
