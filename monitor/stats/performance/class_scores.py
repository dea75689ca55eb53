"""Probabilities of every class beside the label: counts on a grid that can be merged, and the areas they give.

The grid is the same for every class and model: steps of 1/128, and below 1/32 of either end four steps per factor of
two, down to 2^-20. Probabilities in one step are taken as equal; what that can change of an area is stated beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.performance.score_grid import Area, Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: classes of a model whose probabilities are all kept until the label comes: 64 bytes a prediction at the most
MOST_CLASSES: Final = 16

_FINE_BELOW: Final = 1 / 32
_STEPS: Final = 128
_PER_DOUBLING: Final = 4
_DOUBLINGS: Final = 15


def _edges() -> Floats:
    fine = _FINE_BELOW * 2.0 ** (np.arange(-_DOUBLINGS * _PER_DOUBLING, 0) / _PER_DOUBLING)
    first = int(_FINE_BELOW * _STEPS)
    middle = np.arange(first, _STEPS - first + 1) / _STEPS
    return np.concatenate((fine, middle, 1 - fine[::-1]))


#: a probability equal to an edge is in the step below it
EDGES: Final = _edges()
PLACES: Final = len(EDGES) + 1


_NONE: Final = np.zeros(0, np.int64)
_NONE.flags.writeable = False


def _none() -> Ints:
    """One array for all that are empty: most tallies have no such scores."""
    return _NONE


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Labelled predictions by class, step of its probability, and whether it is the label; never changed.

    `places` (n,), rising, are those of `classes` in this order, each with the steps of other labels before those of its
    own; `counts` (n,) how many, none of them 0.
    """

    classes: tuple[str, ...] = ()
    places: Ints = field(default_factory=_none)
    counts: Ints = field(default_factory=_none)

    def __bool__(self) -> bool:
        return bool(len(self.places))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassScores):
            return NotImplemented
        same = self.classes == other.classes and np.array_equal(self.places, other.places)
        return same and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def __add__(self, other: ClassScores) -> ClassScores:
        """Both together."""
        if not (self and other):
            return self or other
        classes = self.classes if self.classes == other.classes else tuple(sorted({*self.classes, *other.classes}))
        both = [one._by(classes) for one in (self, other)]
        places, which = np.unique(np.concatenate(both), return_inverse=True)
        counts = np.bincount(which, np.concatenate((self.counts, other.counts))).astype(np.int64)
        return _without_zeros(classes, places, counts)

    def _by(self, classes: tuple[str, ...]) -> Ints:
        """The places by other classes, which have these among them."""
        if classes == self.classes:
            return self.places
        moved = np.array([classes.index(name) for name in self.classes], np.int64)
        at, rest = np.divmod(self.places, 2 * PLACES)
        return np.asarray(moved[at] * 2 * PLACES + rest, np.int64)

    def by_class(self) -> Iterator[Scores]:
        """The counts of each class by step of its probability."""
        every = np.zeros(2 * PLACES * len(self.classes))
        every[self.places] = self.counts
        for negative, positive in every.reshape(-1, 2, PLACES):
            yield Scores(negative, positive)

    def mean_area(self, area: Callable[[Scores], Area | None]) -> Area | None:
        """The mean over the classes that were the label of some predictions, and not of all; None without any."""
        known = [one for of_class in self.by_class() if of_class.negative.any() and (one := area(of_class)) is not None]
        if not known:
            return None
        return Area(sum(one.value for one in known) / len(known), sum(one.error for one in known) / len(known))

    def to_state(self) -> dict[str, Any]:
        """Plain values."""
        return {"classes": list(self.classes), "places": self.places.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ClassScores:
        """Back from `to_state`."""
        return _sorted(
            tuple(state["classes"]), np.array(state["places"], np.int64), np.array(state["counts"], np.int64)
        )


_NO_SCORES: Final = ClassScores()


def no_class_scores() -> ClassScores:
    """Those that count nothing."""
    return _NO_SCORES


def counted(
    slots: Ints, count: int, probabilities: Floats, label: Ints, classes: tuple[str, ...], sign: Ints
) -> list[ClassScores]:
    """The counts of each of `count` slots over n labelled predictions with `probabilities` (n, K) of K `classes`.

    `label` (n,) are places among the classes; `sign` (n,) is 1, or -1 to take back.
    """
    each = np.arange(len(classes))
    place = (2 * each + (label[:, None] == each)) * PLACES + np.searchsorted(EDGES, probabilities)
    width = 2 * PLACES * len(classes)
    used, which = np.unique(slots[:, None] * width + place, return_inverse=True)
    totals = np.bincount(which.ravel(), np.repeat(sign, len(classes)), len(used)).astype(np.int64)
    ends = np.searchsorted(used, np.arange(count + 1) * width).tolist()
    return [
        _without_zeros(classes, used[start:end] - slot * width, totals[start:end])
        for slot, (start, end) in enumerate(pairwise(ends))
    ]


def _without_zeros(classes: tuple[str, ...], places: Ints, counts: Ints) -> ClassScores:
    some = counts != 0
    return ClassScores(classes, places[some], counts[some]) if some.any() else _NO_SCORES


def _sorted(classes: tuple[str, ...], places: Ints, counts: Ints) -> ClassScores:
    order = np.argsort(places)
    return _without_zeros(classes, places[order], counts[order])


def packed(several: Sequence[ClassScores]) -> dict[str, Any]:
    """Several as a few arrays; nothing where all are empty."""
    classes = tuple(sorted({name for one in several for name in one.classes}))
    if not classes:
        return {}
    return {
        "classes": list(classes),
        "sizes": np.array([len(one.places) for one in several], np.int64),
        "places": np.concatenate([one._by(classes) if one else one.places for one in several]),
        "counts": np.concatenate([one.counts for one in several]),
    }


def unpacked(state: Mapping[str, Any], count: int) -> list[ClassScores]:
    """Back from `packed` of so many."""
    if not state:
        return [_NO_SCORES] * count
    ends = np.cumsum([0, *np.array(state["sizes"], np.int64).tolist()]).tolist()
    places, counts = (np.array(state[name], np.int64) for name in ("places", "counts"))
    classes = tuple(state["classes"])
    return [_sorted(classes, places[start:end], counts[start:end]) for start, end in pairwise(ends)]
