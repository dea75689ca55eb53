"""One column of a survey: an even sample of its values, and the forms that all of them have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.decode.values import category_value, whole_characters
from monitor.events import Partition
from monitor.stats.tallies.thinning import Thinning

#: values of one column kept for its bins; beyond it every second, fourth, ... value is kept
MAX_SAMPLE: Final = 200_000

#: what a value in `features` is: forms of JSON, with numbers that are none apart
NUMBER, TEXT, BOOLEAN, NULL, INFINITE, NUMBERS, LIST, OBJECT = (
    "number", "text", "boolean", "null", "infinite", "list of numbers", "list", "object",
)  # fmt: skip

Value = str | float | int | bool | None
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class First(NamedTuple):
    """Where a form of value occurred first."""

    partition: Partition
    offset: int
    value: object


class Sample:
    """An even, repeatable sample of a column's values (every k-th one) with the events' times in microseconds.

    `forms` counts all of its values, `firsts` has the first of each form. `first` and `last` are the numbers of the
    events with its first and last value that is not null, from 1 (0: none).
    """

    __slots__ = ("_parts", "_thinning", "_times", "first", "firsts", "forms", "last")

    def __init__(self) -> None:
        self.forms: Counter[str] = Counter()
        self.firsts: dict[str, First] = {}
        self.first = 0
        self.last = 0
        self._thinning = Thinning(MAX_SAMPLE)
        self._parts: list[Sequence[Value] | Floats | Ints] = []
        self._times: list[Ints] = []

    @property
    def values(self) -> list[Value]:
        """The sample; None for anything but numbers, text and booleans."""
        return list(chain.from_iterable(map(_listed, self._parts)))

    def add(self, values: Sequence[object], times: Ints) -> None:
        """Take the next n values and their times (n,) into the sample."""
        for picked, is_full in self._thinning.take(len(values)):
            if picked.start < picked.stop:
                self._parts.append(_compact(values[picked]))
                self._times.append(np.ascontiguousarray(times[picked]))
            if is_full:
                self._parts = [_compact(self.values[::2])]
                self._times = [np.concatenate(self._times)[::2].copy()]

    def note(self, values: Sequence[object], events: Ints, offset: Ints, partition: Partition) -> None:
        """Take the forms of the next n values, the numbers (n,) of their events from 1, and their offsets (n,)."""
        found = _forms(values)
        for form, (count, at) in found.items():
            self.forms[form] += count
            if form not in self.firsts:
                self.firsts[form] = First(partition, int(offset[at]), values[at])
        starts = [at for form, (_, at) in found.items() if form != NULL]
        if starts:
            self.first = self.first or int(events[min(starts)])
            self.last = int(events[_last_value(values) if NULL in found else -1])

    def numbers(self) -> tuple[Floats, Ints] | None:
        """Values and times in time order if all values are numbers, else None."""
        parts = [part for part in self._parts if isinstance(part, np.ndarray)]
        if not parts or len(parts) < len(self._parts):
            return None
        values, times = np.concatenate([part.astype(np.float64) for part in parts]), np.concatenate(self._times)
        order = np.argsort(times, kind="stable")
        return values[order], times[order]

    def in_time_order(self) -> tuple[list[Value], Ints]:
        """Values and times of the sample, sorted by time; equal times keep their order."""
        times, values = np.concatenate([np.zeros(0, np.int64), *self._times]), self.values
        if (times[1:] >= times[:-1]).all():
            return values, times
        order = np.argsort(times, kind="stable")
        return [values[at] for at in order.tolist()], times[order]


_FORMS: Final[dict[type, str]] = {str: TEXT, int: NUMBER, bool: BOOLEAN, dict: OBJECT, type(None): NULL}


def _forms(values: Sequence[object]) -> dict[str, tuple[int, int]]:
    """By form how many of the values have it, and where the first one is."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and (form := _FORMS.get(next(iter(kinds)))) is not None:
        return {form: (len(values), 0)}
    if _finite_floats(values, kinds) is not None:
        return {NUMBER: (len(values), 0)}
    forms = [_FORMS.get(type(value)) or _form_of(value) for value in values]
    return {form: (count, forms.index(form)) for form, count in Counter(forms).items()}


def _form_of(value: object) -> str:
    """The form of a float or list; NaN is null."""
    if isinstance(value, float):
        return NUMBER if math.isfinite(value) else NULL if math.isnan(value) else INFINITE
    if isinstance(value, list):
        numbers = value and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
        return NUMBERS if numbers else LIST
    return OBJECT


def _finite_floats(values: Sequence[object], kinds: set[type]) -> Floats | None:
    """The values as an array if all of them are finite floats, else None."""
    if kinds != {float}:
        return None
    numbers = np.array(values, np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _last_value(values: Sequence[object]) -> int:
    """Index of the last value that is not null."""
    return next(at for at in reversed(range(len(values))) if values[at] is not None and values[at] == values[at])


def _compact(values: Sequence[object]) -> Sequence[Value] | Floats | Ints:
    """The values as an array where all are finite floats or integers of 64 bits; what is no value becomes None."""
    kinds = set(map(type, values))
    if (numbers := _finite_floats(values, kinds)) is not None:
        return numbers
    if kinds == {int}:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            pass
    if kinds == {str} and whole_characters("".join(values)):  # type: ignore[arg-type]  # as `kinds` says
        shared = dict(zip(values, values, strict=True))  # a category's name is kept once a part
        return list(map(shared.__getitem__, values))  # type: ignore[arg-type]  # as above
    return [value if isinstance(value, (str, float, int)) else None for value in map(category_value, values)]


def _listed(part: Sequence[Value] | Floats | Ints) -> Iterable[Value]:
    return part.tolist() if isinstance(part, np.ndarray) else part
