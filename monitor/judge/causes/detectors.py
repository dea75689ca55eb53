"""River's sequential detectors, as the settings of a model ask for them: beside the tests, outside the page budget.

The values of a detector cannot be merged, so it is fed pane by pane in event-time order, from counts: the errors of a
pane in an order that depends on nothing but the pane (`stats.detector.error_sequence`), or the mean of a numeric column
as one value. That value is in standard errors of the reference, (mean - reference mean) / (sd / sqrt(n)): the same for
any unit and for any number of events in a pane.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from math import isnan, nan, sqrt
from typing import Any, Final, NamedTuple

import numpy as np

from monitor.findings import INFO, Finding, FindingKey
from monitor.judge.causes.cause import SequentialCause
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.errors import PERFORMANCE, PERFORMANCE_NAME
from monitor.judge.comparison.columns import sides_of
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.reference.column import FEATURE, PREDICTION, Column
from monitor.settings.detector import ERROR, DetectorSettings
from monitor.stats.detectors.adwin import Adwin
from monitor.stats.detectors.detector import Detector, error_sequence
from monitor.stats.detectors.error_detectors import Ddm, Eddm, HddmA, HddmW
from monitor.stats.detectors.value_detectors import Kswin, PageHinkley
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import SUM, UNIT
from monitor.text import number, percent

DISTRIBUTION: Final = "distribution"
#: panes whose mean is told as the new one
NEWEST: Final = 6

_MAKERS: Final[dict[str, Callable[..., Detector]]] = {
    "adwin": Adwin,
    "page_hinkley": PageHinkley,
    "kswin": Kswin,
    "hddm_a": HddmA,
    "hddm_w": HddmW,
    "ddm": Ddm,
    "eddm": Eddm,
}
_NAMES: Final = {
    "adwin": "ADWIN",
    "page_hinkley": "Page-Hinkley",
    "kswin": "KSWIN",
    "hddm_a": "HDDM-A",
    "hddm_w": "HDDM-W",
    "ddm": "DDM",
    "eddm": "EDDM",
}
#: the options that are a probability of a false change by the detector's own theory, with River's defaults; the p-value
#: of the others is 1, as they state none
_SIGNIFICANCE: Final = {
    "adwin": ("delta", 0.002),
    "kswin": ("alpha", 0.005),
    "hddm_a": ("drift_confidence", 0.001),
    "hddm_w": ("drift_confidence", 0.001),
}


def new_detector(settings: DetectorSettings) -> Detector:
    """The detector of these settings, before its first value."""
    return _MAKERS[settings.kind](**settings.options())


class PaneSum(NamedTuple):
    """Values of one pane: how many, and their sum (errors, or fixed-point standardised values)."""

    n: int
    total: int


class _Followed:
    """One detector with what it was fed since it last began."""

    def __init__(self, settings: DetectorSettings, place: int | None, column: Column | None) -> None:
        """`place` is the column's in the reference; None: errors."""
        self.settings = settings
        self.place = place
        self.column = column
        self.detector = new_detector(settings)
        #: in its state: another detector starts afresh
        self.name = json.dumps([settings.kind, settings.on, settings.options()], sort_keys=True)
        #: before the newest panes
        self.before = PaneSum(0, 0)
        self.newest: deque[PaneSum] = deque()

    def take(self, values: PaneSum, pane: Block) -> tuple[float, float] | None:
        """Feed a pane; the means before the newest panes and in them if a change is detected and they are known."""
        changed = self._feed(values, pane)
        self.newest.append(values)
        if len(self.newest) > NEWEST:
            oldest = self.newest.popleft()
            self.before = PaneSum(self.before.n + oldest.n, self.before.total + oldest.total)
        if not changed:
            return None
        means = self._mean(self.before), self._mean(_sum(self.newest))
        self.before = PaneSum(0, 0)
        self.newest.clear()
        return means

    def _feed(self, values: PaneSum, pane: Block) -> bool:
        changed = False
        for value in self._values(values, pane):
            if self.detector.update(value):
                self.detector.reset()
                changed = True
        return changed

    def _values(self, values: PaneSum, pane: Block) -> list[float]:
        if self.place is not None:
            return [values.total / UNIT / sqrt(values.n)]
        errors: list[float] = error_sequence(values.n, values.total, pane.start_us).astype(np.float64).tolist()
        return errors

    def _mean(self, values: PaneSum) -> float:
        """In the column's own unit; NaN of nothing."""
        if not values.n:
            return nan
        mean = values.total / values.n
        return mean if self.column is None else self.column.center + self.column.scale * mean / UNIT

    def to_state(self) -> dict[str, Any]:
        newest = np.array(self.newest, np.int64).reshape(-1, 2)
        return {"detector": self.detector.to_state(), "before": list(self.before), "newest": newest}

    def restore(self, state: dict[str, Any]) -> None:
        self.detector.restore(state["detector"])
        self.before = PaneSum(*state["before"])
        self.newest = deque(PaneSum(n, total) for n, total in np.array(state["newest"]).tolist())


class Detectors(SequentialCause):
    """What the detectors of the settings find: `info`, unless a detector's own `severity` says otherwise.

    Where one is a page or a ticket, it ends once the newest base windows begin behind it: only the detector knows it.
    """

    #: the mean of numeric predictions is called as Distribution calls it, too
    names = (PERFORMANCE_NAME, *(named for named in Distribution.names if named.name != PREDICTION))
    state_name = "detectors"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._followed = [self._follow(settings) for settings in policy.model.detectors]
        seasons = prepared.reference.seasons
        self._seasonal = frozenset(() if seasons is None else seasons.columns)

    def _follow(self, settings: DetectorSettings) -> _Followed:
        if settings.on == ERROR:
            return _Followed(settings, None, None)
        place = self.prepared.column_of[settings.on]
        return _Followed(settings, place, self.prepared.columns[place])

    def follows(self) -> bool:
        return bool(self._followed)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        inside = self.prepared.inside(pane.tally.counts) if self._followed else None
        for followed in self._followed:
            if followed.place is None or inside is None:
                values = PaneSum(labels.paired, labels.errors)
            else:
                number, total = int(inside[followed.place]), int(pane.tally.sums[followed.place, SUM])
                values = PaneSum(number, total - self._expected(followed.place, pane, number))
            means = followed.take(values, pane) if values.n else None
            if means is not None:
                yield self._finding(followed, pane, *means)

    def _expected(self, column: int, pane: Block, number: int) -> int:
        """What a daily, weekly or yearly wave adds to the sum of so many values at the time of a pane."""
        if column not in self._seasonal:
            return 0
        side = sides_of(self.prepared)[0]
        (place,) = np.flatnonzero(side.places == column).tolist()
        mean = side.expected_mean(window_of(0, (pane,)), 0, place)
        return 0 if mean is None else round(mean * number * UNIT)

    def _finding(self, followed: _Followed, pane: Block, before: float, now: float) -> Finding:
        windows = window_of(0, (pane,))
        settings, column = followed.settings, followed.column
        name = _NAMES[settings.kind]
        rose = not now < before
        what = "the error rate" if column is None else f"the mean of {settings.on}"
        if followed.place in self._seasonal:
            what += ", less its usual wave,"
        text = percent if column is None else number
        unknown = isnan(before)
        moved = "changed" if unknown else f"{'rose' if rose else 'fell'} from {text(before)} to {text(now)}"
        effect = 0.0 if unknown else (now - before) / (1.0 if column is None else column.scale)
        option, default = _SIGNIFICANCE.get(settings.kind, ("", 1.0))
        return Finding(
            key=self._key(settings, column),
            severity=self._severity(settings, column, rose=rose),
            window=windows.spans[0],
            base_windows=1,
            statistic=settings.kind,
            value=now,
            threshold=now if unknown else before,
            p=float(settings.options().get(option, default)),
            effect=effect,
            effect_unit="error rate" if column is None else "sd",
            exceedance=1.0 + abs(effect),  # a detector says that there is a change, not how far over it is
            direction="up" if rose else "down",
            detail=f"{name} on {settings.on}: {what} {moved}",
            headline=f"{what} {moved}, by {name}",
            records=windows.records(0),
        )

    def _key(self, settings: DetectorSettings, column: Column | None) -> FindingKey:
        if column is None:
            return FindingKey(self.prepared.reference.key.model, PERFORMANCE, figure=settings.kind)
        cause = DISTRIBUTION if column.role == FEATURE else column.role
        return FindingKey(settings.on, cause, figure=settings.kind)

    def _severity(self, settings: DetectorSettings, column: Column | None, *, rose: bool) -> str:
        """Fewer errors are never more than `info`."""
        if column is None and not rose:
            return INFO
        return self.policy.at_most(settings.severity, "" if column is None else column.feature)

    def to_state(self) -> dict[str, Any]:
        return {followed.name: followed.to_state() for followed in self._followed}

    def restore(self, state: dict[str, Any]) -> None:
        for followed in self._followed:
            if followed.name in state:
                followed.restore(state[followed.name])


def _sum(panes: deque[PaneSum]) -> PaneSum:
    return PaneSum(sum(pane.n for pane in panes), sum(pane.total for pane in panes))
