"""The default rules of other drift monitors, by their published formulas, on chunks and on single values.

They are written anew from what their projects say of them; `rivals.py` names the source of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import chdtri
from scipy.stats import wasserstein_distance

from monitor.judge.causes.detectors import new_detector
from monitor.settings.detector import DetectorSettings

Floats = NDArray[np.float64]

CHUNK: Final = 500
#: Evidently: distances at which a column drifts, and the part of the columns at which the data set does
EVIDENTLY_DISTANCE: Final = 0.1
EVIDENTLY_COLUMNS: Final = 0.5
#: Evidently: a numeric column of no more values than this is compared as categories
FEW_VALUES: Final = 5
#: Scouter: significance and bins (deciles); an empty bin has this share
SCOUTER_ALPHA: Final = 0.05
SCOUTER_BINS: Final = 10
EMPTY: Final = 1e-6


@dataclass(frozen=True)
class Rows:
    """The predictions of one stream: {column: values in order}, NaN is missing; categories are numbered."""

    reference: dict[str, Floats]
    live: dict[str, Floats]
    categories: frozenset[str]
    wrong: NDArray[np.bool_]

    @property
    def events(self) -> int:
        return len(self.wrong)

    def chunks(self) -> Iterator[tuple[int, dict[str, Floats]]]:
        """(number of live events at its end, its columns) of each whole chunk."""
        for first in range(0, self.events - CHUNK + 1, CHUNK):
            yield first + CHUNK, {name: values[first : first + CHUNK] for name, values in self.live.items()}


#: the numbers of live events at which somebody is told
Rule = Callable[[Rows], list[int]]


def _starts(told: list[tuple[int, bool]]) -> list[int]:
    """An alarm that goes on in the next chunk is one."""
    before = [False, *(alarm for _, alarm in told)]
    return [at for (at, alarm), was in zip(told, before, strict=False) if alarm and not was]


def _shares(reference: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Shares of every value of both."""
    values = np.union1d(reference, now)
    return tuple(  # type: ignore[return-value]  # of two
        np.bincount(np.searchsorted(values, part), minlength=len(values)) / len(part) for part in (reference, now)
    )


def evidently_value(reference: Floats, now: Floats, *, category: bool) -> float:
    """For references of more than 1,000 rows: Wasserstein distance in standard deviations, or Jensen-Shannon's."""
    reference, now = reference[~np.isnan(reference)], now[~np.isnan(now)]
    if category or len(np.unique(reference)) <= FEW_VALUES:
        return float(jensenshannon(*_shares(reference, now)))
    return float(wasserstein_distance(reference, now) / max(float(np.std(reference)), 0.001))


def _evidently(rows: Rows) -> Iterator[tuple[int, int]]:
    """(end of a chunk, how many columns drift in it)."""
    for end, chunk in rows.chunks():
        yield (
            end,
            sum(
                evidently_value(rows.reference[name], values, category=name in rows.categories) >= EVIDENTLY_DISTANCE
                for name, values in chunk.items()
            ),
        )


def evidently_column(rows: Rows) -> list[int]:
    """Any column drifts."""
    return _starts([(end, drifted > 0) for end, drifted in _evidently(rows)])


def evidently_data_set(rows: Rows) -> list[int]:
    """Half of the columns drift."""
    columns = len(rows.reference)
    return _starts([(end, drifted >= EVIDENTLY_COLUMNS * columns) for end, drifted in _evidently(rows)])


def scouter(rows: Rows) -> list[int]:
    """The stability index of any column is above its chi-square threshold for a sample of that size."""
    told = []
    edges = {
        name: np.unique(np.nanquantile(values, np.linspace(0, 1, SCOUTER_BINS + 1)[1:-1]))
        for name, values in rows.reference.items()
    }
    for end, chunk in rows.chunks():
        told.append((end, any(_unstable(rows, name, edges[name], values) for name, values in chunk.items())))
    return _starts(told)


def _unstable(rows: Rows, name: str, edges: Floats, now: Floats) -> bool:
    reference = rows.reference[name]
    reference, now = reference[~np.isnan(reference)], now[~np.isnan(now)]
    if not len(now):
        return False
    if name in rows.categories:
        expected, seen = _shares(reference, now)
    else:
        width = len(edges) + 1
        expected, seen = (
            np.bincount(np.searchsorted(edges, part, side="left"), minlength=width) / len(part)
            for part in (reference, now)
        )
    expected, seen = np.maximum(expected, EMPTY), np.maximum(seen, EMPTY)
    index = float(((seen - expected) * np.log(seen / expected)).sum())
    return index > float(chdtri(max(len(expected) - 1, 1), SCOUTER_ALPHA)) / len(now)


def river_on_columns(kind: str) -> Rule:
    """One detector a numeric column, on its values in standard deviations of the reference."""

    def told(rows: Rows) -> list[int]:
        alarms: list[int] = []
        for name, values in rows.live.items():
            if name in rows.categories:
                continue
            center, scale = float(np.nanmean(rows.reference[name])), float(np.nanstd(rows.reference[name]))
            alarms += _detected(kind, (values - center) / scale)
        return sorted(alarms)

    return told


def river_on_errors(kind: str) -> Rule:
    """One detector on the errors in order, each known at once."""
    return lambda rows: _detected(kind, rows.wrong.astype(np.float64))


def _detected(kind: str, values: Floats) -> list[int]:
    detector, alarms = new_detector(DetectorSettings.model_validate({"kind": kind, "on": "error"})), []
    for at, value in enumerate(values.tolist(), 1):
        if value == value and detector.update(value):  # noqa: PLR0124  # NaN is missing
            detector.reset()
            alarms.append(at)
    return alarms
